"""What looks like personal data, and what does not."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen.commands.init import init
from raygen.config import Config
from raygen.fakes import pools
from raygen.fakes.columns import PROVIDERS
from raygen.fakes.looks import proposals
from raygen.table.schema import Schema, infer

COUNT = range(200)
MADE = ("name", "first_name", "last_name", "email", "phone", "street", "iban", "card")


@pytest.fixture(scope="module")
def people() -> pa.Table:
    """200 rows of people who do not exist, by Faker."""
    fields = [pa.field(name, pa.string()) for name in PROVIDERS[:-1]]
    kinds = {field.name: "fake" for field in fields}
    made = pools.make(Schema(pa.schema(fields), kinds), {name: name for name in kinds}, "en_GB", 5)
    return pa.table({field.name: made.column(field, 0, 0, 200) for field in fields})


CALLED = {
    "name": ["name", "Customer Name", "full_name", "patient"],
    "first_name": ["first_name", "FirstName", "vorname", "given.name 1"],
    "last_name": ["last_name", "surname", "NACHNAME"],
    "email": ["mail", "x"],
    "phone": ["phone", "mobile_number", "Tel.", "work phone no"],
    "street": ["street", "address", "home_address", "Address_Line_1"],
    "iban": ["iban", "x"],
    "card": ["card", "x", "credit-card"],
}


@pytest.mark.parametrize("provider", CALLED)
@pytest.mark.slow
def test_they_are_found_by_value_and_name(people, provider):
    names = CALLED[provider]
    table = pa.table(dict.fromkeys(names, people[provider]))
    assert proposals(table) == dict.fromkeys(names, provider)
    some = pa.table({names[0]: people[provider].slice(0, 10)})
    assert proposals(some) == {}, "too few to tell"


def test_whole_numbers(people):
    cards = people["card"].cast(pa.int64())
    numbers = pa.array([5_550_100_000 + 7 * i for i in COUNT])
    random = pa.array([10**15 + 37 * i for i in COUNT])
    table = pa.table({"x": cards, "phone": numbers, "key": numbers, "card": random, "account": random})
    assert proposals(table) == {"x": "card", "phone": "phone", "card": "card"}


OTHERS = {
    "name": [f"chevrolet model {i}" for i in COUNT],
    "names": [f"Ford {'abcdefghijklmnopqrst'[i % 20]}{'uvwxyz'[i % 6]}" for i in COUNT],
    "country": ["United Kingdom", "United States"] * 100,
    "company": [f"Smith Group {chr(65 + i % 26)}{chr(65 + i // 26)}" for i in COUNT],
    "address": [f"10.0.0.{i}" for i in COUNT],
    "phone": [["Nokia", "Apple", "Samsung"][i % 3] + f" {i}" for i in COUNT],
    "first_name": [f"user-{i}" for i in COUNT],
    "key": [f"AB-{i:012}" for i in COUNT],
    "text": [f"Write to a{i}@b.de about it" for i in COUNT],
    "date": [f"2020-01-{i % 28 + 1:02} 10:{i % 60:02}" for i in COUNT],
    "number": [str(10**15 + 37 * i) for i in COUNT],
    "fax": [1.5 * i for i in COUNT],
    "mobile": pa.array([555_010_000 + i for i in COUNT], pa.int32()),
    "mail": pa.array([f"a{i}@b.de" for i in COUNT]).dictionary_encode(),
    "empty": pa.nulls(200, pa.string()),
}


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_left_as_they_are(name):
    assert proposals(pa.table({name: OTHERS[name]})) == {}


def test_init_proposes_them(people, tmp_path):
    table = people.select(["name", "email", "card"]).append_column("x", pa.array(np.arange(200) % 7))
    table = table.append_column("note", pa.array([f"row {i} says so" for i in COUNT]))
    pq.write_table(table, tmp_path / "t.parquet")
    lines: list[str] = []
    path = init(str(tmp_path / "t.parquet"), str(tmp_path / "c.toml"), say=lines.append)
    schema = Config.load(str(path)).schema_
    fake = dict.fromkeys(("name", "email", "card"), "fake")
    assert schema.columns == fake | {"x": "numeric", "note": "drop"} and infer(table)[0]["note"] == "drop"
    assert schema.fake == {name: name for name in fake}
    words = "looks like mail addresses; made up, nothing of it is learned"
    assert f"Note: email = 'fake': {words}" in lines
    (line,) = [line for line in path.read_text().splitlines() if line.startswith('email = "fake"')]
    assert line.endswith(words)
    assert "[schema.columns]  # numeric, categorical, boolean, datetime, id (numbered anew), fake" in (
        path.read_text()
    )
