"""Whole numbers, all distinct, that name rows and count nothing."""

from raygen.table.stats import NumericStats

DENSE = 1.5  # room for each of the row numbers
EQUAL_PAIRS = 20.0  # in numbers drawn at random; then exp(-20) is the chance of none
YEARS = 1500, 2200
ODD = 0.002  # of distinct numbers, at either end
MANY = 10**7  # the least number of eight digits


def are_keys(stats: NumericStats) -> bool:
    """Whether distinct whole numbers are row numbers or keys: they begin at 0 or 1 without large gaps, or
    there are so many that no two of them being equal is no chance; years are neither. A few that lie far from
    all others do not count."""
    values = stats.distribution()[0]
    few = int(ODD * len(values)) + (stats.sketch is None)
    rows = stats.num_usual * (1 - 2 * few / len(values))
    room = float(values[-1 - few] - values[few]) + 1
    if stats.minimum in (0, 1) and room < DENSE * rows:
        return True
    if stats.minimum >= YEARS[0] and stats.maximum <= YEARS[1]:
        return False
    return rows * (rows - 1) / (2 * room) > EQUAL_PAIRS


def one_width(stats: NumericStats) -> int:
    """How many digits all numbers have, if they are many and all that so many digits can say: accounts are
    written so, amounts hardly; else 0."""
    digits = len(f"{stats.minimum:.0f}")
    unit, (low, high) = 10 ** (digits - 1), (stats.minimum, stats.maximum)
    return digits if unit >= MANY and unit <= low < 2 * unit and 8 * unit < high < 10 * unit else 0
