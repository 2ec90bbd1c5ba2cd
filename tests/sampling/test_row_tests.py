"""Conditions on columns that relations give: rows that satisfy them are those of the model that do."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from raygen.errors import ConfigError
from raygen.relations.reduction import Reduction
from raygen.sampling.conditional import Conditional, explore
from raygen.sampling.decoder import decoder_of
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.selection import Selection, select
from raygen.sampling.strata import Stratum
from raygen.table.part import Part
from raygen.table.schema import Schema
from tests.relations import every_use as planted
from tests.relations.test_reduction import any_codes, fitted, reduced
from tests.sampling.test_conditional import DECODERS, distance, network, piece, rows, sampler

pytestmark = pytest.mark.slow

ROWS = 2000


class Same:
    """Rows whose codes of two columns sum to an odd number."""

    conditions = ()

    def hold(self, codes, positions):
        assert codes.shape == positions.shape
        return (codes[:, 0] + codes[:, 2]) % 2 == 1


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("pieces", [{}, {1: piece([0, 1])}], ids=["alone", "beside codes"])
def test_rows_that_pass_are_those_of_the_model(pieces, decoder):
    vae, law = network(decoder), sampler()
    every, places = rows(decoder_of(vae, law, 3, 1.0), 60)
    holds = Same().hold(every, places)
    if pieces:
        holds &= np.isin(every[:, 1], pieces[1].codes)
    wanted = Selection("it", pieces, tests=Same())
    laws = explore(vae, law, 1.0, wanted)
    codes, position = rows(Conditional(vae, law, 3, 1.0, wanted, laws))
    assert Same().hold(codes, position).all() and len(codes) == 20 * BLOCK_ROWS
    assert laws[0].probability == pytest.approx(holds.mean(), rel=0.05)
    assert distance(every[holds], codes) < 0.03
    assert distance(every, codes) > 0.05
    for i in range(vae.num_offsets):
        assert abs(places[holds, i].mean() - position[:, i].mean()) < 0.01


@pytest.mark.parametrize("decoder", DECODERS)
def test_strata_that_are_tested_are_rows_of_the_model(decoder):
    vae, law = network(decoder), sampler()
    every, places = rows(decoder_of(vae, law, 3, 1.0), 60)
    strata = (Stratum("a", piece([0, 2]), Same()), Stratum("b", None, Same()))
    wanted = Selection("", {1: piece([0, 1])}, "it", 0, strata, 10)
    laws = explore(vae, law, 1.0, wanted)
    made = Conditional(vae, law, 3, 1.0, wanted, laws)
    for stratum, allowed in enumerate(([0, 2], range(99))):
        holds = Same().hold(every, places) & np.isin(every[:, 0], allowed) & np.isin(every[:, 1], [0, 1])
        parts = [made.block(2 * i + stratum) for i in range(20)]
        codes, position = (np.concatenate(part) for part in zip(*parts, strict=True))
        assert Same().hold(codes, position).all() and np.isin(codes[:, 0], allowed).all()
        assert laws[stratum].probability == pytest.approx(holds.mean(), rel=0.05)
        assert distance(every[holds], codes) < 0.03


@pytest.fixture(scope="module")
def codec():
    table = planted.table(ROWS)
    return fitted(table, reduced(table, planted.TOTAL | planted.PARTIAL, tuple(planted.PARTIAL)))


@pytest.mark.parametrize(
    ("where", "true"),
    [
        ("borough = 'borough 1'", lambda t: t.borough == "borough 1"),
        ("borough NOT IN ('borough 1', 'borough 2')", lambda t: t.borough.isin(["borough 0", "borough 3"])),
        ("total > 20.5 AND total <= 40", lambda t: (t.total > 20.5) & (t.total <= 40)),
        ("total BETWEEN 20 AND 30", lambda t: t.total.between(20, 30)),
        ("tip != 0 AND tip IS NOT NULL", lambda t: t.tip != 0),
        ("doubled IS NULL", lambda t: t.doubled.isna()),
        ("doubled >= 8", lambda t: t.doubled >= 8),
        ("ended < '2024-03-01'", lambda t: t.ended < "2024-03-01"),
    ],
)
def test_conditions_are_read_as_sql_reads_them(codec, where, true):
    codes, positions = any_codes(codec, ROWS)
    wanted = select(codec, where)
    assert wanted and not wanted.pieces
    expected = true(codec.decode(codes, positions).to_pandas()).to_numpy(bool)
    assert 0 < expected.sum() < ROWS
    assert np.array_equal(wanted.tests.hold(codes, positions), expected)


def test_conditions_on_both_kinds_of_columns_are_kept_apart(codec):
    wanted = select(codec, "borough = 'borough 1' AND zone IN ('zone 1', 'zone 2')")
    assert [codec.parts[number] for number in wanted.pieces] == [Part("zone")]
    assert [one.column for one, _ in wanted.tests.conditions] == ["borough"]


@pytest.mark.parametrize(
    ("where", "per", "words"),
    [
        ("borough > 'a'", "", "by size"),
        ("total = 'ten'", "", "without quotes"),
        ("", "total=10", "column 'total' is numeric"),
        ("borough = 'borough 7'", "", r"has no category 'borough 7' \(4 are known\)"),
        ("borough IS NULL", "", "column 'borough' has no missing values"),
        ("borough = 'borough 1' AND borough = 'borough 2'", "", "no value that the model can give"),
    ],
)
def test_what_makes_no_sense_is_refused(codec, where, per, words):
    with pytest.raises(ConfigError, match=words):
        select(codec, where, per)


NUMBERS = {
    pa.float32(): [0.1, 0.2, 0.3, 1e10],
    pa.float16(): [0.1, 0.2, 0.3, 5.5],
    pa.float64(): [0.1, 0.2, 0.3, 1e300],
    pa.uint64(): [0, 5, 2**64 - 2, 2**64 - 1],
    pa.int64(): [-(2**63), 5, 2**53, 2**53 + 1],
    pa.decimal128(38, 2): [
        Decimal(f"{'9' * 36}.98"),
        Decimal(f"{'9' * 36}.99"),
        Decimal("0.10"),
        Decimal(-5),
    ],
}


@pytest.mark.parametrize("kind", NUMBERS, ids=str)
def test_numbers_are_compared_as_they_are_written(kind):
    """A column is a copy of another one, so that its values are tested on whole rows."""
    own = [NUMBERS[kind][n % 4] for n in range(200)]
    values = pa.array(np.array(own, np.float16) if kind == pa.float16() else own, kind)
    table = pa.table({"x": values, "y": values, "z": np.arange(200) % 7})
    schema = Schema(table.schema, dict.fromkeys("xyz", "numeric"))
    built = fitted(table, Reduction(schema, reduced(table, {"y": "x"}).uses))
    assert "y" in built.reduction.touched
    codes, positions = built.encode(table)[0], np.full((200, built.num_columns), 0.5)
    made = built.decode(codes, positions)["y"].to_pylist()
    for value, stored in zip(NUMBERS[kind], values[:4].to_pylist(), strict=True):

        def holds(text, value=value):
            return select(built, f"y {text.format(value)}").tests.hold(codes, positions)

        equal = np.array([one == stored for one in made])
        assert np.array_equal(holds("= {}"), equal) and equal.any()
        less, more = holds("< {}"), holds("> {}")
        assert not (less & more).any() and np.array_equal(less | more, ~equal)
        assert np.array_equal(holds("NOT IN ({}, 77)"), ~equal)
