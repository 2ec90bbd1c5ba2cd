"""Moments of a zone, through the hours in which its clocks are put forward and back."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from raygen import rng
from raygen.relations.discovery import discover
from raygen.relations.language import parse
from raygen.relations.relation import HOLDS
from tests.relations.test_reduction import any_codes, fitted, reduced

ZONE = "Pacific/Auckland"
BACK = np.datetime64("2024-04-06T14:00:00", "s")  # 3:00 becomes 2:00
FORWARD = np.datetime64("2024-09-28T14:00:00", "s")  # 2:00 becomes 3:00
ROWS = 600


def table() -> pa.Table:
    """Starts within a day of a change of the clocks, and ends some hours later."""
    draws = rng.generator(0, "table of changing clocks")
    change = np.where(draws.random(ROWS) < 0.5, BACK, FORWARD)
    start = change + draws.integers(-86_400, 86_400, ROWS).astype("m8[s]")
    lasts = draws.integers(0, 20_000, ROWS).astype("m8[s]")
    kind = pa.timestamp("s", ZONE)
    return pa.table(
        {
            "start": pa.array(start).cast(kind),
            "lasts": lasts,
            "end": pa.array(start + lasts).cast(kind),
            "shown": pc.local_timestamp(pa.array(start).cast(kind)),
            "other": pa.array(start).cast(pa.timestamp("s", "Europe/Berlin")),
        }
    )


TABLE = table()


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("end", ">= start"),
        ("end", "start + lasts"),
        ("lasts", "end - start"),
        ("start", "end - lasts"),
        ("other", "start"),  # one instant on two clocks
        ("shown", "start"),  # without a zone: what the clock shows
    ],
)
def test_order_and_differences_are_those_of_instants(column, text):
    relation = parse(column, text, "always", TABLE.schema)
    assert (relation.keeps(TABLE) == HOLDS).all()
    if relation.gives:
        assert relation.values(TABLE).equals(TABLE[column].combine_chunks())
        off = TABLE.set_column(2, "end", TABLE["start"])
        assert column in ("other", "shown") or (relation.keeps(off) == HOLDS).mean() < 0.1


def test_clocks_that_were_put_back_show_an_end_before_the_start():
    """So the order would be broken, were it that of clocks."""
    start, end = (pc.local_timestamp(TABLE[name]).to_numpy() for name in ("start", "end"))
    assert (end < start).any()


def test_parts_are_those_of_the_clock():
    hours = parse("lasts", "1 hour * hour(start)", "often", TABLE.schema).values(TABLE)
    shown = pc.hour(pc.local_timestamp(TABLE["start"])).to_numpy()
    assert np.array_equal(hours.cast(pa.int64()).to_numpy() // 3600, shown)


def test_they_are_found_and_any_rows_keep_them():
    found = {(one.relation.column, one.relation.text): one.breaks for one in discover(TABLE, 0)}
    assert found["end", "start + lasts"] == 0
    for texts in ([("end", "start + lasts")], [("end", ">= start")]):
        codec = fitted(TABLE, reduced(TABLE, texts))
        rows = codec.decode(*any_codes(codec, ROWS))
        for use in codec.reduction.uses:
            assert use.how != "checked" and (use.relation.keeps(rows) == HOLDS).all()


def test_an_instant_is_found_again_on_other_clocks():
    shown = {"york": TABLE["start"].cast(pa.timestamp("ms", "America/New_York")), "shown": TABLE["shown"]}
    found = discover(pa.table({"start": TABLE["start"], "lasts": TABLE["lasts"], **shown}), 0)
    assert {(one.relation.column, one.relation.text, one.breaks) for one in found} == {
        ("york", "start", 0),
        ("shown", "start", 0),
    }


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", "UTC")], ids=str)
def test_a_day_is_found_again_in_other_units(kind):
    days = pa.array(rng.generator(0, "days in two units").integers(18_000, 18_900, ROWS), pa.int32())
    day = days.cast(pa.date32())
    found = discover(pa.table({"day": day, "copy": day.cast(pa.timestamp("s")).cast(kind)}), 0)
    assert [(one.relation.text, one.breaks) for one in found] == [("day", 0)]
