"""The figures of the search page. Optuna's own take over pyplot and its colours; these are drawn for light,
dark and print."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from raygen.report.evaluation.figures import shorten
from raygen.report.search.importance import Importance
from raygen.report.search.trials import NATS, Axis, Search, Trial
from raygen.report.svg import BLUE, GREEN, INK, MUTED, ORANGE, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of trials: marker, size, colour, filled. The page's key has the same.
LOOKS = {
    "finished": ("o", 5, INK, True),
    "stopped": ("D", 5, ORANGE, False),
    "unfinished": ("^", 5.5, MUTED, False),
    "failed": ("x", 6, INK, True),
    "defaults": ("s", 7, GREEN, True),
    "best": ("*", 12, BLUE, True),
}
REACH = 4.0  # of the better three quarters' range: how far the axis of the objective goes
ROW = 24  # height of a bar


class Scale:
    """The axis of a figure of all trials, lower is better times `sign`: as far as most go; what is worse lies
    on its edge."""

    def __init__(self, values: Sequence[float], sign: float = 1.0):
        losses = sign * np.asarray(values, float)
        first, third = losses.min(), np.quantile(losses, 0.75)
        worst = min(losses.max(), first + REACH * (third - first) if third > first else losses.max())
        pad = 0.06 * (worst - first) or 0.05 * abs(first) or 1.0
        self.ends = sign * (first - pad), sign * (worst + pad)  # better, worse
        self.edge = sign * (worst + 0.5 * pad)
        self.beyond = int((losses > worst).sum())
        self.sign = sign

    def place(self, value: float) -> float:
        return self.sign * min(self.sign * value, self.sign * self.edge)

    def put(self, axis_set: Callable[[float, float], object]) -> None:
        axis_set(*sorted(self.ends))


def look(search: Search, t: Trial) -> str:
    return "best" if t is search.best else "defaults" if t is search.own else t.state


def dots(
    axes: "Axes", search: Search, placed: Sequence[tuple[Trial, float, float]], scale: float = 1.0
) -> None:
    """One mark for each trial, the best and the defaults on top."""
    for name in ("failed", "unfinished", "stopped", "finished", "defaults", "best"):
        points = [(x, y) for t, x, y in placed if look(search, t) == name]
        if points:
            marker, size, colour, filled = LOOKS[name]
            style: dict[str, Any] = {
                "markerfacecolor": colour if filled else "none",
                "markeredgecolor": colour,
                "markeredgewidth": 1.3 if not filled else 1.0,
            }
            axes.plot(
                *zip(*points, strict=True),
                linestyle="none",
                marker=marker,
                markersize=size * scale,
                clip_on=False,
                zorder=3,
                **style,
            )


def course(search: Search) -> tuple[str, int]:
    """Objective of each trial in its turn, and the best so far, as SVG; and how many lie beyond the axis."""
    values = search.placed
    if not values:
        return "", 0
    trials = search.trials
    scale = Scale(list(values.values()), search.sign)

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        finished = [t for t in trials if t.finished]
        if search.records:
            numbers, values_so_far = zip(*search.records, strict=True)
            axes.step(
                numbers,
                [scale.place(value) for value in values_so_far],
                where="post",
                color=BLUE,
                linewidth=1.5,
                zorder=1,
            )
        for t in finished:
            if t.error is not None and scale.place(t.score) == t.objective:
                axes.errorbar(t.number, t.objective, t.error, color=MUTED, linewidth=1, zorder=2)
        worst = scale.ends[1]
        dots(
            axes,
            search,
            [(t, t.number, scale.place(values[t.number]) if t.number in values else worst) for t in trials],
        )
        scale.put(axes.set_ylim)
        axes.set_xlim(trials[0].number - 0.6, trials[-1].number + 0.6)
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("trial")
        axes.set_ylabel(search.unit)

    return draw_svg("course", 270, draw), scale.beyond


def curves(search: Search) -> str:
    """The nats of every trial over its steps; the first rounds, which are far off, run out of the picture."""
    trials = [t for t in search.trials if t.curve]
    if not trials:
        return ""
    ends = np.array([t.curve[-1][1] for t in trials])
    all_losses = np.array([value for t in trials for _, value in t.curve])
    top = max(np.quantile(ends, 0.9), np.quantile(all_losses, 0.9))
    low = all_losses.min()
    pad = 0.05 * (top - low) or 0.05 * abs(low) or 1.0

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for t in sorted(trials, key=lambda t: list(LOOKS)[::-1].index(look(search, t)), reverse=True):
            name = look(search, t)
            marker, size, colour, _ = LOOKS[name]
            main = name in ("best", "defaults")
            x, y = zip(*t.curve, strict=True)
            dash = (0, (4, 2)) if name == "defaults" else "solid"
            axes.plot(
                x,
                y,
                color=colour if main else MUTED,
                linewidth=2 if main else 1,
                alpha=1 if main else 0.55,
                linestyle=dash,
                zorder=2 + main,
            )
            if t.state != "finished" or main:
                filled = colour if LOOKS[name][3] else "none"
                axes.plot(
                    x[-1:],
                    y[-1:],
                    marker=marker,
                    markersize=size,
                    color=colour,
                    markerfacecolor=filled,
                    markeredgewidth=1.3,
                    zorder=4 + main,
                )
        axes.set_ylim(low - pad, top + pad)
        axes.set_xlim(left=0)
        axes.margins(x=0.03)
        axes.locator_params(axis="x", nbins=6)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel("training step")
        axes.set_ylabel(NATS)

    return draw_svg("curves", 270, draw)


def importance(result: Importance, names: dict[str, str]) -> str:
    """A bar for each setting; filled if its effect is more than chance."""
    if not result.shares:
        return ""
    keys = list(result.shares)

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for i, key in enumerate(keys):
            clear = key in result.clear
            style: dict[str, Any] = (
                {"color": BLUE, "linewidth": 0}
                if clear
                else {"facecolor": "none", "edgecolor": MUTED, "linewidth": 1.2, "linestyle": (0, (3, 2))}
            )
            axes.barh(i, result.shares[key], height=0.62, **style)
            at = (result.shares[key], i)
            axes.annotate(
                f"{100 * result.shares[key]:.0f} %",
                at,
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=10,
            )
        axes.set_yticks(range(len(keys)), [shorten(names[key]) for key in keys], parse_math=False)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.15 * max(result.shares.values()))
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)

    return draw_svg("importance", 16 + ROW * len(keys), draw)


def speed(search: Search) -> str:
    """Objective against rows/s, and the front of what no other trial beats in both."""
    placed = [(t, rate, t.score) for t in search.trials if t.finished and (rate := t.rows_per_second)]
    if len(placed) < 2:
        return ""
    scale = Scale([y for _, _, y in placed], search.sign)

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        front = [(t.rows_per_second, scale.place(t.score)) for t in search.front]
        if len(front) > 1:
            axes.plot(
                *zip(*sorted(front), strict=True), color=BLUE, linewidth=1.5, linestyle=(0, (4, 2)), zorder=1
            )
        if search.limit:
            axes.axvline(search.limit, color=MUTED, linewidth=1)
            axes.annotate(
                "limit",
                (search.limit, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, -3),
                textcoords="offset points",
                va="top",
                fontsize=10,
            )
        dots(axes, search, [(t, x, scale.place(y)) for t, x, y in placed])
        numbers = {t.number for t in search.front}
        for t, x, y in placed:
            if t.number in numbers:
                axes.annotate(
                    str(t.number),
                    (x, scale.place(y)),
                    xytext=(7, -11 * scale.sign),
                    textcoords="offset points",
                    fontsize=10,
                )
        scale.put(axes.set_ylim)
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(
            lambda value, _: f"{value / 1000:g}k" if value >= 10_000 else f"{value:,.0f}"
        )
        axes.set_xlabel("rows/s")
        axes.set_ylabel(search.unit)

    return draw_svg("speed", 270, draw)


def slices(search: Search, space: list[Axis]) -> list[tuple[str, str]]:
    """Nats against each setting: key and SVG."""
    values = search.projected
    trials = [t for t in search.trials if t.number in values]
    if len(trials) < 2:
        return []
    scale = Scale(list(values.values()))
    out = []
    for i, axis in enumerate(space):
        placed = [
            (t, x + aside(axis, t), scale.place(values[t.number]))
            for t in trials
            if (x := axis.place(t.params.get(axis.key))) is not None
        ]
        if placed:
            out.append(
                (
                    axis.key,
                    draw_svg(
                        f"slice-{i}",
                        170,
                        lambda figure, a=axis, p=placed: _slice(figure, search, scale, a, p),
                        300,
                    ),
                )
            )
    return out


def _slice(figure: "Figure", search: Search, scale: Scale, axis: Axis, placed: list) -> None:
    axes = figure.subplots()
    dots(axes, search, placed, 0.9)
    scale.put(axes.set_ylim)
    axes.locator_params(axis="y", nbins=4)
    span = axis.high - axis.low
    axes.set_xlim(axis.low - 0.05 * span - (not span), axis.high + 0.05 * span + (not span))
    if axis.levels:
        axes.set_xlim(axis.low, axis.high)
        crowded = len(axis.levels) > 4 or max(map(len, axis.texts)) * len(axis.levels) > 36
        axes.set_xticks(
            range(len(axis.levels)),
            map(shorten, axis.texts),
            rotation=30 if crowded else 0,
            ha="right" if crowded else "center",
            parse_math=False,
        )
    elif axis.log:
        axes.set_xticks(log_ticks(axis))
        axes.xaxis.set_major_formatter(lambda place, _: axis.text(place))
    else:
        axes.locator_params(axis="x", nbins=5)


def label(axes: "Axes", x: float, y: float, text: str) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=10,
        color=INK,
        parse_math=False,
    )


def aside(axis: Axis, t: Trial) -> float:
    """Trials of one level lie beside each other; always at the same place."""
    return 0.5 * (t.number * 0.618034 % 1 - 0.5) if axis.levels else 0.0


def log_ticks(axis: Axis) -> list[float]:
    """Places of 1, 2 and 5 times powers of ten within the axis; its ends if there are fewer than two."""
    decades = range(int(np.floor(axis.low)), int(np.ceil(axis.high)) + 1)
    ticks = [
        p
        for d in decades
        for m in (1, 2, 5)
        if axis.low - 1e-9 <= (p := d + float(np.log10(m))) <= axis.high + 1e-9
    ]
    if len(ticks) > 5:
        ticks = [p for p in ticks if abs(p - round(p)) < 1e-9]
    return ticks if len(ticks) > 1 else [axis.low, axis.high]
