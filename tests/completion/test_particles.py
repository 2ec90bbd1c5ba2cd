"""Particles against the model itself: rows that it draws by chance with the same cells."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

from raygen import rng
from raygen.completion.completed import Completed
from raygen.completion.givens import Encoder
from raygen.completion.loaded import Loaded
from raygen.completion.partial import Reader
from raygen.completion.particles import Particles
from raygen.completion.settings import Settings
from raygen.model import folder as model_folder
from raygen.model import proposal
from raygen.sampling.decoder import decoder_of
from raygen.table.part import Part
from tests import untrained

pytestmark = pytest.mark.slow

CATEGORIES = {"a": 3, "b": 4, "c": 2}
BLOCKS = 200  # of rows that the model draws by chance


def table(rows: int = 600) -> pa.Table:
    draws = rng.generator(0, "a test")
    columns = {n: [f"{n}{v}" for v in draws.integers(0, k, rows)] for n, k in CATEGORIES.items()}
    return pa.table(columns | {"x": draws.normal(size=rows)})


@pytest.fixture(scope="module", params=["autoregressive", "independent"])
def trained(request, tmp_path_factory):
    """A model whose columns hang together, though it was not trained."""
    folder = tmp_path_factory.mktemp(request.param) / "model"
    found = model_folder.load(untrained.save(folder, table(), {"model.decoder": request.param}))
    network = found.network()
    draws = rng.generator(1, "a test")
    for weight in network.trainable_variables:
        if "code_bias" not in weight.path:
            weight.assign(weight.numpy() + 0.3 * draws.normal(size=weight.shape))
    return found, network


def chance(found, network) -> np.ndarray:
    """Codes of rows as the model draws them."""
    drawn = decoder_of(network, found.samplers[found.sampler], 5)
    return np.concatenate([drawn.block(i)[0] for i in range(BLOCKS)])


def proposals(network):
    yield None
    yield proposal.of_encoder(network)


def test_probabilities_and_cells_are_those_of_rows_drawn_by_chance(trained):
    found, network = trained
    rows, names = chance(found, network), found.codec.parts
    members = [found.codec.blocks[Part(name)].members for name in CATEGORIES]
    place = [names.index(Part(name)) for name in CATEGORIES]
    for way, (first, last) in itertools.product(proposals(network), [(0, 1), (1, 0), (2, 1)]):
        given = pa.table({n: [members[i][k]] for i, (n, k) in enumerate([("a", first), ("c", last)][:1])})
        given = given.append_column("c", pa.array([members[2][last]]))
        same = (rows[:, place[0]] == first) & (rows[:, place[2]] == last)
        particles = Particles(network, found.samplers[found.sampler], way, 256, 3)
        reader, encoder = Reader(found.codec, given.schema), Encoder(found.codec)
        many = pa.concat_tables([given] * particles.rows)
        clouds = [particles.cloud(i, encoder.of(reader.read(many))) for i in range(40)]
        estimate = np.mean([np.exp(cloud.log_probability) for cloud in clouds])
        error = np.std([np.exp(c.log_probability).mean() for c in clouds]) / np.sqrt(len(clouds))
        expected, sampling = same.mean(), np.sqrt(same.mean() / len(rows))
        assert abs(estimate - expected) < 5 * np.hypot(error, sampling)
        weights = np.concatenate([cloud.weights.ravel() for cloud in clouds])
        drawn = np.concatenate([cloud.codes.reshape(-1, len(names)) for cloud in clouds])
        assert (drawn[:, place[0]] == first).all() and (drawn[:, place[2]] == last).all()
        shares = np.bincount(drawn[:, place[1]], weights, 4) / weights.sum()
        wanted = np.bincount(rows[same, place[1]], minlength=4) / same.sum()
        assert np.abs(shares - wanted).max() < 0.02 + 3 / np.sqrt(same.sum())


def test_a_number_given_weighs_its_density(trained):
    """The mean over given numbers of the estimated density, by the bar, is one."""
    found, network = trained
    values = np.sort(table()["x"].to_numpy())[5:-5:2]
    particles = Particles(network, found.samplers[found.sampler], None, 64, 3)
    reader, encoder = Reader(found.codec, pa.schema([("x", pa.float64())])), Encoder(found.codec)
    block = found.codec.blocks[Part("x")]
    total = []
    for i in range(0, len(values), particles.rows):
        some = pa.table({"x": values[i : i + particles.rows]})
        givens = encoder.of(reader.read(some))
        cloud = particles.cloud(i, givens.padded(particles.rows))
        column = found.codec.parts.index(Part("x"))
        mass = block.frequencies()[givens.codes[:, column]]
        total += list(np.exp(cloud.log_probability[: some.num_rows]) / mass)
    assert abs(np.mean(total) - 1) < 0.2


def test_the_likelihood_of_drawn_rows_is_their_chance(trained):
    found, network = trained
    particles = Particles(network, found.samplers[found.sampler], None, 32, 3)
    reader = Reader(found.codec, pa.schema([("a", pa.string())]))
    givens = Encoder(found.codec).of(reader.read(pa.table({"a": ["a0"] * particles.rows})))
    cloud = particles.cloud(0, givens)
    flat = (array.reshape(2048, -1) for array in (cloud.z, cloud.codes, cloud.places))
    likelihood = particles.log_likelihood(*flat)
    open_ = ~givens.known.astype(bool)[0]
    assert np.abs(likelihood[:, open_] - cloud.log_drawn.reshape(2048, -1)[:, open_]).max() < 1e-3
    given = likelihood[:, ~open_].sum(axis=1).reshape(particles.rows, 32)
    assert np.abs(given + cloud.log_prior - cloud.log_weight).max() < 1e-3


def test_draws_of_a_row_share_their_particles(trained):
    """Few particles of each draw are many of all: their law is that of the model's rows with these cells,
    though one draw by itself would come from the few that it has."""
    found, network = trained
    rows, names = chance(found, network), found.codec.parts
    place = [names.index(Part(name)) for name in CATEGORIES]
    members = [found.codec.blocks[Part(name)].members for name in CATEGORIES]
    rare = np.argmin(np.bincount(rows[:, place[2]]))
    same = rows[:, place[2]] == rare
    wanted = np.bincount(rows[same, place[1]], minlength=4) / same.sum()
    given = pa.table({"c": [members[2][rare]] * 20})

    def away(draws: int, given: pa.Table) -> float:
        loaded = Loaded(found)
        loaded.network = network
        reader = Reader(found.codec, given.schema)
        made = Completed(
            loaded, reader, lambda a, b: given.slice(a, b - a), Settings(draws=draws, particles=1)
        )
        drawn = made.table(0, given.num_rows * draws)["b"].to_pylist()
        shares = [drawn.count(member) / len(drawn) for member in members[1]]
        return float(np.abs(np.array(shares) - wanted).max())

    assert away(1000, given) < 0.03 < away(1, pa.concat_tables([given] * 1000))
