"""What the settings of all sections share: which numbers are numbers."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

MOST_ROWS = 10**13  # of a generation


def workers(given: Any) -> Any:
    """A number, or the fewest and the most."""
    numbers = given if isinstance(given, list) else [given, given]
    whole = len(numbers) == 2 and all(isinstance(n, int) and not isinstance(n, bool) for n in numbers)
    if not whole or not (0 < numbers[0] <= numbers[1] or given == 0):
        raise PydanticCustomError(
            "workers", "a number of 0 or more, or the fewest and the most, such as [1, 4]"
        )
    return given


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _is_number(cls, given: Any, info: ValidationInfo) -> Any:
        """Neither true nor what no computer counts to, where Python would take both for a number."""
        kind = cls.model_fields[info.field_name].annotation if info.field_name else None
        if isinstance(given, bool) and kind in (int, float):
            raise PydanticCustomError("number", "a number")
        if isinstance(given, int) and abs(given) >= 2**63:
            raise PydanticCustomError("large", "a number below 2^63")
        return given
