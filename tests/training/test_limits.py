"""More codes for a single column: schema.limits."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.commands.init import init
from raygen.config import Config
from raygen.errors import ConfigError, SchemaError
from raygen.table.part import Part
from raygen.table.schema import Schema
from raygen.training import encoding

WORDS = [f"w{i}" for i in range(40)]
TABLE = pa.table({"a": WORDS * 3, "b": WORDS * 3, "x": np.arange(120) / 7})
KINDS = {"a": "categorical", "b": "categorical", "x": "numeric"}


def test_a_column_has_a_limit_of_its_own():
    schema = Schema.of(TABLE.schema, KINDS, "here")
    stats = parts.observe(schema, TABLE)
    built = Codec.fit(schema, stats, 16, 16, limits={"b": 64})
    assert built.blocks[Part("a")].num_codes == 16 and built.blocks[Part("b")].num_codes == 40
    (note,) = encoding.grouped(built)
    assert note.startswith("column 'a' has 40 categories; all but the 8 most frequent share 8 codes")
    assert "set schema.limits.a for this column alone" in note


def test_limits_are_settings(tmp_path):
    config = Config().override({"schema.limits.a": 600, "schema.limits": {"b": 8}})
    assert config.schema_.limits == {"b": 8}
    (tmp_path / "c.toml").write_text("[schema]\nlimits = { a = 600 }\n")
    assert Config.load(str(tmp_path / "c.toml"), ["schema.limits.b c=9"]).schema_.limits == {
        "a": 600,
        "b c": 9,
    }
    with pytest.raises(ConfigError, match=r"schema\.limits\.a = 7: expected"):
        Config().override({"schema.limits.a": 7})


def test_a_limit_of_no_column_is_refused(tmp_path):
    pq.write_table(TABLE, tmp_path / "t.parquet")
    config = Config().override({"data.source": str(tmp_path / "t.parquet"), "schema.limits.aa": 600})
    with pytest.raises(SchemaError) as caught:
        encoding.describe(config)
    assert "schema.limits.aa: source" in caught.value.message and "did you mean 'a'?" in caught.value.hint


def test_init_tells_of_columns_with_many_categories(tmp_path):
    pq.write_table(pa.table({"a": [f"w{i % 300}" for i in range(900)]}), tmp_path / "t.parquet")
    lines = []
    path = init(str(tmp_path / "t.parquet"), str(tmp_path / "c.toml"), say=lines.append)
    assert "300 categories, of which the rare ones share codes" in lines[0]
    assert "more than 256 with schema.limits.a" in lines[0]
    assert "limits = {}  # " in path.read_text() and Config.load(str(path)).schema_.limits == {}
