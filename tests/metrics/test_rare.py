"""What few real rows have, or few people, counted in other rows."""

import numpy as np
import pyarrow as pa
import pytest

from raygen.metrics import attacks, counted, rare
from raygen.metrics.counts import Reference
from raygen.table.protection import Protection

KINDS = {"name": "categorical", "boss": "boolean", "x": "numeric", "day": "datetime"}
TYPES = pa.schema([("name", pa.string()), ("boss", pa.bool_()), ("x", pa.float64()), ("day", pa.date32())])


def rows(names: list, bosses: list, x: list | None = None, days: list | None = None) -> pa.Table:
    days = pa.array(days or [0] * len(names), pa.int32()).cast(pa.date32())
    given = {"name": names, "boss": bosses, "x": x or [0.5] * len(names), "day": days}
    return pa.table(given, schema=TYPES)


REAL = rows(
    ["a"] * 10 + ["b"] * 5 + ["c"] * 2 + [None] * 3,
    [False] * 18 + [True] * 2,
    [1.0] * 9 + [2.0] * 4 + [3.0, 4.0, 5.0, -0.0] + [None] * 3,
    [7] * 12 + [8] * 6 + [9] * 2,
)
HELD = rows(["b"] * 5, [False] * 5, [1.0, 2.0, 9.0, 0.0, 9.0], [7] * 5)
MADE = rows(
    ["a", "b", "b", "c", None, "new", "a"],
    [False] * 6 + [True],
    [1.0, 2.0, 2.5, 0.0, None, 1e9, 5.0],
    [7, 7, 7, 7, 7, 7, 8],
)
PEOPLE = np.array([0] * 8 + [1, 2] + [3] * 5 + [*range(4, 9)])
PROTECTIONS = [Protection(8), Protection(3), Protection(8, {"name": 1, "x": 1}), Protection(6), Protection(1)]


@pytest.mark.parametrize("people", [None, [PEOPLE, np.array([0, 50, 51, 52, 53])]], ids=["rows", "people"])
@pytest.mark.parametrize("tables", [[REAL], [REAL, HELD]], ids=["real", "held"])
@pytest.mark.parametrize("protection", PROTECTIONS)
def test_rows_with_what_few_real_rows_or_people_have_are_counted(protection, tables, people):
    reference = Reference(REAL, KINDS)
    unasked = counted.scores(reference, reference.count_table(MADE))
    assert unasked.rare_values is unasked.rare_numbers is unasked.copies_of_one is None, "nobody has asked"
    rare.look(reference, tables, protection, people and people[: len(tables)])
    ends = {"x": (0.0, 1e9), "day": (7.0, 8.0)}
    halves = [reference.count(part, ends) for part in (MADE.slice(0, 2), MADE.slice(2))]
    found = counted.scores(reference, halves[0].merge(halves[1]))
    people = people or [np.arange(len(REAL)), np.arange(20, 25)]
    assert found.rare_values == pytest.approx(by_hand(("name", "boss"), protection, tables, people))
    assert found.rare_numbers == pytest.approx(by_hand(("x", "day"), protection, [REAL], people))
    assert protection.min_rows != 8 or (found.rare_values > 0 and found.rare_numbers > 0)


def by_hand(names: tuple, protection: Protection, tables: list[pa.Table], people: list[np.ndarray]) -> float:
    """The same, row by row."""
    known = pa.concat_tables(tables).to_pylist()
    whose = np.concatenate(people[: len(tables)])

    def is_rare(name: str, value) -> bool:
        having = {who for row, who in zip(known, whose, strict=True) if row[name] == value}
        return 0 < len(having) < protection.of(name)

    hits = [any(is_rare(n, row[n]) for n in names) for row in MADE.to_pylist()]
    return sum(hits) / len(hits)


def test_a_copy_of_one_is_of_a_row_that_nobody_else_has():
    real = rows(["a", "a", "b", "b", "c"], [True] * 5)
    reference = Reference(real, KINDS)
    made = reference.count_table(rows(["a", "b", "c", "d"], [True] * 4))
    for people, copies in ((None, 1), ([np.array([1, 2, 3, 3, 4])], 2), ([np.array([1, 1, 2, 2, 3])], 3)):
        rare.look(reference, [real], Protection(8), people)
        made = counted.scores(reference, reference.count_table(rows(["a", "b", "c", "d"], [True] * 4)))
        assert (made.copies_of_one, made.exact_copies) == (copies / 4, 3 / 4)


def test_numbers_between_quantiles_are_not_rare(monkeypatch):
    monkeypatch.setattr("raygen.metrics.counts.MAX_KNOTS", 5)
    real = pa.table({"x": np.arange(100.0)})
    reference = Reference(real, {"x": "numeric"})
    rare.look(reference, [real], Protection(8))
    found = counted.scores(reference, reference.count_table(pa.table({"x": [0.0, 0.5, 10.0, 99.0]})))
    assert found.rare_numbers == 1 / 2, "of the numbers that are counted one by one"


def test_the_interval_of_rare_numbers_holds_the_noise_of_the_other_real_rows():
    alone, few, many = (
        rare.share_of_numbers(300, 1000, other) for other in (None, (30, 100), (3000, 10_000))
    )
    assert alone.value == few.value == many.value == 0.3
    assert few.low < many.low < alone.low < 0.3 < alone.high < many.high < few.high
    assert few.high - 0.3 == pytest.approx(1.96 * (0.21 / 100 + 0.21 / 1000) ** 0.5, rel=0.03)
    assert rare.share_of_numbers(0, 10, (0, 10)).low == 0


def test_who_has_all_rows_that_a_search_finds_is_singled_out():
    """Pairs of equal rows: no search finds one alone, but each finds the two of one person."""
    generator = np.random.default_rng(0)
    values = {"x": generator.normal(size=200).repeat(2), "y": generator.normal(size=200).repeat(2)}
    real, kinds = pa.table(values), {"x": "numeric", "y": "numeric"}
    holdout = pa.table({name: generator.normal(size=400) for name in values})
    made = pa.table({name: column[::2] for name, column in values.items()})
    by_row = attacks.risks(made, real, holdout, kinds)["singling_out"]
    people = np.arange(200).repeat(2), np.arange(400)
    by_person = attacks.risks(made, real, holdout, kinds, people=people)["singling_out"]
    assert by_row.value < 0 < 0.5 < by_person.low
