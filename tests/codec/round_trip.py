"""A codec of a table, and the table by its codes and back."""

import numpy as np
import pyarrow as pa

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.table.schema import Schema, infer


def block_in(state: dict, column: str, role: str = "value") -> dict:
    """The block of a part in the state of a codec."""
    (found,) = (one for one in state["blocks"] if (one["column"], one["role"]) == (column, role))
    return found


def fitted(table: pa.Table, kinds=None, bars=128, max_categories=256) -> Codec:
    schema = Schema.of(table.schema, kinds or infer(table)[0], "here")
    return Codec.fit(schema, parts.observe(schema, table), bars, max_categories)


def there_and_back(built: Codec, table: pa.Table) -> pa.Table:
    codes, offsets = built.encode(table)
    positions = np.full(codes.shape, 0.5)
    positions[:, : built.num_offsets] = (offsets + 0.5) / 256
    back = built.decode(codes, positions)
    back.validate(full=True)
    return back
