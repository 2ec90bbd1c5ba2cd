"""Columns of kind fake: a function of model, seed and row, of their column's type, and of one person in each
row."""

import copy
import json

import numpy as np
import pyarrow as pa
import pytest

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.errors import ModelError, SchemaError
from raygen.fakes import pools, shared
from raygen.fakes.columns import PROVIDERS, Fakes
from raygen.table.part import Part
from raygen.table.schema import Schema

pytestmark = pytest.mark.slow

TEXTS = (*PROVIDERS[:-1], r"regex:[A-Z]{3}\d{4}")
WHOLE = {"card": pa.int64(), "phone": pa.uint64(), "postcode": pa.int32(), r"regex:[1-9]\d{3}": pa.uint32()}
SEVERAL = {"name 2": "name", "street 2": "street", "regex 2": r"regex:[A-Z]{3}[0-9]{4}"}
PROVIDER = {
    **{name: name for name in TEXTS},
    **{f"{name} as a number": name for name in WHOLE},
    **SEVERAL,
}
TYPES = {f"{name} as a number": kind for name, kind in WHOLE.items()} | {
    "phone": pa.large_string(),
    "city": pa.string_view(),
}


def schema_of(providers: dict[str, str]) -> Schema:
    fields = [pa.field(name, TYPES.get(name, pa.string())) for name in providers]
    kinds = dict.fromkeys(providers, "fake") | {"x": "numeric"}
    return Schema.of(pa.schema([*fields, pa.field("x", pa.float64())]), kinds, "here")


@pytest.fixture(scope="module")
def fakes() -> Fakes:
    return pools.make(schema_of(PROVIDER), PROVIDER, "en_US", 3)


def table(fakes: Fakes, first: int, last: int, seed: int = 0) -> pa.Table:
    fields = [one for one in schema_of(PROVIDER).arrow if one.name != "x"]
    return pa.table([fakes.column(one, seed, first, last - first) for one in fields], pa.schema(fields))


def test_a_row_needs_no_other(fakes):
    whole = table(fakes, 10**6, 10**6 + 3000)
    pieces = [table(fakes, 10**6 + a, 10**6 + b) for a, b in ((0, 1), (1, 2048), (2048, 2049), (2049, 3000))]
    assert pa.concat_tables(pieces).equals(whole)
    assert whole.schema.equals(pa.schema([one for one in schema_of(PROVIDER).arrow if one.name != "x"]))
    others = table(fakes, 10**6, 10**6 + 3000, seed=1)
    assert not any(whole[name].equals(others[name]) for name in whole.column_names)


def test_a_row_is_of_one_person(fakes):
    rows = table(fakes, 0, 500).to_pylist()
    assert all(row["name"] == f"{row['first_name']} {row['last_name']}" for row in rows)
    slug = f"{rows[0]['first_name']}.{rows[0]['last_name']}1@example.".lower()
    assert rows[0]["email"].startswith(slug)
    assert len({row["email"] for row in rows}) == 500
    assert all(row["card"] != row["card as a number"] for row in rows)
    for name in SEVERAL:
        assert np.mean([row[name] == row[PROVIDER[name]] if name in TEXTS else 0 for row in rows]) < 0.1
    assert np.mean([row["name"] == row["name 2"] for row in rows]) < 0.1
    assert all(row["regex 2"] != row[TEXTS[-1]] for row in rows)


def test_pools_have_no_value_twice(fakes):
    for name in ("name", "phone", "street", "city", "postcode", "company"):
        assert len(set(fakes.state.pools[name])) == len(fakes.state.pools[name]) == pools.POOL


def test_an_address_is_one_line():
    made = pools.make(schema_of({"a": "street"}), {"a": "street"}, "en_GB", 0)
    assert not [one for one in made.state.pools["street"] if "\n" in one]
    assert [one for one in made.state.pools["street"] if ", " in one]


def test_pools_follow_from_the_seed():
    providers = {"phone": "phone"}
    one, same, other = (pools.make(schema_of(providers), providers, "de_DE", seed) for seed in (0, 0, 1))
    assert one.to_dict() == same.to_dict() != other.to_dict()
    assert all(value[0] in "+(0" for value in one.state.pools["phone"])


def test_names_of_other_countries():
    providers = {"name": "name", "email": "email", "account": "iban"}
    made = pools.make(schema_of(providers), providers, "ja_JP", 0)
    name, email = (made.column(schema_of(providers).arrow.field(n), 0, 0, 50) for n in ("name", "email"))
    assert " " not in name[0].as_py() and email[0].as_py().startswith("someone1@example.")
    german = pools.make(schema_of(providers), providers, "de_DE", 0)
    account = german.column(schema_of(providers).arrow.field("account"), 0, 0, 50).to_pylist()
    assert all(one.startswith("DE") and len(one) == 22 for one in account)


def test_a_country_that_is_not_known():
    with pytest.raises(SchemaError) as caught:
        pools.make(schema_of({"a": "city"}), {"a": "city"}, "de_DD", 0)
    assert "schema.locale = 'de_DD'" in caught.value.message and "did you mean 'de_DE'?" in caught.value.hint
    with pytest.raises(SchemaError, match="no values of 'phone' are known"):
        pools.make(schema_of({"a": "phone"}), {"a": "phone"}, "en_PH", 0)


@pytest.mark.parametrize(
    ("provider", "kind", "reason"),
    [
        ("name", pa.int64(), "of up to 18 digits, and what 'name' makes is no whole number"),
        ("card", pa.int32(), "of up to 9 digits, and what 'card' makes has up to 16 digits"),
        (r"regex:[A-Z]\d", pa.int64(), r"makes is no whole number"),
        (r"regex:\d{19}", pa.int64(), "makes has up to 19 digits"),
        ("uuid", pa.int64(), "makes is no whole number"),
    ],
)
def test_what_does_not_fit_whole_numbers(provider, kind, reason):
    fields = pa.schema([("a", kind), ("x", pa.float64())])
    schema = Schema.of(fields, {"a": "fake", "x": "numeric"}, "here")
    with pytest.raises(SchemaError) as caught:
        pools.make(schema, {"a": provider}, "en_US", 0)
    assert reason in caught.value.message and "another provider" in caught.value.hint


def small(missing: int) -> tuple[Codec, pa.Table]:
    rows = pa.table(
        {
            "name": pa.array([None] * missing + [f"Person {i}" for i in range(400 - missing)]),
            "card": pa.array(np.arange(400) + 10**15, pa.int64()),
            "x": np.arange(400) % 7,
        }
    )
    schema = Schema.of(rows.schema, {"name": "fake", "card": "fake", "x": "numeric"}, "here")
    built = Codec.fit(schema, parts.observe(schema, rows), 16, 16)
    built.fakes = pools.make(schema, {"name": "name", "card": "card"}, "en_US", 0)
    return built, rows


def test_nothing_but_missing_values_is_learned():
    built, rows = small(missing=100)
    assert {part.column for part in built.blocks} == {"x", "name"} and built.schema.learned == ["x"]
    codes = built.encode(rows)[0]
    out = built.decode(codes, np.full(codes.shape, 0.5), 10, 4)
    assert out.schema.equals(rows.schema)
    assert out["name"].is_null().equals(rows["name"].is_null())
    assert not set(out["name"].drop_null().to_pylist()) & set(rows["name"].to_pylist())
    assert out["card"].null_count == 0 and len(out["card"].unique()) == 400
    assert "Person" not in json.dumps(built.to_dict())
    assert set(small(missing=0)[0].blocks) == {Part("x")}


def test_a_saved_codec_makes_the_same_rows():
    built, _ = small(missing=100)
    state = json.loads(json.dumps(built.to_dict()))
    codes = np.zeros((50, 2), int)
    again = Codec.from_dict(built.schema, state)
    assert again.decode(codes, codes, 7, 3).equals(built.decode(codes, codes, 7, 3))


FORGED = {
    "without": lambda s: s.pop("fakes"),
    "another column": lambda s: s["fakes"]["columns"].update(x="name"),
    "a column less": lambda s: s["fakes"]["columns"].pop("card"),
    "no such provider": lambda s: s["fakes"]["columns"].update(card="cards"),
    "a pattern": lambda s: s["fakes"]["columns"].update(card="regex:a*"),
    "letters": lambda s: s["fakes"]["columns"].update(card=r"regex:\w"),
    "an account": lambda s: s["fakes"]["columns"].update(name="iban"),
    "a country": lambda s: (
        s["fakes"]["columns"].update(name="iban"),
        s["fakes"].update(account=["GB", "x"]),
    ),
    "no pool": lambda s: s["fakes"]["pools"].pop("name"),
    "an empty pool": lambda s: s["fakes"]["pools"].update(name=[]),
    "a large pool": lambda s: s["fakes"]["pools"].update(name=["a"] * 100_001),
    "a long value": lambda s: s["fakes"]["pools"]["name"].append("a" * 201),
    "other lengths": lambda s: s["fakes"]["pools"]["name"].append("a"),
    "a number": lambda s: s["fakes"]["pools"]["name"].append(3),
    "half a sign": lambda s: s["fakes"]["pools"]["name"].__setitem__(0, "\ud800"),
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_forged_pools_end_in_one_error(change):
    built, _ = small(missing=0)
    state = copy.deepcopy(built.to_dict())
    change(state)
    with pytest.raises(ModelError, match="the model's codec cannot be read"):
        Codec.from_dict(built.schema, state)


def test_values_in_common_are_counted(fakes):
    real = table(fakes, 0, 2000)
    real = real.set_column(0, "name", pa.array([*fakes.state.pools["name"][:30], *["Nobody"] * 1970]))
    halves = [shared.count(fakes, real.slice(at, 1000)) for at in (0, 1000)]
    common = shared.merge(*halves)
    assert all(np.array_equal(common[name], found) for name, found in shared.count(fakes, real).items())
    notes = shared.notes(fakes, common)
    assert notes["name"] == (
        f"is made up (name): 30 of its pool of {pools.POOL:,} values are in the table too"
    )
    for name in ("card", "email", "uuid", "iban", TEXTS[-1]):
        assert "2,000 rows of the table have a value of this form" in notes[name]
    assert notes[TEXTS[-1]].endswith(", of 1.76e+08 that there are")
    none = real.set_column(real.column_names.index("card"), "card", pa.array(["4"] * 2000))
    assert "0 rows of the table" in shared.notes(fakes, shared.count(fakes, none))["card"]
