"""Settings: what is accepted, and how it is stored and described."""

import json
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from raygen.config import Config, parse_override


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


def test_defaults_are_accepted_and_described():
    for name, section in Config.model_fields.items():
        for setting in type(getattr(Config(), name)).model_fields.values():
            assert setting.description, (section, setting)


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


def test_the_docstring_of_a_section_describes_its_settings():
    for field in Config.model_fields:
        section = type(getattr(Config(), field))
        text = " ".join(section.__doc__.split())
        for name, setting in section.model_fields.items():
            assert f" {name}: {' '.join(setting.description.split())}" in text, name


def test_a_config_made_in_python_is_that_of_a_file():
    settings = {"run": {"folder": "runs/x"}, "schema": {"numeric": "gaussian"}}
    assert Config(**settings) == Config.from_dict(settings)
    assert Config(**settings).model.decoder == "independent"
