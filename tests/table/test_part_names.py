"""Names of parts of columns."""

from raygen.table.part_names import column_of, is_time, time_of


def test_a_time_of_day_has_a_name_that_no_column_has():
    assert time_of("at") == "at\0time"  # as stored codecs have it
    assert (column_of("at"), column_of(time_of("at"))) == ("at", "at")
    assert (is_time("at"), is_time("time"), is_time(time_of("at"))) == (False, False, True)
