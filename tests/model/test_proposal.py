"""The proposal: trained, it comes nearer to the posteriors of whole rows than the encoder does by parts; it
is kept in a model folder, and refused where it is damaged."""

import numpy as np
import pytest
import tensorflow as tf

import raygen
from raygen.errors import ModelError
from raygen.model import folder as model_folder
from raygen.model import proposal
from raygen.model.vae import positions
from tests import untrained

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """A model, its network, and codes, offsets and posteriors of rows that say much of z."""
    rows = untrained.table(2000)
    found = model_folder.load(untrained.save(tmp_path_factory.mktemp("run") / "model", rows))
    network = found.network()
    for weight in network.mean_head.trainable_variables:
        weight.assign(3 * weight.numpy())
    codes, offsets = found.codec.encode(rows)
    inputs = tf.constant(codes.astype(np.int32)), positions(tf.constant(offsets))
    return found, network, (codes, offsets), tuple(x.numpy() for x in network.encode(*inputs))


def misfit(found: proposal.Proposal, encoded, share: float) -> float:
    """Mean of -log q(z | part of the row) over draws of z | row, up to a constant, in nats."""
    _, network, (codes, offsets), (mean, log_var) = encoded
    known = (np.random.default_rng(0).random(codes.shape) < share).astype(np.float32)
    inputs = tf.constant(codes.astype(np.int32)), positions(tf.constant(offsets))
    centre, spread = (x.numpy() for x in found.gaussian(network)(tf.constant(known), *inputs))
    away = ((centre - mean) ** 2 + np.exp(log_var)) * np.exp(-spread)
    return float(0.5 * np.mean(np.sum(away + spread, axis=1)))


def test_of_whole_rows_the_encoder_itself_is_best(encoded):
    log_var = encoded[3][1]
    least = float(0.5 * np.mean(np.sum(1 + log_var, axis=1)))
    assert misfit(proposal.of_encoder(encoded[1]), encoded, 1.0) == pytest.approx(least, abs=1e-4)


def test_training_brings_it_nearer_to_rows_known_in_part(encoded):
    _, network, rows, posterior = encoded
    fitted = proposal.fit(network, rows, posterior, 300, 0)
    for share in (0.0, 0.5):
        assert misfit(fitted, encoded, share) < misfit(proposal.of_encoder(network), encoded, share) - 0.05
    again = proposal.fit(network, rows, posterior, 300, 0)
    assert all(np.array_equal(again.arrays[name], array) for name, array in fitted.arrays.items())


def saved(encoded, folder, own: proposal.Proposal) -> str:
    found = encoded[0]
    model_folder.save(
        str(folder),
        found.config,
        found.codec,
        found.network(),
        found.samplers,
        found.metrics,
        model_folder.read_report(found.uri),
        found.ratio,
        proposal=own,
    )
    return str(folder)


def test_a_model_folder_keeps_it_and_completion_uses_it(encoded, tmp_path):
    own = proposal.of_encoder(encoded[1])
    model, said = saved(encoded, tmp_path / "model", own), []
    found = model_folder.load(model)
    assert found.fingerprint == encoded[0].fingerprint  # no generated row depends on it
    kept = found.proposal(found.network()).arrays
    assert all(np.array_equal(kept[name], array) for name, array in own.arrays.items())
    raygen.complete(model, untrained.table(5).select(["letter"]), say=said.append)
    assert "without a proposal" not in " ".join(said)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("mean_bias"), "is of another network"),
        (lambda arrays: arrays.update(mean_bias=np.zeros(7, np.float32)), "is of another network"),
        (lambda arrays: arrays["mean_bias"].fill(np.nan), "is of another network"),
        (lambda arrays: arrays.update(mean_bias=np.array(["text"])), "cannot be read"),
    ],
)
def test_a_forged_one_is_refused(encoded, tmp_path, change, message):
    arrays = {name: array.copy() for name, array in proposal.of_encoder(encoded[1]).arrays.items()}
    change(arrays)
    model = saved(encoded, tmp_path / "model", proposal.Proposal(arrays))
    with pytest.raises(ModelError, match=message):
        raygen.complete(model, untrained.table(5), say=lambda line: None)
