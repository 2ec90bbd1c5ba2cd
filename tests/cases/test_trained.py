"""Columns of many kinds side by side, learned once and drawn: every value could be one of the table."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import raygen
from tests import trained
from tests.cases.made import days, ends

pytestmark = pytest.mark.slow

ROWS = 4000
SATURDAY, SUNDAY = 2, 3  # days since the epoch, modulo 7
FIRST, FIRST_DAY = 18_000, -719_162
DECEMBER = 11
SATURDAY_OF_ARROW, SENTINEL = 5, 999_999.99


def months_of(days: np.ndarray) -> np.ndarray:
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(5)
    opened = FIRST + np.arange(1100)
    day = rng.choice(opened[opened % 7 != SUNDAY], ROWS)
    zone = pa.timestamp("us", "Pacific/Auckland")
    office = pa.array((FIRST * 86_400 + rng.integers(0, 3 * 365 * 86_400, ROWS)) * 10**6, zone).cast(zone)
    local = pc.local_timestamp(office)
    weekend = pc.day_of_week(local).to_numpy() >= 5
    later = pa.array(np.where(weekend, 50 * 3_600_000_000, 0), pa.duration("us"))  # some days have 25 hours
    prices = np.round(rng.lognormal(3, 1, ROWS), 2)
    prices[:6] = np.nextafter(prices[:6], np.inf)
    months = rng.integers(480, 640, ROWS).astype("datetime64[M]").astype("datetime64[D]").astype(int)
    valid = np.where(rng.random(ROWS) < 0.01, FIRST_DAY, rng.integers(14_000, 19_000, ROWS))
    size = pd.Categorical(
        rng.choice(["S", "M", "L"], ROWS), categories=["XS", "S", "M", "L", "XL"], ordered=True
    )
    sales = np.round(np.where(day % 7 == SATURDAY, 300, 100) + rng.normal(0, 20, ROWS), 1)
    amount = np.where(rng.random(ROWS) < 0.02, SENTINEL, np.round(rng.normal(500, 100, ROWS), 2))
    delay = np.round(rng.normal(0, 600, ROWS)).astype(np.int64)
    gone = rng.random(ROWS) < 0.3
    posted = rng.integers(8000, 17_000, ROWS)
    gifts = np.round(np.where(months_of(posted) == DECEMBER, 300, 100) + rng.normal(0, 20, ROWS), 1)
    return pa.table(
        {
            "day": days(day),
            "sales": sales,
            "visit": pc.add(office, later),
            "price": prices,
            "month": days(months),
            "valid_from": days(valid),
            "size": pa.array(size),
            "amount": amount,
            "delay": pa.array(delay * 10**9, pa.duration("ns"), mask=gone),
            "odd": 2 * rng.integers(0, 4000, ROWS) + 1,
            "year": rng.integers(1990, 2020, ROWS),
            "yyyymmdd": [
                int(f"{dt.date.fromordinal(int(n)):%Y%m%d}") for n in rng.integers(736_000, 738_000, ROWS)
            ],
            "zip": [f"{n:05}" for n in rng.choice([2116, 2117, 601, 10_001, 94_016], ROWS)],
            "big": pa.array((2**60 + rng.integers(0, 50, ROWS)).tolist(), pa.int64()),
            "sure": pa.array(rng.random(ROWS) < 0.4, mask=rng.random(ROWS) < 0.1),
            "nothing": pa.nulls(ROWS, pa.float64()),
            "always": ["one"] * ROWS,
            "posted": days(posted),
            "gifts": gifts,
        }
    )


@pytest.fixture(scope="module")
def made(table, tmp_path_factory) -> pa.Table:
    settings = {"train.steps": 900, "model.hidden_units": [64, 64], "model.dropout": 0.35}
    model = trained.save(tmp_path_factory.mktemp("run") / "model", table, settings)
    return raygen.sample(model, 8000)


def test_types_are_those_of_the_table(table, made):
    assert made.schema.equals(table.schema)
    assert made["nothing"].null_count == 8000 and set(made["always"].to_pylist()) == {"one"}


def test_no_value_is_beyond_those_of_the_table(table, made):
    for name in ("day", "sales", "visit", "price", "month", "valid_from", "amount", "delay", "odd", "year"):
        (low, high), (lowest, highest) = ends(made[name]), ends(table[name])
        assert lowest <= low and high <= highest, name
    for name in ("zip", "big", "size", "sure"):
        assert set(made[name].to_pylist()) <= set(table[name].to_pylist()), name


def test_as_many_are_missing(table, made):
    for name in table.column_names:
        shares = [t[name].null_count / t.num_rows for t in (table, made)]
        assert abs(shares[0] - shares[1]) < 0.04, name


def test_calendars_and_grids_are_kept(made):
    day, month, odd = (np.array(made[name].cast(pa.int32())) for name in ("day", "month", "odd"))
    assert not (day % 7 == SUNDAY).any() and (odd % 2 == 1).all()
    assert (month.astype("datetime64[D]") == month.astype("datetime64[D]").astype("datetime64[M]")).all()
    of_week = pc.day_of_week(pc.local_timestamp(made["visit"])).to_numpy()
    assert np.mean(of_week >= SATURDAY_OF_ARROW) < 0.001  # one of the table: its clock was set back that day
    for number in made["yyyymmdd"].to_pylist():
        dt.datetime.strptime(str(number), "%Y%m%d")


def test_values_that_repeat_are_values_and_digits_are_those_of_nearly_all(made):
    amount, valid = made["amount"].to_numpy(), np.array(made["valid_from"].cast(pa.int32()))
    assert 0.005 < np.mean(amount == SENTINEL) < 0.05 and amount[amount != SENTINEL].max() < 1000
    assert 0.002 < np.mean(valid == FIRST_DAY) < 0.03 and valid[valid != FIRST_DAY].min() >= 14_000
    price = made["price"].to_numpy()
    assert np.mean(price == price.round(2)) > 0.99


def test_the_weekday_is_seen_by_other_columns(table, made):
    for rows in (table, made):
        saturday = np.array(rows["day"].cast(pa.int32())) % 7 == SATURDAY
        sales = rows["sales"].to_numpy()
        assert sales[saturday].mean() > 250 and sales[~saturday].mean() < 125


def test_the_month_of_25_years_is_seen_by_other_columns(table, made):
    for rows in (table, made):
        december = months_of(np.array(rows["posted"].cast(pa.int32()))) == DECEMBER
        gifts = rows["gifts"].to_numpy()
        assert gifts[december].mean() > 240 and gifts[~december].mean() < 125
        assert 0.06 < december.mean() < 0.11
