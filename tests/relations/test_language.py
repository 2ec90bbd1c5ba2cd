"""The language of relations: what each text gives in rows, and the error of each mistake."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raygen.errors import ConfigError, ModelError
from raygen.relations.language import parse
from raygen.relations.relation import Relation


def moments(*texts: str, unit: str = "us") -> pa.Array:
    return pa.array(np.array(texts, f"datetime64[{unit}]"))


TABLE = pa.table(
    {
        "a": [0.1, 1.25, None],
        "b": [0.2, -3.5, 1.0],
        "c": [0.1 + 0.2, -2.25, 1.0],
        "whole": pa.array([930, 100, 5], pa.int32()),
        "whole2": [900, 2400, 2360],
        "late": [1, 2400, 2400],
        "h": [9, 1, 0],
        "m": [30, 0, 5],
        "kind": pa.array(["Cash", "Card", None]).dictionary_encode(),
        "same kind": ["Cash", "Cash", "Cash"],
        "tip": [0.0, 1.0, 0.5],
        "start": moments("2024-02-29T09:30", "1969-12-31T23:59:59", "2001-01-01"),
        "day": moments("2024-02-29", "1969-12-31", "2001-01-02", unit="D"),
        "long": pa.array([5, 6, 7], pa.duration("s")),
        "end": moments("2024-02-29T09:30:05", "1970-01-01T00:00:05", "2001-01-01", unit="ms"),
        "money": pa.array(["1.20", "2.50", "3.75"]).cast(pa.decimal128(10, 2)),
        "zoned": pa.array([0, 3_600, 7_200], pa.timestamp("s", tz="Europe/Berlin")),
        "yes": [True, False, None],
        "year": [2024, 1969, 2000],
    }
)

KEPT = [
    # column, text, kind, inputs, 1 holds, 0 breaks, -1 says nothing
    ("c", "a + b", "function", ("a", "b"), [1, 1, -1]),
    ("c", "a - -b", "function", ("a", "b"), [1, 1, -1]),
    ("b", "c - a", "function", ("c", "a"), [1, 1, -1]),
    ("b", "a * h - c", "function", ("a", "h", "c"), [0, 0, -1]),
    ("money", "round(a * b, 2) + 1.18", "function", ("a", "b"), [1, 0, -1]),
    ("whole", "100 * h + m", "function", ("h", "m"), [1, 1, 1]),
    ("m", "whole - h * 100", "function", ("whole", "h"), [1, 1, 1]),
    ("h", "floor(whole / 100)", "function", ("whole",), [1, 1, 1]),
    ("whole", "hhmm(start)", "function", ("start",), [1, 0, 0]),
    ("h", "hour(start)", "function", ("start",), [1, 0, 1]),
    ("m", "minute(start)", "function", ("start",), [1, 0, 0]),
    ("whole", "hhmm(minutes(whole2) + m)", "function", ("whole2", "m"), [1, 0, 1]),
    ("late", "hhmm24(minutes(whole2) + m)", "function", ("whole2", "m"), [0, 1, 0]),
    ("late", "hhmm24(start)", "function", ("start",), [0, 0, 1]),
    ("year", "year(start)", "function", ("start",), [1, 1, 0]),
    ("m", "day(start) + 1", "function", ("start",), [1, 0, 0]),
    ("h", "hour(zoned) - 1", "function", ("zoned",), [0, 1, 0]),
    ("day", "date(start)", "function", ("start",), [1, 1, 0]),
    ("end", "start + long", "function", ("start", "long"), [1, 1, 0]),
    ("long", "end - start", "function", ("end", "start"), [1, 1, 0]),
    ("end", "start + 5 seconds", "function", ("start",), [1, 0, 0]),
    ("whole", "(end - start) / 1 second", "function", ("end", "start"), [0, 0, 0]),
    ("end", "start + 1 second * m", "function", ("start", "m"), [0, 0, 0]),
    ("money", "round(c, 1) + 0.9", "function", ("c",), [1, 0, 0]),
    ("a", "round(money, 1)", "function", ("money",), [0, 0, -1]),
    ("b", "-3.5", "function", (), [0, 1, 0]),
    ("kind", "`same kind`", "function", ("same kind",), [1, 0, -1]),
    ("same kind", "'Cash'", "function", (), [1, 1, 1]),
    ("kind", "!= 'Card'", "order", (), [1, 0, -1]),
    ("tip", "0 where kind = 'Cash'", "bound", ("kind",), [1, -1, -1]),
    ("tip", "> 0 where kind in ('Card', 'Cash') and h < 5", "bound", ("kind", "h"), [-1, 1, -1]),
    ("kind", "'Card' where h = 1", "bound", ("h",), [-1, 1, -1]),
    ("tip", "0 where yes = true", "bound", ("yes",), [1, -1, -1]),
    ("tip", ">= h", "order", ("h",), [0, 1, 1]),
    ("tip", "< 1", "order", (), [1, 0, 1]),
    ("end", "> start", "order", ("start",), [1, 1, 0]),
    ("day", ">= start", "order", ("start",), [0, 0, 1]),
    ("c", "a + b within 0.1", "order", ("a", "b"), [1, 1, -1]),
    ("tip", "1.5 - c within 1.2", "order", ("c",), [1, 0, 1]),
    ("end", "start within 5 seconds", "order", ("start",), [1, 0, 1]),
    ("day", ">= '1970-01-01'", "order", (), [1, 0, 1]),
    ("a", "missing where kind is missing", "missing", ("kind",), [1, 1, 1]),
    ("a", "missing where h = 9", "missing", ("h",), [0, 1, 0]),
    ("a", "missing at least where h = 9", "missing", ("h",), [0, -1, -1]),
    ("a", "missing where kind = 'x'", "missing", ("kind",), [1, 1, -1]),
]


@pytest.mark.parametrize(("column", "text", "kind", "inputs", "kept"), KEPT, ids=[case[1] for case in KEPT])
def test_rows_that_keep_a_rule(column, text, kind, inputs, kept):
    relation = parse(column, text, "always", TABLE.schema)
    assert (relation.kind, relation.inputs) == (kind, inputs)
    assert relation.keeps(TABLE).tolist() == kept
    again = Relation.from_dict(json.loads(json.dumps(relation.to_dict())))
    assert again == relation and again.keeps(TABLE).tolist() == kept


GIVING = [case for case in KEPT if case[2] in ("function", "bound") and not case[1].startswith(">")]


@pytest.mark.parametrize(("column", "text"), [case[:2] for case in GIVING], ids=[case[1] for case in GIVING])
def test_values_keep_the_rule_that_gives_them(column, text):
    relation = parse(column, text, "always", TABLE.schema)
    values = relation.values(TABLE.drop_columns(column))
    assert values.type == TABLE.schema.field(column).type
    place = TABLE.schema.get_field_index(column)
    assert 0 not in relation.keeps(TABLE.set_column(place, column, values))
    if relation.kind == "function":
        missing = np.any([TABLE[name].is_null() for name in relation.inputs], axis=0)
        assert values.is_null().to_pylist() == (missing.tolist() if relation.inputs else [False] * 3)


def test_sums_of_decimals_are_exact():
    table = pa.table({"a": [0.1, 1e9 + 0.01], "b": [0.2, 0.02], "y": [0.3, 1e9 + 0.04]})
    relation = parse("y", "a + b", "always", table.schema)
    assert relation.keeps(table).tolist() == [1, 0]
    assert relation.values(table).to_pylist() == [0.3, 1e9 + 0.03]


def test_floats_of_many_digits_are_alike_to_nine():
    shares = np.random.Generator(np.random.PCG64(1)).dirichlet(np.ones(4), 500)
    table = pa.table({f"s{k}": shares[:, k] for k in range(4)})
    assert (parse("s3", "1 - s0 - s1 - s2", "always", table.schema).keeps(table) == 1).all()
    assert (parse("s3", "1.0001 - s0 - s1 - s2", "always", table.schema).keeps(table) == 0).all()


def test_whole_numbers_beyond_64_bits_stay_exact():
    table = pa.table({"a": [2**62, -(2**62)], "b": [2**62, -5], "y": [2**62 + 1, 0]})
    relation = parse("y", "a + b - 2 * a + 1", "always", table.schema)
    assert relation.keeps(table).tolist() == [0, 0]
    assert parse("y", "a + 1", "always", table.schema).keeps(table).tolist() == [1, 0]
    assert parse("y", "a + b", "always", table.schema).values(table).to_pylist() == [None, -(2**62) - 5]


def test_a_lookup_knows_its_pairs_alone():
    from raygen.relations.counts import Counts

    table = pa.table({"x": ["a", "b", "a", None], "d": [1, 1, 2, 2], "y": [1.5, 2.5, 3.5, 4.5]})
    counts = Counts([parse("y", "lookup(x, d)", "always", table.schema)])
    counts.observe(table)
    relation = Relation.from_dict(json.loads(json.dumps(counts.verified()[0].to_dict())))
    assert relation.pairs.support == (1, 1, 1)
    other = pa.table({"x": ["b", "b", "a", None], "d": [1, 2, 2, 2], "y": [2.5, 2.5, 1.5, 4.5]})
    assert relation.values(other).to_pylist() == [2.5, None, 3.5, None]
    assert relation.keeps(other).tolist() == [1, -1, 0, -1]


WRONG = [
    ("c", "a + kind", "at character 5, 'kind': expected numbers, moments or spans in a sum, not a text"),
    ("c", "a +", "at character 4, its end: expected a column, a number or a function"),
    ("c", "a + $", "at character 5, '$': expected a column"),
    ("c", "", "at character 1, its end: expected a column"),
    ("c", "a where", "at character 8, its end: expected a column"),
    ("c", "a b", "at character 3, 'b': expected the end, 'where' or one of + - * /"),
    ("c", "a * start", "at character 5, 'start': expected numbers on both sides of '*', not a moment"),
    ("c", "a * 'x'", "expected numbers on both sides of '*'"),
    ("c", "a / b", "at character 3, '/ b': expected a number behind '/'"),
    ("c", "a / 0", "at character 5, '0': expected a number other than 0"),
    ("c", "sum(a)", "at character 1, 'sum(a)': expected a function: abs, round"),
    ("c", "round(a, 0.5)", "at character 10, '0.5)': expected a whole number of digits"),
    ("c", "lookup(a, b, h)", "expected at most two columns in lookup()"),
    ("c", "aa + 1", "the table has no column 'aa'"),
    ("absent", "a", "the table has no column 'absent'"),
    ("c", "c + 1", "names the column itself"),
    ("c", "1e400", "expected a number between 1e-30 and 1e30"),
    ("whole", "99999999999", "expected a number that the type int32 can hold"),
    ("c", "a + 99999999999999999999", "expected a number below 2^62"),
    ("whole", "start", "at character 1, 'start': expected a number, which 'whole' is, not a moment"),
    ("end", "start + 3", "expected spans beside moments, such as '3 days'"),
    ("end", "start + day", "expected as many moments taken away as there are, or one less"),
    ("long", "end - start + a", "expected spans beside moments"),
    ("whole", "year(a)", "expected year() of a moment, not of a number"),
    ("kind", "> 'x'", "expected = or != for a text"),
    ("tip", "0 where kind = 3", "at character 16, '3': expected a text, not a number"),
    ("tip", "0 where kind > 'x'", "expected =, != or in for 'kind', which is a text"),
    ("c", "a + b within", "at character 13, its end: expected a number, a 'text', true or false"),
    ("c", "a + b within -1", "at character 14, '-1': expected a number or a span above 0"),
    ("c", "a within 1 where h = 1", "at character 12, 'where h = 1': expected the end"),
    ("c", "> a within 1", "at character 5, 'within 1': expected the end, 'where' or one of + - * /"),
    ("c", "a within 1 day", "expected a number behind 'within' for a number, which 'c' is"),
    ("end", "start within 5", "expected a span such as '1 minute' behind 'within' for a moment"),
    ("kind", "`same kind` within 1", "expected = or != for a text"),
    ("long", ">= '08:00'", "at character 4, ''08:00'': expected a span, not a text"),
    ("day", ">= 'May'", "expected a date32[day] such as '2026-01-31'"),
]


@pytest.mark.parametrize(("column", "text", "message"), WRONG, ids=[case[1] for case in WRONG])
def test_mistakes_name_the_column_the_text_and_the_place(column, text, message):
    with pytest.raises(ConfigError) as error:
        parse(column, text, "always", TABLE.schema)
    assert f"schema.relations: column '{column}'" in error.value.message and error.value.hint
    assert message in error.value.message and (repr(text) in error.value.message or column == "absent")


def test_holds_is_always_or_often():
    with pytest.raises(ConfigError, match="holds = 'ever': expected"):
        parse("c", "a", "ever", TABLE.schema)


def test_a_damaged_state_is_a_damaged_model():
    with pytest.raises(ModelError, match="a relation cannot be read"):
        Relation.from_dict({"column": "a", "is": "b +"})


LEAVES = [
    "a",
    "b",
    "money",
    "kind",
    "start",
    "day",
    "long",
    "zoned",
    "yes",
    "h",
    '"same kind"',
    "absent",
    "'Cash'",
]
LEAVES += ["3", "0.5", "2 days", "true", "1e20", "'2024-01-01'", "where", "(", "$", ""]
CALLS = ["abs({})", "round({})", "round({}, 1)", "floor({})", "hour({})", "time({})", "date({})", "hhmm({})"]
CALLS += ["minutes({})", "hhmm24({})", "-{}", "({})", "{} / 7", "{} * 1 minute", "{} / 1 hour", "lookup({})"]
SUMS = st.recursive(
    st.sampled_from(LEAVES),
    lambda inside: (
        st.builds(str.format, st.sampled_from(CALLS), inside)
        | st.builds(
            str.format, st.sampled_from(["{} + {}", "{} - {}", "{} * {}", "{} - ({})"]), inside, inside
        )
    ),
    max_leaves=4,
)
CONDITIONS = [
    "",
    "",
    "where h = 1",
    "where kind = 'Cash'",
    "where a is missing and yes = true",
    "where start > 3",
]


@settings(max_examples=1500, deadline=None)
@given(
    st.sampled_from(TABLE.column_names),
    st.sampled_from(["", "", "", ">= ", "!= "]),
    SUMS,
    st.sampled_from(CONDITIONS),
)
@pytest.mark.slow
def test_any_text_is_a_relation_or_a_mistake(column, sign, inside, where):
    try:
        relation = parse(column, f"{sign}{inside} {where}", "often", TABLE.schema)
    except ConfigError:
        return
    if relation.kind == "lookup":
        return
    assert set(relation.keeps(TABLE).tolist()) <= {-1, 0, 1}
    if relation.gives:
        values = relation.values(TABLE)
        assert values.type == relation.type and len(values) == TABLE.num_rows
