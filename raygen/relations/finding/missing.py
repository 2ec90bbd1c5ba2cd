"""Columns whose values are missing where another's are, or where a category says so."""

import numpy as np

from raygen.relations.language import parse
from raygen.relations.sampled import Sample, entropy_of
from raygen.relations.ties import Finding, Ties
from raygen.relations.tokens import spelled

FEWEST = 20  # rows that are missing, and that are not
CHANCE = 20.0  # nats against chance
MOST_CATEGORIES = 50
MOST_INSTEAD = 3  # columns that are never there together with one


def findings(sample: Sample, ties: Ties) -> list[Finding]:
    """Each column once: as another one, as a category says, wherever another one is there, or at least where
    others are missing or there. Columns that are missing where those are from which they are computed need no
    more."""
    counts = sample.missing.sum(axis=1)
    columns = [k for k in range(len(sample.names)) if FEWEST <= counts[k] <= sample.rows - FEWEST]
    columns = [k for k in columns if not _follows(sample, k, ties)]
    columns.sort(key=lambda k: sample.names[k] in ties.derived)
    first: dict[bytes, int] = {}
    out: list[Finding] = []
    for y in columns:
        x = first.setdefault(np.packbits(sample.missing[y]).tobytes(), y)
        if x != y:
            text = f"missing where {spelled(sample.names[x])} is missing"
            out.append(_finding(sample, y, text, float(entropy_of(counts[y] / sample.rows))))
    heads = sorted(first.values())
    said = {y: found for y in heads if (found := _category(sample, y))}
    for y, condition in said.items():
        out.append(_finding(sample, y, condition, float(entropy_of(counts[y] / sample.rows))))
    for place, y in enumerate(heads):
        if y not in said:
            out += _instead(sample, y, heads[:place], counts) or _subsets(sample, y, heads, counts)
    return out


def _instead(sample: Sample, y: int, heads: list[int], counts: np.ndarray) -> list[Finding]:
    """Columns of which none is there where y is: one that is wherever y is not, or a few more."""
    apart = [x for x in heads if (sample.missing[x] | sample.missing[y]).all()]
    for x in apart:
        if counts[x] + counts[y] == sample.rows:
            text = f"missing where {spelled(sample.names[x])} is not missing"
            return [_finding(sample, y, text, float(entropy_of(counts[y] / sample.rows)))]
    out = []
    for x in sorted(apart, key=lambda x: counts[x])[:MOST_INSTEAD]:
        surprise = -np.log(counts[y] / sample.rows) * (sample.rows - counts[x])
        if surprise > CHANCE:
            text = f"missing at least where {spelled(sample.names[x])} is not missing"
            out.append(_finding(sample, y, text, float(surprise / sample.rows)))
    return out


def _follows(sample: Sample, y: int, ties: Ties) -> bool:
    """Whether a relation that gives the column's values tells where they are missing too."""
    name = sample.names[y]
    given = [one.relation for one in ties.chosen if name in ties.derived and one.relation.column == name]
    inputs = [sample.names.index(one) for relation in given for one in relation.inputs]
    return bool(inputs) and np.array_equal(sample.missing[inputs].any(axis=0), sample.missing[y])


def _finding(sample: Sample, y: int, text: str, gain: float) -> Finding:
    relation = parse(sample.names[y], text, "always", sample.schema)
    kept = relation.keeps(sample.table.select([sample.names[y], *relation.inputs]))
    holds, breaks = int((kept == 1).sum()), int((kept == 0).sum())
    return Finding(relation, sample.rows, holds, breaks, int((kept == -1).sum()), gain).as_it_holds()


def _category(sample: Sample, y: int) -> str | None:
    """The text of categories in which y is always missing, if it never is in others."""
    missing = sample.missing[y]
    share = missing.mean()
    for x in sample.of_kind("text", "truth"):
        code = sample.codes[x]
        if x == y or sample.distinct[x] > MOST_CATEGORIES or (code < 0).any():
            continue
        rows = np.bincount(code, minlength=sample.distinct[x])
        gone = np.bincount(code, weights=missing, minlength=sample.distinct[x])
        whole = (gone == rows) & (rows > 0)
        if not ((gone == 0) | whole).all() or not whole.any() or whole.sum() > 5:
            continue
        if float((rows * np.where(whole, -np.log(share), -np.log1p(-share))).sum()) > CHANCE:
            return f"missing where {among(sample, x, np.flatnonzero(whole))}"
    return None


def _subsets(sample: Sample, y: int, heads: list[int], counts: np.ndarray) -> list[Finding]:
    """The largest set of missing values of another column in which y is missing too."""
    best = None
    for x in heads:
        inside = counts[x] < counts[y] and not (sample.missing[x] & ~sample.missing[y]).any()
        surprise = -np.log(counts[y] / sample.rows) * counts[x]
        if inside and surprise > CHANCE and (best is None or counts[x] > counts[best]):
            best = x
    if best is None:
        return []
    gain = float(counts[best] / sample.rows * -np.log(counts[y] / sample.rows))
    text = f"missing at least where {spelled(sample.names[best])} is missing"
    return [_finding(sample, y, text, gain)]


def among(sample: Sample, x: int, codes: np.ndarray) -> str:
    """The condition that a column has one of the values with these codes."""
    name, kind = sample.names[x], sample.kinds[sample.names[x]]
    rows = [int(np.flatnonzero(sample.codes[x] == code)[0]) for code in codes]
    values = sorted(str(sample.table.column(x)[row].as_py()) for row in rows)
    texts = [written(value, kind) for value in values]
    return f"{spelled(name)} = {texts[0]}" if len(texts) == 1 else f"{spelled(name)} in ({', '.join(texts)})"


def written(value: str, kind: str) -> str:
    if kind == "text":
        return "'" + value.replace("'", "''") + "'"
    return value.lower() if kind == "truth" else value.removesuffix(".0")
