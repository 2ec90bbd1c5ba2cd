"""What stands beside the values of a column comes back: the order of a dictionary, what pandas has noted."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.table import arrow
from raygen.table.schema import Schema, infer
from raygen.table.source import Source

ROWS = 300
rng = np.random.default_rng(4)
SIZES = ["XS", "S", "M", "L", "XL"]  # no row is XS


def made(path) -> pa.Table:
    """Rows of a table's codec, after its schema has been through JSON."""
    source = Source.open(str(path))
    table = source.head()
    schema = Schema.of(source.schema, infer(table)[0], "here", source.levels())
    schema = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    built = Codec.fit(schema, parts.observe(schema, table), 128, 256)
    codes, _ = built.encode(table)
    out = built.decode(codes[::-1].astype(int), rng.random(codes.shape))
    out.validate(full=True)
    return out


@pytest.fixture
def frame() -> pd.DataFrame:
    columns = {
        "size": pd.Categorical(rng.choice(SIZES[1:], ROWS), categories=SIZES, ordered=True),
        "plan": pd.Categorical(rng.choice(["free", "pro"], ROWS), categories=["pro", "free", "trial"]),
        "visits": pd.array(np.where(rng.random(ROWS) < 0.2, None, rng.integers(0, 40, ROWS)), "Int64"),
        "active": pd.array(np.where(rng.random(ROWS) < 0.2, None, rng.random(ROWS) < 0.4), "boolean"),
        "note": pd.array(np.where(rng.random(ROWS) < 0.2, None, rng.choice(["", "NA"], ROWS)), "string"),
    }
    return pd.DataFrame(columns, index=pd.Index(7 * np.arange(ROWS) + 1000, name="customer"))


def test_a_dictionary_keeps_its_order_and_what_never_occurs(tmp_path, frame):
    frame.to_parquet(tmp_path / "t.parquet")
    size, plan = made(tmp_path / "t.parquet")["size"], made(tmp_path / "t.parquet")["plan"]
    assert size.type.ordered and not plan.type.ordered
    assert size.chunk(0).dictionary.to_pylist() == SIZES
    assert plan.chunk(0).dictionary.to_pylist() == ["pro", "free", "trial"]
    assert set(size.to_pylist()) == set(SIZES[1:])


def test_what_later_files_add_follows():
    kind = pa.dictionary(pa.int8(), pa.string())
    array = arrow.from_strings(pa.array(["c", None, "a", "d"]), kind, ["a", "b"])
    assert array.dictionary.to_pylist() == ["a", "b", "c", "d"]
    assert array.to_pylist() == ["c", None, "a", "d"]


def test_pandas_reads_its_own_types_and_index(tmp_path, frame):
    frame.to_parquet(tmp_path / "t.parquet")
    pq.write_table(made(tmp_path / "t.parquet"), tmp_path / "made.parquet")
    again = pd.read_parquet(tmp_path / "made.parquet")
    assert dict(again.dtypes) == dict(frame.dtypes)
    assert again.index.name == "customer" and again.index.is_unique


def test_an_index_without_a_name_is_one_again(tmp_path, frame):
    some = frame.reset_index(drop=True)[frame["visits"].fillna(0).to_numpy() < 30]
    some.to_parquet(tmp_path / "t.parquet")
    pq.write_table(made(tmp_path / "t.parquet"), tmp_path / "made.parquet")
    again = pd.read_parquet(tmp_path / "made.parquet")
    assert list(again.columns) == list(frame.columns)
