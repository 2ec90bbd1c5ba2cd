"""The catalogue of latent samplers is the one place where they are listed."""

import re
from pathlib import Path

import numpy as np
import pytest

import raygen
from raygen.cli_parser import parser
from raygen.config import Config
from raygen.errors import ConfigError
from raygen.latent import samplers as latent_samplers
from raygen.sampler_catalogue import FITTED, LADDER, NAIVE, NAMES, SAMPLERS, title

HELD = latent_samplers.Posteriors(*np.random.default_rng(0).normal(size=(2, 8, 2)).astype("float32"))


@pytest.mark.parametrize("name", NAMES)
def test_settings_take_every_sampler(name):
    config = Config().override({"latent.sampler": name, "generate.sampler": name})
    assert config.latent.sampler == config.generate.sampler == name


@pytest.mark.parametrize("setting", ["latent.sampler", "generate.sampler"])
def test_another_sampler_is_refused_with_the_name_that_was_meant(setting):
    with pytest.raises(ConfigError, match=r"expected '(auto|chosen)'") as caught:
        Config().override({setting: "gausian"})
    assert "did you mean 'gaussian'" in caught.value.hint
    assert all(f"'{name}'" in caught.value.message for name in NAMES)


def test_the_command_line_lists_them(capsys):
    for verb, names in (("generate", NAMES), ("plan", NAMES), ("doctor", FITTED)):
        with pytest.raises(SystemExit):
            parser().parse_args([verb, "--help"])
        shown = " ".join(capsys.readouterr().out.split())
        assert ", ".join(names) in shown, verb


@pytest.mark.parametrize("name", [name for name in FITTED if name != "flow"])
def test_what_the_catalogue_lists_is_fitted(name):
    assert latent_samplers.fit(name, HELD, HELD, components=1).name == name


def test_what_is_not_listed_is_not_fitted():
    with pytest.raises(ValueError, match="no sampler 'copula'"):
        latent_samplers.fit("copula", HELD, HELD)


def test_sentences_call_them_by_their_titles():
    assert title("normal") == "N(0, I)" and title("mixture") == "the mixture" and title("x") == "the x"
    assert NAIVE not in LADDER and set(NAMES) == set(SAMPLERS) and all(d.law for d in SAMPLERS.values())


def test_the_list_is_typed_nowhere_else():
    """No other file has three of the names in a row."""
    three = re.compile(r"""\bgaussian\W{1,6}(learned|mixture)\W{1,6}(mixture|flow)\b""")
    files = [path for path in Path(raygen.__file__).parent.rglob("*.py") if "catalogue" not in path.name]
    assert not [path.name for path in files if three.search(path.read_text(encoding="utf-8"))]
