"""Odd input is refused in one sentence before a model is asked, or is taken for what it is."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import raygen
from raygen.completion.partial import _check_type
from raygen.completion.settings import Settings
from raygen.errors import ConfigError, SchemaError
from raygen.table import frames
from tests import untrained

SETTINGS = [
    ({"draws": "2"}, "draws = '2': expected a whole number"),
    ({"draws": 2.5}, r"draws = 2\.5: expected a whole number"),
    ({"draws": True}, "draws = True: expected a whole number"),
    ({"draws": 0}, "draws = 0: expected a number from 1"),
    ({"particles": 32.0}, r"particles = 32\.0: expected a whole number"),
    ({"particles": 0}, "particles = 0: expected a number from 1"),
    ({"seed": "a"}, "seed = 'a': expected a whole number"),
    ({"seed": -1}, "seed = -1: expected a number from 0"),
    ({"most_likely": "yes"}, "most_likely = 'yes': expected True or False"),
    ({"fill": 3}, "fill = 3: expected 'all', 'absent' or names"),
    ({"fill": [3]}, r"fill = \[3\]: expected 'all', 'absent' or names"),
    ({"fill": {"a": 1}}, "expected 'all', 'absent' or names"),
]


@pytest.mark.parametrize(("settings", "message"), SETTINGS, ids=lambda one: str(one)[:40])
def test_settings_of_other_types_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Settings(**settings)


def test_whole_numbers_of_numpy_are_numbers():
    settings = Settings(draws=np.int64(3), seed=np.uint8(7))
    assert (type(settings.draws), settings.draws, type(settings.seed)) == (int, 3, int)


LETTERS = ["a", "b"]
FRAMES = {
    "two columns of a name": (pd.DataFrame([[1, 2]], columns=["a", "a"]), "more than one column 'a'"),
    "mixed objects": (pd.DataFrame({"a": [1, "x"]}), "cannot be read as a table"),
    "huge whole numbers": (pd.DataFrame({"a": [2**70, 2]}), "cannot be read as a table"),
    "rows without columns": (pd.DataFrame(index=range(3)), "the frame has 3 rows and no column"),
    "an index that is a column": (
        pd.DataFrame({"a": [1, 2]}, index=pd.Index(LETTERS, name="letter")),
        "is named 'letter'",
    ),
    "one of two indexes": (
        pd.DataFrame({"a": [1, 2]}, pd.MultiIndex.from_arrays([[1, 2], LETTERS], names=[None, "letter"])),
        "is named 'letter'",
    ),
    "a list": ([1, 2], r"data is a list"),
    "a Series": (pd.Series([1, 2], name="a"), r"data is a pandas\..*Series: expected a DataFrame"),
    "an array": (np.zeros((2, 2)), r"data is a numpy\.ndarray"),
    "None": (None, r"data is a NoneType"),
}


@pytest.mark.parametrize(("data", "message"), FRAMES.values(), ids=FRAMES)
def test_what_is_no_table_is_refused(data, message):
    with pytest.raises(SchemaError, match=message):
        frames.to_table(data, frames.ROWS, ["a", "letter"])


def test_frames_of_any_pandas_type_are_tables():
    index = pd.Index([5, 6], name="letter")  # harmless: the frame has that column too
    frame = pd.DataFrame({"letter": pd.Categorical(LETTERS), "n": pd.array([1, None], "Int64")}, index=index)
    table = frames.to_table(frame, frames.ROWS, ["letter", "n"])
    assert table.column_names == ["letter", "n"] and table["n"].to_pylist() == [1, None]
    assert frames.to_table(frame.iloc[:0], frames.ROWS).num_rows == 0
    other = pd.DataFrame({"n": [1]}, index=pd.Index([9], name="key"))
    assert frames.to_table(other, frames.ROWS, ["letter", "n"]).column_names == ["n"]


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (pa.time64("us"), pa.time32("ms")),
        (pa.duration("ns"), pa.duration("ms")),
        (pa.dictionary(pa.int8(), pa.int64()), pa.float64()),
        (pa.null(), pa.bool_()),
    ],
    ids=str,
)
def test_what_pandas_makes_of_a_type_is_that_type(came, expected):
    _check_type("a", came, expected)


@pytest.mark.parametrize("came", [pa.list_(pa.int64()), pa.struct([("x", pa.int64())]), pa.bool_()], ids=str)
def test_other_types_are_refused(came):
    with pytest.raises(SchemaError, match="column 'a' of the rows to complete is of type"):
        _check_type("a", came, pa.int64())


def test_moments_of_a_zone_for_those_of_none_are_told(tmp_path):
    model, rows = untrained.save(tmp_path / "model"), untrained.table(5).select(["moment", "letter"])
    zoned = rows.set_column(0, "moment", pc.assume_timezone(rows["moment"], "Asia/Tokyo"))
    said: list[str] = []
    made = raygen.complete(model, zoned, say=said.append)
    note = "Column 'moment' of the rows has zone Asia/Tokyo, that of the model no zone"
    assert any(note in line and "UTC" in line for line in said)
    nine_hours = pc.subtract(rows["moment"], pa.scalar(9 * 3_600_000, pa.duration("ms")))
    assert made["moment"].cast(pa.timestamp("ms")).equals(nine_hours.cast(pa.timestamp("ms")))
    said.clear()
    raygen.complete(model, rows, say=said.append)
    assert not any("zone" in line for line in said)
