"""Whole numbers that are days or times of day."""

import datetime
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raygen.codec import log_volume, parts
from raygen.codec.codec import Codec
from raygen.sampling.selection import select
from raygen.table import readings
from raygen.table.protection import Protection
from raygen.table.schema import Schema, infer
from raygen.table.stats import NumericStats

ROWS = 4000
rng = np.random.default_rng(9)
DAYS = np.arange("2015-01-01", "2025-01-01", dtype="datetime64[D]")


def written(moments: np.ndarray, form: str) -> np.ndarray:
    return np.array([int(moment.strftime(form)) for moment in moments.astype(object)])


MINUTES = np.datetime64("2024-05-01T00:00", "m") + rng.integers(0, 1440, ROWS)
SECONDS = np.datetime64("2024-05-01T06:00:00", "s") + rng.integers(0, 60_000, ROWS)
COLUMNS = {
    "days": (written(rng.choice(DAYS, ROWS), "%Y%m%d"), "YYYYMMDD"),
    "births": (
        written(rng.choice(np.arange("1930-01-01", "2007-01-01", dtype="datetime64[D]"), ROWS), "%Y%m%d"),
        "YYYYMMDD",
    ),
    "months": (written(rng.choice(DAYS, ROWS), "%Y%m"), "YYYYMM"),
    "times": (written(MINUTES, "%H%M"), "HHMM"),
    "quarters of an hour": (written(MINUTES - MINUTES.astype(int) % 15, "%H%M"), "HHMM"),
    "seconds": (written(SECONDS, "%H%M%S"), "HHMMSS"),
    "short days": (written(rng.choice(DAYS, ROWS), "%y%m%d"), "YYMMDD"),
    "days of an AS/400": (written(rng.choice(DAYS, ROWS), "%Y%m%d") - 19_000_000, "CYYMMDD"),
    "days of the year": (written(rng.choice(DAYS, ROWS), "%Y%j"), "YYYYDDD"),
    "days without a year": (written(rng.choice(DAYS[:250], ROWS), "%m%d"), "MMDD"),
    "weeks": (written(rng.choice(DAYS, ROWS), "%G%V"), "YYYYWW"),
    "short weeks": (written(rng.choice(DAYS, ROWS), "%G%V") - 200_000, "YYWW"),
    "short months": (written(rng.choice(DAYS, ROWS), "%y%m"), "YYMM"),
    "moments": (
        written(rng.choice(DAYS, ROWS) + (SECONDS - SECONDS.astype("datetime64[D]")), "%Y%m%d%H%M%S"),
        "YYYYMMDDHHMMSS",
    ),
    "moments in minutes": (
        written(rng.choice(DAYS, ROWS) + (MINUTES - MINUTES.astype("datetime64[D]")), "%Y%m%d%H%M"),
        "YYYYMMDDHHMM",
    ),
}
OTHERS = {
    "row numbers": np.arange(2359),
    "years": rng.integers(1900, 2020, ROWS),
    "ages": rng.integers(17, 59, ROWS),
    "amounts": rng.integers(0, 2400, ROWS),
    "hundreds": 100 * rng.integers(0, 24, ROWS),
    "large amounts": rng.integers(20_150_101, 20_251_231, ROWS),
    "some days": written(DAYS[:15], "%Y%m%d").repeat(10),
    "prices": rng.integers(0, 2400, ROWS) / 4,
}


@pytest.mark.parametrize(("values", "expected"), COLUMNS.values(), ids=COLUMNS)
def test_a_reading_is_found_and_told(values, expected):
    assert readings.find(NumericStats.observe(values.astype(float))) == expected
    kinds, notes = infer(pa.table({"c": values}))
    assert kinds == {"c": "numeric"} and expected in notes["c"]


@pytest.mark.parametrize("values", OTHERS.values(), ids=OTHERS)
def test_other_numbers_have_none(values):
    assert readings.find(NumericStats.observe(np.asarray(values, float))) == ""


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1), st.sampled_from(sorted(readings.WORDS)))
def test_any_number_comes_back(values, name):
    days = [20240229, 20240230, 2359, 2360, 202412, 202413, 202453, 2024366, 2024367, 1240229]
    moments = [202402292359, 20240229235959, 20240229125960, 99991231235959]
    values = np.unique(np.array([*values, *days, *moments], float))
    line = readings.to_line(values, name)
    assert np.all(np.diff(line) > 0) and np.array_equal(readings.from_line(line, name), values)


def fitted(values, min_rows=1) -> tuple[Codec, pa.Table]:
    table = pa.table({"c": values})
    schema = Schema.of(table.schema, {"c": "numeric"}, "here")
    built = Codec.fit(schema, parts.observe(schema, table), 128, 256, "bars", Protection(min_rows))
    return Codec.from_dict(schema, json.loads(json.dumps(built.to_dict()))), table


def drawn(built: Codec, table: pa.Table) -> pa.Array:
    codes, _ = built.encode(table)
    return built.decode(codes.astype(int), rng.random(codes.shape))["c"].combine_chunks()


def is_possible(number: int, reading: str) -> bool:
    if reading == "CYYMMDD":
        number, reading = number + 19_000_000, "YYYYMMDD"
    if reading in ("YYYYWW", "YYWW"):
        year, week = divmod(number, 100)
        return 1 <= week <= datetime.date(2000 + year % 100, 12, 28).isocalendar().week
    if reading == "MMDD":
        number, reading = 20_240_000 + number, "YYYYMMDD"
    form = reading.replace("HHMM", "%H%M").replace("SS", "%S").replace("YYYY", "%Y").replace("YY", "%y")
    form = form.replace("YMMDD", "Y%m%d").replace("yMMDD", "y%m%d").replace("MM", "%m").replace("DDD", "%j")
    try:
        return bool(datetime.datetime.strptime(f"{number:0{len(reading)}}", form))
    except ValueError:
        return False


@pytest.mark.parametrize("min_rows", [1, 8])
@pytest.mark.parametrize("kind", [pa.int64(), pa.float64()])
@pytest.mark.parametrize(("values", "reading"), COLUMNS.values(), ids=COLUMNS)
def test_what_is_drawn_is_possible(values, reading, kind, min_rows):
    strays = [20_240_230, 77] if reading == "YYYYMMDD" else [180_077, 2_360_00] if reading == "HHMMSS" else []
    strays = [20_240_230_101_010, 20_240_229_101_099] if reading == "YYYYMMDDHHMMSS" else strays
    often = 0 if reading == "YYYYMMDD" else 10 ** len(reading) - 1
    column = np.concatenate([values, strays, np.full(30, often)]).astype(int)
    built, table = fitted(pa.array(column, mask=rng.random(len(column)) < 0.1).cast(kind), min_rows)
    made = drawn(built, table)
    assert made.type == kind and 0.05 < made.null_count / len(made) < 0.15
    numbers = made.drop_null().to_numpy().astype(int)
    assert abs((numbers == often).sum() - 27) < 12
    usual = np.unique(numbers[numbers != often])
    assert all(is_possible(number, reading) for number in usual)
    assert values.min() <= usual.min() and usual.max() <= values.max()
    codes, offsets = built.encode(table)
    if offsets.size:
        assert np.isfinite(log_volume.log_volume(built, codes, offsets)).all()


def test_days_spread_over_the_month_and_keep_to_their_calendar():
    working = DAYS[np.is_busday(DAYS)]
    numbers = written(rng.choice(working, ROWS), "%Y%m%d")
    made = drawn(*fitted(numbers)).to_numpy()
    dates = np.array([f"{n // 10_000:04}-{n // 100 % 100:02}-{n % 100:02}" for n in made], "datetime64[D]")
    assert np.is_busday(dates).all() and len(np.unique(made)) > 1200
    day, real = (np.bincount(n % 100, minlength=32)[1:29] for n in (made, numbers))
    assert np.abs(day - real).max() < 60


def test_conditions_are_in_numbers():
    built, _ = fitted(COLUMNS["days"][0])
    found = select(built, "c BETWEEN 20200201 AND 20200229")
    codes = np.stack([rng.integers(0, size, ROWS) for size in built.cardinalities], axis=1)
    codes[:, 0] = rng.choice(found.pieces[0].codes, ROWS)
    position = rng.random(codes.shape)
    made = built.decode(codes, position)["c"].to_numpy()
    among = (made >= 20_200_201) & (made <= 20_200_229)
    assert 0.2 < among.mean() < 1 and (found.tests.hold(codes, position) == among).all()


@pytest.mark.parametrize(("form", "name"), [("%d%m%Y", "DDMMYYYY"), ("%m%d%Y", "MMDDYYYY")])
def test_days_with_the_year_last_are_told(form, name):
    days = written(rng.choice(DAYS, ROWS), form).astype(np.int64)
    kinds, notes = infer(pa.table({"day": days}))
    assert kinds == {"day": "numeric"}
    assert notes["day"] == f"looks like days written as {name}; learned as numbers: write them as YYYYMMDD"
    assert readings.year_last(np.unique(rng.integers(10**6, 32 * 10**6, ROWS))) == ""


def clocked(ticks_per_day: int) -> np.ndarray:
    """Moments as a spreadsheet writes them in CSV: days, and the part of a day in ten digits."""
    return np.round(rng.integers(40_000 * ticks_per_day, 46_000 * ticks_per_day, ROWS) / ticks_per_day, 10)


@pytest.mark.parametrize(
    ("values", "is_told"),
    [
        (clocked(24 * 60), True),
        (np.round(clocked(24 * 60), 5), True),
        (clocked(24 * 3600), True),
        (np.append(clocked(24 * 60), [1.5, 99_999.25]), True),
        (np.round(clocked(24 * 3600), 5), False),  # any number of five digits could be one
        (np.round(clocked(24 * 60), 2), False),  # and any amount of money
        (clocked(4), False),
        (rng.uniform(40_000, 46_000, ROWS), False),
        (clocked(24 * 60) * 10, False),
    ],
)
def test_days_of_a_spreadsheet_with_a_clock_are_told(values, is_told):
    kinds, notes = infer(pa.table({"at": values}))
    assert kinds == {"at": "numeric"}
    assert notes.get("at", "").startswith("looks like days of a spreadsheet with a time of day") == is_told
