"""How many rows a value needs to be kept, and what stands for those that have fewer."""

from dataclasses import dataclass, field

MADE_UP = "_rare_"  # stands for rare texts


@dataclass(frozen=True)
class Protection:
    """What is done about the values of few rows.

    Attributes:
        min_rows: A value of fewer rows is stored nowhere; 1: all are stored.
        columns: The same of single columns.
        rare: What stands for the rare categories of single columns: "merge", those that are frequent (so of
            all other columns); "star", `MADE_UP`; "missing", no value.
    """

    min_rows: int = 1
    columns: dict[str, int] = field(default_factory=dict)
    rare: dict[str, str] = field(default_factory=dict)

    def of(self, *columns: str) -> int:
        """Rows that what is stored of some columns must stand for."""
        return max(self.columns.get(name, self.min_rows) for name in columns)

    def of_units(self, most: int) -> "Protection":
        """The same of persons with so many rows each, at most."""
        columns = {name: rows if rows == 1 else rows * most for name, rows in self.columns.items()}
        return Protection(self.min_rows if self.min_rows == 1 else self.min_rows * most, columns, self.rare)

    def rare_of(self, name: str) -> str:
        """What stands for the rare categories of a column."""
        return self.rare.get(name, "merge")


UNPROTECTED = Protection()
