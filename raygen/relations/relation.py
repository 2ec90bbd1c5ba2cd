"""A relation: what a column's values are by the others' in each row, or must be."""

import base64
import dataclasses
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.errors import ConfigError, ModelError
from raygen.relations import conditions, quantities, syntax
from raygen.relations.expressions import COUNTED, as_moment, evaluate, has_instants, kind_of_type
from raygen.relations.pairs import Pairs, texts_of
from raygen.relations.quantities import Quantity
from raygen.relations.syntax import Call, Column, Constant, Rule, Sum, scaled
from raygen.table import arrow

HOLDS, BREAKS, UNKNOWN = 1, 0, -1


@dataclass(frozen=True)
class Relation:
    """What a text says of a column; `language.parse` makes it.

    Attributes:
        column: The column that it is about.
        text: The rule as the language of relations writes it.
        holds: "always", or "often" if some rows break it.
        rule: What the text says.
        type: The column's Arrow type.
        pairs: What a lookup knows; None before they are counted.
    """

    column: str
    text: str
    holds: Literal["always", "often"]
    rule: Rule = field(repr=False)
    type: pa.DataType
    pairs: Pairs | None = field(default=None, repr=False)

    @property
    def kind(self) -> Literal["function", "lookup", "order", "bound", "missing"]:
        """A "function" and a "lookup" give a value; an "order" compares, or says how far two are apart at
        most; a "bound" does either where its conditions hold; "missing" tells where there is none."""
        if self.rule.sign == "lookup":
            return "lookup"
        if self.rule.sign == "missing":
            return "missing"
        if self.rule.where:
            return "bound"
        return "function" if self.rule.sign == "=" else "order"

    @property
    def phrase(self) -> str:
        """The rule as what follows the column's name in a sentence."""
        return f"= {self.text}" if self.gives or self.rule.within else self.text

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that it is computed from or compared with."""
        return self.rule.columns

    @property
    def is_total(self) -> bool:
        return self.holds == "always"

    @property
    def gives(self) -> bool:
        """Whether `values` can be asked for."""
        return self.rule.sign in ("=", "lookup")

    def applies(self, table: pa.Table) -> np.ndarray:
        """bool of shape (rows,): where its conditions hold; everywhere if it has none."""
        return conditions.hold(self.rule.where, table)[0]

    @property
    def sides(self) -> tuple["Relation", ...]:
        """Of one that says how far two are apart at most: that the column is not below, and not above."""
        if self.rule.of is None or self.rule.within is None:
            return (self,)
        ends = ((">=", scaled(Fraction(-1), self.rule.within, 0)), ("<=", self.rule.within))
        rules = [Rule(sign, Sum((self.rule.of, end), 0)) for sign, end in ends]
        return tuple(dataclasses.replace(self, rule=rule) for rule in rules)

    def base(self, table: pa.Table) -> pa.Array | pa.ChunkedArray:
        """Of one whose difference can be learned: what it is a difference from, in the column's type."""
        if self.rule.within is None:
            return table[self.inputs[0]]
        return self._array(self._quantity(table), table, nearest=True)

    def values(self, table: pa.Table, nearest: bool = False) -> pa.Array:
        """What the column is by the others, in its own type; null where one of them is missing, a lookup does
        not know the key, a condition does not hold, or the type cannot hold the value, but that of a number
        with `nearest` the one next to it is taken."""
        if self.rule.sign == "lookup":
            return self._known().take(self._known().find(table, self.rule.keys), self.type)
        if self.rule.sign != "=" or self.rule.of is None:
            raise ValueError(f"relation {self.text!r} of '{self.column}' gives no values")
        if kind_of_type(self.type) in COUNTED:
            values = self._array(self._quantity(table), table, nearest)
        else:
            values = self._texts(table)
        if not self.rule.where:
            return values
        there = arrow.strings(values) if kind_of_type(self.type) == "text" else arrow.plain(values)
        masked = pc.if_else(pa.array(self.applies(table)), there, pa.scalar(None, there.type))
        return quantities.encoded(masked, self.type)

    def beside(self, table: pa.Table, step: int) -> pa.Array:
        """What the column is compared with and so many steps of the column's numbers more, or the value of
        its type next to that; null of texts and truths."""
        if kind_of_type(self.type) not in COUNTED:
            return pa.nulls(table.num_rows, arrow.value_type(self.type))
        moved = quantities.moved(self._quantity(table), self._own(table), self.type, step)
        return arrow.plain(self._array(moved, table, nearest=True))

    def guessed(self, table: pa.Table) -> pa.Array:
        """Of a lookup: the value that most rows with the first of its keys have; null where that is missing
        or unknown."""
        pairs = self._known().by_first_key()
        return pairs.take(pairs.find(table, self.rule.keys[:1]), self.type)

    def keeps(self, table: pa.Table) -> np.ndarray:
        """int8 of shape (rows,): 1 where it holds, 0 where it breaks, -1 where it says nothing because a
        value is missing or its conditions do not hold."""
        true, known = conditions.hold(self.rule.where, table)
        missing = conditions.is_missing(table.column(self.column))
        if self.rule.sign == "missing":
            says = known if self.rule.is_exact else known & true
            return _told(missing == true, says)
        if self.rule.sign == "lookup":
            return self._keeps_pairs(table, missing)
        if kind_of_type(self.type) not in COUNTED:
            expected, own = arrow.strings(self._texts(table)), arrow.strings(table.column(self.column))
            same = pc.equal(expected, own).fill_null(False).to_numpy(zero_copy_only=False)
            there = ~missing & ~conditions.is_missing(expected)
            return _told(same == (self.rule.sign == "="), there & true)
        own = self._own(table)
        if self.rule.sign == "=" and isinstance(self.rule.of, Call) and self.rule.of.name == "round":
            return self._keeps_rounding(self.rule.of, own, table, true)
        expected, sign = self._quantity(table), self.rule.sign
        if self.rule.within is not None:
            own = quantities.absolute(quantities.added([own, quantities.times(Fraction(-1), expected)]))
            expected, sign = quantities.constant(Fraction(self.rule.within.value)), "<="
        holds = conditions.compares(quantities.compared(own, expected), sign)
        return _told(np.broadcast_to(holds, len(true)), own.valid & expected.valid & true)

    def with_pairs(self, pairs: Pairs) -> "Relation":
        return dataclasses.replace(self, pairs=pairs)

    def to_dict(self) -> dict:
        packed = base64.b64encode(pa.schema([(self.column, self.type)]).serialize().to_pybytes()).decode()
        state = {"column": self.column, "is": self.text, "holds": self.holds, "arrow": packed}
        return state | ({"pairs": self.pairs.to_dict()} if self.pairs is not None else {})

    @classmethod
    def from_dict(cls, state: dict) -> "Relation":
        """The inverse of `to_dict`.

        Raises:
            ModelError: If the state is not one of `to_dict`.
        """
        try:
            column, text = state["column"], state["is"]
            schema = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(state["arrow"])))
            pairs = Pairs.from_dict(state["pairs"]) if "pairs" in state else None
            rule = syntax.read(column, text)
            return cls(column, text, state["holds"], rule, schema.field(column).type, pairs)
        except (KeyError, TypeError, ValueError, pa.ArrowException, ConfigError) as error:
            raise ModelError(f"a relation cannot be read: {error}.", "train the model again.") from None

    def _known(self) -> Pairs:
        if self.pairs is None:
            raise ValueError(f"relation {self.text!r} of '{self.column}' has no pairs yet")
        return self.pairs

    def _keeps_pairs(self, table: pa.Table, missing: np.ndarray) -> np.ndarray:
        found = self._known().find(table, self.rule.keys)
        same = pc.equal(texts_of(self._known().take(found, self.type)), texts_of(table.column(self.column)))
        return _told(same.fill_null(False).to_numpy(zero_copy_only=False), ~missing & (found >= 0))

    def _keeps_rounding(self, call: Call, own: Quantity, table: pa.Table, true: np.ndarray) -> np.ndarray:
        """Either neighbour of a number just between two is its rounding."""
        exact = evaluate(call.of, table)
        distance = quantities.absolute(quantities.added([own, quantities.times(Fraction(-1), exact)]))
        half = quantities.constant(Fraction(1, 2) / Fraction(10) ** call.digits)
        near = quantities.compared(distance, half) <= 0
        near &= quantities.compared(own, quantities.rounded(own, call.digits)) == 0
        return _told(near, own.valid & exact.valid & true)

    def _quantity(self, table: pa.Table) -> Quantity:
        node = self.rule.of
        if isinstance(node, Constant) and isinstance(node.value, str):
            return quantities.constant(as_moment(node.value, self.type) or Fraction(0))
        if node is None:
            raise ValueError(f"relation {self.text!r} of '{self.column}' has no expression")
        return evaluate(node, table, self._has_instants(table))

    def _own(self, table: pa.Table) -> Quantity:
        return quantities.of_array(table.column(self.column), self._has_instants(table))

    def _array(self, quantity: Quantity, table: pa.Table, nearest: bool) -> pa.Array:
        """A quantity of this relation as values of its column."""
        instants = self._has_instants(table)
        return quantities.to_array(quantity, self.type, table.num_rows, nearest, instants)

    def _has_instants(self, table: pa.Table) -> bool:
        node = self.rule.of
        if node is None or (isinstance(node, Constant) and isinstance(node.value, str)):
            return False
        return has_instants(node, self.type, table.schema)

    def _texts(self, table: pa.Table) -> pa.Array:
        """A copy, or a constant, of texts or truths."""
        if isinstance(self.rule.of, Column):
            return arrow.from_strings(arrow.strings(table.column(self.rule.of.name)), self.type)
        value = self.rule.of.value if isinstance(self.rule.of, Constant) else None
        plain = arrow.value_type(self.type)
        return quantities.encoded(pa.repeat(pa.scalar(value, plain), table.num_rows), self.type)


def _told(holds: np.ndarray, says: np.ndarray) -> np.ndarray:
    return np.where(says, np.where(holds, HOLDS, BREAKS), UNKNOWN).astype(np.int8)
