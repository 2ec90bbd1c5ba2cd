"""Rows of which some cells are given: what is given, and what is to be filled."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from raygen.codec.codec import Codec
from raygen.errors import ConfigError, SchemaError, did_you_mean, listed
from raygen.relations import inverse
from raygen.relations.relation import Relation
from raygen.table import arrow

FILL_ALL, FILL_ABSENT = "all", "absent"


@dataclass(frozen=True)
class Partial:
    """Rows given in part.

    Attributes:
        table: Columns of the model's output, in its order and types; null where nothing is given.
        known: By column, bool of shape (rows,): whether the cell is given; so is a missing value that stays.
        valued: The same: whether the cell is to be filled with a value, not with a missing one.
    """

    table: pa.Table
    known: dict[str, np.ndarray]
    valued: dict[str, np.ndarray]

    @property
    def num_rows(self) -> int:
        return self.table.num_rows

    @property
    def given(self) -> dict[str, tuple[pa.Array, np.ndarray]]:
        """Values and where they are given, of each column that has some."""
        return {name: (self.table[name], here) for name, here in self.known.items() if here.any()}

    def take(self, numbers: np.ndarray) -> "Partial":
        """Some rows."""
        table = arrow.taken(self.table, numbers)
        known = {name: here[numbers] for name, here in self.known.items()}
        return Partial(table, known, {name: here[numbers] for name, here in self.valued.items()})

    def deduced(self, relations: list[Relation]) -> "Partial":
        """The same with cells that follow from given ones by relations that always hold."""
        table, known = self.table, dict(self.known)
        for _ in range(len(relations) + 1):
            found = False
            for relation in relations:
                for name, told in _followers(relation, table.schema):
                    needed = [known[one] for one in told.inputs]
                    open_ = ~known[name] & np.logical_and.reduce([np.ones(table.num_rows, bool), *needed])
                    if not open_.any():
                        continue
                    values = arrow.plain(told.values(table))
                    more = open_ & values.is_valid().to_numpy(zero_copy_only=False)
                    if more.any():
                        table, found = _with(table, name, values, more), True
                        known[name] = known[name] | more
            if not found:
                break
        return replace(self, table=table, known=known)


class Reader:
    """Makes `Partial` of tables with some of a model's columns.

    Args:
        codec: The model's.
        columns: Of the tables.
        fill: "all": every missing cell of a column that is there gets a value; "absent": it stays missing;
            or names of columns in which it gets one. Columns that are not there are filled in any case.

    Attributes:
        notes: What a user should know.

    Raises:
        SchemaError: If a column is not of the model's table or of another type.
        ConfigError: If `fill` names no column.
    """

    def __init__(self, codec: Codec, columns: pa.Schema, fill: str | list[str] = FILL_ALL):
        self.schema, self.notes = codec.schema.output, list[str]()
        if len(set(columns.names)) != len(columns.names):
            raise SchemaError("the rows to complete have two columns of one name.", "rename one of them.")
        self.dropped = [n for n in columns.names if codec.schema.kinds.get(n) == "drop"]
        if self.dropped:
            self.notes.append(f"The model did not learn {listed(self.dropped)}: left out of the rows.")
        for name in columns.names:
            if name not in self.schema.names and name not in self.dropped:
                hint = did_you_mean(name, self.schema.names)
                raise SchemaError(f"the model knows no column '{name}' of the rows to complete.", hint)
        self.columns = {name: columns.field(name).type for name in columns.names if name not in self.dropped}
        for name, kind in self.columns.items():
            own = self.schema.field(name).type
            _check_type(name, kind, own)
            self.notes += _zone_note(name, kind, own)
        self.fill = fill if isinstance(fill, str) else list(fill)
        if isinstance(fill, str) and fill not in (FILL_ALL, FILL_ABSENT):
            self.fill = [name.strip() for name in fill.split(",") if name.strip()]
        for name in self.fill if isinstance(self.fill, list) else []:
            if name not in self.schema.names:
                message = f"fill = '{name}': neither 'all', 'absent' nor a column of the model."
                raise ConfigError(message, did_you_mean(name, self.schema.names))
        if not self.columns:
            self.notes.append("No column of the model is given: the rows are drawn as raygen generate does.")

    def read(self, table: pa.Table) -> Partial:
        """The cells of a table with the columns that were told.

        Raises:
            SchemaError: If a value does not fit the model's type.
        """
        rows, columns, known, valued = table.num_rows, [], {}, {}
        for field in self.schema:
            name = field.name
            if name not in self.columns:
                columns.append(_nothing(field.type, rows))
                known[name] = valued[name] = np.zeros(rows, bool)
                continue
            column = _cast(name, table[name], field.type)
            there = column.is_valid().to_numpy(zero_copy_only=False)
            filled = self.fill == FILL_ALL or (isinstance(self.fill, list) and name in self.fill)
            columns.append(column)
            known[name] = there if filled else np.ones(rows, bool)
            valued[name] = ~known[name]
        fields = [pa.field(field.name, field.type) for field in self.schema]
        return Partial(pa.table(columns, schema=pa.schema(fields)), known, valued)


def _zone_note(name: str, kind: pa.DataType, own: pa.DataType) -> list[str]:
    """That moments of a zone are given for those of none, or the other way round."""
    if not (pa.types.is_timestamp(kind) and pa.types.is_timestamp(own)) or bool(kind.tz) == bool(own.tz):
        return []
    zones = [f"zone {one.tz}" if one.tz else "no zone" for one in (kind, own)]
    return [
        f"Column '{name}' of the rows has {zones[0]}, that of the model {zones[1]}: "
        "moments without a zone are taken for those of UTC."
    ]


def _followers(relation: Relation, schema: pa.Schema) -> list[tuple[str, Relation]]:
    """Cells that follow where all others of a relation are known: its own column, and those that it can be
    solved for."""
    if not relation.gives or relation.rule.where:
        return []
    solved = [(name, inverse.solved(relation, name, schema.field(name).type)) for name in relation.inputs]
    return [(relation.column, relation), *((name, one) for name, one in solved if one is not None)]


def _with(table: pa.Table, name: str, values: pa.Array, where: np.ndarray) -> pa.Table:
    """The table with some cells of a column replaced."""
    number, kind = table.schema.get_field_index(name), table.schema.field(name).type
    return table.set_column(number, pa.field(name, kind), chosen(where, values, table[name], kind))


def chosen(
    where: np.ndarray, values: pa.Array, others: pa.Array | pa.ChunkedArray, kind: pa.DataType
) -> pa.Array:
    """`values` where it is so, else `others`, as a column of a type."""
    picks = np.where(where, np.arange(len(where)), np.arange(len(where)) + len(where))
    plain = arrow.value_type(kind)
    plain = pa.large_string() if pa.types.is_string_view(plain) else plain  # Arrow takes no views
    both = [_plainly(values, plain), _plainly(others, plain)]
    taken = pa.concat_arrays(both).take(pa.array(picks))
    return (
        arrow.from_strings(arrow.strings(taken), kind) if pa.types.is_dictionary(kind) else taken.cast(kind)
    )


def _plainly(array: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    array = arrow.plain(array)
    return array if array.type == kind else array.cast(kind)


def _nothing(kind: pa.DataType, rows: int) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return arrow.from_strings(pa.nulls(rows, pa.string()), kind)
    return pa.nulls(rows, kind)


def _family(kind: pa.DataType) -> str:
    kind = arrow.value_type(kind)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "numbers"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "moments"
    if pa.types.is_time(kind):
        return "times of day"
    if pa.types.is_duration(kind):
        return "durations"
    return str(kind)


def _check_type(name: str, came: pa.DataType, expected: pa.DataType) -> None:
    if pa.types.is_null(came) or _family(came) == _family(expected):
        return
    raise SchemaError(
        f"column '{name}' of the rows to complete is of type {came}; the model's is {expected}.",
        f"write the column as {expected}, or leave it out to have it filled.",
    )


def _cast(name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """A column in the model's type."""
    if column.type == kind and not pa.types.is_dictionary(kind):
        return column.combine_chunks()
    try:
        values = arrow.plain(column)
        if pa.types.is_dictionary(kind):
            return arrow.from_strings(arrow.strings(values), kind)
        return values.cast(kind)
    except pa.ArrowException as error:
        said = str(error).splitlines()[0][:200]
        raise SchemaError(
            f"column '{name}' of the rows to complete does not fit the model's type {kind}: {said}.",
            "mend these values, or leave the column out to have it filled.",
        ) from None
