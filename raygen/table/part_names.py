"""Names of parts: the codec learns the day and the time of day of a moment apart.

A part has the name of its column, but the time of day one that no column has.
"""

TIME = "\0time"  # ends the name of a time of day


def time_of(column: str) -> str:
    """The part of a column of moments that holds the time of day."""
    return column + TIME


def column_of(part: str) -> str:
    """The column that a part is of."""
    return part.removesuffix(TIME)


def is_time(part: str) -> bool:
    """Whether a part holds the time of day of a column of moments."""
    return part.endswith(TIME)
