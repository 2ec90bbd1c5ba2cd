"""What is left of a table to learn, once its relations have said what they can; and the table back.

computed     the column is left out, and computed of others in every row
difference   y - x is learned in place of y, where y stands always or often on one side of x, or near a sum x
tied         a column beside y says which relation gave the value, if any did, and y is learned from the
             other rows alone
override     y is learned as it is, and set where the relation says what it is, or where it breaks it
checked      nothing is done: the relation holds by what else is learned, and is counted; but where a value
             must be missing, which a circle keeps from being set in turn, it is emptied at the end
"""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.errors import SchemaError
from raygen.relations import conditions
from raygen.relations.conditions import is_missing
from raygen.relations.differences import Values, added, difference, difference_type
from raygen.relations.enforcement import emptied, explained_by, keeping, to_empty, within
from raygen.relations.pairs import texts_of
from raygen.relations.relation import Relation
from raygen.table import arrow
from raygen.table.schema import Schema

Given = tuple[Values, np.ndarray]


class Present(Protocol):
    """Gives values of a column, none of them missing, where there must be one and none was drawn; others for
    each `shift` in [0, 1)."""

    def __call__(self, name: str, shift: float = 0.0) -> pa.Array: ...


@dataclass(frozen=True)
class Use:
    """How a relation is used: one of the words above; whether no value of its column is missing; and whether
    rows that break it are not learned."""

    relation: Relation
    how: str
    is_complete: bool
    is_enforced: bool = False

    def to_dict(self) -> dict:
        flags = {"complete": self.is_complete, "enforced": self.is_enforced}
        return {**self.relation.to_dict(), "use": self.how, **flags}

    @classmethod
    def from_dict(cls, state: dict) -> "Use":
        return cls(Relation.from_dict(state), state["use"], state["complete"], state["enforced"])


class Reduction:
    """Between the tables of `schema` and those that are learned.

    Args:
        schema: The whole table's columns.
        uses: Of its relations. A column is computed, or a difference, by one relation at most.

    Attributes:
        inner: The schema of what is learned.
        touched: Columns whose values do not follow from codes of their own.
        emptying: Relations that a circle keeps from being set in turn, by which whole rows are emptied.

    Raises:
        SchemaError: If relations go in a circle.
    """

    def __init__(self, schema: Schema, uses: tuple[Use, ...] = ()):
        self.schema, self.uses = schema, uses
        self.computed = {u.relation.column: u.relation for u in uses if u.how == "computed"}
        self.differences = {u.relation.column: u.relation for u in uses if u.how == "difference"}
        self.tied: dict[str, list[Relation]] = {}
        self.overrides: dict[str, list[Relation]] = {}
        for use in uses:
            if use.how in ("tied", "override"):
                home = self.tied if use.how == "tied" else self.overrides
                home.setdefault(use.relation.column, []).append(use.relation)
        for name, relation in self.differences.items():
            if relation.is_total and (relation.rule.within is not None or name in self.tied):
                self.overrides.setdefault(name, []).append(relation)  # a rounding or a tie may break it
        self.complete = {u.relation.column for u in uses if u.is_complete}
        self.emptying = [u.relation for u in uses if u.how == "checked" and self._empties(u.relation)]
        self.touched = {u.relation.column for u in uses if u.how != "checked"}
        self.touched |= {relation.column for relation in self.emptying}
        self.order = _order(uses)
        self.inner = self._inner()

    def _empties(self, relation: Relation) -> bool:
        return relation.kind == "missing" and relation.is_total and relation.column not in self.computed

    def _inner(self) -> Schema:
        if not self.touched:
            return self.schema
        fields, kinds = [], {}
        for field in self.schema.arrow:
            name = field.name
            if name in self.computed:
                continue
            kind = self.schema.kinds[name]
            if name in self.tied:
                field = pa.field(name, field.type, True)
            if name in self.differences:
                field = pa.field(name, difference_type(field.type), field.nullable)
                kind = "datetime" if pa.types.is_duration(field.type) else "numeric"
            fields.append(field)
            kinds[name] = kind
        levels = {name: found for name, found in self.schema.levels.items() if name in kinds}
        return Schema(pa.schema(fields), kinds, levels)

    def kept(self, table: pa.Table) -> pa.Table:
        """The rows that break no enforced relation."""
        return keeping([use.relation for use in self.uses if use.is_enforced], table)

    def giving(self, column: str) -> list[Relation]:
        """Relations that a column's values follow, in some rows at least."""
        used = [u.relation for u in self.uses if u.relation.column == column and u.how != "checked"]
        return [side for relation in used for side in relation.sides]

    def kin(self, column: str) -> dict[str, str]:
        """What the values of a column go with in another one, as texts, by a lookup."""
        relation = self._lookup_by(column)
        if relation is None or relation.pairs is None:
            return {}
        return dict(zip(relation.pairs.keys[0], relation.pairs.values, strict=True))

    def kin_of_rows(self, column: str, table: pa.Table) -> pa.Array | None:
        """What the rows have in that other column, as texts; None where there is none."""
        relation = self._lookup_by(column)
        if relation is None or relation.column not in table.column_names:
            return None
        return texts_of(table[relation.column])

    def _lookup_by(self, column: str) -> Relation | None:
        """The lookup that is used and has this column alone for its key."""
        for use in self.uses:
            if use.relation.pairs and use.relation.inputs == (column,) and use.how != "checked":
                return use.relation
        return None

    def reduce(self, table: pa.Table) -> tuple[pa.Table, dict[str, np.ndarray]]:
        """The columns that are learned, of a table with those of the schema; and for each tied column the
        number of the relation that gives its value, int64 of shape (rows,), where the column has none; -1:
        none does."""
        if not self.touched:
            return table, {}
        columns = {name: table[name] for name in table.column_names if name not in self.computed}
        for name, relation in self.differences.items():
            columns[name] = difference(table[name], relation.base(table))
        ties = {name: explained_by(relations, table) for name, relations in self.tied.items()}
        for name, tie in ties.items():
            own = _plain(columns[name])
            own = pc.if_else(pa.array(tie < 0), own, pa.scalar(None, own.type))
            columns[name] = _as_declared(own, self.inner, name)
        fields = [field for field in self.inner.arrow if field.name in columns]
        return pa.table([columns[field.name] for field in fields], schema=pa.schema(fields)), ties

    def explained(self, ties: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Rows that each relation of each tied column gives."""
        return {
            name: np.bincount(tie[tie >= 0], minlength=len(self.tied[name])) for name, tie in ties.items()
        }

    def restore(
        self,
        inner: pa.Table,
        ties: dict[str, np.ndarray],
        present: Present,
        given: Mapping[str, Given] = MappingProxyType({}),
    ) -> pa.Table:
        """The whole rows: the inverse of `reduce`.

        Args:
            inner: The columns that were learned.
            ties: As `reduce` gives them.
            present: See `Present`.
            given: Values that cells have in any case, and where, by column: what relations say of others
                follows from them.
        """
        rows = self._restored(inner, ties, present, given)
        for _ in self.emptying:
            empty = to_empty(self.emptying, rows, given)
            if not empty:
                break
            inner, ties = emptied(inner, ties, empty)
            rows = self._restored(inner, ties, present, given)
        return rows

    def _restored(
        self,
        inner: pa.Table,
        ties: dict[str, np.ndarray],
        present: Present,
        given: Mapping[str, Given],
    ) -> pa.Table:
        """As `restore`, but that what closes a circle is not emptied."""
        columns = {
            name: self._as_given(name, inner[name], given) if name not in self.order else inner[name]
            for name in inner.column_names
        }
        if not self.touched:
            return pa.table(columns, schema=inner.schema) if given else inner
        rows = {name: column for name, column in columns.items() if name not in self.order}
        for name in self.order:
            table = pa.table(rows) if rows else inner  # which knows how many rows there are
            if name in self.computed:
                rows[name] = self._computed(name, table)
            else:
                rows[name] = self._whole(name, columns[name], table)
            if name in self.tied:
                rows[name] = self._untied(name, rows[name], ties[name], table, present)
            if name in self.overrides:
                rows[name] = self._set(name, rows, present)
            rows[name] = self._as_given(name, self._as_its_field(name, rows[name]), given)
        return pa.table(
            [rows[field.name] for field in self.schema.arrow if field.name in rows],
            schema=pa.schema([f for f in self.schema.arrow if f.name in rows]),
        )

    def _as_given(self, name: str, values: Values, given: Mapping[str, Given]) -> Values:
        """A column with the given cells in their places."""
        if name not in given:
            return values
        own, where = given[name]
        kind = self.schema.arrow.field(name).type
        taken = pc.if_else(pa.array(where), _plain(own), _plain(values))
        return taken if taken.type == kind else _as_declared(taken, self.schema, name)

    def _computed(self, name: str, rows: pa.Table) -> Values:
        """A column that others give; what NaN gives is NaN where the type has it."""
        relation, kind = self.computed[name], self.schema.arrow.field(name).type
        values = _as_declared(relation.values(rows, name in self.complete), self.schema, name)
        inputs = [arrow.plain(rows[one]) for one in relation.inputs]
        if not (pa.types.is_floating(kind) and inputs):
            return values
        there = np.all([one.is_valid() for one in inputs], axis=0)
        nan = pa.array(
            there & np.asarray(values.is_null()) & np.any([is_missing(one) for one in inputs], axis=0)
        )
        return pc.if_else(nan, pa.scalar(np.nan).cast(kind), values)

    def _as_its_field(self, name: str, values: Values) -> Values:
        """A column in its declared type; NaN in place of missing floats where none may be."""
        field = self.schema.arrow.field(name)
        if values.type != field.type:
            values = _as_declared(values, self.schema, name)
        if field.nullable or not pa.types.is_floating(field.type):
            return values
        return pc.coalesce(values, pa.scalar(np.nan).cast(field.type))

    def _whole(self, name: str, own: Values, rows: pa.Table) -> Values:
        """A column of what is learned as the values that it stands for."""
        if name not in self.differences:
            return _plain(own) if name in self.tied else own
        kind = self.schema.arrow.field(name).type
        return added(self.differences[name].base(rows), own, kind)

    def _untied(
        self, name: str, value: pa.Array, tie: np.ndarray, rows: pa.Table, present: Present
    ) -> pa.Array:
        """The values of a column, each from the relation that was drawn beside it, or its own."""
        value = pc.if_else(pa.array(tie < 0), value, pa.scalar(None, value.type))
        for number, relation in enumerate(self.tied[name]):
            given = self._given(relation, rows)
            chosen = pa.array(tie == number)
            if relation.kind == "lookup" and pc.and_(chosen, given.is_null()).true_count:
                guessed = relation.guessed(rows)
                given = pc.coalesce(given, _plain(_as_declared(guessed, self.schema, name)))
            if relation.is_total:  # it holds wherever there is a value on both sides
                chosen = pc.or_(chosen, pc.and_(value.is_valid(), given.is_valid()))
            value = pc.if_else(chosen, pc.coalesce(given, value), value)
        if value.null_count and name in self.complete:
            value = pc.coalesce(value, self._drawn(name, rows, present))
            for relation in self.tied[name]:  # where they gave the values of all rows, there are no others
                value = pc.coalesce(value, self._given(relation, rows))
        return value

    def _given(self, relation: Relation, rows: pa.Table) -> pa.Array:
        return _plain(_as_declared(relation.values(rows), self.schema, relation.column))

    def _set(self, name: str, rows: dict, present: Present) -> pa.Array:
        """A column, set where relations say that it is missing, what it must not pass, or what it is."""
        relations, own = self.overrides[name], _plain(rows[name])
        for relation in (one for one in relations if one.kind == "missing"):
            own = self._emptied(relation, own, pa.table(rows | {name: own}), present)
        bounds = [one for one in relations if one.kind != "missing" and not one.gives]
        if bounds:
            table = pa.table(rows | {name: own})
            others = [one for one in self.tied.get(name, ()) if one.is_total]
            others += [one for one in (self.differences.get(name),) if one and one.is_total]
            own = within(bounds, others, table, lambda shift: self._drawn(name, table, present, shift))
        for relation in (one for one in relations if one.gives):
            given = self._given(relation, pa.table(rows | {name: own}))
            own = pc.if_else(pc.and_(given.is_valid(), own.is_valid()), given, own)
        return own

    def _emptied(self, relation: Relation, value: pa.Array, rows: pa.Table, present: Present) -> pa.Array:
        """The values of a column, missing where a relation says so, and there where it says that."""
        here, known = map(pa.array, conditions.hold(relation.rule.where, rows))
        lacking = pc.and_(pc.and_not(value.is_null(), here), known)
        if relation.rule.is_exact and lacking.true_count:
            value = pc.if_else(lacking, self._drawn(relation.column, rows, present), value)
        return pc.if_else(here, pa.scalar(None, value.type), value)

    def _drawn(self, name: str, rows: pa.Table, present: Present, shift: float = 0.0) -> pa.Array:
        """Values of a column, none missing, that know nothing of the rest of their rows."""
        return _plain(self._whole(name, present(name, shift), rows))

    def to_dict(self) -> list[dict]:
        return [use.to_dict() for use in self.uses]

    @classmethod
    def from_dict(cls, schema: Schema, state: list[dict]) -> "Reduction":
        return cls(schema, tuple(map(Use.from_dict, state)))


def _plain(values: Values) -> pa.Array:
    """As `arrow.plain`; texts that Arrow only views are copied, for they cannot be chosen from."""
    values = arrow.plain(values)
    return values.cast(pa.large_string()) if pa.types.is_string_view(values.type) else values


def _as_declared(values: Values, schema: Schema, name: str) -> Values:
    kind = schema.arrow.field(name).type
    if pa.types.is_dictionary(kind):
        return arrow.from_strings(arrow.strings(values), kind, schema.levels.get(name, ()))
    return values.cast(kind)


def _order(uses: tuple[Use, ...]) -> list[str]:
    """The columns that relations give, each after those that it is given by."""
    inputs: dict[str, set[str]] = {}
    for use in uses:
        if use.how != "checked":
            inputs.setdefault(use.relation.column, set()).update(use.relation.inputs)
    try:
        return [name for name in TopologicalSorter(inputs).static_order() if name in inputs]
    except CycleError as error:
        circle = " <- ".join(reversed(error.args[1]))
        raise SchemaError(
            f"schema.relations go in a circle: {circle}.", "delete the relation of one of these columns."
        ) from None
