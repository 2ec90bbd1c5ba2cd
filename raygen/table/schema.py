"""What the columns of a table are: their Arrow types and the kind of each."""

import base64
import dataclasses
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raygen.errors import ModelError, SchemaError, did_you_mean, listed
from raygen.table import arrow, keys, readings, texts
from raygen.table.part import Part
from raygen.table.stats import CategoryStats, NumericStats, Stats

MIN_ROWS = 10
LEARNED = ("numeric", "categorical", "boolean", "datetime")
MADE = ("id", "fake")  # from the row's number
MOSTLY = 0.5
ROUND = 1000  # moments in nanoseconds are multiples of it, identifiers are not
FEW_LARGE = 256  # distinct numbers above 2^53 that are categories
FEW_TEXTS = 20  # distinct texts, of which no one asks whether they are numbers
SPREADSHEET = (
    "looks like days of a spreadsheet with a time of day (45123.75 is 2023-07-16 18:00); learned as numbers: "
    "write them as moments"
)
NO_VALUES = "has no values; they stay missing"


@dataclass(frozen=True)
class Schema:
    """The Arrow schema of a table and the kind of each column, in order.

    `numeric` columns are integers, floats or decimals; `datetime` covers timestamps, dates, times and
    durations; `id` columns are numbered anew in what is generated, and `fake` ones made up; `drop` columns
    are left out of it.
    `levels` are the values of dictionary columns in the dictionary's order, those that never occur among
    them.
    """

    arrow: pa.Schema
    kinds: dict[str, str]
    levels: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    @property
    def learned(self) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind in LEARNED]

    @property
    def output(self) -> pa.Schema:
        """Arrow schema of generated tables: that of the source without its `drop` columns, and what pandas
        has noted of them there if none is."""
        kept = [one for one in self.arrow if self.kinds[one.name] != "drop"]
        return pa.schema(kept, self.arrow.metadata if len(kept) == len(self.arrow) else None)

    @classmethod
    def of(
        cls, source: pa.Schema, kinds: dict[str, str], where: str, levels: dict[str, list[str]] | None = None
    ) -> "Schema":
        """Join a source's Arrow schema with the kinds that the user (or `infer`) gave.

        Args:
            source: Arrow schema of the table.
            kinds: Kind of each column; a column that it does not name is an error, so that none is lost in
                silence.
            where: The source, for messages.
            levels: Of dictionary columns.

        Raises:
            SchemaError: If a column is absent or unnamed, a kind does not fit its type, or nothing is left to
                learn.
        """
        found = f"Found: {listed(source.names)} ({len(source.names)})."
        for name, kind in kinds.items():
            if name not in source.names:
                hint = did_you_mean(name, source.names)
                raise SchemaError(
                    f"source '{where}' has no column '{name}', which [schema.columns] names. {found}", hint
                )
            _check_kind(name, kind, source.field(name).type)
        unnamed = [name for name in source.names if name not in kinds]
        if unnamed:
            hint = (
                f'add {unnamed[0]} = "drop" (or another kind) to [schema.columns], or run raygen init again.'
            )
            raise SchemaError(
                f"source '{where}' has a column '{unnamed[0]}' that [schema.columns] does not name.", hint
            )
        schema = cls(source, {name: kinds[name] for name in source.names}, levels or {})
        if not schema.learned:
            raise SchemaError(
                f"source '{where}' has no column to learn: all are of kind id, fake or drop. {found}",
                "give one of them another kind.",
            )
        return schema

    def check_ids(self, rows: int) -> None:
        """Refuse more rows than the `id` columns can number.

        Raises:
            SchemaError: If a column's integers end before.
        """
        for field in self.output:
            if self.kinds[field.name] == "id" and _is_number(field.type):
                last = _last_whole(field.type)
                if rows > last:
                    message = (
                        f"column '{field.name}' of kind id and type {field.type} cannot number "
                        f"{rows:,} rows; it ends at {last:,}."
                    )
                    raise SchemaError(
                        message,
                        f'set schema.columns.{field.name} = "drop" and train again, or generate fewer rows.',
                    )

    def to_dict(self) -> dict:
        packed = base64.b64encode(self.arrow.serialize().to_pybytes()).decode()
        columns = {f.name: {"kind": self.kinds[f.name], "type": str(f.type)} for f in self.arrow}
        return {"columns": columns, "arrow": packed, "levels": self.levels}

    @classmethod
    def from_dict(cls, state: dict) -> "Schema":
        try:
            source = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(state["arrow"])))
            kinds = {name: column["kind"] for name, column in state["columns"].items()}
            _check_saved(source, kinds, state["levels"])
            return cls(source, kinds, state["levels"])
        except (LookupError, TypeError, ValueError, AttributeError, pa.ArrowException, OSError) as error:
            raise ModelError(
                f"the model's schema cannot be read: {error}.", "train the model again."
            ) from None


def _check_saved(source: pa.Schema, kinds: dict[str, str], levels: dict[str, list[str]]) -> None:
    """Refuse kinds and levels that are not of these columns, from a file."""
    if len(set(source.names)) != len(source.names) or list(kinds) != source.names:
        raise ValueError("its columns are not those of its Arrow schema")
    for name, kind in kinds.items():
        _check_kind(name, kind, source.field(name).type)
    for name, own in levels.items():
        if not pa.types.is_dictionary(source.field(name).type) or not all(isinstance(t, str) for t in own):
            raise ValueError(f"the levels of column '{name}' are no texts of a dictionary")


def infer(table: pa.Table, doubts: dict[str, str] | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """Guess the kind of each column from its Arrow type and from some rows.

    Args:
        table: The rows.
        doubts: What is known of columns besides (see `Source.doubts`).

    Returns:
        Kinds by column name, and a few words by column name where a user should look at the guess.
    """
    kinds, notes = {}, {}
    for name in table.column_names:
        kinds[name], note = _infer(table[name])
        if note := "; ".join(filter(None, [note, (doubts or {}).get(name)])):
            notes[name] = note
    return kinds, notes


def check_rows(rows: int, where: str) -> None:
    """Refuse a table with too few rows to learn from.

    Raises:
        SchemaError: If there are fewer than `MIN_ROWS`.
    """
    if rows < MIN_ROWS:
        count = f"{rows or 'no'} row{'s' * (rows != 1)}"
        raise SchemaError(
            f"source '{where}' has {count}; at least {MIN_ROWS} are needed.", "give a larger table."
        )


def check_table(schema: Schema, stats: dict[Part, Stats], where: str) -> None:
    """Refuse a table that cannot be learned, from its statistics by part (see `codec.parts.observe`).

    Raises:
        SchemaError: If there are too few rows, or more categories than their type can hold.
    """
    check_rows(max((s.num_rows for s in stats.values()), default=0), where)
    for name in schema.learned:
        part, kind = stats[Part(name)], schema.arrow.field(name).type
        if isinstance(part, CategoryStats) and pa.types.is_dictionary(kind):
            count, most = len(part.frequencies()), int(np.iinfo(kind.index_type.to_pandas_dtype()).max) + 1
            if count > most:
                message = (
                    f"column '{name}' has {count:,} categories in all files together; its type "
                    f"{kind} holds {most:,}."
                )
                raise SchemaError(
                    message, f'set schema.columns.{name} = "drop", or write the files with a wider index.'
                )


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _is_whole_decimal(kind: pa.DataType) -> bool:
    return pa.types.is_decimal(kind) and kind.scale == 0


def _last_whole(kind: pa.DataType) -> int:
    """Up to which a type of numbers holds all whole numbers from 1 on."""
    if pa.types.is_decimal(kind):
        return int(10**kind.precision) - 1
    return arrow.EXACT if pa.types.is_floating(kind) else int(np.iinfo(kind.to_pandas_dtype()).max)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_datetime(kind: pa.DataType) -> bool:
    return (
        pa.types.is_timestamp(kind)
        or pa.types.is_date(kind)
        or pa.types.is_time(kind)
        or pa.types.is_duration(kind)
    )


def fits(source: pa.DataType) -> dict[str, bool]:
    """Whether a column of this type may be of each kind."""
    plain = arrow.value_type(source)
    number, text, boolean = _is_number(plain), _is_text(plain), pa.types.is_boolean(plain)
    whole = pa.types.is_integer(source) and source.bit_width >= 32
    return {
        "numeric": number,
        "categorical": number or text or boolean or pa.types.is_date(plain) or pa.types.is_null(plain),
        "boolean": boolean,
        "datetime": _is_datetime(plain),
        "id": whole or _is_text(source) or pa.types.is_float64(source) or _is_whole_decimal(source),
        "fake": whole or _is_text(source),
        "drop": True,
    }


def _check_kind(name: str, kind: str, source: pa.DataType) -> None:
    fitting = fits(source)
    if not fitting[kind]:
        usable = ", ".join(k for k, ok in fitting.items() if ok)
        raise SchemaError(
            f'schema.columns.{name} = "{kind}" does not fit its type {source}.', f"use one of: {usable}."
        )


def _infer(column: pa.ChunkedArray) -> tuple[str, str]:
    source = column.type
    plain = arrow.value_type(source)
    if pa.types.is_null(plain):
        return "categorical", NO_VALUES
    if pa.types.is_boolean(plain):
        return "boolean", ""
    if _is_datetime(plain):
        return "datetime", ""
    if _is_text(plain) or (pa.types.is_dictionary(source) and _is_number(plain)):
        return _infer_categories(column)
    if _is_number(plain):
        return _infer_number(column)
    return "drop", f"type {source} is not supported; left out"


def _infer_number(column: pa.ChunkedArray) -> tuple[str, str]:
    stats = NumericStats.observe(arrow.marked_numbers(column, exact=None), scale=arrow.scale_of(column.type))
    present = stats.num_usual
    if not present:
        return "numeric", NO_VALUES
    if lost := stats.num_missing - column.null_count:
        return "numeric", f"{lost:,} of its values lie beyond {arrow.LARGEST:g}; they are taken for missing"
    distinct = present if stats.sketch is not None else len(stats.values)
    if pa.types.is_integer(column.type) and stats.scale is not None:
        large = np.abs(stats.distribution()[0]) > arrow.EXACT
        if stats.distribution()[1][large].sum() > MOSTLY:
            return _infer_large(stats, distinct)
    reading = readings.find(stats)
    is_whole = not stats.digits[1:].any() and not stats.special.any()
    if reading:
        return "numeric", f"{readings.WORDS[reading]}; learned as such"
    known = is_whole and stats.sketch is None and stats.scale is None
    if known and (written := readings.year_last(stats.values)):
        return "numeric", f"looks like days written as {written}; learned as numbers: write them as YYYYMMDD"
    if readings.is_spreadsheet_clock(stats):
        return "numeric", SPREADSHEET
    if fits(column.type)["id"] and is_whole and distinct == present >= MIN_ROWS:
        if keys.are_keys(stats):
            return "id", "every row has its own number; numbered anew"
        if digits := keys.one_width(stats):
            return "numeric", f"has {digits} digits and no value twice; learned by size: id if it is a name"
    return "numeric", "is constant" if stats.minimum == stats.maximum else ""


def _infer_large(stats: NumericStats, distinct: int) -> tuple[str, str]:
    """The kind of whole numbers of which most have no float64 of their own."""
    if distinct == stats.num_usual >= MIN_ROWS and stats.divisor < ROUND:
        return "id", "whole numbers above 2^53, all distinct, taken for identifiers; numbered anew"
    if distinct <= min(FEW_LARGE, stats.num_usual - 1):
        return "categorical", "whole numbers above 2^53, kept as categories"
    return "numeric", "whole numbers above 2^53, learned by size"


def _infer_categories(column: pa.ChunkedArray) -> tuple[str, str]:
    stats = CategoryStats.observe(arrow.strings(column))
    names = [name for name, _ in stats.frequencies()]
    present = stats.num_rows - stats.num_missing
    if not present:
        return "categorical", NO_VALUES
    if pa.types.is_dictionary(column.type):
        return "categorical", "is constant" if len(names) == 1 else ""
    written_as = texts.held(names[:1000])
    if present >= MIN_ROWS and (stats.sketch is not None or len(names) > 0.9 * present):
        if written_as:
            return (
                "drop",
                f"text that holds {written_as}, nearly all distinct; left out: convert it to learn it",
            )
        if any(" " in name for name in names[:100]):
            return "drop", "free text, nearly all distinct; left out"
        return "id", "nearly all distinct; numbered anew"
    if len(names) == 1:
        return "categorical", "is constant"
    many = written_as and len(names) > FEW_TEXTS
    return "categorical", f"text that holds {written_as}; learned as categories, not by size" if many else ""
