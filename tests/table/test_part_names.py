"""Names of parts of columns."""

from raygen.table.part_names import column_of, is_time, is_weekday, parts_of, time_of, title, weekday_of


def test_a_time_of_day_and_a_weekday_have_names_that_no_column_has():
    assert (time_of("at"), weekday_of("at")) == ("at\0time", "at\0weekday")  # as stored codecs have them
    assert [column_of(part) for part in parts_of("at")] == ["at", "at", "at"]
    assert (is_time("at"), is_time("time"), is_time(weekday_of("at")), is_time(time_of("at"))) == (
        False,
        False,
        False,
        True,
    )
    assert [is_weekday(part) for part in parts_of("weekday")] == [False, True, False]
    assert [title(part) for part in parts_of("at")] == ["at", "at (weekday)", "at (time of day)"]
