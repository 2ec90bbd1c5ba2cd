"""The figures of the report page: real beside generated, column by column, and the errors of column pairs."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np

from raygen.report.svg import BLUE, GREEN, INK, MUTED, ORANGE, draw_svg
from raygen.report.text import number

COLOURS = (BLUE, ORANGE, GREEN)
CLASSES = ("one", "two", "three")  # the same colours in the page
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
MARKERS = "oDs^"
WIDTH = 300
LEVELS = 8  # categories, at most, of a figure; the others are one bar
LETTERS = 16  # of a category or a column on an axis
CELLS = 24  # columns, at most, of a heat map
SHADE = (
    0.80,
    0.36,
    0.10,
)  # of a cell, from nearly transparent to nearly this: seen on white and on near black, and text on it


def column(name: str, histograms: list[dict | None], kind: str = "") -> str:
    """The real share of rows, grey, and that of each run on top, as SVG; `` if there is nothing to draw.

    Args:
        name: Only for the ids of the drawing; unlike that of any other figure of the page.
        histograms: Of each run, `edges`, `real`, `synthetic` or `levels`, `real`, `synthetic`; the real part
            is taken from the first that has it.
        kind: "datetime" writes the axis as dates, from seconds since 1970.
    """
    numbers = [_steps(h) if h and h.get("edges") else None for h in histograms]
    if any(numbers):
        return _numbers(name, numbers, kind)
    levels = [_shares(h) if h and h.get("levels") else None for h in histograms]
    return _levels(name, levels) if any(levels) else ""


def pairs(name: str, names: list, error: list, most: float | None = None) -> tuple[str, list[str]]:
    """A heat map of the errors of column pairs, as SVG, and the columns it shows: the worst, if there are
    many.

    Args:
        name: As in `column`.
        names: Of the columns.
        error: Percent by row and column; None where a pair does not count.
        most: The error of the strongest shade; that of the worst pair without it.

    Returns:
        "" and [] if there is nothing to draw.
    """
    matrix = errors(names, error)
    if matrix is None:
        return "", []
    known = np.isfinite(matrix)
    worst = np.where(known, matrix, 0.0).max(axis=1)
    kept = np.sort([i for i in np.argsort(-worst, kind="stable")[:CELLS] if known[i].any()])
    matrix = matrix[np.ix_(kept, kept)]
    top = most or np.nanmax(matrix) or 1.0
    shown = [str(names[i]) for i in kept]

    def draw(figure):
        axes = figure.subplots()
        image = np.empty((*matrix.shape, 4))
        image[..., :3] = SHADE
        image[..., 3] = np.where(
            np.isfinite(matrix), 0.06 + 0.74 * np.sqrt(np.clip(np.nan_to_num(matrix) / top, 0, 1)), 0.0
        )
        axes.imshow(image, interpolation="none", aspect="auto")
        size = 10 if len(shown) <= 16 else 8.5
        labels = [shorten(text) for text in shown]
        axes.set_xticks(range(len(shown)), labels, rotation=90, fontsize=size, parse_math=False)
        axes.set_yticks(range(len(shown)), labels, fontsize=size, parse_math=False)
        axes.tick_params(length=0)
        for i, j in zip(*np.nonzero(matrix >= 0.4 * top), strict=True):
            axes.text(j, i, f"{matrix[i, j]:.0f}", ha="center", va="center", fontsize=8.5, color=INK)

    return draw_svg(name, 130 + max(90, min(300, 22 * len(shown))), draw), shown


def errors(names: list, error: list) -> np.ndarray | None:
    """The matrix of `pairs`, nan where a pair does not count; None if it cannot be read or holds nothing."""
    try:
        matrix = np.array(
            [[math.nan if (v := number(cell)) is None else v for cell in row] for row in error], float
        )
    except (TypeError, ValueError):
        return None
    if matrix.shape != (len(names or []),) * 2 or not np.isfinite(matrix).any():
        return None
    np.fill_diagonal(matrix, np.nan)
    return np.where(np.isnan(matrix), matrix.T, matrix) if np.isfinite(matrix).any() else None


def shorten(text: str) -> str:
    """Start and end of a long name, for names often differ at the end."""
    return text if len(text) <= LETTERS else text[: LETTERS // 2] + ".." + text[2 - LETTERS // 2 :]


def _numbers(name: str, given: list, kind: str) -> str:
    real = next(h for h in given if h)
    ends = [edge for h in given if h for edge in (h[0][0], h[0][-1])]
    tops = [h[2].max() for h in given if h] + [real[1].max()]

    def draw(figure):
        axes = figure.subplots()
        axes.stairs(real[1], real[0], fill=True, color=MUTED, alpha=0.35)
        for i, steps in enumerate(given):
            if steps:
                style = {"color": COLOURS[i % 3], "linestyle": DASHES[i % 4], "linewidth": 1.6}
                axes.stairs(steps[2], steps[0], baseline=None, **style)
        axes.set_xlim(min(ends), max(ends))
        axes.set_ylim(0, 1.05 * max(tops) or 1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter(
            lambda value, _: (
                _date(value, max(ends) - min(ends))
                if kind == "datetime"
                else _short(value, max(map(abs, ends)))
            )
        )

    return draw_svg(name, 120, draw, WIDTH)


def _levels(name: str, given: list) -> str:
    real = next(h for h in given if h)
    names = sorted(real[0], key=lambda level: -real[0][level])
    names += sorted({level for h in given if h for level in h[1]} - set(names))
    shown, rest = (names, []) if len(names) <= LEVELS + 1 else (names[:LEVELS], names[LEVELS:])

    def values(shares: dict) -> list[float]:
        return [100 * shares.get(level, 0.0) for level in shown] + [
            100 * sum(shares.get(level, 0.0) for level in rest)
        ] * bool(rest)

    def draw(figure):
        axes = figure.subplots()
        labels = [shorten(level) for level in shown] + [f"{len(rest)} others"] * bool(rest)
        y = np.arange(len(labels))
        axes.barh(y, values(real[0]), height=0.72, color=MUTED, alpha=0.35)
        drawn = [i for i, h in enumerate(given) if h]
        for place, i in enumerate(drawn):
            shift = 0.0 if len(drawn) == 1 else 0.44 * (place / (len(drawn) - 1) - 0.5)
            axes.plot(
                values(given[i][1]),
                y + shift,
                linestyle="none",
                marker=MARKERS[i % 4],
                markersize=5,
                color=COLOURS[i % 3],
                clip_on=False,
            )
        axes.set_yticks(y, labels, fontsize=10, parse_math=False)
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(left=0)
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")

    return draw_svg(name, 40 + 16 * (len(shown) + bool(rest)), draw, WIDTH)


def _steps(histogram: dict) -> tuple | None:
    """Edges, and the density of real and synthetic rows; None if they cannot be drawn."""
    try:
        edges, real, synthetic = (np.array(histogram[key], float) for key in ("edges", "real", "synthetic"))
    except (KeyError, TypeError, ValueError):
        return None
    if edges.ndim != 1 or len(edges) < 2 or real.shape != synthetic.shape or len(real) != len(edges) - 1:
        return None
    if not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        return None
    return edges, *(_part(counts) / np.diff(edges) * np.ptp(edges) for counts in (real, synthetic))


def _shares(histogram: dict) -> tuple | None:
    """Share of real and of synthetic rows by level; None if they cannot be drawn."""
    try:
        real, synthetic = (_part(np.array(histogram[key], float)) for key in ("real", "synthetic"))
    except (KeyError, TypeError, ValueError):
        return None
    names = ["<missing>" if level is None else str(level) for level in histogram["levels"]]
    if real.shape != (len(names),) or synthetic.shape != real.shape:
        return None
    return dict(zip(names, real.tolist(), strict=True)), dict(zip(names, synthetic.tolist(), strict=True))


def _part(counts: np.ndarray) -> np.ndarray:
    counts = np.clip(np.nan_to_num(counts, posinf=0.0, neginf=0.0), 0, None)
    return counts / (counts.sum() or 1.0)


def _short(value: float, reach: float) -> str:
    """`1.2M` on an axis that reaches into the millions."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if 10 * size <= reach < 1e15:
            return f"{value / size:g}{unit}" if value else "0"
    return f"{value:.4g}"


def _date(seconds: float, span: float) -> str:
    days = span / 86400
    form = "%Y" if days > 3650 else "%Y-%m" if days > 90 else "%m-%d" if days > 3 else "%d. %H:%M"
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime(form)
    except OverflowError:
        return f"{seconds:.3g}"
