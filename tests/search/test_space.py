"""The search space: what may be searched, over which values; every mistake is refused by its key."""

import itertools

import pytest

from raygen import Config
from raygen.errors import ConfigError
from raygen.search.driver import check
from raygen.search.space import Space


def of(space: dict, settings: dict | None = None) -> Space:
    config = Config().override({"search.space": space, **(settings or {})})
    found = Space.of(config)
    check(config, found)
    return found


def test_the_default_space_holds_the_default_settings():
    config = Config()
    space = Space.of(config)
    assert space.holds(space.own(config))
    assert space.own(config)["model.hidden_units"] == [256, 256]
    assert set(space.domains) == {
        "model.latent_dim",
        "model.hidden_units",
        "model.beta",
        "model.turn_width",
        "model.dropout",
        "model.context_dropout",
        "train.learning_rate",
    }


def test_the_decoder_is_searched_where_it_goes_with_the_kind_of_numbers():
    decoder = {"model.decoder": {"choice": ["independent", "autoregressive"]}}
    assert of(decoder).labels({"model.decoder": "independent"}) == {"model.decoder": '"independent"'}
    with pytest.raises(ConfigError, match=r"model.decoder.*'autoregressive' does not go with"):
        of(decoder, {"schema.numeric": "gaussian"})


def test_keys_without_quotes_are_tables_to_toml(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(
        '[search.space]\nmodel.latent_dim = {choice = [4, 8]}\n"train.learning_rate" = {log_uniform = '
        "[1e-3, 1e-2]}\n"
    )
    assert Space.of(Config.load(str(path))).to_dict() == {
        "model.latent_dim": {"choice": [4, 8]},
        "train.learning_rate": {"log_uniform": [1e-3, 1e-2]},
    }
    path.write_text("[search.space.model.latent_dim]\nchoice = [4, 8]\n")
    assert Space.of(Config.load(str(path))).to_dict() == {"model.latent_dim": {"choice": [4, 8]}}


@pytest.mark.parametrize(
    ("point", "labels"),
    [
        ({"model.hidden_units": [64, 32]}, {"model.hidden_units": "[64, 32]"}),
        ({"model.prior": "normal"}, {"model.prior": '"normal"'}),
        ({"model.latent_dim": 8}, {"model.latent_dim": "8"}),
        ({"latent.report": False}, {"latent.report": "false"}),
    ],
)
def test_choices_go_to_searchers_as_text_and_come_back(point, labels):
    [(key, value)] = point.items()
    space = of({key: {"choice": [value]}})
    assert space.labels(point) == labels
    assert space.values(labels) == point
    assert type(space.values(labels)[key]) is type(value)


def test_whole_numbers_stay_whole():
    space = of(
        {
            "model.latent_dim": {"integer": [2, 9]},
            "model.prior_components": {"log_integer": [4, 64]},
            "model.beta": {"uniform": [0.2, 1]},
        }
    )
    assert space.values({"model.latent_dim": 3, "model.prior_components": 7.0, "model.beta": 1}) == {
        "model.latent_dim": 3,
        "model.prior_components": 7,
        "model.beta": 1.0,
    }


def test_corners_and_encodings():
    space = of(
        {
            "model.latent_dim": {"integer": [2, 9]},
            "schema.bars": {"choice": [32, 64, 128]},
            "schema.numeric": {"choice": ["bars", "gaussian"]},
        }
    )
    assert len(space.corners()) == 2 * 3 * 2
    assert space.encodings() == [
        {"schema.bars": b, "schema.numeric": n}
        for b, n in itertools.product([32, 64, 128], ["bars", "gaussian"])
    ]
    assert of({"model.latent_dim": {"choice": [2]}}).encodings() == [{}]


MISTAKES = {
    "unknown setting": (
        {"model.latnt_dim": {"choice": [8]}},
        "search.space.'model.latnt_dim': unknown setting.",
        "did you mean 'model.latent_dim'?",
    ),
    "unknown section": (
        {"modle.latent_dim": {"choice": [8]}},
        "search.space.'modle.latent_dim': unknown setting.",
        "did you mean 'model.latent_dim'?",
    ),
    "no section": ({"latent_dim": {"choice": [8]}}, "search.space.'latent_dim.choice' = [8]", "{choice ="),
    "not searchable": (
        {"run.seed": {"choice": [1, 2]}},
        "search.space.'run.seed' cannot be searched.",
        "model.latent_dim",
    ),
    "holdout": (
        {"train.holdout": {"uniform": [0.1, 0.2]}},
        "'train.holdout' cannot be searched",
        "search one of",
    ),
    "empty choice": (
        {"model.latent_dim": {"choice": []}},
        "search.space.'model.latent_dim' = {choice = []}: expected a list of values.",
        "at least one",
    ),
    "no list": ({"model.latent_dim": {"choice": 8}}, "{choice = 8}: expected a list", "at least one"),
    "twice": ({"model.latent_dim": {"choice": [8, 8]}}, "names a value twice", "once"),
    "no domain": (
        {"model.latent_dim": 8},
        "search.space.'model.latent_dim' = 8: expected one of choice, uniform",
        "{choice = [8, 16, 32]}",
    ),
    "two domains": (
        {"model.beta": {"choice": [0.1], "uniform": [0, 1]}},
        "expected one of choice",
        "write it as",
    ),
    "unknown domain": (
        {"model.beta": {"loguniform": [0.1, 1]}},
        "search.space.'model.beta': unknown domain 'loguniform'.",
        "'log_uniform'?",
    ),
    "low above high": (
        {"model.beta": {"uniform": [1, 0.5]}},
        "search.space.'model.beta' = {uniform = [1, 0.5]}: expected [low, high]",
        "swap",
    ),
    "three ends": ({"model.beta": {"uniform": [0.1, 0.5, 1]}}, "expected [low, high]", "mend"),
    "ends of text": ({"model.beta": {"uniform": ["a", "b"]}}, "expected [low, high]", "mend"),
    "log of zero": ({"train.learning_rate": {"log_uniform": [0, 0.1]}}, "starts above 0", "use uniform"),
    "impossible value": (
        {"model.latent_dim": {"choice": [8, 0]}},
        "search.space.'model.latent_dim': model.latent_dim = 0:",
        "width of z",
    ),
    "impossible end": (
        {"train.learning_rate": {"uniform": [0.1, 2]}},
        "search.space.'train.learning_rate': train.learning_rate = 2",
        "step size",
    ),
    "fractions of a whole": (
        {"model.latent_dim": {"uniform": [4, 8]}},
        "search.space.'model.latent_dim': model.latent_dim = 5.52",
        "width of z",
    ),
    "whole from fractions": ({"model.beta": {"integer": [0.5, 2]}}, "expected whole numbers", "use uniform"),
    "range of codes": ({"schema.bars": {"integer": [16, 128]}}, "needs the table encoded anew", "choice"),
    "too many codes": (
        {"schema.bars": {"choice": list(range(16, 32))}},
        "16 combinations of schema settings; 8",
        "fewer",
    ),
    "kinds": (
        {"schema.columns.age": {"choice": ["numeric"]}},
        "'schema.columns.age' cannot be searched",
        "search one of",
    ),
    "nothing": ({}, "search.space is empty", "[search.space]"),
}


@pytest.mark.parametrize(("space", "message", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_refused_by_their_key(space, message, hint):
    with pytest.raises(ConfigError) as caught:
        of(space)
    assert message in caught.value.message
    assert hint in caught.value.hint


SETTINGS = {
    "no trials": (
        {"search.trials": 0},
        "search.trials = 0: expected a value greater than or equal to 1",
        "points of the space",
    ),
    "grid of a range": (
        {"search.algorithm": "grid"},
        "search.space.'train.learning_rate' = {log_uniform = [0.001, 0.01]}: a grid is made of choices.",
        "list",
    ),
    "impossible model": (
        {"latent.sampler": "learned", "search.space": {"model.prior": {"choice": ["mixture", "normal"]}}},
        "search.space has an impossible model ({'model.prior': 'normal'}): latent.sampler = 'learned' "
        "needs model.prior = 'mixture'.",
        "auto",
    ),
    "grid of another size": (
        {"search.algorithm": "grid", "search.space": {"model.latent_dim": {"choice": [4, 8]}}},
        "search.trials = 16, and the grid of search.space has 2 points.",
        "set search.trials = 2",
    ),
    "cost without tpe": (
        {"search.cost": "seconds"},
        "search.cost = 'seconds' needs search.algorithm = 'tpe'",
        "search.cost = 'none'",
    ),
    "cost with asha": (
        {"search.cost": "seconds", "search.algorithm": "tpe"},
        "and search.scheduler = 'none'",
        "set these",
    ),
    "unknown objective": (
        {"search.objective": "loss"},
        "search.objective = \"loss\": expected 'nats' or 'c2st'",
        "choose one of",
    ),
    "package": (
        {"search.log_to": "wandb"},
        "search.log_to = 'wandb': the package 'wandb' is not installed.",
        "pip install wandb",
    ),
}


@pytest.mark.parametrize(("settings", "message", "hint"), SETTINGS.values(), ids=SETTINGS)
def test_settings_that_do_not_go_together(settings, message, hint):
    with pytest.raises(ConfigError) as caught:
        of({"train.learning_rate": {"log_uniform": [1e-3, 1e-2]}}, settings)
    assert message in caught.value.message
    assert hint in caught.value.hint
