"""Columns of kind fake as a config declares them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raygen.config import Config
from raygen.errors import SchemaError
from raygen.training import encoding

TABLE = pa.table({"mail": [f"a{i}@b.de" for i in range(40)], "x": [i / 7 for i in range(40)]})
KINDS = {"schema.columns": {"mail": "fake", "x": "numeric"}}
RIGHT = {"mail": "email"}


@pytest.fixture
def config(tmp_path) -> Config:
    pq.write_table(TABLE, tmp_path / "t.parquet")
    return Config().override({"data.source": str(tmp_path / "t.parquet"), "run.folder": str(tmp_path / "r")})


def test_a_provider_makes_the_kind(config):
    inferred = config.override({"schema.fake": RIGHT})
    _, schema, notes = encoding.describe(inferred)
    assert schema.kinds == {"mail": "fake", "x": "numeric"} and "mail" not in notes
    assert encoding.describe(config.override(KINDS | {"schema.fake.mail": "email"}))[1].kinds == schema.kinds


MISTAKES = {
    "no such column": (
        {"schema.fake": {"mial": "email"}},
        "schema.fake.mial: source",
        "did you mean 'mail'?",
    ),
    "no such provider": (
        {"schema.fake": {"mail": "emial"}},
        "schema.fake.mail = 'emial': expected one of name, first_name,",
        "did you mean 'email'?",
    ),
    "a pattern": (
        {"schema.fake": {"mail": "regex:a*"}},
        "schema.fake.mail: pattern 'a*' cannot be used: '*' has no end",
        "such as regex:",
    ),
    "another kind": (
        {"schema.columns": {"mail": "id", "x": "numeric"}, "schema.fake": RIGHT},
        "schema.fake.mail = 'email', and schema.columns.mail = 'id'",
        'set schema.columns.mail = "fake"',
    ),
    "no provider": (KINDS, "schema.fake does not say what it holds", 'set schema.fake.mail = "name"'),
    "a type": (
        {"schema.columns": {"mail": "fake", "x": "fake"}, "schema.fake": {"mail": "email", "x": "card"}},
        'schema.columns.x = "fake" does not fit its type double',
        "use one of: numeric, categorical, id, drop.",
    ),
    "nothing to learn": (
        {"schema.columns": {"mail": "fake", "x": "drop"}, "schema.fake": RIGHT},
        "all are of kind id, fake or drop",
        "another kind",
    ),
}


@pytest.mark.parametrize(("settings", "message", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(config, settings, message, hint):
    with pytest.raises(SchemaError) as caught:
        encoding.describe(config.override(settings))
    assert message in caught.value.message and hint in caught.value.hint


def test_the_encoded_table_depends_on_what_is_made_up(config):
    plain = encoding.folder_of(config)
    settings = [{"schema.fake": RIGHT}, {"schema.fake": {"mail": "uuid"}}]
    settings += [settings[0] | {"schema.locale": "de_DE"}, settings[0] | {"run.seed": 1}]
    folders = {encoding.folder_of(config.override(one)) for one in settings}
    assert len(folders) == 4 and plain not in folders
    assert encoding.folder_of(config.override({"schema.locale": "de_DE", "run.seed": 1})) == plain
