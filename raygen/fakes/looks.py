"""Columns that look like names, mails, phones, addresses or numbers of people, by their values and by what
they are called."""

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module

import pyarrow as pa

from raygen.fakes.numbers import is_account, is_card
from raygen.table import arrow
from raygen.table.schema import fits

SEEN = 1000  # distinct values that are looked at
FEWEST = 20  # distinct values of a column that is proposed
NEARLY, MOSTLY, SOME = 0.97, 0.8, 0.3
COUNTRIES = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "pt_BR", "sv_SE")
MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
PHONE = re.compile(r"[-+(). /0-9x]{7,25}")
CARD = re.compile(r"\d(?:[ -]?\d){12,18}")
WORDS = re.compile(r"[^\W\d_]+(?:[ ,.'\u2019-]+[^\W\d_]+)*\.?")
STREET = re.compile(r"(?s)(?=.*\d)(?=.*[^\W\d_]{3}).{5,}")
NAMED = {  # what a column is called, letters alone
    "first_name": r"(first|given|fore|christian)name|fname|vorname|prenom|nombre|voornaam",
    "last_name": r"(last|family|sur)name|lname|nachname|familienname|apellidos?|achternaam",
    "name": r"(full|customer|client|person|patient|employee|user|contact|passenger|member|guest|holder)?"
    r"names?|namen?|nom|customer|client|patient|employee|passenger|contact",
    "phone": r".*(phone|mobile|telefon|handy|fax)(no|nr|num|number)?|(tel|cell)(no|nr|num|number)?",
    "street": r"(.*street|home|postal|billing|shipping|mailing)?(address|addr)(line)?|street(name)?|strasse"
    r"|adresse|direccion|indirizzo",
    "card": r".*(creditcard|cardnum|cardno|ccnum|ccno|cardnr).*|card|cc|pan",
}
SAID = {
    "email": "mail addresses",
    "iban": "bank accounts",
    "card": "card numbers",
    "phone": "phone numbers",
    "first_name": "first names",
    "last_name": "family names",
    "name": "names of people",
    "street": "addresses",
}


def proposals(table: pa.Table) -> dict[str, str]:
    """The provider for each column that looks like one's values."""
    found = {}
    for name in table.column_names:
        kind = table[name].type
        if not fits(kind)["fake"] or (pa.types.is_integer(kind) and kind.bit_width < 64):
            continue
        texts = arrow.strings(table[name].unique()).drop_null()[:SEEN].to_pylist()
        provider = _provider(name, texts, whole=pa.types.is_integer(kind)) if len(texts) >= FEWEST else ""
        if provider:
            found[name] = provider
    return found


def _provider(name: str, texts: list[str], whole: bool) -> str:
    """What a column's values look like; "" for nothing of the kind."""

    def share(test: Callable[[str], object]) -> float:
        return sum(bool(test(text.strip())) for text in texts) / len(texts)

    def called(provider: str) -> bool:
        return bool(re.fullmatch(NAMED[provider], re.sub(r"[\W\d_]", "", name.lower())))

    if share(CARD.fullmatch) >= NEARLY and (called("card") or share(is_card) >= NEARLY):
        return "card"
    if share(PHONE.fullmatch) >= NEARLY and (called("phone") or share(lambda t: t.startswith("+")) >= NEARLY):
        return "phone"
    if whole:
        return ""
    if share(MAIL.fullmatch) >= NEARLY:
        return "email"
    if share(is_account) >= NEARLY:
        return "iban"
    if share(WORDS.fullmatch) >= MOSTLY:
        for provider in ("first_name", "last_name"):
            if called(provider):
                return provider
        if called("name") and share(lambda text: " " in text) >= MOSTLY and share(_has_first_name) >= SOME:
            return "name"
    if called("street") and share(STREET.fullmatch) >= MOSTLY:
        return "street"
    return ""


def _has_first_name(text: str) -> bool:
    return not _first_names().isdisjoint(re.findall(r"[^\W\d_]+", text))


@cache
def _first_names() -> frozenset[str]:
    """First names of several countries."""
    found: set[str] = set()
    for country in COUNTRIES:
        found.update(import_module(f"faker.providers.person.{country}").Provider.first_names)
    return frozenset(found)
