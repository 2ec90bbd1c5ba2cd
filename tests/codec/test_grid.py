"""Where values can lie: what comes out of the codec is possible in its column, whatever code and position are
drawn."""

import calendar
import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from raygen.codec import parts
from raygen.codec.cells import borders
from raygen.codec.codec import Codec
from raygen.codec.grid import Days, Grid
from raygen.table.protection import Protection
from raygen.table.schema import Schema, infer
from raygen.table.stats import NumericStats

ROWS = 3000
rng = np.random.default_rng(8)


def drawn(column, rows=5000) -> tuple[pa.Array, pa.Array]:
    """A column, and what its codec makes of the codes of its rows with new positions inside them."""
    table = pa.table({"c": column, "other": np.arange(len(column)) % 3})
    schema = Schema.of(table.schema, infer(table)[0], "here")
    built = Codec.fit(schema, parts.observe(schema, table), 128, 256)
    codes, _ = built.encode(table)
    chosen = codes[rng.integers(0, len(codes), rows)]
    made = built.decode(chosen, rng.random(chosen.shape))
    made.validate(full=True)
    assert made.schema.field("c").type == table.schema.field("c").type
    return table["c"].combine_chunks(), made["c"].combine_chunks()


def days(column: pa.Array) -> list[datetime.date]:
    return column.drop_null().to_pylist()


GRIDS = {
    "odd": (2 * rng.integers(0, 5000, ROWS) + 1, (0, 2, 1)),
    "quarters": (rng.integers(0, 4000, ROWS) / 4, (2, 25, 0)),
    "hundreds and 7": (100 * rng.integers(0, 9000, ROWS) + 7, (0, 100, 7)),
    "thousands but one": (np.append(1000 * rng.integers(0, 90_000, ROWS), 51_234), (0, 1000, 0)),
    "cents with six noisy ones": (
        np.append(rng.gamma(2, 60, ROWS).round(2), np.nextafter(rng.gamma(2, 60, 6).round(2), 1e9)),
        (2, 1, 0),
    ),
    "any": (rng.normal(size=ROWS), (9, 1, 0)),
    "tenths of which one is long": (np.append(rng.normal(20, 800, ROWS).round(1), 20.123456789), (1, 1, 0)),
}


@pytest.mark.parametrize(("values", "expected"), GRIDS.values(), ids=GRIDS)
def test_a_grid_is_that_of_nearly_all_values(values, expected):
    grid = Grid.fit(NumericStats.observe(np.asarray(values, float)))
    decimals, step, base = expected
    assert (grid.decimals, grid.step) == (decimals, step)
    assert (grid.base - base) % step == 0
    _, made = drawn(values)
    made = made.to_numpy()
    beside = made[grid.snap(made) != made]
    assert np.isin(beside, values).all(), "a value of the table, or on its grid"


def test_few_significant_digits_stay_few():
    """Measurements such as 3.27e-12, whose digits after the point are many and of any number."""
    short = np.array([float(f"{one:.2e}") for one in rng.lognormal(-25, 2, ROWS)])
    wide = np.array([float(f"{one:.2e}") for one in rng.lognormal(-1, 2, ROWS)])
    cases = {"tiny": short, "wide": wide, "single": short.astype(np.float32)}
    for name, values in cases.items():
        assert Grid.fit(NumericStats.observe(np.asarray(values, float), name == "single")).significant == 3
        real, made = drawn(values)
        texts = [str(one.as_py()) if name != "single" else str(np.float32(one.as_py())) for one in made]
        assert all(len(one.partition("e")[0].replace(".", "").strip("0")) <= 3 for one in texts)
        assert pc.min(made).as_py() >= pc.min(real).as_py() and pc.max(made).as_py() <= pc.max(real).as_py()
    for values in (rng.gamma(2, 60, ROWS).round(2), rng.normal(size=ROWS), np.append(short, 1 / 3 * short)):
        assert Grid.fit(NumericStats.observe(values)).significant == 0


def test_a_value_that_comes_again_and_again_is_a_value():
    pay = rng.gamma(2, 1500, 10_000).round(2)
    pay[rng.random(10_000) < 0.003] = 999_999.99
    _, made = drawn(pay, 20_000)
    made = made.to_numpy()
    assert np.mean(made == 999_999.99) == pytest.approx(np.mean(pay == 999_999.99), abs=0.0015)
    assert not ((made > np.sort(pay[pay < 999_999])[-1]) & (made < 999_999.99)).any()


def test_numbers_between_codes_are_no_values():
    products = rng.choice(10**6, 3000, replace=False)
    _, made = drawn(rng.choice(products, 40_000))
    assert np.isin(made.to_numpy(), products).all()
    assert len(np.unique(made.to_numpy())) > 1500


def some(first: str, last: str, fits, count=700) -> pa.Array:
    every = np.arange(first, last, dtype="datetime64[D]").astype(object)
    return pa.array(rng.choice([day for day in every if fits(day)], count), pa.date32())


def last_of_month(day: datetime.date) -> bool:
    return day.day == calendar.monthrange(day.year, day.month)[1]


CALENDARS = {
    "weekdays": ("2015-01-01", "2024-01-01", lambda day: day.weekday() < 5),
    "Mondays": ("2005-01-01", "2024-01-01", lambda day: day.weekday() == 0),
    "first Mondays": ("1950-01-01", "2024-01-01", lambda day: day.weekday() == 0 and day.day <= 7),
    "paydays": ("1950-01-01", "2024-01-01", lambda day: day.toordinal() % 14 == 4 and day.month != 12),
    "starts of months": ("1950-01-01", "2024-01-01", lambda day: day.day == 1),
    "ends of quarters": ("1800-01-01", "2024-01-01", lambda day: last_of_month(day) and day.month % 3 == 0),
    "closed on Sundays and in August": (
        "2015-01-01",
        "2024-01-01",
        lambda day: day.weekday() < 6 and day.month != 8,
    ),
}


@pytest.mark.parametrize(("first", "last", "fits"), CALENDARS.values(), ids=CALENDARS)
def test_days_stay_in_their_calendar(first, last, fits):
    real, made = drawn(some(first, last, fits))
    assert all(map(fits, days(made)))
    assert set(days(made)) - set(days(real)), "not only those of the table"
    moments = pc.add(real.cast(pa.timestamp("s")), pa.scalar(3600 * 9, pa.duration("s")))
    assert all(fits(moment.date()) for moment in days(drawn(moments)[1]))


def test_two_months_of_trading_days_have_no_weekend():
    real = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
    _, made = drawn(pa.array(real[np.is_busday(real)]))
    assert np.is_busday(np.array(days(made), "datetime64[D]")).all()


DAYS_SINCE = rng.integers(0, 9000, ROWS)
APART = {
    "two units": np.where(rng.random(ROWS) < 0.1, rng.normal(75_000, 9000, ROWS), rng.normal(75, 9, ROWS)),
    "seconds and milliseconds": np.where(
        rng.random(ROWS) < 0.1, 1.6e12 + rng.integers(0, 10**10, ROWS), 1.6e9 + rng.integers(0, 10**7, ROWS)
    ),
    "far and few": np.where(rng.random(ROWS) < 0.02, rng.normal(1e6, 5, ROWS), rng.normal(5, 1, ROWS)),
    "three": np.repeat([0, 1e3, 1e9], ROWS // 3) + rng.normal(size=ROWS // 3 * 3),
    "days": np.where(
        rng.random(ROWS) < 0.1, rng.integers(-40_000, -39_000, ROWS), rng.integers(0, 9000, ROWS)
    ),
}


@pytest.mark.parametrize("least", [1, 8])
@pytest.mark.parametrize("name", APART)
def test_between_values_that_lie_far_apart_is_nothing(name, least):
    real = APART[name]
    table = pa.table({"c": pa.array(real.astype(np.int32), pa.date32()) if name == "days" else real})
    schema = Schema.of(table.schema, infer(table)[0], "here")
    built = Codec.fit(schema, parts.observe(schema, table), 128, 256, "bars", Protection(least))
    codes, _ = built.encode(table)
    made = built.decode(codes.repeat(20, 0).astype(int), rng.random((20 * len(codes), codes.shape[1])))["c"]
    made = made.cast(pa.int32()).to_numpy() if name == "days" else made.to_numpy()
    real = np.sort(real)
    for gap in np.argsort(np.diff(real))[-(2 if name == "three" else 1) :]:
        assert not ((made > real[gap]) & (made < real[gap + 1])).any()
    assert real[0] <= made.min() and made.max() <= real[-1]


def test_a_heavy_tail_is_no_gap():
    values = np.unique(rng.pareto(0.5, ROWS))
    assert not len(borders(values, 16, 9))
    assert not len(borders(values[:1], 16, 9)) and not len(borders(values[:0], 16, 9))
    groups = np.arange(320) + 1000 * (np.arange(320) // 16)
    assert len(borders(groups, 16, 99)) == 19 and len(borders(groups, 16, 9)) == 9


def test_all_days_have_no_calendar():
    every = np.arange(10_000, 13_000)
    assert Days.fit(every, np.ones(len(every))) is None
    assert Days.fit(every[:30], np.ones(30)) is None
    assert Days.fit(every[:0], np.ones(0)) is None


def test_a_grid_of_days_is_no_calendar():
    """Of a few days that are 100 apart, some day of the month never comes."""
    far = 100 * np.array([0, 3, 11, 30, 53, 56, 58, 61, 63, 67, 71, 77, 80, 84, 86, 87, 88]) - 699_900.0
    assert Days.fit(far, np.ones(len(far)), grid=Grid(0, 100, -699_900)) is None


def test_a_day_that_stands_for_no_day_is_kept():
    born = some("1930-01-01", "2005-01-01", lambda day: True, 10_000).to_pylist()
    born = [datetime.date(1, 1, 1) if i % 500 == 0 else day for i, day in enumerate(born)]
    made = days(drawn(pa.array(born, pa.date32()))[1])
    early = [day for day in made if day.year < 1930]
    assert 0 < len(early) < 50 and set(early) == {datetime.date(1, 1, 1)}


MINUTES = np.round(rng.normal(0, 90, ROWS)).astype(int)
NIGHT = np.datetime64("2024-03-10T00:00", "m") + MINUTES
RANGES = {
    "delays around 0": pa.array(MINUTES * 60, pa.duration("s")),
    "shifts around a day": pa.array((1440 + MINUTES) * 60_000, pa.duration("ms")),
    "a night": pa.array(NIGHT.astype("datetime64[us]")),
    "a night elsewhere": pa.array(NIGHT.astype("datetime64[ns]")).cast(pa.timestamp("ns", "Asia/Tokyo")),
    "through daylight saving": pa.array(
        (1_711_846_800 + rng.integers(-7200, 7200, ROWS)) * 1000, pa.timestamp("ms", "Europe/Berlin")
    ),
    "times of day": pa.array(rng.integers(30_000, 60_000, ROWS).astype(np.int32), pa.time32("s")),
    "fine times of day": pa.array(rng.integers(30_000, 60_000, ROWS) * 10**9 + 5, pa.time64("ns")),
    "days": pa.array(rng.integers(0, 20_000, ROWS) * 86_400_000, pa.date64()),
}


@pytest.mark.parametrize("column", RANGES.values(), ids=RANGES)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_moments_lie_in_the_observed_range_and_are_missing_as_often(column, missing):
    mask = rng.random(len(column)) < missing
    whole = pa.array(column.cast(pa.int64()) if column.type.bit_width == 64 else column.cast(pa.int32()))
    column = pa.array(whole.to_numpy(), whole.type, mask=mask).cast(column.type)
    real, made = drawn(column)
    low, high = (f(real.drop_null().cast(whole.type)) for f in (pc.min, pc.max))
    values = made.drop_null().cast(whole.type)
    assert pc.all(pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))).as_py()
    assert made.null_count / len(made) == pytest.approx(missing, abs=0.04)


def test_office_hours_are_those_of_the_own_zone():
    hours = rng.integers(0, 365 * 24, 20 * ROWS) + 24 * 365 * 54
    utc = pa.array(hours * 3600, pa.timestamp("s", "Pacific/Auckland"))
    local = pc.local_timestamp(utc)
    open_ = pc.and_(
        pc.less(pc.day_of_week(local), 5), pc.and_(pc.greater(pc.hour(local), 8), pc.less(pc.hour(local), 17))
    )
    _, made = drawn(utc.filter(open_))
    local = pc.local_timestamp(made)
    assert pc.max(pc.day_of_week(local)).as_py() == 4
    assert (pc.min(pc.hour(local)).as_py(), pc.max(pc.hour(local)).as_py()) == (9, 16)


def test_ids_are_missing_as_often():
    table = pa.table(
        {"key": pa.array(np.arange(ROWS), mask=rng.random(ROWS) < 0.25), "other": np.arange(ROWS) % 3}
    )
    schema = Schema.of(table.schema, infer(table)[0], "here")
    assert schema.kinds["key"] == "id"
    built = Codec.fit(schema, parts.observe(schema, table), 128, 256)
    codes, _ = built.encode(table)
    made = built.decode(codes.astype(int), rng.random(codes.shape), first_row=10)
    assert made["key"].is_null().equals(table["key"].is_null())
    assert made["key"].drop_null().to_pylist() == (11 + np.flatnonzero(table["key"].is_valid())).tolist()


def test_what_is_not_finite_and_what_programs_write_for_no_value_are_values():
    values, most = rng.normal(size=ROWS).round(3), np.finfo(float).max
    for share, special in ((0.05, np.nan), (0.1, np.inf), (0.02, -np.inf), (0.06, most), (0.03, -most)):
        values[rng.random(ROWS) < share] = special
    column = pa.array(values, mask=rng.random(ROWS) < 0.2)
    real, made = drawn(column, 20_000)
    known, found = (x.drop_null().to_numpy(zero_copy_only=False) for x in (real, made))
    assert made.null_count / len(made) == pytest.approx(real.null_count / len(real), abs=0.02)
    for kind in (np.isnan, np.isposinf, np.isneginf, most.__eq__, (-most).__eq__):
        assert kind(found).mean() == pytest.approx(kind(known).mean(), abs=0.01)
    usual, of_known = found[np.abs(found) < most], known[np.abs(known) < most]
    assert of_known.min() <= usual.min() < usual.max() <= of_known.max()


def test_days_millions_of_years_apart_have_no_calendar():
    assert Days.fit(np.array([0.0, 2.0**31 - 1]), np.array([5, 5])) is None
