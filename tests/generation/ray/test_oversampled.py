"""Rows chosen out of several candidates: as `raygen.sample` gives them, for any actors; what it does not go
with is refused."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.errors import ConfigError, ModelError, OutputError
from raygen.model import folder as model_folder
from raygen.report.latent.record import LatentReport

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]
ROWS, FACTOR = 5000, 3


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def model(trained, tiny, tmp_path_factory) -> str:
    """A tiny model with a density ratio."""
    folder, lines = trained.fresh_run(tmp_path_factory.mktemp("oversample") / "run"), []
    done = raygen.train(tiny(folder, {"latent.density_ratio": True}), lines.append)
    (told,) = [line for line in lines if line.startswith("Density ratio")]
    figures = done.metrics["density_ratio"]
    assert f"{figures['trees']} trees, held-out loss {figures['held_out_loss']:.4f} nats" in told
    assert figures["trees"] > 0 and figures["held_out_loss"] < 0.69  # rows of 60 steps are easily told
    return done.model


@pytest.fixture(scope="module")
def written(model, tmp_path_factory) -> Path:
    """5,000 rows in five shards, by two actors."""
    folder = tmp_path_factory.mktemp("rows") / "out"
    given = {
        "generate.rows_per_shard": 1100,
        "generate.num_actors": 2,
        "generate.oversample": FACTOR,
        "run.folder": str(Path(model).parent),
    }
    done = raygen.generate(model_folder.load(model).config.override(given), ROWS, out=str(folder), say=silent)
    assert (done.rows, done.shards) == (ROWS, 5)
    return folder


def test_files_hold_the_rows_of_sample(model, written):
    rows = pq.ParquetDataset(written).read().replace_schema_metadata(None)
    assert raygen.sample(model, ROWS, oversample=FACTOR).equals(rows)
    assert raygen.sample(model, 2100, oversample=FACTOR).equals(rows.slice(0, 2100))
    assert not raygen.sample(model, ROWS).equals(rows) and not raygen.sample(
        model, ROWS, oversample=2
    ).equals(rows)


def test_a_damaged_shard_is_mended(written, tmp_path):
    shutil.copytree(written, tmp_path / "out")
    (part,) = (tmp_path / "out").glob("part-00000002.parquet")
    whole = part.read_bytes()
    part.write_bytes(whole[:-1])
    assert raygen.verify(str(tmp_path / "out"), repair=True, say=silent).repaired == 1
    assert part.read_bytes() == whole


def test_they_are_more_like_the_table_and_a_folder_is_of_one_factor(model, written, table):
    from raygen.metrics import fidelity

    real, kinds = pq.read_table(table), model_folder.load(model).codec.schema.kinds
    plain, kept = (
        fidelity.c2st(real, rows, kinds)
        for rows in (raygen.sample(model, ROWS), pq.ParquetDataset(written).read())
    )
    assert kept > plain + 0.02
    for other in (1, 2):
        with pytest.raises(OutputError, match=rf"oversample {FACTOR}[,)].*this one has oversample {other}"):
            raygen.generate(model, ROWS, out=str(written), say=silent, oversample=other)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--oversample", 0), "generate.oversample = 0: expected a value greater than or equal to 1"),
        (("--oversample", 17), "generate.oversample = 17: expected a value less than or equal to 16"),
        (
            ("--oversample", 2, "--where", "age > 30"),
            "generate.oversample = 2 does not go with generate.where = 'age > 30'",
        ),
        (("--oversample", 2, "--per", "income=10"), "does not go with generate.per = 'income=10'"),
        (("--oversample", 2, "--temperature", 0.5), "does not go with generate.temperature = '0.5'"),
        (("--oversample", 2, "--sampler", "normal"), "does not go with generate.sampler = 'normal'"),
    ],
)
def test_what_it_does_not_go_with_is_refused(given, message, model, run_cli, tmp_path):
    for verb in ("generate", "plan"):
        status, _, err = run_cli(verb, model, "--out", tmp_path / "out", *given)
        assert status == 2 and message in err and "Hint:" in err
    assert not (tmp_path / "out").exists()


def test_a_model_without_a_density_ratio_is_refused(trained, tmp_path):
    with pytest.raises(
        ConfigError, match=r"generate.oversample = 4 chooses rows by a density ratio, and model .* has none"
    ) as caught:
        raygen.generate(trained.model, 10, out=str(tmp_path / "out"), say=silent, oversample=4)
    assert "latent.density_ratio = true" in caught.value.hint
    with pytest.raises(ConfigError, match="has none"):
        raygen.sample(trained.model, 10, oversample=4)


def test_the_density_ratio_is_part_of_the_model(model, tmp_path):
    found = model_folder.load(model)
    again = model_folder.save(
        str(tmp_path / "same"),
        found.config,
        found.codec,
        found.network(),
        found.samplers,
        found.metrics,
        LatentReport(chosen=found.sampler),
        found.ratio,
    )
    without = model_folder.save(
        str(tmp_path / "none"),
        found.config,
        found.codec,
        found.network(),
        found.samplers,
        found.metrics,
        LatentReport(chosen=found.sampler),
    )
    assert again == found.fingerprint != without
    with np.load(tmp_path / "same" / "ratio.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["raked"], found.ratio.raked)
    (tmp_path / "same" / "ratio.npz").write_bytes(b"")
    with pytest.raises(ModelError, match=r"ratio\.npz was truncated or edited"):
        model_folder.load(str(tmp_path / "same"))
