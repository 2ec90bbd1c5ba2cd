"""How rows are completed."""

from dataclasses import dataclass
from numbers import Integral

import pyarrow as pa

from raygen.codec.codec import Codec
from raygen.completion.partial import FILL_ALL
from raygen.errors import ConfigError
from raygen.sampling.row_blocks import BLOCK_ROWS

DRAW = "draw"  # name of the column that numbers the draws of a row
PROBABILITY = "_probability"  # after the name of a column


@dataclass(frozen=True)
class Settings:
    """How rows are completed.

    Attributes:
        fill: Which missing cells are filled (see `partial.Reader`).
        draws: Completed rows for each row.
        most_likely: Each cell by itself has its most likely value, of numbers the mean, in place of a draw.
        median: Numbers have the median in place of the mean.
        probability: Beside each column of categories, how likely the value is.
        particles: Of each row (see `particles`), a power of two.
        seed: Other seeds draw other cells.

    Raises:
        ConfigError: If they do not go together.
    """

    fill: str | list[str] = FILL_ALL
    draws: int = 1
    most_likely: bool = False
    median: bool = False
    probability: bool = False
    particles: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_types()
        for name, most in (("draws", 10_000), ("particles", BLOCK_ROWS)):
            if not 1 <= getattr(self, name) <= most:
                message = f"{name} = {getattr(self, name)}: expected a number from 1 to {most:,}."
                raise ConfigError(message, f"leave {name} out, or choose one of these.")
        if self.particles & (self.particles - 1):
            message = f"particles = {self.particles}: expected a power of two."
            raise ConfigError(message, f"write {1 << self.particles.bit_length()}.")
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"seed = {self.seed}: expected a number from 0 to 2^31.", "choose another one.")
        if self.most_likely and self.draws > 1:
            raise ConfigError(
                f"draws = {self.draws} and most_likely contradict each other: there is one such value.",
                "leave one of them out.",
            )
        for name in ("median", "probability"):
            if getattr(self, name) and not self.most_likely:
                raise ConfigError(f"{name} says how the most likely values are told.", "add most_likely.")

    def _check_types(self) -> None:
        """Refuse values of other types; whole numbers of NumPy become Python's."""
        for name in ("draws", "particles", "seed"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool):
                raise ConfigError(f"{name} = {value!r}: expected a whole number.", f"write {name}=1.")
            object.__setattr__(self, name, int(value))
        for name in ("most_likely", "median", "probability"):
            if not isinstance(getattr(self, name), bool):
                message = f"{name} = {getattr(self, name)!r}: expected True or False."
                raise ConfigError(message, f"write {name}=True, or leave it out.")
        names = [self.fill] if isinstance(self.fill, str) else self.fill
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            message = f"fill = {self.fill!r}: expected 'all', 'absent' or names of columns."
            raise ConfigError(message, "write the columns as fill=['age', 'income'].")

    def output(self, codec: Codec) -> pa.Schema:
        """Columns of the completed rows.

        Raises:
            ConfigError: If the model has a column of the name of one that is added.
        """
        schema, added = codec.schema.output, list[pa.Field]()
        if self.draws > 1:
            added.append(pa.field(DRAW, pa.int32()))
        if self.probability:
            names = [name for name in schema.names if is_category(codec, name)]
            added += [pa.field(name + PROBABILITY, pa.float32()) for name in names]
        for one in added:
            if one.name in schema.names:
                message = f"the completed rows have a column '{one.name}', and the model has one too."
                raise ConfigError(message, "complete without it, or rename the table's column.")
        fields = [pa.field(one.name, one.type) for one in schema]
        return pa.schema([*fields, *added], schema.metadata)


def is_category(codec: Codec, name: str) -> bool:
    return codec.schema.kinds[name] in ("categorical", "boolean")
