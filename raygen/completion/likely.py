"""The most likely value of each cell by itself."""

import numpy as np
import pyarrow as pa

from raygen.codec.codec import Codec
from raygen.completion.partial import Partial, chosen
from raygen.completion.settings import PROBABILITY, Settings, is_category
from raygen.relations.relation import Relation
from raygen.table import arrow
from raygen.table.schema import MADE


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
