"""Hive partitions: which folders the categories of some columns make, and which rows of a table lie in
each."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from raygen.codec.categories import CategoryBlock
from raygen.codec.codec import Codec
from raygen.errors import ConfigError, did_you_mean
from raygen.generation.run_records import MOST_PARTITIONS
from raygen.table import arrow

MAX_NAME_BYTES = 255  # of a folder, on most filesystems
NULL = "__HIVE_DEFAULT_PARTITION__"  # that Arrow writes for a missing value
SETTING = "generate.partition_by"


@dataclass(frozen=True)
class Partitions:
    """Columns to cut a table by.

    Attributes:
        columns: In the order of the folders.
        levels: For each column, the text of every value that the model knows, None for a missing one.
    """

    columns: tuple[str, ...] = ()
    levels: tuple[tuple[str | None, ...], ...] = ()

    @classmethod
    def of(cls, codec: Codec, columns: list[str]) -> "Partitions":
        """The partitions that `generate.partition_by` asks for.

        Raises:
            ConfigError: If a column is not there, has no categories, or they make too many files or
                impossible folders.
        """
        output, levels = codec.schema.output.names, list[tuple[str | None, ...]]()
        for i, column in enumerate(columns):
            if column not in output:
                raise ConfigError(
                    f"{SETTING}: the model writes no column '{column}'.", did_you_mean(column, output)
                )
            if column in codec.reduction.computed or column in codec.reduction.tied:
                raise ConfigError(
                    f"{SETTING}: a relation gives the values of column '{column}'.",
                    "name a column that it is given by.",
                )
            block = codec.blocks.get(column) if column in codec.schema.learned else None
            if not isinstance(block, CategoryBlock):
                kind = codec.schema.kinds[column]
                raise ConfigError(
                    f"{SETTING}: column '{column}' is of kind {kind}.",
                    "name a categorical or boolean column.",
                )
            if column in columns[:i]:
                raise ConfigError(f"{SETTING} names column '{column}' twice.", "name it once.")
            if column.startswith(("_", ".")):  # readers leave such folders out
                raise ConfigError(
                    f"{SETTING}: the name of column '{column}' begins with '{column[0]}': it hides folders.",
                    "name another column.",
                )
            if set(column) & set("=/%\\?#") or not column.isprintable():
                raise ConfigError(
                    f"{SETTING}: the name of column '{column}' cannot be that of a folder.",
                    "name another column.",
                )
            levels.append(_levels(block, codec.schema.output.field(column).type))
        if columns and len(columns) == len(output):
            raise ConfigError(f"{SETTING} = {columns} leaves no column for the files.", "name fewer columns.")
        found = cls(tuple(columns), tuple(levels))
        if found.num_files > MOST_PARTITIONS:
            counts = " x ".join(
                f"{len(known)} of {column}" for column, known in zip(columns, levels, strict=True)
            )
            message = (
                f"{SETTING}: {counts} categories make {found.num_files:,} files of each shard; "
                f"at most {MOST_PARTITIONS:,} are allowed."
            )
            raise ConfigError(message, "name a column of fewer categories.")
        for column, known, names in zip(columns, levels, found._names, strict=True):
            if NULL in known:
                raise ConfigError(
                    f"{SETTING}: '{NULL}' is a category of column '{column}', and the name of a missing one.",
                    "name another column.",
                )
            if cut := next((level for level in known if level and "\0" in level), None):
                message = f"{SETTING}: category {cut!r} of column '{column}' has a NUL, which ends names."
                raise ConfigError(message, "name another column, or take the NUL out of the table.")
            seen = dict[str, str | None]()
            for level, name in zip(known, names, strict=True):
                if name.lower() in seen:  # many disks tell no case apart
                    message = (
                        f"{SETTING}: categories '{seen[name.lower()]}' and '{level}' of column "
                        f"'{column}' are one folder where case does not count."
                    )
                    raise ConfigError(message, "name another column, or spell them alike in the table.")
                seen[name.lower()] = level
        for name in itertools.chain(*(folder.split("/") for folder in found.folders)):
            if name.endswith("=") or len(name) > MAX_NAME_BYTES:
                why = (
                    "is empty, which reads back as missing"
                    if name.endswith("=")
                    else f"makes a folder's name of {len(name)} bytes"
                )
                raise ConfigError(
                    f"{SETTING}: a category of column '{name.partition('=')[0]}' {why}.",
                    "name another column.",
                )
        return found

    @property
    def num_files(self) -> int:
        return math.prod(map(len, self.levels))

    @property
    def folders(self) -> tuple[str, ...]:
        """Folder of each combination of categories, as Arrow spells it: "income=%3E50K"; ("",) without
        columns."""
        if not self.columns:
            return ("",)
        return tuple(map("/".join, itertools.product(*self._names)))

    @property
    def _names(self) -> list[list[str]]:
        """Folder of each category of each column."""
        hive = pads.partitioning(pa.schema([(column, pa.string()) for column in self.columns]), flavor="hive")
        return [
            [_named(hive, column, level) for level in levels]
            for column, levels in zip(self.columns, self.levels, strict=True)
        ]

    def split(self, table: pa.Table) -> list[pa.Table]:
        """The rows of each folder, in their order, without the columns that the folder tells."""
        number = np.zeros(table.num_rows, np.int64)
        for column, levels in zip(self.columns, self.levels, strict=True):
            own = pc.index_in(arrow.strings(table[column]), pa.array(levels, pa.large_string()))
            number = number * len(levels) + own.to_numpy(zero_copy_only=False)
        counts = np.bincount(number, minlength=self.num_files)
        ordered = (
            table.drop_columns(list(self.columns))
            .unify_dictionaries()
            .take(np.argsort(number, kind="stable"))
        )
        return [
            ordered.slice(last - count, count)
            for last, count in zip(np.cumsum(counts).tolist(), counts.tolist(), strict=True)
        ]


def _levels(block: CategoryBlock, kind: pa.DataType) -> tuple[str | None, ...]:
    texts = (
        arrow.strings(arrow.from_strings(pa.array(block.members, pa.string()), kind)).to_pylist()
        if block.members
        else []
    )
    return (*sorted(texts), *([None] if block.missing or not texts else []))


def _named(hive: pads.Partitioning, column: str, level: str | None) -> str:
    field = pc.field(column)
    return hive.format(field.is_null() if level is None else field == level)[0].strip("/")
