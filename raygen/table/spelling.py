"""How text spells numbers, dates, times and truth: what is read is written back letter by letter."""

import json
import re
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc

from raygen.table.spelled_moments import Moments, moments_of
from raygen.table.spelled_numbers import Numbers, numbers_of

KEY = b"spelling"  # in the metadata of an Arrow field
ZERO_BELOW = re.compile("-0[.,]0+")


@dataclass(frozen=True)
class Words:
    """Truth in words other than true and false."""

    true: str
    false: str
    type = pa.bool_()
    is_plain = False

    def read(self, text: pa.Array) -> pa.Array:
        return pc.index_in(text, pa.array([self.false, self.true])).cast(pa.bool_())

    def write(self, values: pa.Array) -> pa.Array:
        return pc.if_else(values, pa.scalar(self.true), pa.scalar(self.false))


Spelling = Numbers | Moments | Words
CLASSES: dict[str, type] = {kind.__name__: kind for kind in (Numbers, Moments, Words)}


def marked(field: pa.Field, spelling: Spelling) -> pa.Field:
    """The field with a note of how its values are spelled."""
    told = json.dumps({"as": type(spelling).__name__, **asdict(spelling)})
    return field.with_metadata({**(field.metadata or {}), KEY: told.encode()})


def of_field(field: pa.Field) -> Spelling | None:
    """How the values of a field are spelled, if that is noted and of its type."""
    told = (field.metadata or {}).get(KEY)
    if not told:
        return None
    state = json.loads(told)
    found: Spelling = CLASSES[state.pop("as")](**state)
    return found if found.type == field.type else None


def keeps(spelling: Spelling, text: pa.Array) -> bool:
    """Whether all of some texts are read and written back as they are."""
    read = spelling.read(text)
    return read.null_count == text.null_count and spelling.write(read).equals(text.cast(pa.string()))


def spelling(values: list[str], in_quotes: bool = False, point: str = ".") -> tuple[Spelling | None, str]:
    """How all of some distinct texts spell numbers, moments or truth; None where they do not, or are written
    so by Arrow itself, which takes nothing `in_quotes` for anything but text. And a few words on what is in
    doubt. `point` is the decimal point of other columns."""
    if not values:
        return None, ""
    text = pa.array(values, pa.string())
    for true, false in (("True", "False"), ("TRUE", "FALSE")):
        if set(values) <= {true, false}:
            return Words(true, false), ""
    for candidate in numbers_of(values, point):
        if keeps(candidate, text):
            usual = candidate.is_plain and (candidate.digits <= 0 or in_quotes)
            odd = next((one for one in values if candidate.is_plain and ZERO_BELOW.fullmatch(one)), "")
            doubt = f"'{odd}' would be written as '{odd[1:]}'" if odd and not usual else ""
            return (None if usual else candidate), doubt
    found = [candidate for candidate in moments_of(values) if keeps(candidate, text)]
    orders = {"".join(re.findall("%-?([dm])", one.pattern)) for one in found}
    if len(orders) > 1:
        return None, "dates of which the day and the month cannot be told apart; kept as text"
    usual = not found or (found[0].is_plain and "f" not in found[0].pattern and not in_quotes)
    return None if usual else found[0], ""
