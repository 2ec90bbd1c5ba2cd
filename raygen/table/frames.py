"""Rows in memory, of pandas or Arrow, as Arrow tables, and back."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raygen.errors import SchemaError

if TYPE_CHECKING:
    import pandas as pd

ROWS = "a DataFrame, a pyarrow.Table, or a path or URI"
KINDS = "a DataFrame, a pyarrow.Table, a ray.data.Dataset, or a path or URI"


def is_frame(data: object) -> bool:
    """Whether it is a pandas DataFrame; pandas need not be imported for what is not."""
    kind = type(data)
    return kind.__name__ == "DataFrame" and kind.__module__.split(".")[0] == "pandas"


def is_path(data: object) -> bool:
    """Whether it names a table's files."""
    return isinstance(data, str) or hasattr(data, "__fspath__")


def to_table(data: Any, kinds: str = KINDS, columns: Collection[str] = ()) -> pa.Table:
    """An Arrow table of a DataFrame, whose index is left out, or of whatever Arrow takes for a table.

    Args:
        data: The rows.
        kinds: What may be given.
        columns: That the rows may have; an index of such a name is no index.

    Raises:
        SchemaError: If it is none.
    """
    try:
        if is_frame(data):
            _check_frame(data, columns)
            return pa.Table.from_pandas(data, preserve_index=False)
        if hasattr(data, "__arrow_c_stream__") and not hasattr(data, "to_frame"):  # which a single column has
            return pa.table(data)
    except SchemaError:
        raise
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        hint = "give each column values of one type, such as df[name].astype(str)."
        raise SchemaError(f"the rows cannot be read as a table: {reason}.", hint) from None
    kind = f"{type(data).__module__}.{type(data).__qualname__}".removeprefix("builtins.")
    raise SchemaError(
        f"data is a {kind}: expected {kinds}.", "make a DataFrame of it: pandas.DataFrame(data)."
    )


def _check_frame(frame: "pd.DataFrame", columns: Collection[str]) -> None:
    """Refuse a frame that loses rows, or a column, with its index, and one with two columns of a name."""
    if len(frame) and not len(frame.columns):
        raise SchemaError(f"the frame has {len(frame):,} rows and no column.", "give it a column.")
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise SchemaError(f"the frame has more than one column '{twice}'.", "rename one of them.")
    for name in frame.index.names:
        if name in columns and name not in frame.columns:
            message = f"the frame's index, which is left out, is named '{name}' as a column of the model is."
            raise SchemaError(message, "make it a column: frame.reset_index().")


def to_frame(
    table: pa.Table, source: pa.Schema, given: "pd.DataFrame | None" = None, each: int = 1
) -> "pd.DataFrame":
    """The table as pandas has it, in the types that it noted of the source, if it did; unless a column is its
    index, with that of a frame of whose rows it has `each` so many."""
    frame = table.replace_schema_metadata(source.metadata).to_pandas()
    if given is not None and list(frame.index.names) == [None]:
        frame.index = given.index.repeat(each)
    return frame
