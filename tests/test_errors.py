"""Errors survive pickling, and say what was meant."""

import pickle

import pytest

from raygen import errors
from raygen.errors import RaygenError, did_you_mean


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
