"""The figures of the report page: real beside generated, column by column, and the errors of column pairs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from raygen.report.evaluation.record import LevelHistogram, NumberHistogram, Pairs
from raygen.report.svg import BLUE, GREEN, INK, MUTED, ORANGE, draw_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (BLUE, ORANGE, GREEN)
CLASSES = ("one", "two", "three")  # the same colours in the page
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
MARKERS = "oDs^"
WIDTH = 300
LEVELS = 8  # categories, at most, of a figure; the others are one bar
LETTERS = 16  # of a category or a column on an axis
LEAST_REST = 1e-9  # share of rows from which a rest is drawn
UNEVEN = 1.5  # times the narrowest bin
CELLS = 24  # columns, at most, of a heat map
# Of a cell, from nearly transparent to nearly this: seen on white and on near black, and text on it.
SHADE = (0.80, 0.36, 0.10)


class _Steps(NamedTuple):
    """A histogram of numbers: its edges and their places on the axis, and how high real and synthetic rows
    stand.

    Equal bins lie where their edges are, as high as they are dense. Unequal ones, of a heavy tail, are drawn
    equally wide, as high as the root of their share, so that the tail is seen as well.
    """

    edges: np.ndarray
    places: np.ndarray
    real: np.ndarray
    synthetic: np.ndarray


class _Shares(NamedTuple):
    """Share of all real and of all synthetic rows by level, and how many real levels are not named."""

    real: dict[str, float]
    synthetic: dict[str, float]
    others: int


def column(name: str, histograms: Sequence[NumberHistogram | LevelHistogram | None], kind: str = "") -> str:
    """The real share of rows, grey, and that of each run on top, as SVG; empty if there is nothing to draw.

    Args:
        name: Only for the ids of the drawing; unlike that of any other figure of the page.
        histograms: Of each run; the real part is taken from the first that has it.
        kind: "datetime" writes the axis as dates, from seconds since 1970.
    """
    numbers = [_steps(h) if isinstance(h, NumberHistogram) else None for h in histograms]
    if any(numbers):
        return _numbers(name, numbers, kind)
    levels = [_shares(h) if isinstance(h, LevelHistogram) else None for h in histograms]
    return _levels(name, levels) if any(levels) else ""


def pairs(name: str, pairs: Pairs, most: float | None = None) -> tuple[str, list[str]]:
    """A heat map of the errors of column pairs, as SVG, and the columns it shows: the worst, if there are
    many.

    Args:
        name: As in `column`.
        most: The error of the strongest shade; that of the worst pair without it.

    Returns:
        "" and [] if there is nothing to draw.
    """
    matrix = np.array(pairs.errors, float)  # None becomes nan
    known = np.isfinite(matrix)
    if not known.any():
        return "", []
    worst = np.where(known, matrix, 0.0).max(axis=1)
    drawn = np.sort([i for i in np.argsort(-worst, kind="stable")[:CELLS] if known[i].any()])
    matrix = matrix[np.ix_(drawn, drawn)]
    top = most or np.nanmax(matrix) or 1.0
    shown = [pairs.names[i] for i in drawn]

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        image = np.empty((*matrix.shape, 4))
        image[..., :3] = SHADE
        strength = 0.06 + 0.74 * np.sqrt(np.clip(np.nan_to_num(matrix) / top, 0, 1))
        image[..., 3] = np.where(np.isfinite(matrix), strength, 0.0)
        axes.imshow(image, interpolation="none", aspect="auto")
        size = 10 if len(shown) <= 16 else 8.5
        labels = [shorten(text) for text in shown]
        axes.set_xticks(range(len(shown)), labels, rotation=90, fontsize=size, parse_math=False)
        axes.set_yticks(range(len(shown)), labels, fontsize=size, parse_math=False)
        axes.tick_params(length=0)
        for i, j in zip(*np.nonzero(matrix >= 0.4 * top), strict=True):
            axes.text(j, i, f"{matrix[i, j]:.0f}", ha="center", va="center", fontsize=8.5, color=INK)

    return draw_svg(name, 130 + max(90, min(300, 22 * len(shown))), draw), shown


def shorten(text: str) -> str:
    """Start and end of a long name, for names often differ at the end."""
    return text if len(text) <= LETTERS else text[: LETTERS // 2] + ".." + text[2 - LETTERS // 2 :]


def _numbers(name: str, steps: list[_Steps | None], kind: str) -> str:
    known = [h for h in steps if h]
    first = known[0]
    ends = [edge for h in known for edge in (h.places[0], h.places[-1])]
    top = max([h.synthetic.max() for h in known] + [known[0].real.max()])
    span, reach = float(np.ptp(first.edges)), float(np.abs(first.edges).max())
    is_even = first.places is first.edges

    def label(value: float) -> str:
        return _date(value, span) if kind == "datetime" else _short(value, reach)

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.stairs(first.real, first.places, fill=True, color=MUTED, alpha=0.35)
        for i, h in enumerate(steps):
            if h:
                style: dict[str, Any] = {
                    "color": COLOURS[i % 3],
                    "linestyle": DASHES[i % 4],
                    "linewidth": 1.6,
                }
                axes.stairs(h.synthetic, h.places, baseline=None, **style)
        axes.set_xlim(min(ends), max(ends))
        axes.set_ylim(0, 1.05 * top or 1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        if is_even:
            axes.locator_params(axis="x", nbins=4)
        else:
            axes.set_xticks(first.places[np.linspace(0, len(first.places) - 1, 4).astype(int)])
        axes.xaxis.set_major_formatter(
            lambda place, _: label(float(np.interp(place, first.places, first.edges)))
        )

    return draw_svg(name, 120, draw, WIDTH)


def _levels(name: str, shares: list[_Shares | None]) -> str:
    known = [h for h in shares if h]
    real = known[0].real
    names = sorted(real, key=lambda level: -real[level])
    names += sorted({level for h in known for level in h.synthetic} - set(names))
    shown = names[:LEVELS] if known[0].others or len(names) > LEVELS + 1 else names
    num_others = known[0].others + len(names) - len(shown)
    has_rest = num_others > 0 or any(
        _rest(of, shown) > LEAST_REST for h in known for of in (real, h.synthetic)
    )

    def values(of: dict[str, float]) -> list[float]:
        rest = [_rest(of, shown)] if has_rest else []
        return [100 * share for share in [*(of.get(level, 0.0) for level in shown), *rest]]

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        rest = f"{num_others} others" if num_others else "others"
        labels = [shorten(level) for level in shown] + ([rest] if has_rest else [])
        y = np.arange(len(labels))
        axes.barh(y, values(real), height=0.72, color=MUTED, alpha=0.35)
        drawn = [(i, h) for i, h in enumerate(shares) if h]
        for place, (i, h) in enumerate(drawn):
            shift = 0.0 if len(drawn) == 1 else 0.44 * (place / (len(drawn) - 1) - 0.5)
            axes.plot(
                values(h.synthetic),
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

    return draw_svg(name, 40 + 16 * (len(shown) + has_rest), draw, WIDTH)


def _rest(shares: dict[str, float], shown: list[str]) -> float:
    return max(0.0, 1 - sum(shares.get(level, 0.0) for level in shown))


def _steps(histogram: NumberHistogram) -> _Steps:
    edges = np.array(histogram.edges)
    widths = np.diff(edges)
    is_even = bool(widths.max() <= UNEVEN * widths.min())
    real, synthetic = map(_numbers_of, (histogram.real, histogram.synthetic))
    if is_even:
        scale = np.ptp(edges) / widths
        return _Steps(edges, edges, real * scale, synthetic * scale)
    places = np.linspace(0, 1, len(edges))
    return _Steps(edges, places, np.sqrt(real), np.sqrt(synthetic))


def _shares(histogram: LevelHistogram) -> _Shares:
    names = ["<missing>" if level is None else level for level in histogram.levels]
    real, synthetic = (
        dict(zip(names, _numbers_of(shares).tolist(), strict=True))
        for shares in (histogram.real, histogram.synthetic)
    )
    return _Shares(real, synthetic, histogram.others)


def _numbers_of(shares: Sequence[float | None]) -> np.ndarray:
    return np.nan_to_num(np.array(shares, float))


def _short(value: float, reach: float) -> str:
    """`1.2M` on an axis that reaches into the millions."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if 10 * size <= reach < 1e15:
            return f"{value / size:g}{unit}" if value else "0"
    return f"{value:.4g}"


def _date(seconds: float, span: float) -> str:
    days = span / 86400
    forms = ((3650, "%Y"), (90, "%Y-%m"), (3, "%m-%d"), (float("-inf"), "%d. %H:%M"))
    form = next(form for least, form in forms if days > least)
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime(form)
    except OverflowError:
        return f"{seconds:.3g}"
