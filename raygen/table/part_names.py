"""Names of parts: the codec learns the day, its month and weekday and the time of day of a moment apart.

A part has the name of its column, but the month, the weekday and the time of day one that no column has.
"""

WEEKDAY, MONTH, TIME = "\0weekday", "\0month", "\0time"  # each ends the name of such a part
CALENDAR = (MONTH, WEEKDAY)  # in the order in which they are drawn
TITLES = {WEEKDAY: " (weekday)", MONTH: " (month)", TIME: " (time of day)"}


def time_of(column: str) -> str:
    """The part of a column of moments that holds the time of day."""
    return column + TIME


def calendar_of(column: str) -> tuple[str, ...]:
    """The parts of a column of days or moments that hold what the calendar says of the day."""
    return tuple(column + end for end in CALENDAR)


def parts_of(column: str) -> tuple[str, ...]:
    """All the parts that a column may have, in the order in which they are drawn."""
    return column, *calendar_of(column), time_of(column)


def role_of(part: str) -> str:
    """How the name of a part ends, as WEEKDAY; "" if it is that of its column."""
    return next((end for end in TITLES if part.endswith(end)), "")


def column_of(part: str) -> str:
    """The column that a part is of."""
    return part.removesuffix(role_of(part))


def is_calendar(part: str) -> bool:
    """Whether a part holds what the calendar says of the days of a column."""
    return role_of(part) in CALENDAR


def is_time(part: str) -> bool:
    """Whether a part holds the time of day of a column of moments."""
    return part.endswith(TIME)


def title(part: str) -> str:
    """What people read of a part."""
    return column_of(part) + TITLES.get(role_of(part), "")
