"""What `codec.json` may hold, and whether it fits the schema beside it: a block that does not would end in
the middle of a generation, or in rows of nonsense."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from raygen.codec import calendar_parts
from raygen.codec.parts import holds_days
from raygen.records import Record, checked, shown
from raygen.table import arrow, readings
from raygen.table.part import Part, Role
from raygen.table.protection import MADE_UP
from raygen.table.schema import MADE, Schema
from raygen.table.stats import MAX_DECIMALS

MOST_CODES = 65_535
MOST_MEMBERS = 10**6
WIDEST = 10**77  # whole numbers of the longest decimals stay below
MOST_DAYS = 10**8  # between the first and the last
POINTS = 32  # of a grid inside a bar
Share = Annotated[float, Field(ge=0, le=1 + 1e-9)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Day = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Classes = Annotated[list[Annotated[int, Field(ge=0, le=31)]], Field(max_length=32)]


class Of(Record):
    """Whose block it is."""

    column: str
    role: Role


class Spacing(Record):
    decimals: int = Field(ge=0, le=MAX_DECIMALS)
    step: int = Field(ge=0, lt=WIDEST)
    base: int = Field(gt=-WIDEST, lt=WIDEST)
    significant: int = Field(default=0, ge=0, le=17)


class Calendar(Record):
    low: Day
    high: Day
    classes: list[Classes | None] = Field(min_length=4, max_length=4)
    step: int = Field(default=1, ge=1, lt=MOST_DAYS)
    base: int = Field(default=0, gt=-WIDEST, lt=WIDEST)

    @model_validator(mode="after")
    def _span(self) -> "Calendar":
        if not self.low <= self.high <= self.low + MOST_DAYS:
            raise ValueError(f"days from {self.low} to {self.high}")
        return self


class Numbers(Record):
    grid: list[Annotated[list[float], Field(min_length=POINTS, max_length=POINTS)]] = Field(
        max_length=MOST_CODES
    )
    low: list[Share]
    high: list[Share]
    stepped: list[bool]
    spacing: Spacing
    minimum: float
    maximum: float
    missing: Share
    days: Calendar | None
    min_rows: int = Field(default=1, ge=1)
    scale: int | None = Field(default=None, ge=-100, le=100)
    reading: str = ""

    @model_validator(mode="after")
    def _fits(self) -> "Numbers":
        if not len(self.grid) == len(self.low) == len(self.high) == len(self.stepped):
            raise ValueError("grid, low, high and stepped are of different lengths")
        if np.any(np.diff(np.array(self.grid).reshape(-1, POINTS)) < 0):
            raise ValueError("grid: values that fall inside a cell")
        if np.any(np.diff(self.high) < 0) or np.any(np.array(self.low) > np.array(self.high)):
            raise ValueError("low and high: shares that fall")
        if self.minimum > self.maximum:
            raise ValueError("minimum is above maximum")
        if self.reading not in ("", *readings.WORDS):
            raise ValueError(f"reading: {self.reading[:40]!r} is none")
        return self


class Normal(Record):
    mean: float
    std: float = Field(ge=0)
    spacing: Spacing
    lowest: float
    highest: float
    missing: Share
    min_rows: int = Field(default=1, ge=1)


class Categories(Record):
    members: list[str] = Field(max_length=MOST_MEMBERS)
    codes: list[int]
    shares: list[Annotated[float, Field(ge=0)]]
    missing: Share
    min_rows: int = Field(default=1, ge=1)
    rare: Literal["merge", "star", "missing"] = "merge"

    @model_validator(mode="after")
    def _fits(self) -> "Categories":
        if not len(self.members) == len(self.codes) == len(self.shares):
            raise ValueError("members, codes and shares are of different lengths")
        if self.codes and (self.codes[0] or self.codes[-1] >= MOST_CODES):
            raise ValueError(f"codes begin at {self.codes[0]} and end at {self.codes[-1]}")
        if any(b - a not in (0, 1) for a, b in zip(self.codes, self.codes[1:], strict=False)):
            raise ValueError("codes do not ascend one by one")
        "".join(self.members).encode()
        lacks = {"star": MADE_UP not in self.members, "missing": not self.missing}
        if lacks.get(self.rare):
            raise ValueError(f"rare categories are to go where it has nothing: '{self.rare}'")
        return self


BLOCKS: dict[str, type[Record]] = {
    "NumericBlock": Numbers,
    "GaussianBlock": Normal,
    "CategoryBlock": Categories,
}
OF_KIND = {
    "numeric": ("NumericBlock", "GaussianBlock"),
    "datetime": ("NumericBlock", "GaussianBlock"),
    "categorical": ("CategoryBlock",),
    "boolean": ("CategoryBlock",),
    "id": ("CategoryBlock",),
    "fake": ("CategoryBlock",),
}


def blocks(schema: Schema, state: Any) -> dict[Part, dict]:
    """The blocks of a codec's state, by part; refused if it is not one of this schema.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    found = _by_part(state["blocks"])
    moments = {f.name for f in schema.arrow if schema.kinds[f.name] == "datetime" and arrow.is_moment(f.type)}
    kinds = {Part(name): kind for name, kind in schema.kinds.items()}
    kinds |= {Part.time(name): "datetime" for name in moments}
    for part, block in found.items():
        if part.is_calendar:
            continue
        if part not in kinds or kinds[part] == "drop":
            raise ValueError(f"it has a block of '{part.title}', which is of no column")
        kind = block["type"]
        if kind in BLOCKS and kind not in OF_KIND.get(kinds[part], BLOCKS):
            raise ValueError(f"the block of '{part.title}', of kind {kinds[part]}, is a {kind}")
        if kind in BLOCKS:
            try:
                checked(BLOCKS[kind], block)
            except ValueError as error:
                raise ValueError(f"the block of '{part.title}': {error}") from None
    lacking = [part for part, kind in kinds.items() if kind not in ("drop", *MADE) and part not in found]
    if lacking:
        raise ValueError(f"it has no block of '{lacking[0].title}'")
    for part in found:
        if part.is_calendar:
            _check_calendar(schema, part, found)
    if set(state["moments"]) != moments:
        raise ValueError(f"it has moments of {sorted(state['moments'])}; the schema of {sorted(moments)}")
    for name, ends in state["moments"].items():
        if len(ends) != 2 or not all(one is None or _is_moment(one) for one in ends):
            raise ValueError(f"the moments of '{name}' are {ends!r:.60}")
    return found


def _by_part(states: Any) -> dict[Part, dict]:
    """The states of blocks, by the part that each names."""
    if not isinstance(states, list):
        raise ValueError(f"blocks: no list but {shown(states)}")
    found: dict[Part, dict] = {}
    for state in states:
        of = checked(Of, state)
        part = Part(of.column, of.role)
        if part in found:
            raise ValueError(f"it has two blocks of '{part.title}'")
        found[part] = state
    return found


def _check_calendar(schema: Schema, part: Part, blocks: dict[Part, dict]) -> None:
    """Refuse a part of the calendar that is not one of the days of a column."""
    column, block = part.column, blocks[part]
    day, what = Part(column), f"{part.role}s"
    days = blocks.get(day)
    if days is None or (days["type"], block["type"]) != ("NumericBlock", "CategoryBlock"):
        raise ValueError(f"it has {what} of '{column}', but no days")
    if not holds_days(schema, day) and days.get("reading") not in readings.DAYS:
        raise ValueError(f"it has {what} of '{column}', whose numbers are no days")
    checked(Categories, block)
    if not set(block["members"]) <= set(calendar_parts.NAMES[part.role]):
        raise ValueError(f"the {what} of '{column}' are {block['members']!r:.60}")
    grid = np.reshape(days["grid"], (-1, POINTS))
    bars = grid[grid[:, 0] != grid[:, -1]]
    if not len(bars):
        raise ValueError(f"it has {what} of '{column}', which has no ranges of days")
    if calendar_parts.are_too_many(bars):
        raise ValueError(f"it has {what} of '{column}', whose days are too many")


def explained(state: Any, tied: dict[str, list]) -> dict[str, list[float]]:
    """The shares of the rows that relations give, by column.

    Raises:
        ValueError: If they are not those of the tied columns.
    """
    if not isinstance(state, dict) or {n: len(s) for n, s in state.items()} != {
        name: len(relations) for name, relations in tied.items()
    }:
        raise ValueError("explained: not of the columns that relations give")
    for name, shares in state.items():
        if not all(type(share) is float and 0 <= share <= 1 for share in shares) or sum(shares) > 1 + 1e-9:
            raise ValueError(f"explained: the shares of '{name}' are {shares!r:.60}")
    return state


def _is_moment(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63
