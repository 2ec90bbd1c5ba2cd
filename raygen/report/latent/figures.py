"""The figures of the latent page."""

from typing import TYPE_CHECKING

import numpy as np

from raygen.report.latent.record import Dimension, Picture
from raygen.report.svg import BLUE, INK, MUTED, ORANGE, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 20  # dimensions, at most, whose names stand on the axis
BARS = 64  # dimensions, at most, that get a bar and a dot each; above, outlines
SMALLEST = 1e-6  # on the axis of variances
DENSITY = (0.16, 0.47, 0.86)  # of pictures, from transparent to this: seen on white and on near black


def dimensions(rows: list[Dimension]) -> str:
    """KL, variance of z_mean and mean posterior variance of each dimension, strongest first, as SVG; `` if
    there is nothing to draw."""
    named = [(d.kl, f"z{i}", d) for i, d in enumerate(rows) if d.kl is not None]
    if not named:
        return ""
    named = sorted(named, key=lambda entry: -entry[0])
    rows, names = [d for *_, d in named], [name for _, name, _ in named]
    active = np.array([d.active for d in rows])
    kl = np.array([d.kl for d in rows], float)
    mean_variance = np.array([d.mean_variance for d in rows], float)  # nan for None
    posterior_variance = np.array([d.posterior_variance for d in rows], float)

    def draw(figure: "Figure") -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 5])
        x = np.arange(1, len(rows) + 1)
        for part, colour, label in ((active, BLUE, "active"), (~active, MUTED, "not active")):
            if part.any():
                _bars(above, x, np.where(part, kl, 0.0), colour, label)
        above.set_ylabel("KL (nats)")
        above.margins(y=0.12)
        if not active.all():
            above.legend(loc="upper right")
        below.axhline(1.0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for variance, marker, colour, label in (
            (mean_variance, "o", BLUE, "variance of z_mean"),
            (posterior_variance, "D", ORANGE, "mean posterior variance"),
        ):
            _dots(below, x, np.maximum(variance, SMALLEST), marker, colour, label)
        below.set_yscale("log")
        low, high = below.get_ylim()
        below.set_ylim(min(0.7 * low, 0.05), max(high, 2.0))
        below.set_ylabel("variance of z")
        below.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        below.yaxis.set_minor_formatter(lambda value, _: "")
        below.set_xlabel("dimension of z, strongest first")
        below.set_xlim(0.4, len(rows) + 0.6)
        if len(rows) <= NAMED:
            below.set_xticks(x, names, fontsize=11 if len(rows) <= 12 else 9)
        else:
            below.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=2)

    return draw_svg("dimensions", 310, draw)


def picture(name: str, record: Picture) -> str:
    """Two densities side by side in the two directions of a sampler's picture, as SVG; `` if the counts
    cannot be drawn.

    Args:
        name: Of the sampler.
        record: Its picture.
    """
    try:
        counts = [np.nan_to_num(np.array(c, float)) for c in (record.posterior, record.sampler)]
        extent = np.array(record.range, float).ravel().tolist()
    except ValueError:  # rows of different lengths
        return ""
    if any(c.ndim != 2 or c.sum() <= 0 or c.min() < 0 for c in counts):
        return ""
    if len(extent) != 4 or not np.isfinite(extent).all() or extent[0] >= extent[1] or extent[2] >= extent[3]:
        return ""
    density = [_smooth(c / c.sum()) for c in counts]
    most = density[0].max()

    def draw(figure: "Figure") -> None:
        truth = density[0]
        x, y = (
            np.linspace(lo, hi, n * 2 + 1)[1::2]
            for lo, hi, n in zip(extent[::2], extent[1::2], truth.shape, strict=True)
        )
        for axes, values, label in zip(
            figure.subplots(1, 2, sharey=True), density, ("q(z), held-out rows", name), strict=True
        ):
            image = np.empty((*values.T.shape, 4))
            image[..., :3], image[..., 3] = DENSITY, np.sqrt(np.clip(values.T / most, 0.0, 1.0))
            axes.imshow(image, origin="lower", extent=extent, aspect="auto", interpolation="none")
            level = _level(truth, 0.8)
            if truth.min() < level < truth.max():
                axes.contour(x, y, truth.T, levels=[level], colors=[INK], linewidths=1, linestyles="solid")
            axes.set_title(label, parse_math=False)
            axes.set_xlabel("direction 1")
            axes.locator_params(nbins=4)
        figure.axes[0].set_ylabel("direction 2")

    return draw_svg(f"picture-{name}", 230, draw)


def _bars(axes: "Axes", x: np.ndarray, heights: np.ndarray, colour: str, label: str) -> None:
    if len(x) <= BARS:
        axes.bar(x, heights, width=0.8, color=colour, label=label)
    else:
        axes.stairs(heights, np.append(x - 0.5, x[-1] + 0.5), fill=True, color=colour, label=label)


def _dots(axes: "Axes", x: np.ndarray, heights: np.ndarray, marker: str, colour: str, label: str) -> None:
    if len(x) <= BARS:
        size = min(6, 260 / len(x))
        axes.plot(x, heights, linestyle="none", marker=marker, markersize=size, color=colour, label=label)
    else:
        edges = np.append(x - 0.5, x[-1] + 0.5)
        axes.stairs(heights, edges, baseline=None, color=colour, linewidth=1.2, label=label)


def _smooth(values: np.ndarray) -> np.ndarray:
    """Counts of a few thousand rows in 40 x 40 cells are grainy: a binomial filter over 5 x 5 cells."""
    from scipy.ndimage import convolve1d

    weights = np.array([1, 4, 6, 4, 1]) / 16
    return convolve1d(convolve1d(values, weights, axis=0, mode="constant"), weights, axis=1, mode="constant")


def _level(density: np.ndarray, share: float) -> float:
    """The density above which a share of all rows lies."""
    falling = np.sort(density.ravel())[::-1]
    return float(falling[min(np.searchsorted(np.cumsum(falling), share * falling.sum()), len(falling) - 1)])
