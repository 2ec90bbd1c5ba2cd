"""The diagnosis of someone else's VAE, on networks whose optimum is known in closed form and on the mistakes
that it is there to find."""

import json

import keras
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.diagnosis import driver as diagnosis
from raygen.diagnosis import log_sigma, measurements, networks
from raygen.errors import ConfigError, OutputError
from raygen.latent import samplers as latent_samplers
from tests.diagnosis.foreign import ROWS, correct, decoder, encoder, names, posted, run, white, with_draw


def figures_of(enc, dec, x, draw="log_var"):
    """What the decoder gives, and the defects in it, without samplers."""
    net = networks.load(enc, dec)
    rows = measurements.posteriors(net.encode(x), draw)
    return measurements.outputs(net, [f"c{i}" for i in range(x.shape[1])], x, rows)[0]


def output_defects(enc, dec, x):
    from raygen.diagnosis.defects import _outputs

    return {d["name"]: d["text"] for d in _outputs(figures_of(enc, dec, x))}


@pytest.mark.parametrize(("d", "variance"), [(2, 0.438), (8, 0.456), (32, 0.474)])
def test_posted_optimum_is_one_of_the_posted_loss(d, variance):
    """No step away from it lowers the loss of one direction: (1 - ab)^2 v + a^2 std^2 + (b^2 v + std - 1 -
    log std) / 2D."""
    root, _, _, best = posted(d)

    def loss(a, b, std):
        return (1 - a * b) ** 2 + a**2 * std**2 + (b**2 + std - 1 - np.log(std)) / (2 * d)

    assert root == pytest.approx(variance, abs=5e-4)
    assert all(
        loss(*np.multiply(best, step)) > loss(*best)
        for step in np.exp(1e-3 * np.eye(3)).tolist() + np.exp(-1e-3 * np.eye(3)).tolist()
    )


@pytest.mark.parametrize(("d", "variance"), [(2, 0.438), (32, 0.474)])
def test_posted_loss_is_read_from_the_weights_and_gives_its_var_z(d, variance):
    _, enc, dec, _ = posted(d)
    net, x = networks.load(enc, dec), white(d)
    read = measurements.read_convention(net, x, net.encode(x))
    assert (read["convention"], read["draw"], read["told"]) == ("mixed", "log_sigma", True)
    rows = measurements.posteriors(net.encode(x), read["draw"])
    np.testing.assert_allclose(np.diag(rows.covariance), variance, rtol=0.01)


def test_misfits_of_the_posted_optimum_are_those_of_its_equations():
    """With std s: under log_sigma 2/3 (1 + 2s) / (3 + 2s), under log_var ((1 - 2s) / (1 + 2s) + 1/3) / 3,
    under its own 0."""
    _, enc, dec, (_, _, s) = posted(8)
    net, x = networks.load(enc, dec), white(8)
    found = log_sigma.of_weights(x, *net.encode(x), net.decode_graph, ["squared"])
    expected = {
        "mixed": 0.0,
        "log_sigma": 2 / 3 * (1 + 2 * s) / (3 + 2 * s),
        "log_var": ((1 - 2 * s) / (1 + 2 * s) + 1 / 3) / 3,
    }
    assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.slow
def test_posted_loss_is_diagnosed_and_rows_are_written(files, tmp_path):
    _, enc, dec, _ = posted(8)
    paths = files(enc, dec, white(8))
    out, page = tmp_path / "rows.csv", tmp_path / "page.html"
    result, said = run(*paths, generate=3000, out=str(out), page=str(page), seed=5)
    assert result["convention"]["convention"] == "mixed"
    assert names(result) == ["convention", "over-dispersed"]
    samplers = result["latent"]["samplers"]
    assert all(0.44 < d["variance"] < 0.47 and d["active"] for d in result["latent"]["dimensions"])
    for name, ratio in (("normal", 2.13), ("diagonal", 0.97), ("naive", 0.0277)):
        assert samplers[name]["variance_ratio"] == pytest.approx(ratio, rel=0.05)
    assert result["latent"]["chosen"] != "normal"
    assert samplers["normal"]["behind"] == pytest.approx(0.965, abs=0.15)  # 8 (.456 - 1 - ln .456) / 2
    assert 0.25 < result["holes"]["normal"] < 0.42  # chi2_8 > .456 * its 99 % point: .33
    assert result["holes"]["gaussian"] < 0.03
    assert "std = exp(o)" in said and "over-disperses about 2.2-fold" in said
    residual = (1 - (1 - 0.0285) ** 0.5 * (1 - 0.0285) ** 0.5) ** 2 + 2.13 * 0.01300
    assert result["outputs"]["residual_share_median"] == pytest.approx(residual, rel=0.1)
    html = page.read_text()
    assert "the two do not agree" in html and "<svg" in html
    table = pd.read_csv(out)
    assert (len(table), list(table)) == (3000, [f"c{i}" for i in range(8)])
    np.testing.assert_allclose(table.var(), 0.97 + residual, rtol=0.12)
    json.dumps(result)


@pytest.mark.slow
def test_a_correct_vae_has_no_defect_and_its_law_is_normal(files, tmp_path):
    enc, dec = correct()
    result, said = run(*files(enc, dec, white(4, rows=2000)))
    assert result["defects"] == [] and "No defect was found." in said
    assert result["convention"]["convention"] == "log_var" and result["convention"]["told"]
    assert result["latent"]["chosen"] == "normal"
    assert result["holes"]["normal"] < 0.03 and result["outputs"]["residual_share_median"] == pytest.approx(
        0.1, rel=0.15
    )


@pytest.mark.slow
def test_clusters_leave_holes_that_no_gaussian_mends(files):
    rng = np.random.default_rng(0)
    x = (4 * rng.choice([-1, 1], (1500, 2)) + 0.3 * rng.normal(size=(1500, 2))).astype(np.float32)
    result, _ = run(
        *files(encoder(0.25 * np.eye(2), np.log(0.02)), decoder(4 * np.eye(2)), x), convention="log_var"
    )
    assert "holes" in names(result) and result["holes"]["gaussian"] > 0.3
    assert result["latent"]["chosen"] == "mixture"


def test_a_consistent_log_sigma_is_told_from_the_two_others():
    d, noise = 4, 0.1
    a = (1 - noise) ** 0.5
    net, x = networks.load(encoder(a * np.eye(d), 0.5 * np.log(noise)), decoder(a * np.eye(d))), white(d)
    assert measurements.read_convention(net, x, net.encode(x))["convention"] == "log_sigma"


@pytest.mark.slow
def test_a_vae_trained_by_adam_is_read_rightly():
    """Hidden layers of 32, 8 columns that hang on 3, one second of training with the posted loss; the rate
    falls to 0, so that it comes to rest."""
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(ROWS, 3)) @ rng.normal(size=(3, 8)) + 0.3 * rng.normal(size=(ROWS, 8))
    x = (x / x.std(axis=0)).astype(np.float32)
    taken = keras.Input((8,))
    hidden = keras.layers.Dense(32, activation="relu")(taken)
    enc = keras.Model(taken, [keras.layers.Dense(3)(hidden), keras.layers.Dense(3)(hidden)])
    dec = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(8)]
    )
    weights = enc.trainable_variables + dec.trainable_variables
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, 60 * 40))
    optimizer.build(weights)

    @tf.function
    def epoch():
        for start in tf.range(0, ROWS - 99, 100):
            rows = tf.constant(x)[start : start + 100]
            with tf.GradientTape() as tape:
                z_mean, o = enc(rows)
                made = dec(z_mean + tf.exp(o) * tf.random.normal(tf.shape(o)))
                kl = 0.5 * tf.reduce_mean(z_mean**2 - 1 - o + tf.exp(o), axis=1)
                loss = tf.reduce_mean(tf.reduce_sum((rows - made) ** 2, axis=1) + kl)
            optimizer.apply(tape.gradient(loss, weights), weights)

    for _ in range(60):
        epoch()
    net = networks.load(enc, dec)
    read = measurements.read_convention(net, x, net.encode(x))
    assert (read["convention"], read["told"]) == ("mixed", True), read


def test_a_third_output_tells_what_the_draw_does():
    rng = np.random.default_rng(0)
    z_mean, o = rng.normal(size=(2, 500, 3)).astype(np.float32)
    noise = rng.normal(size=z_mean.shape)
    assert log_sigma.of_draws(z_mean, o, z_mean + np.exp(o) * noise)[0] == "log_sigma"
    assert log_sigma.of_draws(z_mean, o, z_mean + np.exp(0.5 * o) * noise)[0] == "log_var"
    assert log_sigma.of_draws(z_mean, o, z_mean)[0] == ""


def test_three_outputs_are_read_and_the_kl_is_still_read_from_the_weights():
    _, enc, dec, _ = posted(8)
    net, x = networks.load(with_draw(enc), dec), white(8)
    read = measurements.read_convention(net, x, net.encode(x))
    assert (net.outputs, read["convention"], read["told"]) == (3, "mixed", True)
    assert "its z shows it" in read["why"]


def test_nothing_active_is_not_told_and_the_name_is_followed():
    x = keras.Input((3,))
    heads = [
        keras.layers.Dense(2, kernel_initializer="zeros", name=name)(x) for name in ("z_mean", "Z-Log-Sigma")
    ]
    net = networks.load(keras.Model(x, heads), decoder(np.zeros((2, 3))))
    read = measurements.read_convention(net, white(3), net.encode(white(3)))
    assert (read["draw"], read["told"], read["misfits"]) == ("log_sigma", False, {})
    assert "guess" in read["why"]


def test_dense_1_relu_is_found():
    x = white(4)
    enc = encoder(np.eye(4), np.log(0.1))
    found = output_defects(enc, decoder(np.ones((4, 1)), activation="relu"), x)
    assert set(found) >= {"broadcast", "range"}
    assert "a row has 4" in found["broadcast"]
    assert "cannot be negative" in found["range"] and "50 %" in found["range"]
    dead = output_defects(enc, decoder(np.zeros((4, 1)), bias=-1.0, activation="relu"), x)
    assert set(dead) == {"broadcast", "constant"} and "relu that has died" in dead["constant"]


def test_relu_on_standardised_rows_is_found_and_a_linear_output_is_not():
    x, enc = white(4), encoder(np.eye(4), np.log(0.1))
    assert set(output_defects(enc, decoder(np.eye(4), activation="relu"), x)) == {"range"}
    assert output_defects(enc, decoder(0.9 * np.eye(4)), x) == {}


def test_rows_that_the_network_was_not_fed_with_are_found():
    enc, dec = correct()
    x = white(4) * np.array([1, 1, 1, 50], np.float32)
    assert set(output_defects(enc, dec, x)) == {"unscaled"}
    assert "misfed" in output_defects(enc, dec, white(4) * 0.1 + 5)


def test_generate_gives_exactly_n_rows_the_same_by_seed(files, tmp_path):
    net = networks.load(*correct())
    sampler = latent_samplers.fit(
        "normal",
        *[latent_samplers.Posteriors(np.zeros((9, 4), np.float32), np.zeros((9, 4), np.float32))] * 2,
    )
    schema = networks.read_table(files(*correct(), white(4))[2], net)[0].schema
    tables = []
    for name, seed, rows in (("a", 1, 5000), ("b", 1, 5000), ("c", 2, 5000), ("d", 1, 2049), ("e", 1, 1)):
        out = str(tmp_path / f"{name}.parquet")
        diagnosis._write(measurements.blocks(net, sampler, np.full(4, 0.3), seed), schema, rows, out)
        tables.append(pq.read_table(out))
    assert [t.num_rows for t in tables] == [5000, 5000, 5000, 2049, 1]
    assert tables[0].equals(tables[1]) and not tables[0].equals(tables[2])
    assert tables[0].slice(0, 2049).equals(tables[3]) and tables[0].slice(0, 1).equals(tables[4])
    assert [str(t) for t in tables[0].schema.types] == ["float"] * 4  # as the rows were
    np.testing.assert_array_equal(*measurements.blocks(net, sampler, np.zeros(4), 1)(0))
    noise = [
        np.subtract(*measurements.blocks(net, sampler, np.full(4, 0.3), seed)(number))
        for seed, number in ((1, 0), (2, 0), (1, 1))
    ]
    assert all(n.std() == pytest.approx(0.3, rel=0.03) for n in noise)
    assert not any(np.allclose(noise[0], other, atol=1e-4) for other in noise[1:])


def test_a_table_too_large_is_sampled_by_the_seed(files, monkeypatch):
    monkeypatch.setattr(networks, "MAX_ROWS", 1000)
    path = files(*correct(), white(4))[2]
    net = networks.load(*correct())
    (a, there), (b, _), (c, _) = (networks.read_table(path, net, seed) for seed in (1, 1, 2))
    assert (len(a), there) == (1000, ROWS) and a.equals(b) and not a.equals(c)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"generate": 5}, "--generate and --out together"),
        ({"generate": 5, "out": "x.xlsx"}, "neither .parquet nor .csv"),
        ({"page": "x.pdf"}, "no .html file"),
        ({"convention": "log_std"}, "--convention 'log_std' is unknown"),
        ({"sampler": "gausian"}, "--sampler 'gausian' is unknown"),
        ({"sampler": "flow", "flow_steps": 0}, "leaves the flow out"),
        ({"seed": -1}, "none may be negative"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_loaded(options, said):
    with pytest.raises(ConfigError, match=said):
        raygen.doctor("no.keras", "no.keras", "no.csv", **options)


def test_an_existing_file_is_not_replaced(tmp_path):
    out = tmp_path / "rows.csv"
    out.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        raygen.doctor("no.keras", "no.keras", "no.csv", generate=3, out=str(out))
    assert out.read_text() == "mine"


@pytest.mark.slow
def test_command_line(files, tmp_path, run_cli):
    x = white(4, rows=400)
    paths, out = (
        files(encoder(np.eye(4), np.log(0.1)), decoder(np.ones((4, 1)), activation="relu"), x),
        tmp_path / "new.parquet",
    )
    status, said, err = run_cli(
        "doctor",
        *paths,
        "--generate",
        "7",
        "--out",
        out,
        "--flow-steps",
        "0",
        "--sampler",
        "diagonal",
        "--json",
    )
    assert (status, err) == (0, "")
    result = json.loads(said.splitlines()[-1])
    assert (
        names(result)[0] == "broadcast"
        and result["rows_written"] == 7
        and result["latent"]["chosen"] == "diagonal"
    )
    assert pq.read_metadata(out).num_rows == 7
    status, _, err = run_cli("doctor", *paths[:2], tmp_path / "none.csv")
    assert status == 2 and "does not exist" in err and "Traceback" not in err
