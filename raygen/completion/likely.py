"""How rows are completed, and the most likely value of each cell by itself."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raygen.codec.codec import Codec
from raygen.completion.partial import FILL_ALL, Partial, chosen
from raygen.errors import ConfigError
from raygen.relations.relation import Relation
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.table import arrow
from raygen.table.schema import MADE

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


def rows(
    codec: Codec,
    drawn: pa.Table,
    weights: np.ndarray,
    given: Partial,
    settings: Settings,
    always: list[Relation],
) -> pa.Table:
    """Rows whose open cells have their most likely values, and what always holds by these.

    Args:
        codec: The model's.
        drawn: Rows of the particles, those of a row side by side.
        weights: Of the particles, of shape (rows, particles).
        given: What is known.
        settings: How they are told.
        always: Relations by which columns follow from others.
    """
    count = given.num_rows
    made, probabilities = given.table, {}
    for name in made.column_names:
        open_ = ~given.known[name]
        sure = np.ones(count, np.float32)
        if open_.any() and codec.schema.kinds[name] not in MADE:
            values, sure = _best(drawn[name], weights, is_category(codec, name), settings.median)
            sure = np.where(open_, sure, 1).astype(np.float32)
            made = _put(made, name, values, open_)
        probabilities[name] = sure
    for relation in always:
        open_ = ~given.known[relation.column]
        values = arrow.plain(relation.values(made))
        open_ &= values.is_valid().to_numpy(zero_copy_only=False)
        made = _put(made, relation.column, values, open_)
    if settings.probability:
        for name in [n for n in made.column_names if is_category(codec, n)]:
            made = made.append_column(name + PROBABILITY, pa.array(probabilities[name]))
    return made


def _put(table: pa.Table, name: str, values: pa.Array, where: np.ndarray) -> pa.Table:
    field = table.schema.field(name)
    column = chosen(where, values, table[name], field.type)
    return table.set_column(table.schema.get_field_index(name), field, column)


def _best(
    column: pa.ChunkedArray, weights: np.ndarray, is_category: bool, median: bool
) -> tuple[pa.Array, np.ndarray]:
    """The most likely value of each row, and how likely it is, from values of its particles side by side."""
    rows, each = weights.shape
    values = arrow.plain(column)
    codes = values.dictionary_encode(null_encoding="encode")
    index = codes.indices.to_numpy(zero_copy_only=False).reshape(rows, each)
    size = max(1, len(codes.dictionary))
    mass = np.zeros((rows, size))
    np.add.at(mass, (np.repeat(np.arange(rows), each), index.ravel()), weights.ravel())
    mode = np.argmax(mass, axis=1)
    best = codes.dictionary.take(pa.array(mode))
    sure = mass[np.arange(rows), mode]
    if is_category:
        return best, sure
    is_missing = best.is_null().to_numpy(zero_copy_only=False)
    numbers = _numbers(values).reshape(rows, each)
    there = np.isfinite(numbers)
    if not there.any():
        return best, sure
    own = np.where(there, weights, 0.0)
    own = own / np.maximum(own.sum(axis=1, keepdims=True), 1e-300)
    if median or not _is_number(values.type):
        order = np.argsort(np.where(there, numbers, np.inf), axis=1)
        upper = np.cumsum(np.take_along_axis(own, order, axis=1), axis=1)
        place = np.minimum((upper < 0.5).sum(axis=1), each - 1)
        picked = order[np.arange(rows), place] + each * np.arange(rows)
        best_number = values.take(pa.array(picked))
    else:
        means = np.where(there, numbers, 0.0) * own
        best_number = _as_type(means.sum(axis=1), values.type)
    return chosen(is_missing, best, best_number, values.type), sure


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _numbers(values: pa.Array) -> np.ndarray:
    """float64, NaN where missing; of moments and spans, places on a line."""
    if pa.types.is_boolean(values.type) or not values.type.bit_width:
        return np.full(len(values), np.nan)
    if _is_number(values.type):
        return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    wide = values.cast(pa.int32()) if values.type.bit_width == 32 else values
    return wide.cast(pa.int64()).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _as_type(means: np.ndarray, kind: pa.DataType) -> pa.Array:
    if pa.types.is_floating(kind):
        return pa.array(means).cast(kind)
    return arrow.from_numbers(means, kind)
