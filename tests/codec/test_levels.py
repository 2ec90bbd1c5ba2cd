"""The categories of columns that relations give are those that their rows can have."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from raygen.codec.code_ranges import STEP
from raygen.codec.levels import Levels, levels_of, pieces_of
from raygen.relations.language import parse
from raygen.table.part import Part
from tests.relations import given
from tests.relations.test_reduction import any_codes, fitted, reduced

TABLE = given.table(3000)
EXPECTED = {
    "amount": None,
    "payment": Levels(("card", "cash"), False),
    "borough": Levels(("borough 0", "borough 1", "borough 2"), False),
    "brand": Levels(("rare", "visa"), True),
    "bank": Levels(("north", "south"), True),
    "channel": Levels(("phone", "till", "web"), False),
    "copied": Levels(("phone", "till", "web"), False),
    "ship_to": Levels(("A", "B", "C"), False),
    "big": Levels(("false", "true"), False),
}


@pytest.fixture(scope="module")
def codec():
    return fitted(TABLE, given_reduction(TABLE))


def given_reduction(table):
    often = tuple(name for name, (_, holds) in given.TEXTS.items() if holds == "often")
    return reduced(table, {name: text for name, (text, _) in given.TEXTS.items()}, often)


@pytest.mark.parametrize("column", EXPECTED)
def test_categories_are_known(codec, column):
    assert levels_of(codec, column) == EXPECTED[column]


def test_each_use_is_among_the_columns(codec):
    uses = {use.relation.column: use.how for use in codec.reduction.uses}
    assert uses == {
        "borough": "computed",
        "brand": "override",
        "bank": "override",
        "channel": "override",
        "copied": "computed",
        "ship_to": "tied",
        "big": "tied",
    }


@pytest.mark.parametrize("column", [name for name in EXPECTED if EXPECTED[name]])
def test_any_codes_give_these_and_only_codes_of_the_pieces_give_one(codec, column):
    codes, positions = any_codes(codec, 5000)
    made = codec.decode(codes, positions)[column]
    levels = levels_of(codec, column)
    assert made.null_count == 0 or levels.has_missing
    texts = np.array(pc.cast(made, "string").to_pylist(), object)
    assert set(texts) - {None} == set(levels.texts)
    for text in levels.texts:
        pieces = pieces_of(codec, column, {text})
        if pieces is not None:
            own = codes[:, codec.parts.index(Part(column))]
            assert np.isin(own[texts == text], pieces.codes).all()


def test_pieces_are_those_that_lead_to_a_category(codec):
    def codes(column, text):
        found = pieces_of(codec, column, {text})
        return None if found is None else found.codes.tolist()

    for column, text, more in (("bank", "south", []), ("brand", "rare", [2])):  # missing stays, or is filled
        assert codes(column, text) == [codec.blocks[Part(column)].members.index(text), *more]
    assert codes("channel", "till") is None  # any code, where it is set
    assert codes("channel", "web") == [codec.blocks[Part("channel")].members.index("web")]
    block = codec.blocks[Part("ship_to")]
    assert codes("ship_to", "C") == [block.members.index("C"), block.cardinality]  # or as the relation says
    assert codes("borough", "borough 1") is None  # it has no codes
    alone = pieces_of(codec, "bank", {"north"})
    assert (alone.low[0], alone.high[0]) == (0, np.float32(1 - STEP))


def test_categories_computed_of_numbers_are_not_known():
    table = TABLE.append_column("dear", pa.array(TABLE["amount"].to_pylist()))
    relation = parse("dear", "amount", "always", table.schema)
    reduction = reduced(table, {"dear": relation.text})
    kinds = reduction.schema.kinds | {"dear": "categorical"}
    schema = type(reduction.schema)(reduction.schema.arrow, kinds)
    assert levels_of(fitted(table, type(reduction)(schema, reduction.uses)), "dear") is None


def test_whole_numbers_that_are_categories_are_computed():
    """A sum of two columns of categories has the sums of their categories."""
    stream = np.random.default_rng(0)
    a, b = stream.integers(0, 3, 500), stream.integers(0, 2, 500)
    table = pa.table({"a": a, "b": b, "sum": a + 10 * b})
    reduction = reduced(table, {"sum": "a + 10 * b"})
    schema = type(reduction.schema)(table.schema, dict.fromkeys("ab", "categorical") | {"sum": "categorical"})
    codec = fitted(table, type(reduction)(schema, reduction.uses))
    assert levels_of(codec, "sum") == Levels(("0", "1", "10", "11", "12", "2"), False)
