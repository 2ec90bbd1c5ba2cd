"""Figures, lists and durations as text."""

import math


def number(value: object) -> float | None:
    """A finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def whole(value: float | None) -> str:
    """`29,305`, or `?`."""
    return "?" if number(value) is None else f"{value:,.0f}"


def show(value: float | None, sign: str = "") -> str:
    """A figure in nats with as many decimals as it deserves; `` if there is none."""
    figure = number(value)
    if figure is None:
        return ""
    decimals = 3 if abs(figure) < 10 else 2 if abs(figure) < 1000 else 0
    figure = round(figure, decimals) + 0.0  # no -0.000
    return f"{figure:{sign},.{decimals}f}"


def pair(value: float | None, error: float | None, sign: str = "") -> str:
    """`1.204 +- 0.013`, both with the decimals of the first."""
    text, spread = show(value, sign), number(error)
    return text + (f" +- {spread:,.{len(text.partition('.')[2])}f}" if text and spread is not None else "")


def listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""


def value_text(value: object) -> str:
    """A setting's value as short as it can be told: `0.00421`, `[256, 256]`, `true`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(value_text, value)) + "]"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3.4 h, 2.1 days."""
    for size, name in ((86_400 * 2, "days"), (7_200, "h"), (120, "min")):
        if seconds >= size:
            value = seconds / {"days": 86_400, "h": 3_600, "min": 60}[name]
            return f"{value:,.0f} {name}" if value >= 10 else f"{value:.1f} {name}"
    return f"{seconds:,.0f} s"
