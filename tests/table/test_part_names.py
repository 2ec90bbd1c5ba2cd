"""Names of parts of columns."""

from raygen.table.part_names import (
    MONTH,
    TIME,
    WEEKDAY,
    calendar_of,
    column_of,
    is_calendar,
    is_time,
    parts_of,
    role_of,
    time_of,
    title,
)


def test_parts_have_names_that_no_column_has():
    assert parts_of("at") == ("at", "at\0month", "at\0weekday", "at\0time")  # as stored codecs have them
    assert calendar_of("at") == parts_of("at")[1:3] and time_of("at") == parts_of("at")[3]
    assert {column_of(part) for part in parts_of("at")} == {"at"}
    assert [role_of(part) for part in parts_of("time")] == ["", MONTH, WEEKDAY, TIME]
    assert [is_time(part) for part in parts_of("time")] == [False, False, False, True]
    assert [is_calendar(part) for part in parts_of("weekday")] == [False, True, True, False]
    assert [title(part) for part in parts_of("at")] == [
        "at",
        "at (month)",
        "at (weekday)",
        "at (time of day)",
    ]
