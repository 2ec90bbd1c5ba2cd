"""Functions of one column that a sample shows: copies, |x|, roundings, parts of dates, and a x + b."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from raygen.relations.expressions import part_of
from raygen.relations.finding import pairs_of_columns
from raygen.relations.sampled import DAY, LOOK, Candidate, Sample, entropy_of, saved
from raygen.relations.syntax import PARTS
from raygen.relations.tokens import spelled
from raygen.table import arrow

LEAST_GAIN = 0.05  # nats per row
LEAST_SHARE = 0.03  # of the rows in which a partial one holds
RARE = np.log(20.0)  # nats: mean surprise of values that a partial one explains
GLANCE = 64  # rows by which most pairs are ruled out
MOST_FOR_EACH = 4  # candidates of one column
GROUPS = (("number",), ("moment",), ("span",), ("text",), ("truth",))
UNITS = {"days": Fraction(86_400), "hours": Fraction(3600), "minutes": Fraction(60), "seconds": Fraction(1)}
UNITS |= {"milliseconds": Fraction(1, 10**3), "microseconds": Fraction(1, 10**6)}
DIVISORS = (1, 10, 60, 100, 1000)
NEARLY_ONE = 0.02  # that a correlation leaves
MOST_BELOW = 25  # denominator of a factor that is no decimal
OFFSETS_BELOW = 300  # columns: beyond, offsets that hold in some rows alone are not looked for


def candidates(sample: Sample) -> list[Candidate]:
    """Functions that explain more than chance in the first rows; of each column the best few."""
    look = sample.look()
    found: dict[str, list[Candidate]] = {}
    makers = (_copies, _shown, _shapes, _parts, _offsets, pairs_of_columns.clocks, pairs_of_columns.products)
    for maker in makers:
        for one in maker(sample, look):
            found.setdefault(one.column, []).append(one)
    out = []
    for several in found.values():
        several.sort(key=lambda one: (-round(one.gain, 2), one.rank))
        out += several[:MOST_FOR_EACH]
    return out + _affine(sample)


class _Group:
    """Columns of one kind, of which those that equal given values in the first rows are asked for."""

    def __init__(self, columns: list[int], look: Sample):
        self.columns = np.array(columns, int)
        self.numbers, self.surprise = look.numbers[self.columns], look.surprise[self.columns]
        self.first = np.ascontiguousarray(self.numbers[:, :GLANCE]), self.surprise[:, :GLANCE].copy()

    def explained(self, values: np.ndarray) -> Iterator[tuple[int, float]]:
        """Columns that equal `values` more than chance, with the gain."""
        numbers, surprise = self.first
        same = np.abs(numbers - values[:GLANCE]) <= 1e-9 * np.abs(values[:GLANCE])
        likely = np.flatnonzero(np.einsum("ij,ij->i", same, surprise) > LEAST_GAIN * same.shape[1] / 2)
        _, _, gain = _explained(values[:GLANCE], numbers[likely], surprise[likely])
        likely = likely[gain > 0]
        told, used, gain = _explained(values, self.numbers[likely], self.surprise[likely])
        rare = (gain + entropy_of(used / told)) * told > RARE * used
        good = (gain > LEAST_GAIN) & (told >= 8)
        good &= (used == told) | ((used > LEAST_SHARE * told) & rare & (used >= 6))
        for i in np.flatnonzero(good):
            yield int(self.columns[likely[i]]), float(gain[i])


def _explained(
    values: np.ndarray, numbers: np.ndarray, surprise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each column: rows that have both, those that a class "equal" is for, and nats per row that it
    save."""
    same = np.abs(numbers - values) <= 1e-9 * np.abs(values)
    told = np.maximum((~np.isnan(numbers) & ~np.isnan(values)).sum(axis=1), 1)
    gain, used = saved(same, surprise, told)
    return told, used, gain


def _copies(sample: Sample, look: Sample) -> Iterator[Candidate]:
    for group in GROUPS:
        columns = sample.of_kind(*group)
        others = _Group(columns, look)
        for x in columns:
            name = spelled(sample.names[x])
            for y, gain in others.explained(look.numbers[x]):
                if y != x:
                    yield Candidate(sample.names[y], name, gain, rank=int(y < x))


def _shown(sample: Sample, look: Sample) -> Iterator[Candidate]:
    """Moments without a zone that are what the clock of a zone shows."""
    columns = sample.of_kind("moment")
    zoned = [k for k in columns if sample.has_zone(k)]
    others = _Group([k for k in columns if k not in zoned], look)
    for x in zoned if len(others.columns) else ():
        shown = look.quantities[sample.names[x]]
        values = np.where(shown.valid, shown.whole * (DAY / shown.per), np.nan)
        for y, gain in others.explained(values):
            yield Candidate(sample.names[y], spelled(sample.names[x]), gain)


def _shapes(sample: Sample, look: Sample) -> Iterator[Candidate]:
    """-x, |x|, x rounded and floored."""
    columns = sample.of_kind("number")
    others = _Group(columns, look)
    for x in columns:
        values, name = look.numbers[x], spelled(sample.names[x])
        for text, shaped in _shaped(values, name):
            known = shaped[~np.isnan(shaped)]
            if len(known) < 8 or (known == known[0]).all() or np.array_equal(shaped, values, equal_nan=True):
                continue
            for y, gain in others.explained(shaped):
                if y != x:
                    yield Candidate(sample.names[y], text, gain, rank=2 + int(y < x))


def _shaped(values: np.ndarray, name: str) -> Iterator[tuple[str, np.ndarray]]:
    yield f"-{name}", -values
    yield f"abs({name})", np.abs(values)
    for digits in range(4):
        unit = 10.0**digits
        texts = f"round({name}, {digits})" if digits else f"round({name})"
        yield texts, np.trunc(values * unit * (1 + 1e-15) + np.copysign(0.5, values)) / unit
    for divisor in DIVISORS:
        quotient = f"floor({name} / {divisor})" if divisor > 1 else f"floor({name})"
        yield quotient, np.floor(values / divisor)


def _parts(sample: Sample, look: Sample) -> Iterator[Candidate]:
    numbers, moments, spans = (_Group(sample.of_kind(kind), look) for kind in ("number", "moment", "span"))
    for x in [*moments.columns.tolist(), *spans.columns.tolist()]:
        name, of = sample.names[x], look.quantities[sample.names[x]]
        for part in PARTS:
            fits = part in ("hour", "minute", "hhmm")
            if sample.kinds[name] == "span" and not fits:
                continue
            found = part_of(part, of)
            values = found.whole * (DAY / found.per if part in ("date", "time") else 1.0)
            values = np.where(of.valid, values, np.nan)
            others = {"date": moments, "time": spans}.get(part, numbers)
            if not len(others.columns) or np.unique(values[of.valid]).size < 2:
                continue
            for more in (0, 1) if part == "weekday" else (0,):  # Monday is 0 or 1
                for y, gain in others.explained(values + more):
                    text = plus(f"{part}({spelled(name)})", Fraction(more))
                    if y != x:
                        yield Candidate(sample.names[y], text, gain, rank=1)


def _offsets(sample: Sample, look: Sample) -> Iterator[Candidate]:
    """x + c, with the difference that most of the first rows have."""
    for group in (["number"], ["moment"], ["span"]):
        columns = sample.of_kind(*group)
        if len(columns) > OFFSETS_BELOW:
            continue
        for x in columns:
            differences = arrow.rounded(look.numbers[columns] - look.numbers[x], 9)
            for y, offset in zip(columns, _modes(differences), strict=True):
                if y == x or offset == 0 or np.isnan(offset):
                    continue
                for _, gain in _Group([y], look).explained(look.numbers[x] + offset):
                    text = plus(spelled(sample.names[x]), Fraction(offset).limit_denominator(10**9), group[0])
                    yield Candidate(sample.names[y], text, gain, rank=1 + int(y < x))


def _modes(values: np.ndarray) -> np.ndarray:
    """The most frequent number of each row of a matrix; NaN where none comes twice."""
    ordered = np.sort(values, axis=1)
    out = np.full(len(values), np.nan)
    for k, row in enumerate(ordered):
        row = row[~np.isnan(row)]
        starts = np.flatnonzero(np.append(True, row[1:] != row[:-1])) if len(row) else np.empty(0, int)
        lengths = np.diff(np.append(starts, len(row)))
        if len(lengths) and lengths.max() > max(2, LEAST_SHARE * LOOK):
            out[k] = row[starts[lengths.argmax()]]
    return out


def plus(text: str, offset: Fraction, kind: str = "number") -> str:
    """`text + offset` as the language writes it; an offset of moments is in seconds."""
    if not offset:
        return text
    return f"{text} {'-' if offset < 0 else '+'} {amount(abs(offset), kind)}"


def amount(number: Fraction, kind: str = "number") -> str:
    """A positive number, or a span of so many seconds."""
    if kind == "number":
        return decimal(number)
    for unit, seconds in UNITS.items():
        if (number / seconds).denominator == 1:
            return f"{decimal(number / seconds)} {unit if number != seconds else unit[:-1]}"
    return f"{decimal(number)} seconds"


def decimal(number: Fraction) -> str:
    """A number in decimals if they end, otherwise as a fraction."""
    for digits in range(10):
        scaled = number * 10**digits
        if scaled.denominator == 1:
            text = f"{scaled.numerator:0{digits + 1}d}"
            return f"{text[:-digits]}.{text[-digits:]}" if digits else text
    return f"{number.numerator} / {number.denominator}"


def _affine(sample: Sample) -> list[Candidate]:
    """a x + b with a correlation of one: of columns that hang together, each by the first of them."""
    columns = [x for x in sample.of_kind("number") if sample.distinct[x] > 2]
    found: list[Candidate] = []
    if len(columns) < 2:
        return found
    alike = correlations(sample.numbers[columns])
    taken: set[int] = set()
    for i, x in enumerate(columns):
        if i in taken:
            continue
        for j in np.flatnonzero(np.abs(alike[i]) > 1 - 1e-9).tolist():
            text = _line(sample.numbers[x], sample.numbers[columns[j]], spelled(sample.names[x]))
            if j <= i or j in taken or text is None:
                continue
            taken.add(j)
            gain = float(sample.entropy[columns[j]])
            found.append(Candidate(sample.names[columns[j]], text, gain, rank=1))
    return found + _rounded_lines(sample, columns, alike, taken)


def _rounded_lines(sample: Sample, columns: list[int], alike: np.ndarray, taken: set[int]) -> list[Candidate]:
    """round(a x + b, d) where a correlation of nearly one leaves no more than the rounding."""
    per = [sample.quantities[sample.names[k]].per for k in columns]
    found = []
    for j, y in enumerate(columns):
        if not per[j] or j in taken:
            continue
        spread = float(np.nanstd(sample.numbers[y])) * per[j]
        near = np.abs(alike[:, j]) > 1 - min(NEARLY_ONE, 1 / (6 * max(spread, 1e-3) ** 2))
        for i in [i for i in np.flatnonzero(near).tolist() if i != j and i not in taken][:MOST_FOR_EACH]:
            x = columns[i]
            text = _rounded_line(sample.numbers[x], sample.numbers[y], per[j], spelled(sample.names[x]))
            if text is not None:
                gain = float(sample.entropy[y])
                found.append(Candidate(sample.names[y], text, gain, rank=4))
    return found


def _rounded_line(x: np.ndarray, y: np.ndarray, per: int, name: str) -> str | None:
    """The text of y = round(a x + b, d) with the a and b of fewest digits that least squares leave open."""
    both = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[both], y[both]
    centre = x - x.mean()
    raw = float(centre @ y / (centre @ centre))
    for factor in _simple_first(raw):
        if not factor or abs(float(factor) - raw) * (x.max() - x.min()) > 2 / per:
            continue
        rest = float((y - float(factor) * x).mean())
        for offset in {Fraction(round(rest)), Fraction(round(rest * per), per)}:
            off = np.abs(y - float(factor) * x - float(offset))
            if off.max() <= 0.5 / per * (1 + 1e-6) + 1e-9 * np.abs(y).max():
                return f"round({plus(times(factor, name), offset)}, {round(np.log10(per))})"
    return None


def _simple_first(number: float) -> Iterator[Fraction]:
    """Fractions near a number: of at most two decimals, of a small denominator, and of more decimals."""
    yield from (Fraction(round(number * 10**digits), 10**digits) for digits in range(3))
    yield from (Fraction(round(number * below), below) for below in range(3, MOST_BELOW))
    yield from (Fraction(round(number * 10**digits), 10**digits) for digits in range(3, 7))


def correlations(values: np.ndarray) -> np.ndarray:
    """Correlations of rows of a matrix, of entries that both have; 0 where fewer than 8 are."""
    known = ~np.isnan(values)
    middle = np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    centred = np.where(known, values - middle[:, None], 0)
    spread = np.sqrt((centred**2).sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    centred /= np.where(spread > 0, spread, 1)[:, None]
    there = known.astype(float)
    count, total, squares = there @ there.T, centred @ there.T, (centred**2) @ there.T
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = count * (centred @ centred.T) - total * total.T
        size = np.sqrt((count * squares - total**2) * (count * squares.T - total.T**2))
        return np.where((count >= 8) & (size > 1e-9 * count**2), covariance / size, 0)


def _line(x: np.ndarray, y: np.ndarray, name: str) -> str | None:
    """The text of y = a x + b through the two rows farthest apart; None if a or b has many digits, or most
    rows are off it, as those are that a rounding moves."""
    both = np.flatnonzero(~np.isnan(x) & ~np.isnan(y))
    low, high = both[x[both].argmin()], both[x[both].argmax()]
    factor = simple((y[high] - y[low]) / (x[high] - x[low]))
    offset = None if factor is None else simple(y[low] - float(factor) * x[low])
    if factor is None or offset is None or factor == 0 or (factor == 1 and offset == 0):
        return None
    x, y = float(factor) * x[both], y[both]
    off = np.abs(y - x - float(offset)) > 1e-9 * (np.abs(x) + np.abs(y))
    return None if off.mean() > 0.5 else plus(times(factor, name), offset)


def times(factor: Fraction, name: str) -> str:
    if abs(factor) == 1:
        return name if factor > 0 else f"-{name}"
    sign = "-" if factor < 0 else ""
    if abs(factor).numerator == 1 and factor.denominator != 1:
        return f"{sign}{name} / {factor.denominator}"
    text = decimal(abs(factor))
    if "/" in text:
        return f"{sign}{abs(factor.numerator)} * {name} / {factor.denominator}"
    return f"{sign}{text} * {name}"


def simple(number: float) -> Fraction | None:
    """A number as a fraction of few digits; None if it is none."""
    if not np.isfinite(number) or abs(number) > 1e12:
        return None
    for fraction in (Fraction(number).limit_denominator(100), Fraction(round(number * 10**6), 10**6)):
        if abs(float(fraction) - number) <= 1e-9 * max(abs(number), 1):
            return fraction
    return None
