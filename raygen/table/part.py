"""Parts of columns: the codec learns the day, its month and weekday and the time of day of a moment apart."""

from typing import Literal, NamedTuple

Role = Literal["value", "month", "weekday", "time"]
CALENDAR: tuple[Role, ...] = ("month", "weekday")  # in the order in which they are drawn
TITLES: dict[Role, str] = {"month": " (month)", "weekday": " (weekday)", "time": " (time of day)"}


class Part(NamedTuple):
    """What has a block of codes of its own.

    Attributes:
        column: Name of the column.
        role: What of the column it is: the "value" (of a moment its day), the "month" or the "weekday" of
            its days, or the "time" of day.
    """

    column: str
    role: Role = "value"

    @classmethod
    def time(cls, column: str) -> "Part":
        """The time of day of a column of moments."""
        return cls(column, "time")

    @classmethod
    def calendar(cls, column: str) -> "tuple[Part, ...]":
        """What the calendar says of the days of a column."""
        return tuple(cls(column, role) for role in CALENDAR)

    @classmethod
    def every(cls, column: str) -> "tuple[Part, ...]":
        """All that a column may have, in the order in which they are drawn."""
        return cls(column), *cls.calendar(column), cls.time(column)

    @property
    def is_calendar(self) -> bool:
        """Whether it is what the calendar says of the days of its column."""
        return self.role in CALENDAR

    @property
    def title(self) -> str:
        """What people read of it."""
        return self.column + TITLES.get(self.role, "")
