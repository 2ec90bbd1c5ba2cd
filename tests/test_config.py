"""Settings: what is accepted, and the message for each mistake."""

import json
import pickle
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from raygen import errors
from raygen.config import Config, parse_override
from raygen.errors import ConfigError, RaygenError, did_you_mean

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
    ("text", "expected"),
    [
        ("train.steps=100", ("train.steps", 100)),
        ("generate.rows = 1_000_000", ("generate.rows", 1_000_000)),
        ("model.beta=1e-2", ("model.beta", 0.01)),
        ("train.use_gpu=true", ("train.use_gpu", True)),
        ("model.hidden_units=[64, 32]", ("model.hidden_units", [64, 32])),
        ("model.prior=normal", ("model.prior", "normal")),
        ('run.folder="a b"', ("run.folder", "a b")),
        ("run.folder=out/a=b#1", ("run.folder", "out/a=b#1")),
        ("run.folder=", ("run.folder", "")),
        ("schema.columns.a b.c=id", ("schema.columns.a b.c", "id")),
    ],
)
def test_overrides(text, expected):
    key, value = parse_override(text)
    assert (key, value) == expected
    found = Config().override({key: value}).to_dict()
    section, name = key.split(".", 1)
    assert (
        found["schema"]["columns"][name.removeprefix("columns.")]
        if name.startswith("columns.")
        else found[section][name]
    ) == value


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


def test_an_override_keeps_the_rest():
    first = Config.from_dict({"schema": {"columns": {"a": "numeric", "b": "id"}}, "train": {"steps": 7}})
    second = first.override({"schema.columns.a": "drop", "run.seed": 5})
    assert second.schema_.columns == {"a": "drop", "b": "id"}
    assert (second.train.steps, second.run.seed) == (7, 5)
    assert (first.schema_.columns, first.run.seed) == ({"a": "numeric", "b": "id"}, 0)
    with pytest.raises(ValidationError, match="frozen"):
        first.run.seed = 5


FULL = {
    "run": {"folder": "s3://bucket/\u00e4 b", "seed": 2**31 - 1},
    "schema": {"columns": {"": "id", 'quo"ted': "drop", "a.b": "numeric"}},
    "model": {"hidden_units": [64, 32, 8], "beta": 1, "prior": "normal"},
    "train": {"num_workers": 0, "max_failures": -1},
    "generate": {"rows": 1e6, "gpus_per_actor": 0.5},
}


def test_json_round_trip():
    config = Config.from_dict(FULL)
    assert config.generate.rows == 10**6
    assert Config.from_dict(json.loads(json.dumps(config.to_dict(), allow_nan=False))) == config
    assert Config.from_dict(Config().to_dict()) == Config()
    assert set(Config().to_dict()) == {
        "run",
        "data",
        "schema",
        "privacy",
        "model",
        "train",
        "latent",
        "search",
        "generate",
        "evaluate",
    }


def test_toml(tmp_path):
    text = '\ufeff[run]\nfolder = "r"  # note\n[schema.columns]\n"a.b" = "id"\n[model]\nhidden_units = [8]\n'
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")  # with the mark that Windows puts first
    config = Config.load(str(tmp_path / "c.toml"), ["model.latent_dim=3", "run.folder=s"])
    assert config == Config.from_dict(
        {
            "run": {"folder": "s"},
            "schema": {"columns": {"a.b": "id"}},
            "model": {"hidden_units": [8], "latent_dim": 3},
        }
    )
    (tmp_path / "empty.toml").write_text("")
    assert Config.load(str(tmp_path / "empty.toml")) == Config()


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


def test_defaults_are_accepted_and_described():
    for name, section in Config.model_fields.items():
        for setting in type(getattr(Config(), name)).model_fields.values():
            assert setting.description, (section, setting)


@pytest.mark.parametrize(
    "kind", [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, RaygenError)]
)
def test_errors_survive_pickling_and_say_the_hint(kind):
    again = pickle.loads(pickle.dumps(kind("what came.", "do this.")))
    assert type(again) is kind
    assert (again.message, again.hint) == ("what came.", "do this.")
    assert str(again) == "what came.\nHint: do this."
    assert str(kind("what came.")) == "what came."


def test_did_you_mean():
    assert did_you_mean("incme", ["age", "income"]) == "did you mean 'income'?"
    assert did_you_mean("zzz", ["age", "income"]) == "choose one of: age, income."
    assert did_you_mean("zzz", [f"c{i}" for i in range(1000)]).endswith("c19, ....")


def test_the_jobs_configs_are_complete_or_say_what_they_change():
    """jobs/census.toml shows every setting at its default; the other has the network of Cross Validated
    602621."""
    jobs = Path(__file__).parents[1] / "jobs"
    census = tomllib.loads((jobs / "census.toml").read_text())
    assert {section: set(settings) for section, settings in census.items() if section != "schema"} == {
        section: set(settings) for section, settings in Config().to_dict().items() if section != "schema"
    }
    assert set(census["schema"]) == set(Config().to_dict()["schema"])
    defaults = Config().override(
        {"run.folder": census["run"]["folder"], "data.source": census["data"]["source"]}
    )
    assert Config.from_dict(census).override({"schema.columns": {}, "schema.relations": None}) == defaults
    question = Config.load(str(jobs / "crossvalidated_602621.toml"))
    assert (
        question.schema_.numeric,
        question.model.hidden_units,
        question.model.prior,
        question.model.beta,
    ) == (
        "gaussian",
        [64, 32, 8],
        "normal",
        1,
    )
    assert set(question.schema_.columns) == set(census["schema"]["columns"])
    assert [name for name, kind in question.schema_.columns.items() if kind == "numeric"] == [
        name for name, kind in census["schema"]["columns"].items() if kind == "numeric"
    ]


@pytest.mark.parametrize("name", ["t.parquet", "T.CSV", "t.csv.gz", Path("t.pq")])
def test_a_table_is_no_config(name):
    with pytest.raises(ConfigError, match="is a table, and a config is wanted") as caught:
        Config.load(name)
    assert f"raygen init {name}" in caught.value.hint


def test_the_docstring_of_a_section_describes_its_settings():
    for field in Config.model_fields:
        section = type(getattr(Config(), field))
        text = " ".join(section.__doc__.split())
        for name, setting in section.model_fields.items():
            assert f" {name}: {' '.join(setting.description.split())}" in text, name


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


def test_a_config_made_in_python_is_that_of_a_file():
    settings = {"run": {"folder": "runs/x"}, "schema": {"numeric": "gaussian"}}
    assert Config(**settings) == Config.from_dict(settings)
    assert Config(**settings).model.decoder == "independent"
