"""Names of parts: the codec learns the day, its weekday and the time of day of a moment apart.

A part has the name of its column, but the weekday and the time of day one that no column has.
"""

WEEKDAY, TIME = "\0weekday", "\0time"  # end the name of a weekday, of a time of day


def weekday_of(column: str) -> str:
    """The part of a column of days or moments that holds the weekday."""
    return column + WEEKDAY


def time_of(column: str) -> str:
    """The part of a column of moments that holds the time of day."""
    return column + TIME


def parts_of(column: str) -> tuple[str, ...]:
    """All the parts that a column may have, in the order in which they are drawn."""
    return column, weekday_of(column), time_of(column)


def column_of(part: str) -> str:
    """The column that a part is of."""
    return part.removesuffix(TIME).removesuffix(WEEKDAY)


def is_weekday(part: str) -> bool:
    """Whether a part holds the weekday of a column of days or moments."""
    return part.endswith(WEEKDAY)


def is_time(part: str) -> bool:
    """Whether a part holds the time of day of a column of moments."""
    return part.endswith(TIME)


def title(part: str) -> str:
    """What people read of a part."""
    what = " (weekday)" if is_weekday(part) else " (time of day)" if is_time(part) else ""
    return column_of(part) + what
