"""Random streams: the same for the same name, and no two names share one."""

import ast
from pathlib import Path

import numpy as np
import pytest

import raygen
from raygen import rng

CALLS = [
    (path.relative_to(Path(raygen.__file__).parent).as_posix(), node)
    for path in sorted(Path(raygen.__file__).parent.rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
]


def test_a_stream_is_a_function_of_its_name():
    assert np.array_equal(rng.generator(7, "z", 3).random(5), rng.generator(7, "z", 3).random(5))
    assert np.array_equal(
        rng.generator(np.int64(7), "z", np.int32(3)).random(5), rng.generator(7, "z", 3).random(5)
    )
    assert rng.integer(7, "z", 3) == rng.integer(7, "z", 3) < 2**31


def test_the_numbers_stay_those_of_this_release():
    assert rng.integer(0, "order of pieces", 1, 2) == 174485143
    assert rng.generator(7, "c2st").integers(1000, size=4).tolist() == [977, 892, 650, 615]


def test_no_two_names_share_a_stream():
    """NumPy itself takes [7, 3], [7, 3, 0] and [7, 3, 0, 0] for one stream."""
    assert np.random.default_rng([7, 3]).random() == np.random.default_rng([7, 3, 0]).random()
    names = [
        (7, "a"),
        (7, "a", 0),
        (7, "a", 0, 0),
        (7, "a", 1),
        (7, "a", 1, 0),
        (7, "a", 0, 1),
        (8, "a"),
        (7, "b"),
        (73, "a"),
        (7, "a", 10),
    ]
    assert len({rng.generator(*name).random() for name in names}) == len(names)
    assert len({rng.integer(*name) for name in names}) == len(names)


def test_nothing_else_makes_generators():
    makers = {"default_rng", "RandomState", "SeedSequence", "PCG64", "seed"}
    others = [(path, node.func.attr) for path, node in CALLS if node.func.attr in makers and path != "rng.py"]
    assert not others, f"use rng.generator: {others}"


def test_each_purpose_is_drawn_in_one_place():
    """Two places that draw for one purpose would draw the same numbers."""
    places: dict[tuple, set] = {}
    for path, node in CALLS:
        if (
            isinstance(node.func.value, ast.Name)
            and node.func.value.id == "rng"
            and node.func.attr in ("generator", "integer")
        ):
            purpose = node.args[1]
            if isinstance(purpose, ast.Constant):
                places.setdefault((node.func.attr, purpose.value), set()).add(path)
    assert len(places) > 25
    assert not {purpose: paths for purpose, paths in places.items() if len(paths) > 1}


@pytest.mark.parametrize("bad", ["1", None])
def test_numbers_are_whole(bad):
    with pytest.raises((TypeError, ValueError)):
        rng.generator(bad, "z") if bad is None else rng.generator(0, "z", bad + "x")
