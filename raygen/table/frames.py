"""Rows in memory, of pandas or Arrow, as Arrow tables, and back."""

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


def to_table(data: Any, kinds: str = KINDS) -> pa.Table:
    """An Arrow table of a DataFrame, whose index is left out, or of whatever Arrow takes for a table.

    Raises:
        SchemaError: If it is none; `kinds` says what may be given.
    """
    try:
        if is_frame(data):
            return pa.Table.from_pandas(data, preserve_index=False)
        if hasattr(data, "__arrow_c_stream__"):
            return pa.table(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        hint = "give each column values of one type, such as df[name].astype(str)."
        raise SchemaError(f"the rows cannot be read as a table: {reason}.", hint) from None
    raise SchemaError(
        f"data is a {type(data).__module__}.{type(data).__qualname__}: expected {kinds}.",
        "make a DataFrame of it: pandas.DataFrame(data).",
    )


def to_frame(table: pa.Table, source: pa.Schema) -> "pd.DataFrame":
    """The table as pandas has it, in the types that it noted of the source, if it did."""
    return table.replace_schema_metadata(source.metadata).to_pandas()
