"""Hive partitions: each row in the folder of its categories, read back by pyarrow and pandas with the same
values."""

import contextlib
import re
import uuid

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from raygen import filesystems, storage
from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.errors import ConfigError
from raygen.generation import manifest, verification
from raygen.generation.hive import NULL, Partitions
from raygen.generation.run_records import MOST_PARTITIONS
from raygen.generation.shards import Plan
from raygen.table.schema import Schema
from tests import stores
from tests.relations import given
from tests.relations.test_reduction import any_codes, reduced
from tests.relations.test_reduction import fitted as reduction_fitted

NAMES = ["<=50K", "a b/c", "50%", "x=y", "it's", "\u00fc", "..", None]
ROWS = 160
TABLE = pa.table(
    {
        "number": range(ROWS),
        "odd": [NAMES[i % 8] for i in range(ROWS)],
        "two words": pa.array([f"c{i % 3}" for i in range(ROWS)]).dictionary_encode(),
        "flag": [bool(i % 5) for i in range(ROWS)],
        "many": [f"m{i % 80}" for i in range(ROWS)],
        "more": [f"n{i % 20}" for i in range(ROWS)],
        "blank": ["", "x"] * (ROWS // 2),
        "long": ["y", "x" * 300] * (ROWS // 2),
        "case": ["Miss", "miss"] * (ROWS // 2),
        "null": [NULL, None] * (ROWS // 2),
    }
    | {name: ["x", "y"] * (ROWS // 2) for name in ("a=b", "_hidden", ".hidden", "what?", "no#1", "a\tb")}
)
KINDS = {"number": "numeric", "flag": "boolean"} | dict.fromkeys(
    set(TABLE.column_names) - {"number", "flag"}, "categorical"
)


def fitted(table: pa.Table) -> Codec:
    schema = Schema.of(
        table.schema, {name: KINDS.get(name, "categorical") for name in table.column_names}, "here"
    )
    return Codec.fit(schema, parts.observe(schema, table), 128, 256)


CODEC = fitted(TABLE)


def written(cut: Partitions, table: pa.Table, folder) -> None:
    for name, part in zip(cut.folders, cut.split(table), strict=True):
        (folder / name).mkdir(parents=True)
        pq.write_table(part, folder / name / "part-0.parquet")


@pytest.mark.parametrize(
    "columns", [["odd"], ["flag"], ["two words", "odd"], ["odd", "flag", "two words"]], ids="-".join
)
def test_pyarrow_and_pandas_read_every_value_back(columns, tmp_path):
    cut = Partitions.of(CODEC, columns)
    table = TABLE.slice(3, 50)
    written(cut, table, tmp_path)
    back = pads.dataset(tmp_path, partitioning="hive").to_table().sort_by("number")
    assert set(back.column_names) == set(table.column_names)
    for name in table.column_names:
        values = table[name].cast(pa.string()) if name == "flag" and name in columns else table[name]
        assert back[name].to_pylist() == values.to_pylist(), name
    typed = (
        pads.dataset(
            tmp_path, partitioning=pads.partitioning(pa.schema([("flag", pa.bool_())]), flavor="hive")
        )
        .to_table()
        .sort_by("number")
    )
    assert typed["flag"].to_pylist() == table["flag"].to_pylist()
    hive = (
        {"partitioning": pads.partitioning(flavor="hive")} if "odd" in columns else {}
    )  # pandas' own way does not know missing values
    frame = pd.read_parquet(tmp_path, **hive).sort_values("number")
    for name in columns:
        assert [None if pd.isna(value) else str(value) for value in frame[name]] == table[name].cast(
            pa.string()
        ).to_pylist(), name


def test_rows_keep_their_order_and_an_absent_level_has_no_rows():
    cut = Partitions.of(CODEC, ["flag", "odd"])
    assert cut.num_files == len(cut.folders) == 16
    assert (
        cut.folders[0] == "flag=false/odd=.."
        and cut.folders[7] == "flag=false/odd=__HIVE_DEFAULT_PARTITION__"
    )
    parts = dict(zip(cut.folders, cut.split(TABLE.slice(0, 8)), strict=True))
    assert sum(part.num_rows for part in parts.values()) == 8
    assert parts["flag=true/odd=50%25"]["number"].to_pylist() == [2]
    assert parts["flag=false/odd=50%25"].num_rows == 0
    assert {tuple(part.column_names) for part in parts.values()} == {
        tuple(n for n in TABLE.column_names if n not in ("flag", "odd"))
    }
    (false, true) = Partitions.of(CODEC, ["flag"]).split(TABLE)
    assert true["number"].to_pylist() == [i for i in range(ROWS) if i % 5] and false.num_rows == ROWS // 5
    assert Partitions.of(CODEC, []).folders == ("",)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["odds"], "the model writes no column 'odds'"),
        (["number"], "column 'number' is of kind numeric"),
        (["odd", "odd"], "names column 'odd' twice"),
        (["a=b"], "the name of column 'a=b' cannot be that of a folder"),
        (
            ["many", "more"],
            "80 of many x 20 of more categories make 1,600 files of each shard; at most 1,000 are allowed",
        ),
        (["blank"], "a category of column 'blank' is empty, which reads back as missing"),
        (["_hidden"], "the name of column '_hidden' begins with '_': it hides folders"),
        ([".hidden"], "the name of column '.hidden' begins with '.': it hides folders"),
        (["what?"], "the name of column 'what?' cannot be that of a folder"),
        (["no#1"], "the name of column 'no#1' cannot be that of a folder"),
        (["a\tb"], "the name of column 'a\tb' cannot be that of a folder"),
        (["case"], "categories 'Miss' and 'miss' of column 'case' are one folder where case does not count"),
        (["null"], f"'{NULL}' is a category of column 'null', and the name of a missing one"),
        (["long"], "a category of column 'long' makes a folder's name of 305 bytes"),
    ],
)
def test_what_makes_no_folders_is_refused(columns, message):
    with pytest.raises(
        ConfigError, match=re.escape(f"generate.partition_by{' ' if 'twice' in message else ': '}{message}")
    ) as caught:
        Partitions.of(CODEC, columns)
    assert caught.value.hint


def test_a_column_must_be_left_and_a_thousand_files_are_allowed():
    with pytest.raises(ConfigError, match="leaves no column for the files"):
        Partitions.of(fitted(TABLE.select(["odd", "flag"])), ["odd", "flag"])
    wide = pa.table(
        {
            "number": range(1000),
            "many": [f"m{i % 50}" for i in range(1000)],
            "more": [f"n{i // 50}" for i in range(1000)],
        }
    )
    assert Partitions.of(fitted(wide), ["many", "more"]).num_files == MOST_PARTITIONS


@pytest.mark.parametrize("scheme", ["", "file://", "fsspec+local://", "s3://"])
@pytest.mark.slow
def test_folders_keep_their_names_on_every_filesystem(scheme, tmp_path):
    """A URI is percent-decoded once, which must not make 'income=>50K' of 'income=%3E50K'."""
    texts = ["x", ">50K", "a/b", "a%2Fb", "50%", "what?", "#1", None]
    table = pa.table({"number": range(16), "of what": texts * 2})
    cut = Partitions.of(fitted(table), ["of what"])
    plan = Plan(16, 16, partitions=cut.folders)
    with stores.serving() if scheme == "s3://" else contextlib.nullcontext() as store:
        folder = store.uri(f"bucket/{uuid.uuid4().hex}") if store else f"{scheme}{tmp_path}/out"
        for file, part in zip(plan.files(0), cut.split(table), strict=True):
            with storage.whole(storage.inside(folder, file)) as stream:
                pq.write_table(part, pa.PythonFile(storage.Hashing(stream), mode="w"))
        _, base = filesystems.resolve(folder)
        assert sorted(info.path.removeprefix(f"{base}/") for info in storage.listing(folder)) == sorted(
            plan.files(0)
        )
        assert manifest.sizes(folder, plan, range(1), {}).keys() == set(plan.files(0))
        assert verification.surplus(folder, plan, range(1)) == []
        filesystem, path = filesystems.resolve(folder)
        back = pads.dataset(path, filesystem=filesystem, partitioning="hive").to_table().sort_by("number")
        assert back["of what"].to_pylist() == table["of what"].to_pylist()
        storage.write(storage.inside(folder, "of what=%3E50K/stray"), b"")
        assert verification.surplus(folder, plan, range(1)) == ["of what=%3E50K/stray"]


def test_a_category_with_a_nul_is_refused_as_names_end_there():
    table = pa.table({"odd": ["a\0b", "a", "c"] * 20, "number": list(range(60))})
    with pytest.raises(ConfigError, match=r"category 'a\\x00b' of column 'odd' has a NUL"):
        Partitions.of(fitted(table), ["odd"])


@pytest.mark.parametrize("columns", [["borough"], ["channel", "ship_to"], ["bank", "big"]], ids=",".join)
def test_columns_that_relations_give_are_cut_by_as_others(columns, tmp_path):
    codec = given_codec()
    cut = Partitions.of(codec, columns)
    made = codec.decode(*any_codes(codec, 3000))
    written(cut, made, tmp_path)
    back = pads.dataset(tmp_path, partitioning="hive").to_table().to_pandas()
    real = made.to_pandas()
    for frame in (back, real):
        frame[columns] = frame[columns].astype("string").fillna("none").apply(lambda c: c.str.lower())
    counts = [frame.groupby([*columns, "amount"]).size() for frame in (back, real)]
    assert len(back) == 3000 and counts[0].equals(counts[1])
    assert len(cut.folders) == len(real[columns].drop_duplicates())


def given_codec() -> Codec:
    often = tuple(name for name, (_, holds) in given.TEXTS.items() if holds == "often")
    rows = given.table(2000)
    return reduction_fitted(rows, reduced(rows, {k: text for k, (text, _) in given.TEXTS.items()}, often))
