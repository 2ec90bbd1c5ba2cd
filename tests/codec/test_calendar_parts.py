"""Months and weekdays: parts of their own where bars of days do not tell them."""

import json

import numpy as np
import pyarrow as pa
import pytest

from raygen.codec import parts
from raygen.codec.calendar_parts import NAMES, classes_of
from raygen.codec.codec import Codec
from raygen.codec.log_volume import log_volume
from raygen.errors import ModelError
from raygen.table import arrow
from raygen.table.part import Part
from raygen.table.protection import Protection
from raygen.table.schema import Schema, infer
from tests.codec.round_trip import block_in

ROWS, FIRST = 12_000, 18_000
DAY, (MONTH, WEEKDAY) = Part("day"), Part.calendar("day")
DAYS = {
    "a century": lambda rng: rng.integers(FIRST, FIRST + 36_525, ROWS),
    "twenty years": lambda rng: rng.integers(FIRST, FIRST + 7300, ROWS),
    "months of fifty years": lambda rng: first_days(rng.integers(0, 600, ROWS)),
    "Mondays of a century": lambda rng: 4 + 7 * rng.integers(0, 5200, ROWS),
    "a panel": lambda rng: np.repeat(np.arange(FIRST, FIRST + 1200), 10),
    "fewer on Sundays": lambda rng: thinned(rng, 1000, 0.2),
    "none on Sundays": lambda rng: thinned(rng, 1000, 0.0),
    "of 300 rows": lambda rng: rng.integers(FIRST, FIRST + 1095, 300),
}
BOTH = {"a century", "twenty years", "of 300 rows"}
MONTH_ALONE = {"months of fifty years", "Mondays of a century"}
TOLD_BY_BARS = {
    "a month": lambda rng: rng.integers(FIRST, FIRST + 31, ROWS),
    "month starts": lambda rng: first_days(rng.integers(0, 200, ROWS)),
    "Mondays": lambda rng: 4 + 7 * rng.integers(2500, 2900, ROWS),
}


def thinned(rng, days: int, share: float) -> np.ndarray:
    drawn = rng.integers(FIRST, FIRST + days, 2 * ROWS)
    return drawn[rng.random(2 * ROWS) < np.where(drawn % 7 == 3, share, 1)][:ROWS]


def first_days(months: np.ndarray) -> np.ndarray:
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(int)


def table(days: np.ndarray) -> pa.Table:
    return pa.table({"day": pa.array(days.astype(np.int32), pa.date32())})


def fitted(rows: pa.Table, min_rows: int = 8) -> Codec:
    kind = "numeric" if pa.types.is_integer(rows.schema.field("day").type) else "datetime"
    schema = Schema.of(rows.schema, dict.fromkeys(rows.column_names, kind), "here")
    return Codec.fit(schema, parts.observe(schema, rows), 128, 256, protection=Protection(min_rows))


def back(built: Codec, rows: pa.Table) -> np.ndarray:
    codes, offsets = built.encode(rows)
    position = np.full(codes.shape, 0.5)
    position[:, : built.num_offsets] = (offsets + 0.5) / 256
    return arrow.day_and_time(*arrow.moments(built.decode(codes, position)["day"]), pa.date32())[0]


def numbers(days: np.ndarray) -> pa.Table:
    """The days as whole numbers, written as YYYYMMDD."""
    written = np.datetime_as_string(days.astype("datetime64[D]"))
    return pa.table({"day": [int(one.replace("-", "")) for one in written]})


def days_of(column: pa.ChunkedArray) -> np.ndarray:
    """Days since the epoch; of whole numbers, as YYYYMMDD has them."""
    if pa.types.is_date(column.type):
        return column.cast(pa.int32()).to_numpy()
    texts = [f"{n // 10_000:04}-{n // 100 % 100:02}-{n % 100:02}" for n in column.to_pylist()]
    return np.array(texts, "datetime64[D]").astype(np.int64)


def parts_that_are_drawn(name: str) -> list[Part]:
    return [MONTH, WEEKDAY] if name in BOTH else [MONTH] if name in MONTH_ALONE else [WEEKDAY]


@pytest.mark.parametrize("min_rows", [1, 8])
@pytest.mark.parametrize("name", DAYS)
def test_a_day_keeps_its_month_and_its_weekday(name, min_rows):
    days = DAYS[name](np.random.default_rng(1))
    built = fitted(table(days), min_rows)
    drawn = parts_that_are_drawn(name)
    assert built.parts == [DAY, *drawn]
    assert built.turn_order == list(range(1 + len(drawn)))
    made = back(built, table(days))
    rare = np.isin(days, np.flatnonzero(np.bincount(days) < min_rows)) & built.blocks[DAY].stepped.any()
    for part in drawn:
        assert (classes_of(made, part.role) == classes_of(days, part.role))[~rare].mean() > (
            0.98 if name == "of 300 rows" else 0.995
        )
    assert days.min() <= made.min() and made.max() <= days.max()


@pytest.mark.parametrize("name", DAYS)
def test_any_codes_make_days_that_can_be(name):
    rng = np.random.default_rng(2)
    days = DAYS[name](rng)
    built = fitted(table(days))
    codes = np.stack([rng.integers(0, size, 20_000) for size in built.cardinalities], axis=1)
    made = days_of(built.decode(codes, rng.random(codes.shape))["day"])
    assert days.min() <= made.min() and made.max() <= days.max()
    assert set(np.unique(made % 7)) <= set(np.unique(days % 7))
    if name in ("a panel", "months of fifty years"):
        assert set(made.tolist()) <= set(days.tolist())
    block, drawn = built.blocks[DAY], parts_that_are_drawn(name)
    span, free = (block.grid[:, -1] - block.grid[:, 0])[codes[:, 0]], ~block.stepped[codes[:, 0]]
    wanted = [np.array(built.blocks[part].members)[codes[:, 1 + i]] for i, part in enumerate(drawn)]
    roles = [part.role for part in drawn]
    has = [np.array(NAMES[r])[classes_of(made, r)] == own for r, own in zip(roles, wanted, strict=True)]
    if name in BOTH:
        begins, ends = block.grid[codes[:, 0], 0].round(), block.grid[codes[:, 0], -1].round()
        can = np.array([can_be(a, b, *own) for a, b, *own in zip(begins, ends, *wanted, strict=True)])
        assert can.mean() > 0.15 and (has[0] & has[1])[can].all()
    elif drawn == [WEEKDAY]:
        assert has[0][free & (span >= 8)].all()


def can_be(first: float, last: float, month: str, weekday: str) -> bool:
    """Whether some day from the first to the last is in a month and on a weekday."""
    days = np.arange(first + 1, last)  # beyond, there may be next to none
    own = classes_of(days, "month") == NAMES["month"].index(month)
    return bool((own & (classes_of(days, "weekday") == NAMES["weekday"].index(weekday))).any())


def test_where_a_bar_lacks_a_month_or_a_weekday_the_rest_holds():
    built = fitted(table(DAYS["twenty years"](np.random.default_rng(1))))
    mover, low, high = built.movers[DAY], *built.blocks[DAY].grid[[64, 64], [0, -1]].round()
    inside = np.arange(low, high + 1)
    lacks = next(i for i in range(12) if i not in classes_of(inside, "month"))
    short = np.bincount(classes_of(inside, "month"), minlength=12)
    few = int(np.argmin(np.where(short > 0, short, 99)))
    absent = set(range(7)) - set(classes_of(inside[classes_of(inside, "month") == few], "weekday").tolist())
    cases = [(lacks, 2), (few, min(absent, default=2))]
    position = np.linspace(0, 0.999, 50)
    for month, weekday in cases:
        names = pa.array([NAMES["month"][month]] * 50), pa.array([NAMES["weekday"][weekday]] * 50)
        days = mover.decode(np.full(50, 64), position, list(names))
        assert ((low <= days) & (days <= high)).all()
        held = ("weekday", weekday) if month == lacks or not absent else ("month", month)
        assert (classes_of(days, held[0]) == held[1]).all()


@pytest.mark.parametrize("make", [table, numbers], ids=["days", "numbers"])
@pytest.mark.parametrize("name", ["a century", "twenty years"])
def test_days_come_as_often_where_a_month_begins_as_elsewhere(name, make):
    rng = np.random.default_rng(4)
    days = np.concatenate([DAYS[name](rng) for _ in range(5)])
    rows = make(days)
    built = fitted(rows)
    codes = np.tile(built.encode(rows)[0], (4, 1))
    made = days_of(built.decode(codes, rng.random(codes.shape))["day"])
    assert (classes_of(made, "month") == np.tile(classes_of(days, "month"), 4)).mean() > 0.999
    assert (classes_of(made, "weekday") == np.tile(classes_of(days, "weekday"), 4)).mean() > 0.99
    of_month = (made - first_days(made.astype("datetime64[D]").astype("datetime64[M]"))).astype(int)
    counts = np.bincount(of_month)[:28] / len(made) * 30.44
    assert counts.min() > 0.93 and counts.max() < 1.07


@pytest.mark.parametrize("name", TOLD_BY_BARS)
def test_there_is_no_part_where_the_days_tell_it(name):
    days = TOLD_BY_BARS[name](np.random.default_rng(1))
    built = fitted(table(days))
    assert built.parts == [DAY] and built.turn_order == []


def test_few_rows_have_no_weekdays_to_tell():
    days = pa.array((FIRST + 36 * np.arange(28)).astype(np.int32), pa.date32())  # four of each weekday
    rows = pa.table([days], pa.schema([pa.field("day", pa.date32(), nullable=False)]))
    built = fitted(rows)
    assert built.parts == [DAY] and not built.schema.output.field("day").nullable


def test_missing_days_have_no_month_and_no_weekday():
    days = DAYS["twenty years"](np.random.default_rng(1))
    gone = np.arange(ROWS) % 3 == 0
    built = fitted(pa.table({"day": pa.array(days.astype(np.int32), pa.date32(), mask=gone)}))
    codes, _ = built.encode(pa.table({"day": pa.array([None, FIRST], pa.date32())}))
    assert codes[0].tolist() == [built.blocks[n].cardinality - 1 for n in built.parts]
    codes[1, 1:] = codes[0, 1:]  # a day that was drawn no month and no weekday
    first, second = built.decode(codes, np.full(codes.shape, 0.5))["day"].to_pylist()
    assert first is None and second is not None


@pytest.mark.parametrize(
    ("name", "entropy"),
    [
        ("twenty years", np.log(7300)),
        ("a panel", np.log(1200)),
        ("a century", np.log(36_525)),
        ("months of fifty years", np.log(600)),
    ],
)
def test_nats_of_values_are_those_of_the_law(name, entropy):
    rng = np.random.default_rng(3)
    days = table(np.concatenate([DAYS[name](rng) for _ in range(5)]))
    built = fitted(days, 1)
    codes, offsets = built.encode(days)
    nats = -np.sum([np.log(b.frequencies()[codes[:, i]]) for i, b in enumerate(built.blocks.values())], 0)
    if MONTH in parts_that_are_drawn(name):  # which depends on the bar
        both = codes[:, 0] * 13 + codes[:, 1]
        nats += np.log(built.blocks[MONTH].frequencies()[codes[:, 1]])
        nats -= np.log(np.bincount(both)[both] / np.bincount(codes[:, 0])[codes[:, 0]])
    assert np.mean(nats - log_volume(built, codes, offsets)) == pytest.approx(entropy, abs=0.15)


def spread_out(day: dict, month: dict, weekday: dict) -> None:
    day["grid"] = [[1e5 * i + 3e3 * j for j in range(32)] for i in range(len(day["grid"]))]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda day, month, weekday: weekday["members"].__setitem__(0, "Doomsday"), "the weekdays of 'day'"),
        (lambda day, month, weekday: month["members"].__setitem__(0, "Brumaire"), "the months of 'day'"),
        (lambda day, month, weekday: weekday.update(type="NumericBlock"), "no days"),
        (lambda day, month, weekday: month.update(shares=[0.5]), "different lengths"),
        (lambda day, month, weekday: month.update(column="x"), "it has months of 'x', but no days"),
        (lambda day, month, weekday: month.update(role="weekday"), r"two blocks of 'day \(weekday\)'"),
        (spread_out, "whose days are too many"),
        (lambda day, month, weekday: day.update(grid=[], low=[], high=[], stepped=[]), "no ranges of days"),
    ],
)
def test_other_months_and_weekdays_are_refused(change, told):
    built = fitted(table(DAYS["twenty years"](np.random.default_rng(1))))
    state = json.loads(json.dumps(built.to_dict()))
    assert Codec.from_dict(built.schema, state).to_dict() == built.to_dict()
    change(*(block_in(state, "day", role) for role in ("value", "month", "weekday")))
    with pytest.raises(ModelError, match=told):
        Codec.from_dict(built.schema, state)


def test_months_of_numbers_that_are_no_days_are_refused():
    built = fitted(numbers(DAYS["twenty years"](np.random.default_rng(1))))
    state = json.loads(json.dumps(built.to_dict()))
    assert Codec.from_dict(built.schema, state).to_dict() == built.to_dict()
    del block_in(state, "day")["reading"]
    with pytest.raises(ModelError, match="months of 'day', whose numbers are no days"):
        Codec.from_dict(built.schema, state)


def test_a_moment_beyond_any_calendar_has_none():
    seconds = DAYS["twenty years"](np.random.default_rng(1)) * 86_400
    seconds[:20] = 2**60
    rows = pa.table({"day": pa.array(seconds, pa.timestamp("s"))})
    built = fitted(rows)
    assert {MONTH, WEEKDAY} < set(built.parts)
    again = Codec.from_dict(built.schema, json.loads(json.dumps(built.to_dict())))
    codes, _ = again.encode(rows)
    assert (again.decode(codes, np.full(codes.shape, 0.5))["day"].cast(pa.int64()).to_numpy() > 2**59)[
        :20
    ].all()


def test_a_calendar_is_not_seen_in_few_rows():
    days = table(DAYS["of 300 rows"](np.random.default_rng(1)))
    assert infer(days)[0] == {"day": "datetime"}
    assert fitted(days).blocks[DAY].days is None
