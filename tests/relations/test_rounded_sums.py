"""Sums that hold up to the rounding of each of their columns: found, learned as a difference, and kept."""

import numpy as np
import pyarrow as pa
import pytest

import raygen
from raygen import rng
from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.relations.counts import Counts
from raygen.relations.discovery import discover
from raygen.relations.language import parse
from raygen.relations.reduction import Reduction
from raygen.relations.uses import uses
from raygen.sampling.rows import sample
from raygen.table.schema import Schema, infer
from tests import trained
from tests.relations.test_reduction import any_codes, fitted, reduced

ROWS = 6000
NONE = pa.nulls(ROWS, pa.float64())


def shares(draws: np.random.Generator, digits: int = 1, whole: int = 1) -> dict[str, np.ndarray]:
    parts = (draws.dirichlet([1, 2, 3, 4, 5], ROWS) * whole).round(digits)
    return {f"s{k}": parts[:, k] for k in range(5)}


def percents(draws: np.random.Generator) -> dict[str, np.ndarray]:
    return {name: own.astype(int) for name, own in shares(draws, 0, 100).items()}


def invoices(draws: np.random.Generator) -> dict[str, np.ndarray]:
    net, rate = draws.gamma(2, 50, ROWS), draws.choice([0.05, 0.07, 0.19], ROWS)
    return {"net": net.round(2), "vat": (net * rate).round(2), "gross": (net * (1 + rate)).round(2)}


CASES = [
    (shares, "s4", "1 - s0 - s1 - s2 - s3 within 0.2"),
    (percents, "s4", "100 - s0 - s1 - s2 - s3 within 2"),
    (invoices, "gross", "net + vat within 0.01"),
]


def table(maker) -> pa.Table:
    draws = rng.generator(1, "table of rounded sums")
    others = {"noise": draws.normal(size=ROWS).round(2), "few": draws.integers(0, 5, ROWS)}
    return pa.table({**maker(draws), **others, "account": draws.integers(10**11, 10**12, ROWS), "none": NONE})


def off(rows: pa.Table, column: str, text: str) -> np.ndarray:
    """How far a column is from the sum, in units of its last digit."""
    exact = parse(column, text.split(" within ")[0], "always", rows.schema)
    unit = 0.01 if column == "gross" else 1 if "100" in text else 0.1
    return np.rint((np.array(rows[column]) - np.array(exact.values(rows))) / unit).astype(int)


@pytest.mark.parametrize(("maker", "column", "text"), CASES, ids=[case[0].__name__ for case in CASES])
def test_a_rounded_sum_is_found_in_one_line(maker, column, text):
    found = discover(table(maker), 0)
    assert [(one.relation.column, one.relation.text, one.relation.holds) for one in found] == [
        (column, text, "always")
    ]


@pytest.mark.parametrize(("maker", "column", "text"), CASES, ids=[case[0].__name__ for case in CASES])
def test_codes_by_their_frequency_are_off_as_often_and_never_farther(maker, column, text):
    rows = table(maker)
    reduction = reduced(rows, {column: text})
    assert [use.how for use in reduction.uses] == ["difference"]
    back = reduction.restore(*reduction.reduce(rows), lambda name, shift=0.0: pytest.fail("none is wanting"))
    assert back.equals(rows)
    codec, draws = fitted(rows, reduction), rng.generator(0, "test of codes by their frequency")
    parts = np.split(codec.frequencies(), np.cumsum(codec.cardinalities)[:-1])
    codes = np.stack([draws.choice(len(p), ROWS, p=p / p.sum()) for p in parts], axis=1)
    made, real = off(codec.decode(codes, draws.random(codes.shape)), column, text), off(rows, column, text)
    assert set(made) <= set(real)
    for k in set(real):
        assert (made == k).mean() == pytest.approx((real == k).mean(), abs=0.02)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return trained.save(tmp_path_factory.mktemp("run") / "model", table(shares), {"train.steps": 400})


@pytest.mark.slow
def test_rows_of_a_model_are_off_as_often_and_never_farther(model):
    made, real = (off(rows, *CASES[0][1:]) for rows in (sample(model, 20_000), table(shares)))
    assert set(made) <= set(real)
    for k in set(real):
        assert (made == k).mean() == pytest.approx((real == k).mean(), abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("known", [["s4"], ["s0", "s2", "s4"], ["s0", "s1", "s2", "s3"], ["s1"]], ids=str)
def test_rows_that_are_completed_keep_the_sum(model, known):
    given = table(shares).slice(0, 200).select(known)
    made = raygen.complete(model, given, say=lambda line: None)
    assert made.select(known).equals(given)
    assert np.abs(off(made, *CASES[0][1:])).max() <= 2


def test_what_a_rounding_would_bring_too_far_is_the_nearest_that_is_not():
    """The column has whole numbers, the sum has not: a difference of 1 fits beside some sums only."""
    draws = rng.generator(2, "table of a rounded sum")
    x = draws.integers(0, 1000, ROWS)
    y = np.where(draws.random(ROWS) < 0.5, np.floor(x * 0.3), np.ceil(x * 0.3)).astype(int)
    rows = pa.table({"x": x, "y": y, "noise": draws.normal(size=ROWS)})
    reduction = reduced(rows, {"y": "0.3 * x within 0.9"})
    codec = fitted(rows, reduction)
    made = codec.decode(*any_codes(codec, ROWS))
    assert (reduction.uses[0].relation.keeps(made) == 1).all()


def test_what_is_drawn_from_a_gaussian_is_kept_near_the_sum():
    rows, (_, column, text) = table(shares), CASES[0]
    relation = parse(column, text, "always", rows.schema)
    counts = Counts([relation])
    counts.observe(rows)
    schema = Schema.of(rows.schema, infer(rows)[0], "here")
    reduction = Reduction(schema, uses([relation], counts.counts, schema, numeric="gaussian"))
    assert [use.how for use in reduction.uses] == ["override"]
    codec = Codec.fit(schema, parts.observe(reduction.inner, rows), 64, 256, "gaussian", reduction=reduction)
    codes = np.zeros((ROWS, codec.num_columns), int)
    made = codec.decode(codes, rng.generator(0, "positions").normal(size=codes.shape))
    assert (relation.keeps(made) == 1).all()
