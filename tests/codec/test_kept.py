"""A small codec that is kept beside this file, and codes of it, decode to the values that are kept with them:
whoever changes what codes mean changes what the models of users make, and must say so in the changelog.

`python -m tests.codec.test_kept` writes them anew.
"""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.table.schema import Schema, infer

KEPT = Path(__file__).with_name("kept.json")
ROWS, KEPT_ROWS, BARS = 600, 40, 8


def table() -> pa.Table:
    stream = np.random.default_rng(0)
    days = [date(2024, 1, 1) + timedelta(int(n)) for n in stream.integers(0, 300, ROWS) // 7 * 7]
    moments = [
        datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=int(n)) for n in stream.integers(0, 9e6, ROWS)
    ]
    missing = stream.random(ROWS) < 0.1
    return pa.table(
        {
            "whole": stream.integers(-50, 50, ROWS),
            "grid": np.round(stream.gamma(2.0, 10.0, ROWS) * 4) / 4,
            "often zero": np.where(stream.random(ROWS) < 0.4, 0.0, stream.lognormal(2, 1, ROWS)),
            "price": pa.array(
                [Decimal(int(n)) / 100 for n in stream.integers(100, 9999, ROWS)], pa.decimal128(8, 2)
            ),
            "float": pa.array(stream.normal(size=ROWS).astype(np.float32), mask=missing),
            "letter": pa.array(np.array(["a", "b", "é", "∞"])[stream.integers(0, 4, ROWS)], mask=missing),
            "level": pa.array(np.array(["low", "high"])[stream.integers(0, 2, ROWS)]).dictionary_encode(),
            "yes": pa.array(stream.random(ROWS) < 0.3, mask=missing),
            "day": pa.array(days, pa.date32()),
            "moment": pa.array(moments, pa.timestamp("ms", "Europe/Paris")),
        }
    )


def made(numeric: str) -> dict:
    rows = table()
    schema = Schema.of(rows.schema, infer(rows)[0], "kept")
    codec = Codec.fit(schema, parts.observe(schema, rows), BARS, 16, numeric=numeric)
    codes, _ = codec.encode(rows.slice(0, KEPT_ROWS))
    positions = np.random.default_rng(1).random(codes.shape).round(4)
    state = {"schema": schema.to_dict(), "codec": codec.to_dict()}
    state |= {"codes": codes.tolist(), "positions": positions.tolist()}
    return json.loads(json.dumps(state | {"rows": values(codec.decode(codes, positions))}))


def values(rows: pa.Table) -> dict[str, list]:
    """Of each column, numbers as they are and all else as text."""
    numbers = (int, float, bool, type(None))
    return {
        name: [one if isinstance(one, numbers) else str(one) for one in rows[name].to_pylist()]
        for name in rows.column_names
    }


@pytest.mark.parametrize("numeric", ["bars", "gaussian"])
def test_kept_codes_decode_to_the_values_kept(numeric):
    kept = json.loads(KEPT.read_text(encoding="utf-8"))[numeric]
    codec = Codec.from_dict(Schema.from_dict(kept["schema"]), kept["codec"])
    assert codec.to_dict() == kept["codec"]
    found = codec.decode(np.array(kept["codes"]), np.array(kept["positions"]))
    assert values(found) == kept["rows"]
    assert len(kept["rows"]) == 10 and all(len(set(map(str, column))) > 1 for column in kept["rows"].values())


if __name__ == "__main__":
    state = {numeric: made(numeric) for numeric in ("bars", "gaussian")}
    KEPT.write_text(json.dumps(state, ensure_ascii=False) + "\n", encoding="utf-8")
