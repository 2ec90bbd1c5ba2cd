"""Over-generation on a small network: whose rows are kept, how often, and that nothing else decides it."""

from dataclasses import replace

import numpy as np
import pytest

from raygen.sampling.decoder import Decoder
from raygen.sampling.oversampling import Oversampled, chosen, drawn
from raygen.sampling.row_blocks import BLOCK_ROWS
from tests.model.test_density_ratio import bare
from tests.sampling.test_conditional import network, sampler

SIZES = [5, 3, 2, 40]  # of test_model.small_vae
BLOCK, CODE, TIMES = 1, 2, 1.8


@pytest.fixture(scope="module")
def ratio():
    """Rows with code 2 of block 1 occur 1.8 times as often in the table, against the others."""
    starts, raked = np.cumsum([0, *SIZES[:-1]]), np.zeros(sum(SIZES))
    raked[starts[BLOCK] + CODE] = np.log(TIMES)
    return replace(bare(), starts=starts, raked=raked)


@pytest.fixture(scope="module")
def decoder():
    return Decoder(network(), sampler(), 3)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_block_keeps_rows_of_its_own_candidates_as_often_as_their_ratio_says(factor, decoder, ratio):
    source, counts, share = Oversampled(decoder, ratio, 3, factor), [], []
    for number in range(4):
        codes, position = source.block(number)
        assert codes.shape == (BLOCK_ROWS, 4) and codes.dtype == np.int32 and position.dtype == np.float32
        candidates = np.concatenate(drawn(decoder, range(number * factor, (number + 1) * factor)), axis=1)
        every = {row.tobytes() for row in candidates}
        kept = {row.tobytes() for row in np.concatenate([codes, position], axis=1)}
        assert len(every) == factor * BLOCK_ROWS and len(kept) == BLOCK_ROWS and kept < every
        counts.append((codes[:, BLOCK] == CODE).sum())
        share.append((candidates[:, BLOCK] == CODE).mean())
    f = np.array(share)
    assert (TIMES / (1 - f + TIMES * f) < factor).all()  # none is certain to be taken
    expected = BLOCK_ROWS * TIMES * f / (1 - f + TIMES * f)
    assert (np.abs(counts - expected) < 30).all()
    assert (np.abs(BLOCK_ROWS * f - expected) > 70).all()


def test_a_block_is_the_same_in_any_order_and_another_for_another_seed(decoder, ratio):
    one, two, other = (Oversampled(decoder, ratio, seed, 3) for seed in (3, 3, 4))
    late = one.block(7)
    two.block(0)
    assert all(np.array_equal(a, b) for a, b in zip(late, two.block(7), strict=True))
    assert not np.array_equal(late[1], other.block(7)[1])  # the same candidates, chosen otherwise


@pytest.mark.parametrize("spread", [0.0, 0.5, 3.0, 12.0])
def test_none_is_taken_twice_and_the_heaviest_are_taken(spread):
    for seed in range(50):
        rng = np.random.default_rng(seed)
        log_ratio = rng.normal(0, spread, 2 * 512)
        taken = chosen(log_ratio, 512, rng.random())
        assert len(np.unique(taken)) == 512 and (np.diff(taken) > 0).all()
        if spread == 12:
            assert np.argmax(log_ratio) in taken
