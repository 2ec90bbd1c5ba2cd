"""Files of every format: the values that went in come out, for every type; what a file tells of itself; a
shard's size."""

import csv
import gzip
import hashlib
import io
import json
import math
from datetime import date, datetime
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from raygen.config import Config
from raygen.errors import ConfigError
from raygen.generation import formats
from raygen.generation.formats import Format
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.table.source import Source
from raygen.table.spelling import Moments, Numbers, Words, marked

TEXTS = ["a", 'quo"te', "", None, "c,\nd\\", "\u00e4\U0001f600\t"]
TABLE = pa.table(
    {
        "double": [1.0, 1e300, 0.1, None, -5e-324, 1 / 3],
        "float": pa.array([0.1, 1e30, None, 2, 3, 4], pa.float32()),
        "half": pa.array([0.1, 1.5, None, 2, 3, 4], pa.float16()),
        "int": [2**53 - 1, None, -1, 0, 1, 2],
        "unsigned": pa.array([2**64 - 1, None, 1, 0, 1, 2], pa.uint64()),
        "decimal": pa.array([Decimal("1.10"), None, Decimal("-0.01"), 1, 2, 3], pa.decimal128(38, 18)),
        "bool": [True, False, None, True, True, True],
        'te"xt, of': TEXTS,
        "large": pa.array(TEXTS, pa.large_string()),
        "view": pa.array(TEXTS, pa.string_view()),
        "dictionary": pa.array(TEXTS).dictionary_encode(),
        "numbers": pa.array([0.1, 7, None, 7, 7, 7]).dictionary_encode(),
        "day": [date(1960, 1, 1), None, date(2024, 2, 29), None, None, None],
        "moment": pa.array(
            [datetime(2024, 2, 29, 1, 2, 3, 4), None, None, None, None, None], pa.timestamp("us")
        ),
        "zone": pa.array(
            [datetime(2024, 2, 29, 1, 2, 3, 4), None, None, None, None, None], pa.timestamp("us", "UTC")
        ),
        "time": pa.array([1000, None, 0, None, None, None], pa.time32("ms")),
        "duration": pa.array([-1000, None, 0, None, None, None], pa.duration("ms")),
        "nothing": pa.nulls(6),
    }
)
ALL = [
    Format("parquet", "zstd"),
    *(Format(name, packed) for name in ("csv", "jsonl") for packed in formats.ENDINGS),
]


def write(form: Format, path, tables, schema=TABLE.schema) -> str:
    with path.open("wb", buffering=0) as stream:
        rows, size, digest = form.write(stream, schema, tables)
    assert (rows, size) == (sum(t.num_rows for t in tables), path.stat().st_size)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    return digest


@pytest.mark.parametrize("form", ALL, ids=lambda form: form.suffix)
def test_a_file_tells_its_rows_and_columns_and_has_the_same_bytes_again(form, tmp_path):
    table = TABLE.drop_columns(
        ["half", "numbers"]
    )  # Arrow reads half floats and dictionaries of numbers back from Parquet as others
    digests = {
        write(form, tmp_path / f"{i}{form.suffix}", [table, table.slice(2)], table.schema) for i in range(2)
    }
    assert len(digests) == 1
    rows, columns = form.described(str(tmp_path / f"0{form.suffix}"))
    assert rows == 10
    assert columns == {field.name: "" if form.is_text else str(field.type) for field in table.schema}
    assert formats.of_file(f"x{form.suffix}") == formats.NAMES[form.name]
    assert formats.of_file(f"_there/_x{form.suffix}") is None is formats.of_file(f".x{form.suffix}")
    write(form, tmp_path / f"none{form.suffix}", [table.slice(0, 0)], table.schema)
    assert form.described(str(tmp_path / f"none{form.suffix}"))[0] == 0


def test_csv_gives_back_every_value(tmp_path):
    write(Format("csv", "gzip"), tmp_path / "a.csv.gz", [TABLE.slice(0, 4), TABLE.slice(4)])
    table = TABLE.drop_columns(["half", "duration"])
    columns = {f.name: f.type.value_type if pa.types.is_dictionary(f.type) else f.type for f in table.schema}
    columns |= {"view": pa.string()}
    parse, options = (
        pacsv.ParseOptions(newlines_in_values=True),
        {"strings_can_be_null": True, "quoted_strings_can_be_null": False},
    )
    back = pacsv.read_csv(
        tmp_path / "a.csv.gz",
        parse_options=parse,
        convert_options=pacsv.ConvertOptions(column_types=columns, **options),
    )
    for name, kind in columns.items():
        assert back[name].to_pylist() == table[name].cast(kind).to_pylist(), name
    assert back["duration"].to_pylist() == [-1000, None, 0, None, None, None]
    with gzip.open(tmp_path / "a.csv.gz", "rt", encoding="utf-8", newline="") as file:
        frame = pd.read_csv(file, keep_default_na=False)
    assert frame['te"xt, of'].tolist() == [text or "" for text in TEXTS]


def test_json_lines_give_back_every_value():
    lines = [json.loads(line) for line in formats.json_lines(TABLE).decode().splitlines()]
    assert list(lines[0]) == TABLE.column_names
    for name in (
        "double",
        "int",
        "unsigned",
        "bool",
        'te"xt, of',
        "large",
        "view",
        "dictionary",
        "numbers",
        "nothing",
    ):
        assert [line[name] for line in lines] == TABLE[name].to_pylist(), name
    assert [lines[0][name] for name in ("day", "moment", "time", "duration")] == [
        "1960-01-01",
        "2024-02-29 01:02:03.000004",
        "00:00:01.000",
        -1000,
    ]
    assert Decimal(str(lines[2]["decimal"])) == Decimal("-0.01")
    assert [line["float"] for line in lines[:2]] == [0.1, 1e30] and math.isclose(
        lines[0]["half"], 0.1, rel_tol=1e-3
    )
    frame = pd.read_json(io.BytesIO(formats.json_lines(TABLE.select(["dictionary", "bool"]))), lines=True)
    assert [None if pd.isna(text) else text for text in frame["dictionary"]] == TEXTS


EXTREMES = {
    "double": pa.array([float("nan"), float("inf"), 1.5]),
    "half": pa.array([float("nan"), float("-inf"), 1.5], pa.float16()),
    "numbers": pa.array([float("nan"), None, 1.5]).dictionary_encode(),
    **{
        str(kind): pa.array([2**63 - 1, -(2**63) + 1, 86_400_000], kind)
        for kind in (pa.timestamp("s"), pa.timestamp("us"), pa.date64())
    },
    **{
        zone: pa.array([2**63 - 1, -(2**63) + 1, 0], pa.timestamp("us", zone))
        for zone in ("UTC", "Europe/Berlin")
    },
    "day": pa.array([2**31 - 1, -(2**31), 0], pa.int32()).cast(pa.date32()),
    "days": pa.array([2**31 - 1, None, 0], pa.int32()).cast(pa.date32()).dictionary_encode(),
    "time": pa.array([2**31 - 1, -1, 0], pa.int32()).cast(pa.time32("s")),
    "row": pa.array([0, 1, 2]),
}


def test_what_text_has_no_word_for_is_missing(tmp_path):
    table = pa.table(
        EXTREMES, pa.schema([pa.field(name, array.type, nullable=False) for name, array in EXTREMES.items()])
    )
    lines = [json.loads(line) for line in formats.json_lines(table).splitlines()]
    write(Format("csv", "none"), tmp_path / "a.csv", [table], table.schema)
    csv = [line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines()[1:]]
    for row in (0, 1):
        assert lines[row] == dict.fromkeys(EXTREMES) | {"row": row}
        assert csv[row] == [""] * (len(EXTREMES) - 1) + [str(row)]
    assert None not in lines[2].values() and "" not in csv[2]
    assert (lines[2]["double"], lines[2]["Europe/Berlin"]) == (1.5, "1970-01-01 01:00:00.000000+0100")


@pytest.mark.parametrize("form", [form for form in ALL if form.is_text], ids=lambda form: form.suffix)
@pytest.mark.slow
def test_text_has_the_same_bytes_however_many_rows_are_written_at_once(form, tmp_path):
    """So that generate.row_group_rows is no part of what a folder of text is."""
    table = pa.table(
        {
            "number": [hash((i, "n")) % 10**9 for i in range(100_000)],
            "text": [f"row {i % 977}" for i in range(100_000)],
        }
    )
    sizes = (2048, 30_720, 100_000)
    cuts = [[table.slice(first, size) for first in range(0, 100_000, size)] for size in sizes]
    assert (
        len({write(form, tmp_path / f"{i}{form.suffix}", cut, table.schema) for i, cut in enumerate(cuts)})
        == 1
    )


def test_parquet_of_the_same_shard_is_known_by_its_mark_to_the_last_page(tmp_path):
    table = pa.table({"x": [hash((i, "x")) % 2**62 for i in range(6000)]})
    form, schema = Format("parquet", "zstd", 2048), table.schema.with_metadata({b"raygen": b"mine"})
    write(form, path := tmp_path / "a.parquet", [table], schema)
    assert pq.read_metadata(path).num_row_groups == 3
    assert form.marked_rows(str(path), b"mine") == 6000
    assert form.marked_rows(str(path), b"other") is None
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert form.marked_rows(str(path), b"mine") is None
    write(text := Format("csv", "none"), tmp_path / "a.csv", [TABLE])
    assert text.marked_rows(str(tmp_path / "a.csv"), b"mine") is None, "text has no place for a mark"


@pytest.mark.parametrize("form", ALL, ids=lambda form: form.suffix)
def test_as_many_rows_as_make_a_shard_of_the_size_that_was_asked_for(form, tmp_path):
    table = pa.table({"number": range(40_000), "text": [f"row {i % 977}" for i in range(40_000)]})
    rows = form.rows_per_shard(0.5, table.slice(0, 20_000))
    assert rows % BLOCK_ROWS == 0
    many = pa.concat_tables([table] * (rows // 40_000 + 1)).slice(0, rows)
    assert 0.8 < form.size(many) / 2**19 < 1.25
    assert form.rows_per_shard(1e-6, table) == BLOCK_ROWS, "one block at least"


def test_a_file_tells_the_types_that_it_stores(tmp_path):
    kinds = [pa.timestamp("s"), pa.timestamp("s", "+02:00"), pa.time32("s"), pa.duration("s"), pa.date32()]
    table = pa.table({str(kind): pa.array([5], kind) for kind in [*kinds, pa.timestamp("us"), pa.int8()]})
    form = Format("parquet", "zstd")
    write(form, tmp_path / "t.parquet", [table], table.schema)
    told = form.described(str(tmp_path / "t.parquet"))[1]
    assert told == {field.name: str(form.stored(field.type)) for field in table.schema}
    assert told["timestamp[s, tz=+02:00]"] == "timestamp[ms, tz=+02:00]"
    assert Format("csv", "none").stored(kinds[0]) == kinds[0]


SPELLED = {
    "day": (Moments("%d/%m/%Y"), [date(2024, 2, 29), None], ["29/02/2024", ""]),
    "money": (Numbers("$", "", ",", ".", 2), [1234.5, -0.05], ["$1,234.50", "-$0.05"]),
    "price": (Numbers(digits=2), [12.5, None], ["12.50", ""]),
    "large": (Numbers(digits=2), [1e17, 2.5], ["1e+17", "2.5"]),
    "long": (Numbers(digits=18), [0.5, 2.25], ["0.5", "2.25"]),
    "truth": (Words("True", "False"), [True, False], ["True", "False"]),
}


@pytest.mark.parametrize("name", SPELLED)
def test_text_is_spelled_as_that_of_the_table(tmp_path, name):
    way, values, texts = SPELLED[name]
    schema = pa.schema([marked(pa.field("c", way.type), way), pa.field("n", pa.int64())])
    table = pa.table([pa.array(values, way.type), [1, 2]], schema=schema)
    write(Format("csv", "none"), tmp_path / "t.csv", [table], schema)
    with (tmp_path / "t.csv").open(newline="") as stream:
        assert [row[0] for row in csv.reader(stream)][1:] == texts
    write(Format("jsonl", "none"), tmp_path / "t.jsonl", [table], schema)
    lines = [json.loads(line)["c"] for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert lines == (values if way.is_plain else [text or None for text in texts])
    write(Format("parquet", "zstd"), tmp_path / "t.parquet", [table], schema)
    assert pq.read_table(tmp_path / "t.parquet")["c"].to_pylist() == values
    for suffix in ("csv", "jsonl"):
        again = Source.open(str(tmp_path / f"t.{suffix}"), schema).head()
        assert again["c"].to_pylist() == values


def test_what_the_settings_ask_for():
    def of(**settings) -> Format:
        return Format.of(
            Config().override({f"generate.{key}": value for key, value in settings.items()}).generate
        )

    assert of() == Format("parquet", "zstd", 131_072) and of().suffix == ".parquet"
    assert of(format="csv") == Format("csv", "none", 131_072) and of(format="csv").suffix == ".csv"
    assert of(format="jsonl", compression="gzip").suffix == ".jsonl.gz"
    assert of(compression="none").compression == "none"
    assert [of(row_group_rows=rows).group_rows for rows in (1, 2048, 2049)] == [2048, 2048, 4096]
    assert Format.of_run({"seed": 1}) == Format("parquet", "zstd"), "as older folders are"
    for settings in ({"format": "csv"}, {"format": "jsonl"}):
        with pytest.raises(
            ConfigError,
            match=r"compression = 'snappy' with generate.format = '(csv|jsonl)': expected none or "
            r"gzip or zstd",
        ):
            of(compression="snappy", **settings)
    with pytest.raises(ConfigError, match=r"generate\.format"):
        of(format="xlsx")


FORMULAS = ["=1+1", "+cmd|x", "-2+3", "@SUM(A1)", " =x", "\t=x", "--", "+", "=", "-x1"]
HARMLESS = ["-5", "+3.2e4", "-1,234.50", "-.5", "-5%", "", "a=1", "'=x", "5-3", "x@y", None]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_csv_safe_puts_an_apostrophe_before_formulas_and_never_before_numbers(kind, tmp_path):
    texts = FORMULAS + HARMLESS
    table = pa.table({"text": pa.array(texts, pa.string()).cast(kind), "=number": [-1.5] * len(texts)})
    for safe in (False, True):
        form = Format.of(Config().override({"generate.format": "csv", "generate.csv_safe": safe}).generate)
        with (tmp_path / "rows.csv").open("wb") as stream:
            form.write(stream, table.schema, [table])
        with (tmp_path / "rows.csv").open(newline="") as stream:
            names, *rows = csv.reader(stream)
        assert names == ["text", "=number"]
        marked = [f"'{text}" for text in FORMULAS] if safe else FORMULAS
        assert [text for text, _ in rows] == marked + [text or "" for text in HARMLESS]
        assert {number for _, number in rows} == {"-1.5"}


@pytest.mark.parametrize("name", ["parquet", "jsonl"])
def test_csv_safe_is_of_csv_alone(name):
    settings = Config().override({"generate.format": name, "generate.csv_safe": True}).generate
    with pytest.raises(ConfigError, match=f"generate.csv_safe = true with generate.format = '{name}'"):
        Format.of(settings)
