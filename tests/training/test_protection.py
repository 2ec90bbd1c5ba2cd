"""The privacy settings held against a table, and what they take of it."""

import numpy as np
import pyarrow as pa
import pytest

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.codec.contents import contents
from raygen.commands.inspect_model import held_lines
from raygen.config import Config
from raygen.errors import ConfigError, ModelError, SchemaError
from raygen.relations import language
from raygen.relations.counts import Counts
from raygen.relations.reduction import Reduction
from raygen.relations.sample import is_supported
from raygen.relations.uses import uses
from raygen.table.part import Part
from raygen.table.protection import MADE_UP, Protection
from raygen.table.schema import Schema
from raygen.training.protection import levels_given, losses, protection_of
from tests.codec.round_trip import block_in

ROWS = 400
KINDS = {"city": "categorical", "boss": "boolean", "age": "numeric", "size": "categorical"}


def people() -> pa.Table:
    """Ten cities, five of them of two rows each; three rows without a city; two bosses."""
    city = [f"c{k % 5}" for k in range(ROWS)]
    city[:10] = [f"rare {k // 2}" for k in range(10)]
    missing = np.isin(np.arange(ROWS), [100, 101, 102])
    size = pa.array(["S", "M"] * (ROWS // 2 - 1) + ["XXL"] * 2).dictionary_encode()
    return pa.table(
        {
            "city": pa.array(city, mask=missing),
            "boss": np.arange(ROWS) < 2,
            "age": np.arange(ROWS) % 70,
            "size": size,
        }
    )


def schema_of(table: pa.Table) -> Schema:
    levels = {"size": ["S", "M", "L", "XXL"]}
    return Schema.of(table.schema, KINDS, "here", levels)


def fitted(protection: Protection) -> tuple[Codec, dict, pa.Table]:
    table = people()
    schema = schema_of(table)
    stats = parts.observe(schema, table)
    return Codec.fit(schema, stats, 32, 32, protection=protection), stats, table


def made(**settings) -> Config:
    return Config.from_dict({"privacy": settings, "data": {"source": "t.csv"}})


@pytest.mark.parametrize(
    ("settings", "error", "message", "hint"),
    [
        ({"public": ["citty"]}, SchemaError, "privacy.public: source", "did you mean 'city'?"),
        ({"rare": {"towns": "star"}}, SchemaError, "has no column 'towns'", "choose one of: city, boss"),
        ({"columns": {"aeg": 3}}, SchemaError, "privacy.columns: source", "did you mean 'age'?"),
        (
            {"columns": {"age": 9}, "public": ["age"]},
            ConfigError,
            "privacy.columns.age = 9",
            "one of the two",
        ),
        ({"unit": "customer"}, SchemaError, "privacy.unit: source", "choose one of: city, boss"),
        ({"rare": {"age": "merge"}}, ConfigError, "column 'age' is of kind numeric", "nearest others"),
        ({"rare": {"boss": "star"}}, ConfigError, "which does not hold '_rare_'", '"merge" or "missing"'),
    ],
)
def test_settings_that_do_not_go_with_the_table(settings, error, message, hint):
    with pytest.raises(error) as caught:
        protection_of(made(**settings), schema_of(people()))
    assert message in caught.value.message and hint in caught.value.hint


def test_settings_are_by_column():
    config = made(min_rows=5, columns={"age": 20}, public=["city"], rare={"size": "star"})
    protection = protection_of(config, schema_of(people()))
    assert [protection.of(name) for name in ("city", "age", "boss")] == [1, 20, 5]
    assert protection.of("city", "age") == 20
    overridden = config.override({"privacy.columns.boss": 3, "privacy.rare.city": "missing"})
    assert overridden.privacy.columns == {"age": 20, "boss": 3}
    assert overridden.privacy.rare == {"size": "star", "city": "missing"}


@pytest.mark.parametrize("rare", ["merge", "star", "missing"])
def test_what_stands_for_rare_categories(rare):
    built, _, table = fitted(Protection(8, rare={"city": rare}))
    block = built.blocks[Part("city")]
    assert not [name for name in block.members if name.startswith("rare ")]
    codes, _ = built.encode(table)
    drawn = built.decode(codes.astype(int), np.zeros(codes.shape))["city"].to_pylist()[:10]
    expected = {"merge": {f"c{k}" for k in range(5)}, "star": {MADE_UP}, "missing": {None}}[rare]
    assert set(drawn) <= expected
    share = (np.bincount(codes[:, built.parts.index(Part("city"))]) / ROWS).tolist()
    if rare == "merge":  # rows of one category go together: the shares are those of many categories
        assert sum(share) == pytest.approx(sum(block.frequencies()))
    else:
        assert share == pytest.approx(block.frequencies().tolist(), abs=1e-9 if rare == "missing" else 0.01)
    again = Codec.from_dict(built.schema, built.to_dict())
    assert again.blocks[Part("city")].rare == rare and np.array_equal(again.encode(table)[0], codes)


def test_too_few_rare_rows_for_a_category_of_their_own_are_merged():
    for rare in ("star", "missing"):
        built, _, _ = fitted(Protection(14, rare={"city": rare}))
        assert (
            built.blocks[Part("city")].rare == "merge" and MADE_UP not in built.blocks[Part("city")].members
        )


def test_levels_of_few_rows_go_and_those_of_nobody_stay():
    assert fitted(Protection(8))[0].schema.levels == {"size": ["S", "M", "L"]}
    assert fitted(Protection())[0].schema.levels == {"size": ["S", "M", "L", "XXL"]}
    assert fitted(Protection(8, {"size": 2}))[0].schema.levels == {"size": ["S", "M", "L", "XXL"]}


def test_what_is_lost_is_told():
    built, stats, _ = fitted(Protection(8, rare={"city": "star"}))
    assert losses(built, stats) == [
        "column 'city': 5 of 10 categories have fewer than 8 rows and are '_rare_', 2.5 % of the rows.",
        "column 'boss': 1 of 2 categories have fewer than 8 rows and are merged into the others, 0.5 % of "
        "the rows.",
        "column 'size': 1 of 3 categories have fewer than 8 rows and are merged into the others, 0.5 % of "
        "the rows.",
    ]
    built, stats, _ = fitted(Protection(1))
    assert losses(built, stats) == []


def relation(text: str, table: pa.Table, column: str = "boss"):
    return language.parse(column, text, "often", table.schema)


def test_a_relation_that_names_what_few_rows_have_is_not_found():
    table = people()
    cases = {"true where city = 'rare 0'": False, "false where city = 'c1'": True}
    cases |= {"false where city in ('c1', 'c2')": True, "false where city in ('c1', 'rare 4')": False}
    for text, expected in cases.items():
        assert is_supported(relation(text, table), table, Protection(8)) == expected, text
        assert is_supported(relation(text, table), table, Protection(1)), text


def looked_up(rare: int) -> pa.Table:
    """Towns with their country; the last few rows of a town and a country of their own."""
    town = [f"t{k % 6}" for k in range(ROWS - rare)] + ["Quux"] * rare
    land = [f"l{k % 6 % 2}" for k in range(ROWS - rare)] + ["Quuxland"] * rare
    kind = pa.dictionary(pa.int8(), pa.string())
    return pa.table({"town": town, "land": pa.array(land).cast(kind)})


@pytest.mark.parametrize(
    ("protection", "how"),
    [
        (Protection(), "computed"),
        (Protection(8), "computed"),
        (Protection(8, rare={"town": "star"}), "override"),
        (Protection(8, {"town": 1}), "override"),
        (Protection(200), "checked"),
    ],
)
def test_a_lookup_knows_no_pair_of_few_rows(protection, how):
    table = looked_up(5)
    levels = {"land": ["l1", "l0", "nobody", "Quuxland"]}
    schema = Schema.of(table.schema, dict.fromkeys(table.column_names, "categorical"), "here", levels)
    counts = Counts([language.parse("land", "lookup(town)", "always", schema.arrow)])
    counts.observe(table)
    reduction = Reduction(schema, uses(counts.verified(protection), counts.counts, schema, protection))
    assert [use.how for use in reduction.uses] == [how]
    inner, _ = reduction.reduce(table)
    given = levels_given(schema, table, reduction.touched)
    stats = parts.observe(reduction.inner, inner)
    built = Codec.fit(
        schema, stats, 32, 32, protection=protection, reduction=reduction, explained={}, given=given
    )
    stored = str([built.to_dict(), built.schema.levels])
    assert ("Quuxland" in stored) == (protection.min_rows == 1)
    assert ("Quux'" in stored) == (protection.of("town") == 1)
    codes, _ = built.encode(table)
    drawn = built.decode(codes.astype(int), np.random.default_rng(0).random(codes.shape))
    assert drawn["land"].null_count == 0
    if protection.min_rows == 8:
        assert built.schema.levels == {"land": ["l1", "l0", "nobody"]}
        known = {"t0": "l0", "t1": "l1", "t2": "l0", "t3": "l1", "t4": "l0", "t5": "l1"}
        pairs = zip(drawn["town"].to_pylist(), drawn["land"].to_pylist(), strict=True)
        assert all(known.get(town, land) == land for town, land in pairs)


def test_what_a_codec_holds_is_told_with_the_rows_behind_it():
    built, _, table = fitted(Protection(8, {"boss": 1}, {"city": "star"}))
    held = {one.name: one for one in contents(built, ROWS)}
    counts = {name: table["city"].to_pylist().count(name) for name in built.blocks[Part("city")].members}
    counts[MADE_UP] = 10
    assert (held["city"].count, held["city"].rows) == (6, min(counts.values()))
    assert held["city"].sentence == "6 categories of 10 rows or more; rarer ones are _rare_"
    assert (held["boss"].count, held["boss"].rows, held["boss"].min_rows) == (2, 2, 1)
    assert 0 < float(held["age"].ends[0]) < float(held["age"].ends[1]) < 69
    lines = held_lines(list(held.values()), made(columns={"boss": 1}).privacy)
    assert lines[0] == "What of the table is in this model:"
    assert "  The fewest rows behind a stored string, pair or frequent value: 2." in lines
    assert "  In force: privacy.min_rows = 8, privacy.columns.boss = 1." in lines
    assert any("it has values of single rows" in line for line in lines)


def test_a_forged_codec_that_sends_rare_categories_nowhere_is_refused():
    built, _, _ = fitted(Protection(8, rare={"city": "star"}))
    state = built.to_dict()
    others = [one for one in state["blocks"] if one["column"] != "city"]
    for rare, members in (("star", ["c0"]), ("elsewhere", None)):
        block = block_in(state, "city") | {"rare": rare}
        if members:
            block |= {"members": members, "codes": [0], "shares": [1.0]}
        with pytest.raises(ModelError, match="the block of 'city'"):
            Codec.from_dict(built.schema, state | {"blocks": [*others, block]})


def test_ends_are_told_as_a_calendar_has_them_and_rows_without_a_value_do_not_count():
    day = pa.array(np.arange(ROWS, dtype=np.int32), pa.date32())
    word = pa.array(["a", "b"] * (ROWS // 2), mask=np.arange(ROWS) < 100)
    table = pa.table({"day": day, "word": word})
    schema = Schema.of(table.schema, {"day": "datetime", "word": "categorical"}, "here")
    built = Codec.fit(schema, parts.observe(schema, table), 32, 32, protection=Protection(8))
    ours, *parts_of_days, theirs = contents(built, ROWS)
    assert [one.name for one in parts_of_days] == ["day (month)", "day (weekday)"]
    assert ours.sentence == "1970-01-05 to 1971-01-31" and theirs.rows == (ROWS - 100) // 2


def test_a_rare_key_is_merged_into_those_that_a_lookup_says_the_same_of():
    town = [f"t{k % 6}" for k in range(300)] + [f"rare {k // 2}" for k in range(100)]
    land = [f"l{k % 6 % 3}" for k in range(300)] + ["l1"] * 96 + ["nowhere"] * 4
    table = pa.table({"town": town, "land": land})
    schema = Schema.of(table.schema, dict.fromkeys(table.column_names, "categorical"), "here")
    counts, protection = (
        Counts([language.parse("land", "lookup(town)", "always", schema.arrow)]),
        Protection(8),
    )
    counts.observe(table)
    reduction = Reduction(schema, uses(counts.verified(protection), counts.counts, schema, protection))
    assert reduction.uses[0].how == "computed"
    stats = parts.observe(reduction.inner, reduction.reduce(table)[0])
    built = Codec.fit(schema, stats, 32, 32, protection=protection, reduction=reduction)
    codes, _ = built.encode(table)
    drawn = built.decode(codes.astype(int), np.zeros(codes.shape))
    assert drawn["land"].to_pylist()[:396] == land[:396]
    assert set(drawn["town"].to_pylist()[300:396]) == {"t1", "t4"}
    assert set(drawn["land"].to_pylist()[396:]) <= {"l0", "l1", "l2"}


@pytest.mark.parametrize("forged", [{"reading": "sundial"}, {"scale": 10**9}, {"min_rows": 0}])
def test_a_forged_number_is_refused(forged):
    state = fitted(Protection(8))[0].to_dict()
    block_in(state, "age").update(forged)
    with pytest.raises(ModelError, match="the block of 'age'"):
        Codec.from_dict(schema_of(people()), state)


def test_a_value_of_people_needs_the_rows_of_as_many():
    by_row = Protection(8, {"a": 1, "b": 3}, {"a": "star"}).of_units(10)
    assert [by_row.of(name) for name in "abc"] == [1, 30, 80] and by_row.rare_of("a") == "star"
    assert Protection(1).of_units(10).of("a") == 1
