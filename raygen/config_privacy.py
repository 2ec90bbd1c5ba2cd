"""The section of a config that says which values of the table a model may hold."""

from typing import Annotated, Literal

from pydantic import Field

from raygen.config_types import Section

LeastRows = Annotated[int, Field(ge=1, le=10**9)]


class PrivacySettings(Section):
    min_rows: LeastRows = Field(
        default=8,
        description="rows that a category, an extreme or any number that a model holds stands for at least; "
        "1: no matter how few",
    )
    columns: dict[str, LeastRows] = Field(
        default_factory=dict, description="min_rows of single columns, such as { diagnosis = 20 }"
    )
    public: list[str] = Field(
        default_factory=list, description="columns whose values are no secret, however few rows have one"
    )
    unit: str = Field(
        default="",
        description="column that says whose a row is, such as customer_id: min_rows then count these, each "
        "with as many rows as the one that has most; empty: each row is somebody's own",
    )
    rare: dict[str, Literal["merge", "star", "missing"]] = Field(
        default_factory=dict,
        description="what stands for rarer categories of single columns: merge (frequent ones, so of all "
        "others), star (_rare_) or missing",
    )

    @property
    def of_columns(self) -> dict[str, int]:
        """min_rows of the columns that have their own, the public ones among them."""
        return dict(self.columns) | dict.fromkeys(self.public, 1)
