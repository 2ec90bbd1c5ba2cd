"""What the columns of a table are: their Arrow types and the kind of each."""

import base64
from dataclasses import dataclass

import pyarrow as pa

from raygen import arrow
from raygen.errors import ModelError, SchemaError, did_you_mean
from raygen.stats import CategoryStats, NumericStats

MIN_ROWS = 10
LEARNED = ("numeric", "categorical", "boolean", "datetime")
MAX_EXACT = 2**53  # whole numbers above it have no float64 of their own


@dataclass(frozen=True)
class Schema:
    """The Arrow schema of a table and the kind of each column, in order.

    `numeric` columns are integers, floats or decimals; `datetime` covers timestamps, dates, times and durations; `id` columns are
    numbered anew in what is generated; `drop` columns are left out of it.
    """

    arrow: pa.Schema
    kinds: dict[str, str]

    @property
    def learned(self) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind in LEARNED]

    @property
    def output(self) -> pa.Schema:
        """Arrow schema of generated tables: that of the source without its `drop` columns."""
        return pa.schema([field for field in self.arrow if self.kinds[field.name] != "drop"])

    @classmethod
    def of(cls, source: pa.Schema, kinds: dict[str, str], where: str) -> "Schema":
        """Join a source's Arrow schema with the kinds that the user (or `infer`) gave.

        Args:
            source: Arrow schema of the table.
            kinds: Kind of each column; a column that it does not name is an error, so that none is lost in silence.
            where: The source, for messages.

        Raises:
            SchemaError: If a column is absent or unnamed, a kind does not fit its type, or nothing is left to learn.
        """
        found = f"Found: {', '.join(source.names)} ({len(source.names)})."
        if len(set(source.names)) < len(source.names):
            twice = next(n for n in source.names if source.names.count(n) > 1)
            raise SchemaError(f"source '{where}' has more than one column '{twice}'.", "rename one of them.")
        for name, kind in kinds.items():
            if name not in source.names:
                hint = did_you_mean(name, source.names)
                raise SchemaError(f"source '{where}' has no column '{name}', which [schema.columns] names. {found}", hint)
            _check_kind(name, kind, source.field(name).type)
        unnamed = [name for name in source.names if name not in kinds]
        if unnamed:
            hint = f'add {unnamed[0]} = "drop" (or another kind) to [schema.columns], or run raygen init again.'
            raise SchemaError(f"source '{where}' has a column '{unnamed[0]}' that [schema.columns] does not name.", hint)
        schema = cls(source.remove_metadata(), {name: kinds[name] for name in source.names})
        if not schema.learned:
            raise SchemaError(f"source '{where}' has no column to learn: all are of kind id or drop. {found}", "give one of them another kind.")
        return schema

    def to_dict(self) -> dict:
        packed = base64.b64encode(self.arrow.serialize().to_pybytes()).decode()
        columns = {f.name: {"kind": self.kinds[f.name], "type": str(f.type)} for f in self.arrow}
        return {"columns": columns, "arrow": packed}

    @classmethod
    def from_dict(cls, state: dict) -> "Schema":
        try:
            source = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(state["arrow"])))
            return cls(source, {name: column["kind"] for name, column in state["columns"].items()})
        except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise ModelError(f"the model's schema cannot be read: {error}.", "train the model again.") from None


def infer(table: pa.Table) -> tuple[dict[str, str], dict[str, str]]:
    """Guess the kind of each column from its Arrow type and from some rows.

    Returns:
        Kinds by column name, and a few words by column name where a user should look at the guess.
    """
    kinds, notes = {}, {}
    for name in table.column_names:
        kinds[name], note = _infer(table[name])
        if note:
            notes[name] = note
    return kinds, notes


def check_table(schema: Schema, stats: dict, where: str) -> None:
    """Refuse a table that cannot be learned, from its statistics by part (see `codec.observe`).

    Raises:
        SchemaError: If there are too few rows, or whole numbers too large to be learned as numbers.
    """
    rows = max((s.num_rows for s in stats.values()), default=0)
    if rows == 0:
        raise SchemaError(f"source '{where}' has no rows.", "give a table with at least %d rows." % MIN_ROWS)
    if rows < MIN_ROWS:
        raise SchemaError(f"source '{where}' has {rows} row{'s' * (rows > 1)}; at least {MIN_ROWS} are needed.", "give a larger table.")
    for name in schema.learned:
        part = stats[name]
        whole = schema.kinds[name] == "numeric" and pa.types.is_integer(arrow.value_type(schema.arrow.field(name).type))
        if whole and max(abs(part.minimum), abs(part.maximum)) > MAX_EXACT and part.num_missing < part.num_rows:
            hint = f'set schema.columns.{name} = "id", "categorical" or "drop".'
            raise SchemaError(f"column '{name}' holds whole numbers above 2^53, too large to learn as a number.", hint)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_datetime(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind)


def _check_kind(name: str, kind: str, source: pa.DataType) -> None:
    plain = arrow.value_type(source)
    fits = {
        "numeric": _is_number(plain),
        "categorical": _is_number(plain) or _is_text(plain) or pa.types.is_boolean(plain) or pa.types.is_date(plain) or pa.types.is_null(plain),
        "boolean": pa.types.is_boolean(plain),
        "datetime": _is_datetime(plain),
        "id": pa.types.is_integer(plain) or _is_text(plain),
        "drop": True,
    }
    if not fits[kind]:
        usable = ", ".join(k for k, ok in fits.items() if ok)
        raise SchemaError(f'schema.columns.{name} = "{kind}" does not fit its type {source}.', f"use one of: {usable}.")


def _infer(column: pa.ChunkedArray) -> tuple[str, str]:
    source = column.type
    plain = arrow.value_type(source)
    present = len(column) - column.null_count
    if pa.types.is_null(plain):
        return "categorical", "has no values; they stay missing"
    if pa.types.is_boolean(plain):
        return "boolean", ""
    if _is_datetime(plain):
        return "datetime", ""
    if pa.types.is_dictionary(source) and (_is_number(plain) or _is_text(plain)):
        return "categorical", ""
    if _is_number(plain):
        stats = NumericStats.observe(arrow.numbers(column))
        if not len(stats.values) and stats.sketch is None:
            return "numeric", "has no values; they stay missing"
        whole = pa.types.is_integer(plain)
        distinct = present if stats.sketch is not None else len(stats.values)
        span = stats.maximum - stats.minimum
        if whole and max(abs(stats.maximum), abs(stats.minimum)) > MAX_EXACT:
            return "id", "whole numbers above 2^53, taken for identifiers; numbered anew"
        if whole and distinct == present == len(column) >= MIN_ROWS and span < 1.5 * present:
            return "id", "every row has its own number; numbered anew"
        return "numeric", "is constant" if distinct == 1 else ""
    if _is_text(plain):
        stats = CategoryStats.observe(arrow.strings(column))
        names = [name for name, _ in stats.frequencies()]
        if present >= MIN_ROWS and (stats.sketch is not None or len(names) > 0.9 * present):
            if any(" " in name for name in names[:100]):
                return "drop", "free text, nearly all distinct; left out"
            return "id", "nearly all distinct; numbered anew"
        return "categorical", "is constant" if len(names) == 1 else ""
    return "drop", f"type {source} is not supported; left out"
