"""Rows of the tiny model, as tests of generation make and compare them."""

import hashlib
from pathlib import Path

import pyarrow.parquet as pq

import raygen

ROWS, SHARD = 5000, 1100  # shards that neither blocks of 2,048 rows nor the number of actors divide


def silent(line: str) -> None:
    pass


def generate(trained, folder, settings=None, say=silent, **given):
    config = trained.config.override(
        {"generate.rows": ROWS, "generate.rows_per_shard": SHARD, **(settings or {})}
    )
    return raygen.generate(config, out=str(folder), say=say, **given)


def hashes(folder) -> dict[str, str]:
    """SHA-256 of each file, the manifest's among them."""
    files = (p for p in Path(folder).rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def rows(folder):
    return pq.ParquetDataset(folder).read()
