"""What the config says of values of few rows, held against the table; and what it took from the table."""

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from raygen.codec.bins import NumericBlock
from raygen.codec.block import Block
from raygen.codec.categories import CategoryBlock
from raygen.codec.codec import Codec
from raygen.codec.support import is_text
from raygen.config import Config
from raygen.errors import ConfigError, SchemaError, did_you_mean, listed
from raygen.report.redrawn import Say
from raygen.table import arrow
from raygen.table.part import Part
from raygen.table.protection import MADE_UP, Protection
from raygen.table.schema import Schema
from raygen.table.stats import CategoryStats, NumericStats, Stats

if TYPE_CHECKING:
    from ray.data import Dataset

FEW_LEVELS = 32  # of a number


def protection_of(config: Config, schema: Schema) -> Protection:
    """The config's protection of the columns of a table.

    Raises:
        SchemaError: If the table has no such column.
        ConfigError: If a setting does not go with a column, or with another setting.
    """
    p = config.privacy
    named = {"columns": p.columns, "public": p.public, "rare": p.rare, "unit": [p.unit] if p.unit else []}
    for setting, names in named.items():
        for name in names:
            if name not in schema.kinds:
                message = f"privacy.{setting}: source '{config.data.source}' has no column '{name}'."
                raise SchemaError(message, did_you_mean(name, schema.kinds))
    for name in p.public:
        if p.columns.get(name, 1) > 1:
            message = f"privacy.columns.{name} = {p.columns[name]}: privacy.public names column '{name}' too."
            raise ConfigError(message, "keep one of the two.")
    for name, rare in p.rare.items():
        _check_rare(name, rare, schema)
    return Protection(p.min_rows, p.of_columns, dict(p.rare))


def _check_rare(name: str, rare: str, schema: Schema) -> None:
    kind, field = schema.kinds[name], schema.arrow.field(name)
    start = f'privacy.rare.{name} = "{rare}"'
    if kind not in ("categorical", "boolean"):
        message = (
            f"{start}: column '{name}' is of kind {kind}; only categories are merged, starred or missing."
        )
        raise ConfigError(message, "leave it out: rare numbers and moments count to the nearest others.")
    if rare == "star" and not is_text(schema, name):
        message = f"{start}: column '{name}' is of type {field.type}, which does not hold '{MADE_UP}'."
        raise ConfigError(message, 'set it to "merge" or "missing".')
    if rare == "missing" and not field.nullable:
        raise ConfigError(f"{start}: column '{name}' must not be missing.", 'set it to "merge".')


def of_people(protection: Protection, dataset: "Dataset", unit: str, say: Say) -> Protection:
    """A protection of rows as one of the people, or others, whose they are; a row without a `unit` counts as
    of one of its own.

    Args:
        dataset: The table, a Ray Dataset of Arrow blocks.
    """

    def count(block: pa.Table) -> pa.Table:
        counted = pc.value_counts(arrow.strings(block[unit]).drop_null())
        return pa.table({"unit": counted.field("values"), "rows": counted.field("counts")})

    rows: Counter[str] = Counter()
    for found in dataset.map_batches(count, batch_format="pyarrow", batch_size=None).iter_batches(
        batch_format="pyarrow", batch_size=None
    ):
        rows.update(dict(zip(found["unit"].to_pylist(), found["rows"].to_pylist(), strict=True)))
    most = max(rows.values(), default=1)
    by_row = protection.of_units(most)
    say(
        f"privacy.unit = '{unit}': {len(rows):,} of them have {most:,} rows at most, so that "
        f"{by_row.min_rows:,} rows stand for {protection.min_rows} of them."
    )
    return by_row


def losses(built: Codec, stats: dict[Part, Stats]) -> list[str]:
    """A sentence on each column that lost values of too few rows, from the statistics of what is learned."""
    found = [_of_column(part, block, stats[part]) for part, block in built.blocks.items() if part in stats]
    return [sentence for sentence in [*found, _of_numbers(built, stats)] if sentence]


def _of_numbers(built: Codec, stats: dict[Part, Stats]) -> str:
    """How much is left of the numbers of a small table."""
    left = {}
    for part, block in built.blocks.items():
        own = stats.get(part)
        if isinstance(block, NumericBlock) and isinstance(own, NumericStats) and block.min_rows > 1:
            small = own.num_usual < FEW_LEVELS * block.min_rows
            if small and len(own.values) > len(block.grid) > 0:
                left[part.column] = len(block.grid)
    if not left:
        return ""
    names, most = listed([f"'{name}'" for name in left], 5), max(left.values())
    rows = max(own.num_rows for own in stats.values())
    values = f"{most} value{'s' * (most > 1)} or ranges"
    return f"of {rows:,} rows, numbers and moments keep at most {values}: {names}."


def _of_column(part: Part, block: Block, stats: Stats) -> str:
    name, least = part.column, block.min_rows
    if least == 1 or part.role != "value":
        return ""
    start = f"column '{name}': "
    if isinstance(block, CategoryBlock) and isinstance(stats, CategoryStats):
        counts = [count for _, count in stats.frequencies()]
        rare = [count for count in counts if count < least]
        share = f"{100 * sum(rare) / max(1, stats.num_rows):.3g} % of the rows"
        if rare and not block.members:
            return f"{start}no category has {least} rows; all of its values are missing."
        if rare:
            many = "all" if len(rare) == len(counts) else f"{len(rare):,} of"
            where = {"merge": "are merged into the others", "missing": "are missing"}
            where["star"] = f"are '{MADE_UP}'"
            return (
                f"{start}{many} {len(counts):,} categories have fewer than {least} rows and "
                f"{where[block.rare]}, {share}."
            )
    elif block.missing == 1 > stats.num_missing / max(1, stats.num_rows):
        return f"{start}fewer than {least} rows have a value; all are missing."
    if 0 < stats.num_missing < least and not block.missing:
        return (
            f"{start}{stats.num_missing} rows have no value, fewer than {least}; a frequent one stands there."
        )
    return ""


def levels_given(schema: Schema, table: pa.Table, touched: set[str]) -> dict[Part, Stats]:
    """Statistics of the columns of dictionaries that do not follow from codes of their own, whole as they
    are."""
    names = [name for name in schema.levels if name in touched and name in table.column_names]
    names = [name for name in names if schema.kinds[name] in ("categorical", "boolean")]
    return {Part(name): CategoryStats.observe(arrow.strings(table[name])) for name in names}
