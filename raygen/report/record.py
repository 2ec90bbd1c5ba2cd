"""What the records of all reports share."""

import math
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
Count = Annotated[int | float | None, BeforeValidator(_finite)]  # a whole number, as it is written


class Record(BaseModel):
    """Figures that cannot be changed, and that have a place each; nan and infinite ones are None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def changed(self, **figures: Any) -> Self:
        """A copy with other figures."""
        return type(self)(**({name: getattr(self, name) for name in self.model_fields_set} | figures))

    def to_dict(self) -> dict[str, Any]:
        """What JSON keeps of it: the figures that were set."""
        return self.model_dump(exclude_unset=True)
