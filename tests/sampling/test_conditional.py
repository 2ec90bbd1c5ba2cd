"""Rows under conditions, against the exact law of a small network, and what temperature does."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from raygen.codec.code_ranges import STEP, Pieces, whole
from raygen.codec.tables import Tables
from raygen.errors import ConfigError
from raygen.latent import samplers as latent_samplers
from raygen.latent.gaussians import Gaussians
from raygen.model.vae import VAE
from raygen.sampling import conditional
from raygen.sampling.candidates import Candidates
from raygen.sampling.conditional import Conditional, explore
from raygen.sampling.decoder import Decoder, decoder_of
from raygen.sampling.resampling import resampled
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.selection import Proposal, Selection
from raygen.sampling.strata import Stratum
from raygen.sampling.turn_candidates import TurnCandidates
from tests.model.test_vae import SIZES, small_vae

pytestmark = pytest.mark.slow

BLOCKS = 20
DECODERS = ("independent", "autoregressive")
ORDER = [2, 0, 3, 1]  # of an autoregressive decoder


def in_turn(vae, order=()):
    """The same network with an autoregressive decoder, whose columns depend on those before them."""
    turned = VAE(**vae.settings | {"decoder": "autoregressive", "turn_width": 8, "order": list(order)})
    own = {id(variable) for variable in turned.turn.weights}
    shared = [variable for variable in turned.weights if id(variable) not in own]
    for variable, same in zip(shared, vae.weights, strict=True):
        variable.assign(same)
    rng = np.random.default_rng(4)
    for variable in (turned.turn.embedding.own, turned.turn.kernel.own, turned.turn.offset_kernel):
        variable.assign(rng.normal(0, 0.7, variable.shape))
    return turned


def network(decoder="independent", spread=0.5):
    """A network whose codes and offsets depend on z, and on the columns before them."""
    vae, rng = small_vae(), np.random.default_rng(0)
    vae.code_kernel.own.assign(rng.normal(0, spread, vae.code_kernel.own.shape))
    vae.code_bias.assign(rng.normal(0, 0.5, sum(SIZES)))
    vae.offset_head.kernel.assign(rng.normal(0, 1, vae.offset_head.kernel.shape))
    low = np.concatenate([np.linspace(-2, 2, size, endpoint=False) for size in SIZES])
    vae.score_low.assign(low)
    vae.score_high.assign(low + np.concatenate([np.full(size, 4 / size) for size in SIZES]))
    return vae if decoder == "independent" else in_turn(vae, ORDER)


def sampler():
    rng = np.random.default_rng(1)
    means, scales = rng.normal(0, 1.5, (5, 3)).astype(np.float32), np.full((5, 3), 0.7, np.float32)
    return Gaussians("mixture", np.array([0.4, 1e-9, 0.3, 0.2, 0.1], np.float32), means, scales)


def piece(codes, low=0.0, high=1 - STEP):
    ones = np.ones(len(codes), np.float32)
    return Pieces(np.array(codes), ones * np.float32(low), ones * np.float32(high))


def meets(pieces, codes, position):
    """bool of shape (rows,): the row is in a piece of every conditioned block."""
    out = np.ones(len(codes), bool)
    for i, p in pieces.items():
        inside = (
            (codes[:, i, None] == p.codes)
            & (position[:, i, None] >= p.low)
            & (position[:, i, None] <= p.high)
        )
        out &= inside.any(axis=1)
    return out


def rows(source, blocks=BLOCKS):
    return (np.concatenate(part) for part in zip(*map(source.block, range(blocks)), strict=True))


def distance(a, b):
    """Total variation between the codes of two sets of rows, the largest over columns."""
    counts = [
        [np.bincount(part[:, i], minlength=size) / len(part) for i, size in enumerate(SIZES)]
        for part in (a, b)
    ]
    return max(np.abs(x - y).sum() / 2 for x, y in zip(*counts, strict=True))


CONDITIONS = {
    "codes": {len(SIZES) - 1: whole(np.array([0]))},
    "part of a bar": {0: piece([0, 1], 0.25, 0.6)},
    "two parts of one bar": {
        0: Pieces(np.array([1, 1]), np.array([0.1, 0.8], np.float32), np.array([0.2, 0.9], np.float32))
    },
    "part of a group, and codes": {len(SIZES) - 1: piece([1], 0.5), 0: whole(np.array([0, 2]))},
}


@pytest.fixture(scope="module")
def free():
    """Rows without conditions, by decoder and temperature."""
    return {
        (kind, t): tuple(rows(decoder_of(network(kind), sampler(), 3, t), 6 * BLOCKS))
        for kind in DECODERS
        for t in (1.0, 0.6)
    }


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("temperature", [1.0, 0.6])
@pytest.mark.parametrize("pieces", CONDITIONS.values(), ids=CONDITIONS)
def test_rows_are_those_of_the_model_that_satisfy_the_condition(pieces, temperature, decoder, free):
    vae, law = network(decoder), sampler()
    every, places = free[decoder, temperature]
    holds = meets(pieces, every, places)
    found = Selection("it", pieces)
    laws = explore(vae, law, temperature, found)
    codes, position = rows(Conditional(vae, law, 3, temperature, found, laws))
    assert len(codes) == BLOCKS * BLOCK_ROWS and meets(pieces, codes, position).all()
    assert laws[0].probability == pytest.approx(holds.mean(), rel=0.03 + 4 / np.sqrt(holds.sum()))
    n = min(holds.sum(), len(codes) / 2)
    assert distance(every[holds], codes) < 3 * np.sqrt(max(SIZES) / n)
    for i in range(vae.num_offsets):
        apart = abs(places[holds, i].mean() - position[:, i].mean())
        assert apart < 5 * 0.3 / np.sqrt(n), i
    assert distance(every, codes) > 0.05, "a condition that changes nothing tests nothing"


@pytest.mark.parametrize("decoder", DECODERS)
def test_rows_under_a_condition_that_all_meet_are_those_of_the_model(decoder, free):
    vae, law, found = network(decoder), sampler(), Selection("it", {})
    laws = explore(vae, law, 1.0, found)
    assert laws[0].probability == pytest.approx(1)
    codes, _ = rows(Conditional(vae, law, 3, 1.0, found, laws))
    assert distance(free[decoder, 1.0][0], codes) < 3 * np.sqrt(max(SIZES) / len(codes))


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_stratum_is_its_code_alone(decoder, free):
    vae, law, block = network(decoder), sampler(), len(SIZES) - 1
    strata = (Stratum("a", piece([0])), Stratum("b", piece([1], 0.25, 0.5)))
    found = Selection("", {}, "it", block, strata, 10)
    laws = explore(vae, law, 1.0, found)
    made = Conditional(vae, law, 3, 1.0, found, laws)
    every, places = free[decoder, 1.0]
    for stratum, pieces in enumerate([{block: whole(np.array([0]))}, {block: piece([1], 0.25, 0.5)}]):
        parts = [made.block(2 * i + stratum) for i in range(BLOCKS)]
        codes, position = (np.concatenate(part) for part in zip(*parts, strict=True))
        assert meets(pieces, codes, position).all()
        holds = meets(pieces, every, places)
        assert laws[stratum].probability == pytest.approx(holds.mean(), rel=0.03 + 4 / np.sqrt(holds.sum()))
        assert distance(every[holds], codes) < 3 * np.sqrt(max(SIZES) / min(holds.sum(), len(codes) / 2))


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.slow
def test_a_block_needs_nothing_before_it_and_seeds_differ(decoder):
    vae, law, found = network(decoder), sampler(), Selection("it", CONDITIONS["codes"])
    laws = explore(vae, law, 1.0, found)
    first = Conditional(vae, law, 3, 1.0, found, laws)
    first.block(0)
    for a, b in zip(first.block(7), Conditional(vae, law, 3, 1.0, found, laws).block(7), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.block(7)[0], Conditional(vae, law, 4, 1.0, found, laws).block(7)[0])
    assert not np.array_equal(first.block(7)[0], first.block(8)[0])
    assert not np.intersect1d(
        first.chosen(7)[0][:, 0], first.chosen(8)[0][:, 0]
    ).size  # nor do they share candidates


@pytest.mark.parametrize("kind", [Candidates, TurnCandidates])
def test_candidates_undo_their_proposal(kind):
    """The mean importance weight is the probability of the conditions, however components and codes are
    weighted."""
    vae = network("independent" if kind is Candidates else "autoregressive")
    found = Selection("it", {1: whole(np.array([0]))})  # the last column in turn
    candidates, rng = kind(vae, sampler(), 1.0, found, ("test",)), np.random.default_rng(0)
    assert candidates.components.weights[1] == 0  # 1e-9 is too light for a float32 to pick
    means = []
    for weights in ([0.4, 0, 0.3, 0.2, 0.1], [0.1, 0, 0.2, 0.3, 0.4], [0.25, 0, 0.25, 0.25, 0.25]):
        factors = np.exp(rng.normal(0, 0.7, vae.num_codes)).astype(np.float32)
        proposal = Proposal(np.array(weights), factors if means else None)
        drawn = [candidates.block(i, 0, proposal) for i in range(BLOCKS)]
        assert {int(k) for _, _, parts in drawn for k in np.unique(parts)} == {0, 2, 3, 4}
        means.append(np.mean([np.exp(log_weight) for _, log_weight, _ in drawn]))
    np.testing.assert_allclose(means, means[0], rtol=0.02)


@pytest.mark.slow
def test_rows_in_turn_follow_the_enumerated_law():
    """Three columns without offsets and a z of two values: the conditional law of all 24 rows is known, and a
    condition on the last column in turn, or between others, is met as it says."""
    sizes, order, points = [4, 3, 2], [1, 2, 0], np.array([[-1.0, 0.5], [1.0, 1.0]], np.float32)
    vae = in_turn(VAE(sizes, [False] * 3, 0, 2, [8], prior_components=2, seed=2), order)
    zeros = np.zeros(9, np.float32)
    vae.set_tables(Tables(sizes, [False] * 3, 0, zeros, zeros, zeros), np.full(9, 0.3))
    vae.code_kernel.own.assign(np.random.default_rng(1).normal(0, 1, vae.code_kernel.own.shape))
    law = Gaussians("mixture", np.array([0.3, 0.7], np.float32), points, np.full((2, 2), 1e-6, np.float32))
    every = np.array(list(itertools.product(*map(range, sizes))), np.int32)
    mass = np.zeros(len(every))
    for weight, point in zip((0.3, 0.7), points, strict=True):
        logits = vae.decode(np.tile(point, (24, 1)), every, np.zeros((24, 0), np.float32))[0]
        parts = zip(tf.split(logits, sizes, axis=1), every.T, strict=True)
        mass += weight * np.exp(sum(tf.nn.log_softmax(x).numpy()[range(24), c] for x, c in parts))
    assert mass.sum() == pytest.approx(1, abs=1e-5)
    for pieces in ({0: piece([1, 3])}, {2: piece([1], 0.5)}, {1: piece([0]), 0: piece([3])}):
        met = [np.isin(every[:, i], p.codes) * p.share[0] for i, p in pieces.items()]
        target = mass * np.prod(met, axis=0)
        found = Selection("it", pieces)
        laws = explore(vae, law, 1.0, found)
        codes, position = rows(Conditional(vae, law, 3, 1.0, found, laws))
        assert meets(pieces, codes, position).all()
        assert laws[0].probability == pytest.approx(target.sum(), rel=0.02)
        seen = np.bincount(np.ravel_multi_index(codes.T, sizes), minlength=24) / len(codes)
        assert np.abs(seen - target / target.sum()).sum() / 2 < 0.02
    strata = Selection("", {0: piece([1, 3])}, "it", 1, (Stratum("a", piece([2])),), 10)
    target = mass * np.isin(every[:, 0], [1, 3]) * (every[:, 1] == 2)
    laws = explore(vae, law, 1.0, strata)
    codes, _ = rows(Conditional(vae, law, 3, 1.0, strata, laws))
    assert laws[0].probability == pytest.approx(target.sum(), rel=0.02)
    seen = np.bincount(np.ravel_multi_index(codes.T, sizes), minlength=24) / len(codes)
    assert np.abs(seen - target / target.sum()).sum() / 2 < 0.02


def test_a_pilot_finds_rare_rows_in_turn():
    """A column that almost copies the one before it: under a rare condition candidates take the codes that
    lead there."""
    vae = in_turn(VAE([40, 40], [False] * 2, 0, 2, [8], prior="normal", seed=2))
    zeros = np.zeros(80, np.float32)
    vae.set_tables(Tables([40, 40], [False] * 2, 0, zeros, zeros, zeros), np.full(80, 1 / 40))
    turn = vae.turn
    turn.hidden_in.assign(np.zeros(turn.hidden_in.shape))
    vae.code_kernel.own.assign(np.zeros(vae.code_kernel.own.shape))
    code = np.random.default_rng(0).choice([-1.0, 1.0], (40, 8))
    turn.bias.assign(np.zeros((2, 8)))
    turn.embedding.own.assign(np.concatenate([code, code]))
    turn.kernel.own.assign(np.concatenate([np.zeros((40, 8)), 3 * code]))
    law = Gaussians(
        "normal", np.ones(1, np.float32), np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)
    )
    found = Selection("it", {1: piece([7])})
    laws = explore(vae, law, 1.0, found)
    plain = TurnCandidates(vae, law, 1.0, found, ("plain",))
    weight = np.exp(np.concatenate([plain.block(i, 0, Proposal(np.ones(1)))[1] for i in range(BLOCKS)]))
    assert laws[0].probability == pytest.approx(weight.mean(), rel=0.1)
    effective = weight.sum() ** 2 / (weight**2).sum() / len(weight)
    assert laws[0].candidates < 0.5 * 1.5 / effective and laws[0].distinct > 0.8


def test_resampling_takes_each_as_often_as_it_weighs():
    weights = np.array([0.0, 1.0, 2.5, 0.0, 0.5])
    log_weights = np.log(weights, where=weights > 0, out=np.full(5, -np.inf))
    for offset in (0.0, 0.3, 0.999):
        times = np.bincount(resampled(log_weights, 8, offset), minlength=5)
        assert times.sum() == 8 and not times[[0, 3]].any()
        assert (np.abs(times - 2 * weights) < 1).all()
    mean = np.mean([np.bincount(resampled(log_weights, 3, o / 100), minlength=5) for o in range(100)], axis=0)
    np.testing.assert_allclose(mean, 3 * weights / 4, atol=0.02)


def test_a_condition_without_mass_is_refused_with_its_probability(monkeypatch):
    vae, law = network(), sampler()
    vae.code_bias.assign(np.where(np.arange(sum(SIZES)) == sum(SIZES) - 1, -38.0, vae.code_bias.numpy()))
    last = whole(np.array([SIZES[-1] - 1]))
    with pytest.raises(
        ConfigError, match=r'gives "it = 3" a probability of about \d\.\de-\d\d; at least 1e-06'
    ) as caught:
        explore(vae, law, 1.0, Selection("it = 3", {len(SIZES) - 1: last}))
    assert "loosen the condition" in caught.value.hint
    monkeypatch.setattr(conditional, "MIN_DISTINCT", 0.9999)
    with pytest.raises(ConfigError, match=r"is met by few candidates: only \d+% of the rows"):
        explore(vae, law, 1.0, Selection("it", CONDITIONS["part of a bar"]))


@pytest.mark.slow
def test_every_sampler_gives_candidates():
    vae, found, rng = network(), Selection("it", CONDITIONS["codes"]), np.random.default_rng(2)
    held = latent_samplers.Posteriors(
        rng.normal(size=(60, 3)).astype(np.float32), np.full((60, 3), -1, np.float32)
    )
    mixture = latent_samplers.fit("mixture", held, held, components=4)
    flow = latent_samplers.fit("flow", held, held, flow_steps=0, base=mixture)
    for law in (
        latent_samplers.fit("normal", held, held),
        latent_samplers.fit("gaussian", held, held),
        mixture,
        flow,
    ):
        laws = explore(vae, law, 1.0, found)
        codes, position = Conditional(vae, law, 0, 1.0, found, laws).block(0)
        assert meets(found.pieces, codes, position).all(), law.name


def entropy(codes):
    shares = [np.bincount(codes[:, i]) / len(codes) for i in range(codes.shape[1])]
    return np.array([-np.sum(s[s > 0] * np.log(s[s > 0])) for s in shares])


def test_a_low_temperature_takes_likelier_codes_and_one_changes_nothing():
    """With the hidden layer switched off each column's law is softmax(bias / T), at any T, also where
    exp(bias / T) overflows."""
    vae, law = small_vae(), sampler()
    vae.code_kernel.own.assign(vae.code_kernel.own * 0)
    bias = np.random.default_rng(0).normal(0, 2, sum(SIZES)).astype(np.float32)
    vae.code_bias.assign(bias + 20)
    plain = Decoder(vae, law, 5)
    for a, b in zip(plain.block(2), Decoder(vae, law, 5, temperature=1.0).block(2), strict=True):
        np.testing.assert_array_equal(a, b)
    before = entropy(np.concatenate([plain.block(i)[0] for i in range(5)]))
    for temperature in (2.0, 0.5, 0.05):
        decoder = Decoder(vae, law, 5, temperature)
        codes = np.concatenate([decoder.block(i)[0] for i in range(15)])
        for column, start in enumerate(np.cumsum([0, *SIZES[:-1]])):
            expected = tf.nn.softmax(bias[start : start + SIZES[column]] / temperature).numpy()
            seen = np.bincount(codes[:, column], minlength=SIZES[column]) / len(codes)
            assert np.abs(seen - expected).max() < 5 * np.sqrt(0.25 / len(codes))
        assert ((entropy(codes) - before) * (temperature - 1) > 0).all()
