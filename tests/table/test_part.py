"""Parts of columns."""

import pickle

from raygen.table.part import Part


def test_a_column_has_a_value_what_the_calendar_says_of_it_and_a_time():
    value, month, weekday, time = Part.every("at")
    assert [part.role for part in Part.every("at")] == ["value", "month", "weekday", "time"]
    assert value == Part("at") and time == Part.time("at") and (month, weekday) == Part.calendar("at")
    assert {part.column for part in Part.every("at")} == {"at"}
    assert [part.is_calendar for part in Part.every("weekday")] == [False, True, True, False]
    assert [part.title for part in Part.every("at")] == [
        "at",
        "at (month)",
        "at (weekday)",
        "at (time of day)",
    ]


def test_a_part_is_a_key_that_no_column_is_and_survives_pickling():
    assert "at" not in {Part("at"): 1} and Part("at") != "at"
    assert pickle.loads(pickle.dumps(Part.time("at"))) == Part.time("at")
