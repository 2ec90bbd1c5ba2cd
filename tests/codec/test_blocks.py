"""Whatever a block is made of, it keeps to `codec.block.Block`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from raygen.codec.bins import NumericBlock
from raygen.codec.categories import CategoryBlock
from raygen.codec.gaussian import GaussianBlock
from raygen.table.stats import CategoryStats, NumericStats

ROWS = 4000
PLACES = 0.0, 0.3, 1 - 1e-7


@dataclass(frozen=True)
class Kind:
    """A kind of block: how it is fitted, its values, and values that no row has."""

    fit: Callable[[Any], Any]
    values: Any
    others: Any

    @property
    def block(self):
        return self.fit(self.values)

    @property
    def missing(self) -> np.ndarray:
        return _missing(self.values)


def _missing(values) -> np.ndarray:
    if isinstance(values, np.ndarray):
        return np.isnan(values)
    return values.is_null().to_numpy(zero_copy_only=False)


def _words(numbers, missing) -> pa.Array:
    names = [None if gone else f"word {n}" for n, gone in zip(numbers, missing, strict=True)]
    return pa.array(names, pa.large_string())


def _categories(room: int, min_rows: int, values: pa.Array) -> CategoryBlock:
    return CategoryBlock.fit(CategoryStats.observe(values), room, min_rows)


def _bars(min_rows: int, values: np.ndarray) -> NumericBlock:
    return NumericBlock.fit(NumericStats.observe(values), 32, min_rows=min_rows)


def _gaussian(values: np.ndarray) -> GaussianBlock:
    return GaussianBlock.fit(NumericStats.observe(values))


def _kinds() -> dict[str, Kind]:
    rng = np.random.default_rng(1)
    none, some = np.zeros(ROWS, bool), rng.random(ROWS) < 0.2
    counts, whole = rng.geometric(0.02, ROWS), np.round(rng.gamma(2, 30, ROWS))
    money = np.round(rng.lognormal(3, 2, ROWS), 2)
    other_words, far = _words([10**6, 7], [False, False]), np.array([-1e9, 1e9, 3.3])
    found = {}
    for told, gone in (("", none), (" and missing", some)):
        words = _words(counts, gone)
        numbers = {n: np.where(gone, np.nan, x) for n, x in {"whole": whole, "money": money}.items()}
        found |= {
            f"categories{told}": Kind(partial(_categories, 500, 1), words, other_words),
            f"grouped categories{told}": Kind(partial(_categories, 8, 1), words, other_words),
            f"protected categories{told}": Kind(partial(_categories, 500, 8), words, other_words),
            f"bars{told}": Kind(partial(_bars, 1), numbers["money"], far),
            f"atoms{told}": Kind(partial(_bars, 1), np.where(gone, np.nan, counts % 5), far),
            f"protected bars{told}": Kind(partial(_bars, 8), numbers["whole"], far),
            f"gaussian{told}": Kind(_gaussian, numbers["whole"], far),
        }
    found["no words"] = Kind(partial(_categories, 8, 1), _words(counts, ~none), other_words)
    found["no numbers"] = Kind(partial(_bars, 1), np.full(ROWS, np.nan), far)
    found["no numbers, gaussian"] = Kind(_gaussian, np.full(ROWS, np.nan), far)
    return found


KINDS = _kinds()


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request) -> Kind:
    return request.param


def _equal(a, b) -> bool:
    return np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a.equals(b)


def test_its_tables_have_a_place_for_each_code(kind):
    block, size = kind.block, kind.block.cardinality
    assert size >= 1 and isinstance(block.ordered, bool)
    frequencies, (below, upto) = block.frequencies(), block.edges
    assert frequencies.shape == below.shape == upto.shape == block.has_offset.shape == (size,)
    assert frequencies.sum() == pytest.approx(1) and (frequencies >= 0).all()
    assert block.has_offset.dtype == bool
    assert ((below >= 0) & (below <= upto) & (upto <= 1 + 1e-12)).all()
    if not block.ordered:
        assert (below == 0.5).all() and (upto == 0.5).all()


def test_values_become_codes_and_codes_values(kind):
    block = kind.block
    codes, offsets = block.encode(kind.values)
    assert codes.shape == offsets.shape == (ROWS,) and codes.dtype == np.int64
    assert codes.min() >= 0 and codes.max() < block.cardinality
    is_last = codes == block.cardinality - 1
    if block.missing > 0:
        assert np.array_equal(is_last, kind.missing)
    for place in PLACES:
        back = block.decode(codes, np.full(ROWS, place))
        assert np.array_equal(_missing(back), kind.missing)
        if place and not isinstance(block, GaussianBlock):  # a code's values have that code
            again, _ = block.encode(back if isinstance(back, np.ndarray) else back.cast(pa.large_string()))
            assert np.mean(again == codes) > 0.99


def test_what_no_row_had_has_a_code_too(kind):
    codes, _ = kind.block.encode(kind.others)
    assert codes.shape == (len(kind.others),) and (codes <= kind.block.cardinality).all()


def test_a_value_that_is_asked_for_is_there(kind):
    places = np.linspace(0, 1, 101)[:-1]
    assert _missing(kind.block.present(places)).all() == kind.missing.all()
    assert not _missing(kind.block.present(places)).any() or kind.missing.all()


def test_it_comes_back_from_json_as_it_was(kind):
    block = kind.block
    again = type(block).from_dict(json.loads(json.dumps(block.to_dict(), allow_nan=False)))
    codes, offsets = block.encode(kind.values)
    assert all(np.array_equal(a, b) for a, b in zip(again.encode(kind.values), (codes, offsets), strict=True))
    assert np.array_equal(again.frequencies(), block.frequencies())
    places = np.linspace(0, 1, ROWS, endpoint=False)
    assert _equal(again.decode(codes, places), block.decode(codes, places))
