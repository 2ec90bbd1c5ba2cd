"""The columns of kind `fake` of a model: what they are made of, and their values by row."""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, StringConstraints

from raygen.errors import listed
from raygen.fakes import numbers, people
from raygen.fakes.patterns import Pattern
from raygen.fakes.people import PEOPLE
from raygen.fakes.streams import Stream
from raygen.records import Record, checked
from raygen.table import arrow
from raygen.table.schema import Schema

POOLED = ("phone", "street", "city", "postcode", "company")
COMPUTED = ("iban", "card", "uuid", "regex")
PROVIDERS = (*PEOPLE, *POOLED, *COMPUTED)  # only ever longer: a stream has the place of its provider here
REGEX = "regex:"
NUMBERS = ("card", "phone", "postcode", "regex")  # may be whole numbers
MOST_VALUES = 100_000  # of a pool
MOST_DIGITS = {32: 9, 64: 18}  # of whole numbers of so many bits
Values = Annotated[
    list[Annotated[str, StringConstraints(max_length=200)]], Field(min_length=1, max_length=MOST_VALUES)
]


class State(Record):
    """What `codec.json` holds of these columns.

    Attributes:
        locale: Language and country of the values.
        columns: Provider of each column.
        pools: Values that rows draw from; `first`, `last` and `name` are of one person in each place.
        account: Country and form of its bank accounts.
    """

    locale: Annotated[str, StringConstraints(max_length=20)]
    columns: dict[str, Annotated[str, StringConstraints(max_length=1000)]] = Field(min_length=1)
    pools: dict[str, Values]
    account: list[str] | None = None


class Fakes:
    """Columns of kind `fake`.

    Args:
        schema: Of the table; exactly its columns of kind `fake` are those of the state.
        state: What they are made of.

    Raises:
        ValueError: If the state is not of this schema, or a value does not fit the type of its column.
    """

    def __init__(self, schema: Schema, state: State):
        self.state = state
        fakes = [name for name, kind in schema.kinds.items() if kind == "fake"]
        if sorted(fakes) != sorted(state.columns):
            raise ValueError(
                f"the columns of kind fake are {listed(fakes)}, not {listed(list(state.columns))}"
            )
        self.columns = {name: state.columns[name] for name in fakes}
        self.purposes: dict[str, tuple[int, int]] = {}
        for name, provider in self.columns.items():
            earlier = [family(one) for one in list(self.columns.values())[: len(self.purposes)]]
            group = 0 if provider in PEOPLE else PROVIDERS.index(family(provider))
            self.purposes[name] = group, earlier.count(family(provider))
        self.pools = {name: pa.array(values, pa.large_string()) for name, values in state.pools.items()}
        self.patterns = {
            p: Pattern(p.removeprefix(REGEX)) for p in self.columns.values() if p.startswith(REGEX)
        }
        self.accounts = numbers.Accounts(*_two(state.account)) if "iban" in self.columns.values() else None
        if needs := {pool for p in self.columns.values() for pool in pools_of(p)} - self.pools.keys():
            raise ValueError(f"there is no pool {listed(sorted(needs))}")
        if "first" in self.pools:
            self.slugs = people.slugs(self.pools["first"], self.pools["last"])
            if not len(self.pools["first"]) == len(self.pools["last"]) == len(self.pools["name"]):
                raise ValueError("the names of the people are of different numbers")
        for name, provider in self.columns.items():
            self._check_type(schema.arrow.field(name), provider)

    @classmethod
    def from_dict(cls, schema: Schema, state: dict) -> "Fakes":
        return cls(schema, checked(State, state))

    def to_dict(self) -> dict:
        return self.state.model_dump(exclude_none=True)

    def column(
        self, field: pa.Field, seed: int, first_row: int, rows: int, there: pa.Array | None = None
    ) -> pa.Array:
        """The values of rows [first_row, first_row + rows).

        Args:
            field: The column's.
            seed: Of the generation.
            first_row: Number of the first of the rows among all that are generated.
            rows: So many.
            there: Null for each row that has no value; None: all have one.
        """
        counted = np.arange(first_row, first_row + rows, dtype=np.uint64)
        texts = self._texts(self.columns[field.name], Stream(seed, *self.purposes[field.name]), counted)
        if there is not None:
            texts = pc.if_else(there.is_valid(), texts, pa.scalar(None, texts.type))
        if pa.types.is_integer(field.type):
            return _whole(texts).cast(field.type)
        return arrow.from_strings(texts, field.type)

    def _texts(self, provider: str, stream: Stream, rows: np.ndarray) -> pa.Array:
        if provider in PEOPLE:
            return self._of_people(provider, stream, rows)
        if provider in POOLED:
            pool = self.pools[provider]
            return pool.take(pa.array(stream.below(len(pool), rows)))
        computed: dict[str, Callable[[Stream, np.ndarray], pa.Array]] = {
            "card": numbers.cards,
            "uuid": numbers.uuids,
        }
        if self.accounts:
            computed["iban"] = self.accounts.texts
        return (computed.get(provider) or self.patterns[provider].texts)(stream, rows)

    def _of_people(self, provider: str, stream: Stream, rows: np.ndarray) -> pa.Array:
        """What one person of the pool in each row has: names, or a mail address that ends in its number."""
        person = pa.array(stream.below(len(self.pools["first"]), rows))
        if provider == "email":
            domain = pa.array(stream.below(len(people.DOMAINS), rows, 1))
            return people.mails(self.slugs.take(person), rows, domain)
        return self.pools[people.POOL_OF[provider]].take(person)

    def _check_type(self, field: pa.Field, provider: str) -> None:
        """Refuse values that are no numbers of so many digits where a column holds whole numbers."""
        if not pa.types.is_integer(field.type):
            return
        most = MOST_DIGITS[field.type.bit_width]
        longest = 0
        if provider == "card":
            longest = 16
        elif provider.startswith(REGEX):
            longest = self.patterns[provider].most_digits
        elif provider in NUMBERS:
            lengths = pc.utf8_length(pc.replace_substring_regex(self.pools[provider], r"\D", ""))
            longest = pc.max(lengths).as_py() if pc.min(lengths).as_py() else 0
        if not 0 < longest <= most:
            said = f"has up to {longest} digits" if longest else "is no whole number"
            raise ValueError(
                f"column '{field.name}' is {field.type}, of up to {most} digits, and what '{provider}' "
                f"makes {said}"
            )


def family(provider: str) -> str:
    """`regex` for `regex:...`, else the provider itself."""
    return "regex" if provider.startswith(REGEX) else provider


def pools_of(provider: str) -> tuple[str, ...]:
    """Names of the pools that a provider draws from."""
    if provider in PEOPLE:
        return tuple(people.POOL_OF.values())
    return (provider,) if provider in POOLED else ()


def _whole(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(texts, r"\D", "").cast(pa.int64())


def _two(account: list[str] | None) -> tuple[str, str]:
    if not account or len(account) != 2:
        raise ValueError("it has no form of bank accounts")
    return account[0], account[1]
