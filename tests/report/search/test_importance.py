"""Which searched settings matter: the one that decides is found, and what cannot be told is said."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from raygen.report.search import importance
from raygen.report.search import page as search_page
from raygen.report.search.trials import Search
from tests.pages import plain
from tests.report.search.records import CASES, read, rendered
from tests.searches import search

pytestmark = pytest.mark.slow


def decided_by(key: str, count: int = 30, **options) -> dict:
    """A search in which one setting alone decides."""

    def loss(params: dict) -> float:
        value = params[key]
        place = (
            math.log(value / 0.006)
            if key.endswith("rate")
            else sum(value) / 256
            if isinstance(value, list)
            else value / 16
        )
        return 25.0 + place

    return search(count, of=loss, **options)


@pytest.mark.parametrize("key", ["train.learning_rate", "model.latent_dim", "model.hidden_units"])
@pytest.mark.parametrize(
    "options", [{}, {"stop": False}, {"objective": "c2st"}], ids=["nats", "none stopped", "c2st"]
)
def test_importance_finds_the_setting_that_decides(key, options):
    found = importance.of(Search(read(decided_by(key, **options))))
    assert next(iter(found.shares)) == key and found.shares[key] > 0.8 and found.clear == {key}
    assert math.isclose(sum(found.shares.values()), 1.0)
    assert (
        plain(search_page.render(read(decided_by(key, **options)))).count(
            f"More than chance: {key.partition('.')[2]}. What the others did may be chance."
        )
        == 1
    )


def test_stopped_trials_count():
    given = decided_by("train.learning_rate")
    done = {
        "finished": given | {"trials": [t for t in given["trials"] if t["state"] == "finished"]},
        "all": given,
    }
    finished, both = (importance.of(Search(read(done[name]))) for name in ("finished", "all"))
    assert (
        both.finished
        == finished.trials
        == finished.finished
        < both.trials
        == sum(t["state"] != "failed" for t in given["trials"])
    )


def test_settings_without_effect_are_rarely_called_clear():
    clear = [
        bool(importance.of(Search(read(search(16, seed=seed, of=lambda params: 25.0)))).clear)
        for seed in range(20)
    ]
    assert sum(clear) <= 4


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("one trial", "1 trial with nats is too few"),
        ("two trials", "2 trials with nats are too few"),
        ("all failed", "no trial finished"),
        ("all stopped", "no trial finished"),
        ("one setting", "only one setting differs"),
        ("all equal", "all trials have the same nats"),
        ("empty", "no trial finished"),
    ],
)
def test_it_says_when_importance_cannot_be_told(case, why):
    found = importance.of(Search(read(CASES[case]())))
    assert found.why_not == why and not found.shares
    assert f"Which settings matter cannot be told: {why}." in plain(rendered(case)) or case == "empty"


QUIET = """
import optuna
from raygen.report.search import importance
from raygen.report.search.record import SearchRecord
from raygen.report.search.trials import Search
from tests import searches
optuna.logging.set_verbosity(optuna.logging.INFO)
assert importance.of(Search(SearchRecord.model_validate(searches.search()))).shares
assert optuna.logging.get_verbosity() == optuna.logging.INFO
"""


def test_optuna_is_quiet_and_left_as_it_was():
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", QUIET],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[3],
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
