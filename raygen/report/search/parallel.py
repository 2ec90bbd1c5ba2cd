"""All settings of a search side by side: parallel coordinates."""

from typing import TYPE_CHECKING, Any

import numpy as np

from raygen.report.evaluation.figures import shorten
from raygen.report.search.figures import Scale, aside, label, look
from raygen.report.search.trials import NATS, Axis, Search, Trial
from raygen.report.svg import BLUE, GREEN, INK, MUTED, draw_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AXES = 10  # settings, at most, in parallel coordinates


def parallel(search: Search, space: list[Axis]) -> str:
    """A line for each trial through its settings to its nats; the best last, on top."""
    values = search.projected
    trials = [t for t in search.trials if t.number in values]
    space = space[:AXES]
    if len(trials) < 2 or len(space) < 2:
        return ""
    scale = Scale(list(values.values()))
    worse, better = scale.ends[::-1]
    good = scale.sign * np.quantile([scale.sign * v for v in values.values()], 0.25)

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for t in sorted(
            trials,
            key=lambda t: (t is search.best, look(search, t) == "defaults", -scale.sign * values[t.number]),
        ):
            heights = [_height(a, t) for a in space]
            end = (scale.place(values[t.number]) - worse) / (better - worse)
            axes.plot(
                [*heights, end], **_stroke(search, t, scale.sign * values[t.number] <= scale.sign * good)
            )
        for i, a in enumerate(space):
            axes.axvline(i, color=MUTED, linewidth=1, zorder=0)
            ticks: list[tuple[float, str]] = list(enumerate(a.texts)) or [
                (place, a.text(place)) for place in (a.low, (a.low + a.high) / 2, a.high)
            ]
            for place, text in ticks:
                label(axes, i, a.share(place), shorten(text))
        axes.axvline(len(space), color=INK, linewidth=1.4, zorder=0)
        for share in (0, 0.5, 1):
            label(axes, len(space), share, f"{worse + share * (better - worse):.4g}")
        labels = [*(shorten(search.settings[a.key]) for a in space), NATS]
        turned: dict[str, Any] = {"rotation": 20, "ha": "right"} if len(labels) > 6 else {}
        axes.set_xticks(range(len(labels)), labels, parse_math=False, **turned)
        axes.tick_params(length=0)
        axes.set_yticks([])
        axes.set_ylim(-0.05, 1.05)
        axes.set_xlim(-0.15, len(space) + 0.45)
        for spine in axes.spines.values():
            spine.set_visible(False)

    return draw_svg("parallel", 330, draw, 800)


def _stroke(search: Search, t: Trial, good: bool) -> dict:
    """How the line of a trial is drawn."""
    name = look(search, t)
    if name == "best":
        return {"color": BLUE, "linewidth": 2.6}
    dashes = (0, (2, 2)) if t.state != "finished" else (0, (6, 2)) if name == "defaults" else "solid"
    if name == "defaults":
        return {"color": GREEN, "linewidth": 1.8, "linestyle": dashes}
    return {
        "color": INK if good else MUTED,
        "linewidth": 1.1,
        "linestyle": dashes,
        "alpha": 0.7 if good else 0.45,
    }


def _height(axis: Axis, t: Trial) -> float:
    place = axis.place(t.params.get(axis.key))
    return np.nan if place is None else axis.share(place + 0.25 * aside(axis, t))
