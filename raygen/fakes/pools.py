"""Pools of made-up values: made once, when a table is first read, and kept with the model, so that another
version of the library that makes them changes no row."""

from collections.abc import Callable
from itertools import cycle
from typing import TYPE_CHECKING

from raygen import rng
from raygen.errors import SchemaError, did_you_mean
from raygen.fakes import people
from raygen.fakes.columns import POOLED, Fakes, State
from raygen.fakes.people import PEOPLE
from raygen.table.schema import Schema

if TYPE_CHECKING:
    from faker import Faker

POOL = 10_000  # values
TRIES = 4  # for each of them: some countries have few cities
MAKERS = {  # Faker's names, the first one that a country has
    "phone": ("basic_phone_number", "phone_number"),
    "street": ("street_address",),
    "city": ("city",),
    "postcode": ("postcode",),
    "company": ("company",),
}


def make(schema: Schema, providers: dict[str, str], locale: str, seed: int) -> Fakes | None:
    """The columns of kind `fake` of a table; None if it has none.

    Args:
        schema: The table's columns.
        providers: Of these columns.
        locale: Language and country, such as de_DE.
        seed: Of the pools.

    Raises:
        SchemaError: If the locale is not known, or what is made does not fit a column.
    """
    names = [name for name, kind in schema.kinds.items() if kind == "fake"]
    if not names:
        return None
    columns = {name: providers[name] for name in names}
    faker = _faker(locale, seed)
    pools: dict[str, list[str]] = {}
    if set(columns.values()) & set(PEOPLE):
        pools = _people(faker, locale)
    for provider in POOLED:
        if provider in columns.values():
            lines = _distinct(_maker(faker, provider, locale))
            pools[provider] = list(dict.fromkeys(", ".join(one.splitlines()) for one in lines))
    account = _account(faker) if "iban" in columns.values() else None
    try:
        return Fakes(schema, State(locale=locale, columns=columns, pools=pools, account=account))
    except ValueError as error:
        raise SchemaError(f"[schema.fake]: {error}.", "name another provider, or another kind.") from None


def _faker(locale: str, seed: int) -> "Faker":
    from faker import Faker
    from faker.config import AVAILABLE_LOCALES

    if locale not in AVAILABLE_LOCALES:
        hint = did_you_mean(locale, sorted(AVAILABLE_LOCALES))
        raise SchemaError(f"schema.locale = '{locale}': no values are known for it.", hint)
    found = Faker(locale)
    found.seed_instance(rng.integer(seed, "pools of made-up values"))
    return found


def _maker(faker: "Faker", provider: str, locale: str) -> Callable[[], str]:
    for name in MAKERS[provider]:
        if hasattr(faker, name):
            return getattr(faker, name)
    raise SchemaError(
        f"schema.locale = '{locale}': no values of '{provider}' are known for it.", "use another."
    )


def _distinct(maker: Callable) -> list:
    """Values, none twice."""
    found: dict = {}
    for _ in range(TRIES * POOL):
        found.setdefault(maker())
        if len(found) == POOL:
            break
    return list(found)


def _people(faker: "Faker", locale: str) -> dict[str, list[str]]:
    """First, last and full names of people, no pair of the first two twice."""
    makers = cycle(
        [
            (faker.first_name_female, faker.last_name_female),
            (faker.first_name_male, faker.last_name_male),
        ]
    )

    def person() -> tuple[str, str]:
        first, last = next(makers)
        return first(), last()

    found = _distinct(person)
    return {
        "first": [first for first, _ in found],
        "last": [last for _, last in found],
        "name": [people.full_name(first, last, locale) for first, last in found],
    }


def _account(faker: "Faker") -> list[str]:
    """Country and form of the bank accounts of a locale."""
    (provider,) = [one for one in faker.get_providers() if one.__provider__.endswith("bank")]
    return [provider.country_code, provider.bban_format]
