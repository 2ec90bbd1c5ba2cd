"""A table through source, kinds and codec and back, and what its values must keep to."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.table.schema import Schema, infer
from raygen.table.source import Source


def made(uri, rng) -> tuple[pa.Table, pa.Table, dict[str, str]]:
    """The rows of a table, as many rows of its codec in which all codes are as frequent, and the kinds."""
    source = Source.open(str(uri))
    table = source.head()
    kinds, _ = infer(table, source.doubts)
    schema = Schema.of(source.schema, kinds, str(uri), source.levels())
    built = Codec.fit(schema, parts.observe(schema, table), 128, 256)
    codes, _ = built.encode(table)
    shuffled = np.stack([rng.permutation(column) for column in codes.T], axis=1).astype(np.int64)
    out = built.decode(shuffled, rng.random(codes.shape))
    out.validate(full=True)
    assert out.schema.equals(schema.output, check_metadata=True)
    return table, out, kinds


def parquet(path, table) -> str:
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path / "t.parquet")
    return str(path / "t.parquet")


def within(out: pa.Table, table: pa.Table) -> None:
    """No value of a column beyond those of the table, and as many missing."""
    for name in out.column_names:
        (low, high), (lowest, highest) = ends(out[name]), ends(table[name])
        assert lowest <= low and high <= highest, name
        assert out[name].null_count == table[name].null_count, name


def ends(column: pa.ChunkedArray) -> tuple:
    """The lowest and the highest value."""
    whole = column.cast(pa.int64()) if pa.types.is_duration(column.type) else column
    found = pc.min_max(whole)
    return found["min"].as_py(), found["max"].as_py()


def days(values) -> pa.Array:
    return pa.array(np.asarray(values).astype(np.int32), pa.date32())
