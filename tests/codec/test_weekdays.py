"""Weekdays: a part of its own where bars of days do not tell them."""

import json

import numpy as np
import pyarrow as pa
import pytest

from raygen.codec import parts, weekdays
from raygen.codec.codec import Codec
from raygen.codec.log_volume import log_volume
from raygen.errors import ModelError
from raygen.table import arrow
from raygen.table.part_names import weekday_of
from raygen.table.protection import Protection
from raygen.table.schema import Schema, infer

ROWS, FIRST = 12_000, 18_000
WEEKDAY = weekday_of("day")
DAYS = {
    "twenty years": lambda rng: rng.integers(FIRST, FIRST + 7300, ROWS),
    "a panel": lambda rng: np.repeat(np.arange(FIRST, FIRST + 1200), 10),
    "fewer on Sundays": lambda rng: thinned(rng, 1000, 0.2),
    "none on Sundays": lambda rng: thinned(rng, 1000, 0.0),
    "of 300 rows": lambda rng: rng.integers(FIRST, FIRST + 1095, 300),
}
TOLD_BY_BARS = {
    "a month": lambda rng: rng.integers(FIRST, FIRST + 31, ROWS),
    "month starts": lambda rng: first_days(rng.integers(0, 1200, ROWS)),
    "Mondays": lambda rng: 4 + 7 * rng.integers(2500, 4500, ROWS),
}


def thinned(rng, days: int, share: float) -> np.ndarray:
    drawn = rng.integers(FIRST, FIRST + days, 2 * ROWS)
    return drawn[rng.random(2 * ROWS) < np.where(drawn % 7 == 3, share, 1)][:ROWS]


def first_days(months: np.ndarray) -> np.ndarray:
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(int)


def table(days: np.ndarray) -> pa.Table:
    return pa.table({"day": pa.array(days.astype(np.int32), pa.date32())})


def fitted(rows: pa.Table, min_rows: int = 8) -> Codec:
    schema = Schema.of(rows.schema, dict.fromkeys(rows.column_names, "datetime"), "here")
    return Codec.fit(schema, parts.observe(schema, rows), 128, 256, protection=Protection(min_rows))


def back(built: Codec, rows: pa.Table) -> np.ndarray:
    codes, offsets = built.encode(rows)
    position = np.full(codes.shape, 0.5)
    position[:, : built.num_offsets] = (offsets + 0.5) / 256
    return arrow.day_and_time(*arrow.moments(built.decode(codes, position)["day"]), pa.date32())[0]


@pytest.mark.parametrize("min_rows", [1, 8])
@pytest.mark.parametrize("name", DAYS)
def test_a_day_keeps_its_weekday(name, min_rows):
    days = DAYS[name](np.random.default_rng(1))
    built = fitted(table(days), min_rows)
    assert built.parts == ["day", WEEKDAY] and built.turn_order == [0, 1]
    made = back(built, table(days))
    rare = np.isin(days, np.flatnonzero(np.bincount(days) < min_rows)) & built.blocks["day"].stepped.any()
    assert (made % 7 == days % 7)[~rare].mean() > 0.995
    assert days.min() <= made.min() and made.max() <= days.max()


@pytest.mark.parametrize("name", DAYS)
def test_any_codes_make_days_that_can_be(name):
    rng = np.random.default_rng(2)
    days = DAYS[name](rng)
    built = fitted(table(days))
    sizes = built.cardinalities
    codes = np.stack([rng.integers(0, size, 20_000) for size in sizes], axis=1)
    made = built.decode(codes, rng.random(codes.shape))["day"].cast(pa.int32()).to_numpy()
    block, names = built.blocks["day"], np.array(built.blocks[WEEKDAY].members)
    assert days.min() <= made.min() and made.max() <= days.max()
    assert set(np.unique(made % 7)) <= set(np.unique(days % 7))
    if name == "a panel":
        assert set(made.tolist()) <= set(days.tolist())
    wide = (block.grid[:, -1] - block.grid[:, 0] >= 8)[codes[:, 0]] & ~block.stepped[codes[:, 0]]
    drawn = np.array(weekdays.NAMES)[made % 7]
    assert (drawn == names[codes[:, 1]])[wide].all()


@pytest.mark.parametrize("name", TOLD_BY_BARS)
def test_there_is_no_part_where_the_days_tell_it(name):
    days = TOLD_BY_BARS[name](np.random.default_rng(1))
    built = fitted(table(days))
    assert built.parts == ["day"] and built.turn_order == []


def test_few_rows_have_no_weekdays_to_tell():
    days = pa.array((FIRST + 36 * np.arange(28)).astype(np.int32), pa.date32())  # four of each weekday
    rows = pa.table([days], pa.schema([pa.field("day", pa.date32(), nullable=False)]))
    built = fitted(rows)
    assert built.parts == ["day"] and not built.schema.output.field("day").nullable


def test_missing_days_have_no_weekday():
    days = DAYS["twenty years"](np.random.default_rng(1))
    gone = np.arange(ROWS) % 3 == 0
    built = fitted(pa.table({"day": pa.array(days.astype(np.int32), pa.date32(), mask=gone)}))
    codes, _ = built.encode(pa.table({"day": pa.array([None, FIRST], pa.date32())}))
    assert codes[0].tolist() == [built.blocks[n].cardinality - 1 for n in built.parts]
    codes[1, 1] = built.blocks[WEEKDAY].cardinality - 1  # a day that was drawn no weekday
    first, second = built.decode(codes, np.full(codes.shape, 0.5))["day"].to_pylist()
    assert first is None and second is not None


@pytest.mark.parametrize(("name", "entropy"), [("twenty years", np.log(7300)), ("a panel", np.log(1200))])
def test_nats_of_values_are_those_of_the_law(name, entropy):
    days = table(DAYS[name](np.random.default_rng(3)))
    built = fitted(days, 1)
    codes, offsets = built.encode(days)
    nats = -np.sum(
        [np.log(b.frequencies()[codes[:, i]]) for i, b in enumerate(built.blocks.values())], axis=0
    )
    assert np.mean(nats - log_volume(built, codes, offsets)) == pytest.approx(entropy, abs=0.15)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda blocks: blocks[WEEKDAY]["members"].__setitem__(0, "Doomsday"), "the weekdays of 'day'"),
        (lambda blocks: blocks[WEEKDAY].update(type="NumericBlock"), "no days"),
        (lambda blocks: blocks[WEEKDAY].update(shares=[0.5]), "different lengths"),
    ],
)
def test_other_weekdays_are_refused(change, told):
    built = fitted(table(DAYS["twenty years"](np.random.default_rng(1))))
    state = json.loads(json.dumps(built.to_dict()))
    assert Codec.from_dict(built.schema, state).to_dict() == built.to_dict()
    change(state["blocks"])
    with pytest.raises(ModelError, match=told):
        Codec.from_dict(built.schema, state)


def test_a_calendar_is_not_seen_in_few_rows():
    days = table(DAYS["of 300 rows"](np.random.default_rng(1)))
    assert infer(days)[0] == {"day": "datetime"}
    assert fitted(days).blocks["day"].days is None
