"""Sums of columns that a sample shows: combinations of columns that are constant in all rows or in most.

What holds in all rows is in the null space of the columns: by a QR factorisation each column that hangs on
those before it, from small ones to large ones. What holds in most is what the least absolute deviations
find.
"""

from fractions import Fraction

import numpy as np

from raygen.relations import syntax
from raygen.relations.finding.functions import amount, correlations, decimal, simple, times
from raygen.relations.sampled import Candidate, Sample
from raygen.relations.syntax import Column, Constant, Node, Scaled
from raygen.relations.ties import Ties
from raygen.relations.tokens import spelled

MOST_PARTS = 10
MOST_BEFORE = 60  # before parts that are a sum themselves are put together
MOST_PATTERNS = 8  # of missing values
MORE_ROWS = 50  # than columns
DEPENDENT = 1e-9  # of a column's length is left without those before it
FLAT = 1e-14  # spread of numbers that differ by the rounding of their floats alone, as a share of the largest
MOST_DEPENDENT = 300
NEAR = 15  # columns that one of a sum is sought among
LEAST_HOLDS = 0.3  # of the rows, for a sum that does not hold in all
FEW = 1500  # rows by which such a sum is sought
ROUNDS = 20
LEAST_VALUES = 20

Sum = dict[int, Fraction]  # factor of each column; that of -1 is the constant: together they are 0


def candidates(sample: Sample, ties: Ties) -> list[Candidate]:
    """Each sum, solved for each of its columns."""
    columns = [k for k in sample.of_kind("number", "moment", "span") if not _is_linear(sample.names[k], ties)]
    found = [one for one in _always(sample, columns) if _holds(one, sample) == 1.0]
    sums = _apart(found)
    given = {max(one, key=lambda k: _spread(sample, k)) for one in sums}
    often = _often(sample, [k for k in columns if k not in given])
    always = [one for one in often if _holds(one, sample) == 1.0]
    sums = _apart(sums + always) + [one for one in often if one not in always]
    return [candidate for one in sums for candidate in solved(one, sample)]


def _apart(sums: list[Sum]) -> list[Sum]:
    """Sums of few parts, each once: what follows from others is told by them."""
    short = [one for one in _shorter(sums) if len(one) <= MOST_PARTS + 2]
    return list({key_of(one): one for one in short}.values())


def _is_linear(name: str, ties: Ties) -> bool:
    """Whether a column is a multiple of another one, up to a constant."""
    given = [one.relation for one in ties.chosen if one.relation.column == name and name in ties.derived]
    return any(len(one.inputs) == 1 and _is_sum(one.rule.of) for one in given)


def _is_sum(node: Node | None) -> bool:
    """Whether an expression has neither functions nor products of columns."""
    if isinstance(node, Scaled):
        return _is_sum(node.of)
    if isinstance(node, syntax.Sum):
        return all(map(_is_sum, node.parts))
    return isinstance(node, Column | Constant)


def _spread(sample: Sample, k: int) -> float:
    return -1.0 if k < 0 else float(np.nanstd(sample.numbers[k]))


def _always(sample: Sample, columns: list[int]) -> list[Sum]:
    """Sums in all rows where a pattern of missing values has the columns."""
    out: list[Sum] = []
    patterns = {sample.missing[k].tobytes(): k for k in columns if sample.missing[k].any()}
    for column in [None, *list(patterns.values())[:MOST_PATTERNS]]:
        here = np.ones(sample.rows, bool) if column is None else ~sample.missing[column]
        some = [k for k in columns if not sample.missing[k][here].any()]
        if column is not None and column not in some:
            continue
        rows = np.flatnonzero(here)[: 2 * len(some) + 10 * MORE_ROWS]
        values = sample.numbers[some][:, rows]
        spread = values.std(axis=1) if len(some) else np.empty(0)
        least = FLAT * np.abs(values).max(axis=1, initial=0)
        order = [k for k in np.argsort(spread, kind="stable") if least[k] < spread[k] < np.inf]
        if len(order) > 1 and len(rows) >= len(order) + MORE_ROWS:
            out += _null_space(values[order], [some[k] for k in order])
    return out


def _null_space(values: np.ndarray, columns: list[int]) -> list[Sum]:
    middle, spread = values.mean(axis=1), values.std(axis=1)
    scaled = ((values - middle[:, None]) / spread[:, None]).T
    left = np.abs(np.diag(np.linalg.qr(scaled, mode="r"))) / np.sqrt(len(scaled))
    dependent = np.flatnonzero(left < DEPENDENT * np.sqrt(len(columns)))[:MOST_DEPENDENT]
    basis = np.flatnonzero(left >= DEPENDENT * np.sqrt(len(columns)))
    if not len(dependent) or not len(basis):
        return []
    factors = np.linalg.lstsq(scaled[:, basis], scaled[:, dependent], rcond=None)[0]
    out = []
    for y, parts in zip(dependent, factors.T, strict=True):
        used = np.flatnonzero(np.abs(parts) > 1e-7)
        raw = parts[used] * spread[y] / spread[basis[used]]
        one = _exact([columns[basis[k]] for k in used], raw, middle[basis[used]], columns[y], middle[y])
        out += [one] if one else []
    return out


def _exact(parts: list[int], factors: np.ndarray, middle: np.ndarray, y: int, at: float) -> Sum | None:
    """The sum with factors of few digits; None if one has more, or there are too many parts.

    Args:
        middle: A number of each part.
        at: The number of y that belongs to them.
    """
    if not 0 < len(parts) <= MOST_BEFORE:
        return None
    near = [_near(float(factor)) for factor in factors]
    if any(abs(float(f) - raw) > 1e-5 * abs(raw) for f, raw in zip(near, factors, strict=True)):
        return None
    terms = np.array([float(factor) for factor in near]) * middle
    size = max(abs(at), float(np.abs(terms).max(initial=0)))
    digits = int(np.clip(13 - np.ceil(np.log10(max(size, 1e-300))), 0, 6))
    constant = simple(round(at - float(terms.sum()), digits))
    if constant is None:
        return None
    return {**dict(zip(parts, near, strict=True)), y: Fraction(-1), -1: constant}


def _near(factor: float) -> Fraction:
    """The nearest factor of few digits; of a small one its inverse is: a microsecond is one of a million."""
    if 0 < abs(factor) < 0.01:
        return 1 / Fraction(1 / factor).limit_denominator(100)
    return Fraction(factor).limit_denominator(100)


def _holds(one: Sum, sample: Sample) -> float:
    """The share of the rows in which a sum is 0, by floats."""
    rest, size = np.full(sample.rows, float(one[-1])), np.full(sample.rows, abs(float(one[-1])))
    for k, factor in one.items():
        if k >= 0:
            term = float(factor) * sample.numbers[k]
            rest, size = rest + term, np.maximum(size, np.abs(term))
    there = ~np.isnan(rest)
    return float((np.abs(rest[there]) <= 1e-9 * size[there] + 1e-9).mean()) if there.any() else 0.0


def _shorter(sums: list[Sum]) -> list[Sum]:
    """The same sums, each less another one wherever that leaves fewer parts."""
    sums = [dict(one) for one in sums]
    changed = len(sums) <= 60
    while changed:
        changed = False
        for i, one in enumerate(sums):
            for j, other in enumerate(sums):
                for k in set(one) & set(other) - {-1} if i != j else ():
                    less = _less(sums[i], other, sums[i].get(k, Fraction(0)) / other[k])
                    if 1 < sum(c >= 0 for c in less) < sum(c >= 0 for c in sums[i]):
                        sums[i], changed = less, True
    return sums


def _less(one: Sum, other: Sum, factor: Fraction) -> Sum:
    out = {k: one.get(k, Fraction(0)) - factor * other.get(k, Fraction(0)) for k in {**one, **other}}
    return {k: value for k, value in out.items() if value or k < 0}


def key_of(one: Sum) -> tuple:
    first = one[min(k for k in one if k >= 0)]
    return tuple(sorted((k, value / first) for k, value in one.items()))


def _often(sample: Sample, columns: list[int]) -> list[Sum]:
    """Sums that hold in many rows: each column by those most like it."""
    if len(columns) < 3:
        return []
    part = sample.look(FEW if len(columns) <= 100 else FEW // 3)
    numbers = part.numbers[columns]
    alike = np.abs(correlations(numbers))
    np.fill_diagonal(alike, 0)
    out: list[Sum] = []
    for i, y in enumerate(columns):
        if sample.distinct[y] < LEAST_VALUES or not alike[i].any():
            continue
        near = [k for k in np.argsort(-alike[i], kind="stable")[:NEAR].tolist() if alike[i, k] > 0.02]
        one = _deviations(numbers, i, near, columns)
        if one and _holds(one, part) >= LEAST_HOLDS:
            one = _completed(one, part, columns)
            out += [one] if key_of(one) not in map(key_of, out) else []
    return out


def _completed(one: Sum, part: Sample, columns: list[int]) -> Sum:
    """With columns that vary too seldom to be seen before, in place of the constant, while more rows hold."""
    share = _holds(one, part)
    while share < 1 and len(one) < MOST_PARTS:
        others = [
            {**one, k: Fraction(sign), -1: Fraction(0)} for k in columns if k not in one for sign in (1, -1)
        ]
        shares = [_holds(other, part) for other in others] if one[-1] else []
        if not shares or max(shares) <= share:
            break
        one, share = others[int(np.argmax(shares))], max(shares)
    return one


def _deviations(numbers: np.ndarray, y: int, near: list[int], columns: list[int]) -> Sum | None:
    """The sum for which most rows have no deviation, by least squares whose weights favour small ones."""
    here = ~np.isnan(numbers[[y, *near]]).any(axis=0)
    if here.sum() < 3 * len(near) + MORE_ROWS or not near:
        return None
    values, target = numbers[np.ix_(near, here)], numbers[y, here]
    middle, spread = values.mean(axis=1), values.std(axis=1)
    used = spread > 0
    design = np.vstack([(values[used] - middle[used, None]) / spread[used, None], np.ones(values.shape[1])]).T
    scale = target.std() or 1.0
    weights = np.ones(len(target))
    for step in range(ROUNDS):
        root = np.sqrt(weights)[:, None]
        factors = np.linalg.lstsq(design * root, target * root[:, 0], rcond=None)[0]
        size = np.abs(target - design @ factors) / scale
        if step == 5 and np.quantile(size, LEAST_HOLDS) > 0.05:
            return None
        weights = 1 / np.maximum(size, max(1e-7, 0.1 * 0.3**step))
    exact = size < 1e-5
    if exact.mean() < LEAST_HOLDS or exact.sum() < 2 * design.shape[1] + MORE_ROWS // 2:
        return None
    factors = np.linalg.lstsq(design[exact], target[exact], rcond=None)[0]
    raw = factors[:-1] / spread[used]
    large = np.abs(factors[:-1]) > 1e-7 * scale
    parts = [columns[k] for k, keep in zip(np.array(near)[used], large, strict=True) if keep]
    own = float(factors[-1])
    return _exact(parts, raw[large], middle[used][large], columns[y], own) if len(parts) > 1 else None


def solved(one: Sum, sample: Sample) -> list[Candidate]:
    """The sum for each of its columns; better with plus signs and for the column that varies most."""
    widest = max((k for k in one if k >= 0), key=lambda k: _spread(sample, k))
    out = []
    for y in (k for k in one if k >= 0):
        parts = {k: -factor / one[y] for k, factor in one.items() if k != y}
        text = _text(y, parts, sample)
        if text:
            minus = sum(factor < 0 for k, factor in parts.items() if k >= 0)
            rank = 2 * minus + (y != widest) + sum(factor.denominator > 1 for factor in parts.values())
            out.append(Candidate(sample.names[y], text, float(sample.entropy[y]), rank))
    return out


def _text(y: int, parts: Sum, sample: Sample) -> str | None:
    """The sum in the language of relations; None if it cannot say it."""
    kinds = {k: sample.kinds[sample.names[k]] for k in parts if k >= 0}
    own = sample.kinds[sample.names[y]]
    order = sorted(kinds, key=lambda k: (kinds[k] == "number", parts[k] < 0, k))
    clocks = [k for k in order if kinds[k] != "number"]
    if own == "number" and clocks:
        return _of_clocks(parts, clocks, order, sample)
    if any(abs(parts[k]) != 1 for k in clocks):
        return None
    texts = []
    for k in order:
        name = spelled(sample.names[k])
        if own != "number" and kinds[k] == "number":
            name = f"{amount(abs(parts[k]), 'span')} * {name}"
            texts.append(name if parts[k] > 0 else f"-{name}")
        else:
            texts.append(times(parts[k], name))
    return _joined(texts, parts.get(-1, Fraction(0)), own)


def _of_clocks(parts: Sum, clocks: list[int], order: list[int], sample: Sample) -> str | None:
    """A number from moments and spans, all by one factor: `(end - start) / 1 minute + x`."""
    factor = abs(parts[clocks[0]])
    if any(abs(parts[k]) != factor for k in clocks):
        return None
    inside = _joined(
        [times(parts[k] / factor, spelled(sample.names[k])) for k in clocks], Fraction(0), "span"
    )
    inside = f"({inside})" if len(clocks) > 1 else inside
    texts = [f"{inside} / {amount(1 / factor, 'span')}"]
    texts += [times(parts[k], spelled(sample.names[k])) for k in order if k not in clocks]
    return _joined(texts, parts.get(-1, Fraction(0)), "number")


def _joined(texts: list[str], constant: Fraction, kind: str) -> str:
    number = decimal(abs(constant)) if kind == "number" else amount(abs(constant), "span")
    if constant:
        texts = [*texts, number if constant > 0 else f"-{number}"]
    texts.sort(key=lambda text: text.startswith("-"))
    return texts[0] + "".join(f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in texts[1:])
