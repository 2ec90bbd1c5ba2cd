"""How many shards of a generation are still to be made."""

from dataclasses import replace
from pathlib import Path

import pytest

from raygen import storage
from raygen.generation import completeness, manifest
from raygen.generation.shards import Plan

PLAN = Plan(95, 10, first_row=1000, partitions=("a=1", "a=2"))
IDENTITY = {"fingerprint": "f", "seed": 1, "rows": 95, "rows_per_shard": 10, "format": "parquet"}


@pytest.fixture
def folder(tmp_path) -> str:
    """All ten shards, of two files each, and what vouches for them."""
    manifest.claim(str(tmp_path), IDENTITY, {"model": "m", "schema": {"x": "int64"}})
    for shard in range(PLAN.num_shards):
        first, last = PLAN.span(shard)
        one, two = PLAN.files(shard)
        lines = [manifest.line(shard, one, 1, 1, "0" * 64)]
        lines.append(manifest.line(shard, two, last - first - 1, 1, "0" * 64))
        for file in (one, two):
            storage.write(f"{tmp_path}/{file}", b"x")
        manifest.write_part(str(tmp_path), PLAN, PLAN.part_of(shard), lines)
    return str(tmp_path)


def test_shards_without_a_file_or_a_part_of_the_manifest_are_missing(folder):
    assert completeness.num_missing(folder, PLAN, 100) == 0
    Path(folder, PLAN.files(3)[1]).unlink()
    assert completeness.num_missing(folder, PLAN, 100) == 1
    Path(folder, "_manifest", PLAN.part_name(4)).unlink()
    assert completeness.num_missing(folder, PLAN, 100) == 2
    assert completeness.num_missing(folder, PLAN, 1) == 1


def test_a_longer_generation_makes_the_last_shard_anew(folder):
    assert completeness.num_missing(folder, replace(PLAN, rows=120), 100) == 3


def test_of_a_free_folder_all_are_missing(tmp_path):
    assert completeness.num_missing(str(tmp_path / "none"), PLAN, 100) == 10
    assert completeness.num_missing(str(tmp_path / "none"), PLAN, 4) == 4
