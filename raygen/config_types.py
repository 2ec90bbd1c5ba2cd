"""What the sections of a config are made of: their base class and the types of their settings."""

import textwrap
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from raygen import sampler_catalogue, uris

Uri = Annotated[str, AfterValidator(uris.without_credentials)]
if TYPE_CHECKING:  # mypy reads no list of choices that is computed
    from typing import TypeAlias

    AutoSampler: TypeAlias = str
    ChosenSampler: TypeAlias = str
else:
    AutoSampler = Literal["auto", *sampler_catalogue.NAMES]
    ChosenSampler = Literal["chosen", *sampler_catalogue.NAMES]
Kind = Literal["numeric", "categorical", "boolean", "datetime", "id", "fake", "drop"]


def workers(value: Any) -> Any:
    """A number, or the fewest and the most."""
    numbers = value if isinstance(value, list) else [value, value]
    whole = len(numbers) == 2 and all(isinstance(n, int) and not isinstance(n, bool) for n in numbers)
    if not whole or not (0 < numbers[0] <= numbers[1] or value == 0):
        raise PydanticCustomError(
            "workers", "a number of 0 or more, or the fewest and the most, such as [1, 4]"
        )
    return value


Workers = Annotated[int | list[int], PlainValidator(workers)]


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

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Writes the descriptions of the settings into the docstring of a section."""
        settings = [f"    {name}: {field.description}" for name, field in cls.model_fields.items()]
        texts = (textwrap.fill(text, 110, subsequent_indent=" " * 8) for text in settings)
        if not cls.__doc__:
            section = cls.__name__.removesuffix("Settings").lower()
            cls.__doc__ = "\n".join([f"Settings of [{section}].", "", "Attributes:", *texts, ""])
