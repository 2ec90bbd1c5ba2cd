"""The message for each mistake in settings, in what overrides them and in their file."""

from pathlib import Path

import pytest

from raygen.config import Config
from raygen.errors import ConfigError

# name: settings, message, words of the hint
SECTIONS = "choose one of: run, data, schema, privacy, model, train, latent, search, generate, evaluate."
MISTAKES = {
    "unknown section": ({"modle": {}}, "unknown setting 'modle'.", "did you mean 'model'?"),
    "unknown section like none": (
        {"xyz": {}},
        "unknown setting 'xyz'.",
        SECTIONS,
    ),
    "unknown setting": (
        {"model": {"latent_dims": 8}},
        "unknown setting 'model.latent_dims'.",
        "did you mean 'model.latent_dim'?",
    ),
    "unknown setting of schema": (
        {"schema": {"bras": 8}},
        "unknown setting 'schema.bras'.",
        "did you mean 'schema.bars'?",
    ),
    "unknown setting like none": (
        {"run": {"xyz": 8}},
        "unknown setting 'run.xyz'.",
        "choose one of: folder, seed.",
    ),
    "setting above the first section": (
        {"latent_dim": 8},
        "unknown setting 'latent_dim'.",
        "did you mean 'model.latent_dim'?",
    ),
    "name of the attribute": ({"schema_": {}}, "unknown setting 'schema_'.", "did you mean 'schema'?"),
    "value in place of a section": (
        {"model": 8},
        "model = 8: expected a valid dictionary",
        "write its settings under [model].",
    ),
    "unknown kind": (
        {"schema": {"columns": {"a.b c": "numerc"}}},
        "schema.columns.a.b c = \"numerc\": expected 'numeric', 'categorical', 'boolean', 'datetime', "
        "'id', 'fake' or 'drop'.",
        "did you mean 'numeric'?",
    ),
    "unknown likelihood": (
        {"schema": {"numeric": "gauss"}},
        "schema.numeric = \"gauss\": expected 'bars' or 'gaussian'.",
        "did you mean 'gaussian'?",
    ),
    "kind that is no word": (
        {"schema": {"columns": {"a": 5}}},
        "schema.columns.a = 5: expected 'numeric'",
        "choose one of: numeric, categorical",
    ),
    "list of kinds": (
        {"schema": {"columns": ["numeric"]}},
        'schema.columns = ["numeric"]: expected a valid dictionary.',
        "kind of each column",
    ),
    "unknown word": (
        {"model": {"prior": "mixtur"}},
        "model.prior = \"mixtur\": expected 'mixture' or 'normal'.",
        "did you mean 'mixture'?",
    ),
    "text for a number": (
        {"train": {"steps": "many"}},
        'train.steps = "many": expected a valid integer',
        "optimizer steps at most; 0: 4,500, up to 9,000 on large tables (default ",
    ),
    "half a row": (
        {"generate": {"rows": 1.5}},
        "generate.rows = 1.5: expected a valid integer",
        "rows to write (default 100000).",
    ),
    "number for a text": (
        {"run": {"folder": 7}},
        "run.folder = 7: expected a valid string.",
        "where everything of this run goes",
    ),
    "number for a list": (
        {"model": {"hidden_units": 64}},
        "model.hidden_units = 64: expected a valid list.",
        "(default [256, 256]).",
    ),
    "number for a flag": (
        {"train": {"use_gpu": 3}},
        "train.use_gpu = 3: expected a valid boolean",
        "one GPU for each worker (default false).",
    ),
    "no layers": (
        {"model": {"hidden_units": []}},
        "model.hidden_units = []: expected at least 1 item.",
        "(default [256, 256]).",
    ),
    "a layer of none": (
        {"model": {"hidden_units": [8, 0]}},
        "model.hidden_units.1 = 0: expected a value greater than or equal to 1.",
        "widths",
    ),
    "no latent": (
        {"model": {"latent_dim": 0}},
        "model.latent_dim = 0: expected a value greater than or equal to 1.",
        "width of z (default 16).",
    ),
    "no rows": (
        {"generate": {"rows": 0}},
        "generate.rows = 0: expected a value greater than or equal to 1.",
        "rows to write",
    ),
    "fewer than no workers": (
        {"train": {"num_workers": -1}},
        "train.num_workers = -1: expected a number of 0 or more, or the fewest and the most, such as [1, 4].",
        "Ray Train",
    ),
    "more workers at least than at most": (
        {"train": {"num_workers": [4, 1]}},
        "train.num_workers = [4, 1]: expected a number of 0 or more",
        "[1, 4]",
    ),
    "half a worker": (
        {"train": {"num_workers": [1, 1.5]}},
        "train.num_workers = [1, 1.5]: expected a number of 0 or more",
        "[1, 4]",
    ),
    "all rows held out": (
        {"train": {"holdout": 1}},
        "train.holdout = 1: expected a value less than 0.9.",
        "kept out of training",
    ),
    "no beta": ({"model": {"beta": 0.0}}, "model.beta = 0.0: expected a value greater than 0.", "KL"),
    "not a number": (
        {"train": {"learning_rate": float("nan")}},
        "train.learning_rate = NaN: expected a finite number.",
        "step size",
    ),
    "infinite": (
        {"train": {"memory_gib": float("inf")}},
        "train.memory_gib = Infinity: expected a finite number.",
        "memory",
    ),
    "too large a seed": (
        {"run": {"seed": 2**31}},
        "run.seed = 2147483648: expected a value less than 2147483648.",
        "(default 0).",
    ),
    "nothing": ({"train": {"steps": None}}, "train.steps = null: expected a valid integer.", "steps"),
}


@pytest.mark.parametrize(("settings", "message", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(settings, message, hint):
    with pytest.raises(ConfigError) as caught:
        Config.from_dict(settings)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("train.steps", "override 'train.steps' has no value.", "write --set section.key=value."),
        ("steps=5", "unknown setting 'steps'.", "write it as section.key"),
        ("=5", "unknown setting ''.", "write it as section.key"),
        ("trian.steps=5", "unknown setting 'trian'.", "did you mean 'train'?"),
        ("train.step=5", "unknown setting 'train.step'.", "did you mean 'train.steps'?"),
        (
            "train.steps=-1",
            "train.steps = -1: expected a value greater than or equal to 0.",
            "optimizer steps",
        ),
        ("generate.rows=true", "generate.rows = true: expected a number.", "rows to write"),
        ("model.beta=false", "model.beta = false: expected a number.", "weight of the KL"),
        ("generate.rows=1" + "0" * 40, "expected a number below 2^63.", "rows to write"),
        ("train.steps=1" + "0" * 40, "expected a number below 2^63.", "optimizer steps"),
        ("generate.rows=1" + "0" * 14, "expected a value less than or equal to 10000000000000", "rows to"),
        ("generate.rows=5\nx = 3", r"override 'generate.rows=5\nx = 3' holds more than a value.", "--set"),
        ("generate.rows=5\n[run]\nseed=1", "holds more than a value.", "write --set"),
        ("model.prior=normal\nmore", "holds more than a value.", "write --set"),
        ("generate\n.rows=5", "holds more than a value.", "write --set"),
        ("model.hidden_units=" + "[" * 5000, "override 'model.hidden_units' is nested too deeply.", "plain"),
    ],
)
def test_wrong_overrides(tmp_path, text, message, hint):
    (tmp_path / "c.toml").write_text("[run]\nseed = 3\n")
    with pytest.raises(ConfigError) as caught:
        Config.load(str(tmp_path / "c.toml"), [text])
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (None, "cannot be read: No such file or directory.", "raygen init DATA writes one."),
        ("folder", "cannot be read: Is a directory.", "raygen init DATA writes one."),
        (
            b"[run]\nfolder = '\xe9'\n",
            "cannot be read: 'utf-8' codec can't decode byte 0xe9",
            "raygen init DATA writes one.",
        ),
        (b"PAR1\x00\x15\x04", "is not valid TOML", "mend that line."),
        (b"[run]\nseed = \n", "is not valid TOML: Invalid value (at line 2, column 8).", "mend that line."),
        (
            b"[run]\nseed = 1\nseed = 2\n",
            "is not valid TOML: Cannot overwrite a value (at line 3",
            "mend that line.",
        ),
        (b"[runn]\n", "unknown setting 'runn'.", "did you mean 'run'?"),
    ],
    ids=["missing", "a folder", "not UTF-8", "Parquet", "no value", "twice", "unknown"],
)
def test_config_files_that_cannot_be_read(tmp_path, content, message, hint):
    path = tmp_path / "c.toml"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Config.load(str(path))
    assert message in caught.value.message
    assert caught.value.hint == hint


@pytest.mark.parametrize("name", ["t.parquet", "T.CSV", "t.csv.gz", Path("t.pq")])
def test_a_table_is_no_config(name):
    with pytest.raises(ConfigError, match="is a table, and a config is wanted") as caught:
        Config.load(name)
    assert f"raygen init {name}" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"run": {"foldr": "x"}}, r"unknown setting 'run\.foldr'", "did you mean 'run.folder'"),
        ({"runs": {}}, "unknown setting 'runs'", "did you mean 'run'"),
        ({"train": {"steps": -1}}, r"train\.steps = -1", "optimizer steps"),
        (
            {"schema": {"numeric": "gaussian"}, "model": {"decoder": "autoregressive"}},
            "does not go with",
            "independent",
        ),
    ],
)
def test_a_wrong_setting_of_a_config_made_in_python_is_told(settings, message, hint):
    with pytest.raises(ConfigError, match=message) as caught:
        Config(**settings)
    assert hint in caught.value.hint
