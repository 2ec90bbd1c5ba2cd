"""What made-up values and those of the real table have in common, by chance: counted, so that nobody has to
guess."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raygen.fakes import numbers, people
from raygen.fakes.columns import REGEX, Fakes, pools_of
from raygen.table import arrow

FORMS = {
    "card": r"4[0-9]{15}",
    "email": rf"[a-z.]+[0-9]+@({'|'.join(map(re.escape, people.DOMAINS))})",
    "uuid": "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
}
Counts = dict[str, np.ndarray]


def count(fakes: Fakes | None, table: pa.Table) -> Counts:
    """For each column of kind fake, which values of its pool a table has, bool; or of one without a pool, how
    many rows have a value of its form, int64 of shape (1,)."""
    return {name: _common(fakes, name, table[name]) for name in fakes.columns} if fakes else {}


def merge(a: Counts, b: Counts) -> Counts:
    """Of the rows of both."""
    return {name: a[name] | b[name] if a[name].dtype == bool else a[name] + b[name] for name in a}


def notes(fakes: Fakes | None, counts: Counts) -> dict[str, str]:
    """A sentence on each column of kind fake, without its name."""
    return {name: _said(fakes, name, counts[name]) for name in fakes.columns} if fakes else {}


def _common(fakes: Fakes, name: str, column: pa.ChunkedArray) -> np.ndarray:
    provider, real = fakes.columns[name], arrow.strings(column)
    if provider != "email" and pools_of(provider):
        pool = fakes.pools[people.POOL_OF.get(provider, provider)].unique()
        return np.asarray(pc.is_in(pool, real.drop_null()))
    alike = pc.match_substring_regex(real, f"^(?:{_form(fakes, provider)})$")
    return np.array([alike.true_count])


def _said(fakes: Fakes, name: str, common: np.ndarray) -> str:
    provider, some = fakes.columns[name], int(common.sum())
    if common.dtype == bool:
        said = f"{some:,} of its pool of {len(common):,} values are in the table too"
    else:
        size = _size(fakes, provider)
        said = f"{some:,} rows of the table have a value of this form"
        said += f", of {size:.3g} that there are" if size else ""
    return f"is made up ({provider}): {said}"


def _form(fakes: Fakes, provider: str) -> str:
    """What every value of a provider looks like, as a regular expression."""
    if provider == "iban" and fakes.accounts:
        return f"{fakes.accounts.country}[0-9]{{2}}{fakes.accounts.national.text}"
    return FORMS.get(provider) or provider.removeprefix(REGEX).removeprefix("^").removesuffix("$")


def _size(fakes: Fakes, provider: str) -> float:
    """How many texts a provider can make; 0 for mail addresses, which have no end."""
    if provider == "iban" and fakes.accounts:
        return float(fakes.accounts.national.size)
    if provider.startswith(REGEX):
        return float(fakes.patterns[provider].size)
    return {"card": float(numbers.CARD.size), "uuid": 2.0**122}.get(provider, 0.0)
