"""What a folder holds is kept, and rows of another seed and sampler; by this process, which writes the bytes
of an actor (test_generation.py)."""

import shutil
from pathlib import Path

import pyarrow.dataset as pads
import pytest

from raygen.errors import ConfigError, OutputError
from raygen.model import folder as model_folder
from raygen.sampling import rows as sampling
from tests.generation.ray.rows_of import ROWS, generate, hashes, rows

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]


@pytest.fixture(scope="module")
def whole(trained, here, tmp_path_factory) -> Path:
    """5,000 rows in five shards."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    assert generate(trained, folder).shards == 5
    return folder


def test_one_row_of_another_seed(trained, whole, tmp_path):
    done = generate(trained, tmp_path / "out", rows=1, seed=1)
    assert (done.rows, done.shards) == (1, 1)
    made = rows(tmp_path / "out")
    assert made.num_rows == 1
    assert not made.equals(rows(whole).slice(0, 1))
    assert made.equals(sampling.Rows(model_folder.load(trained.model), seed=1).table(0, 1))


def test_running_again_makes_only_what_is_missing(trained, whole, tmp_path):
    out = shutil.copytree(whole, tmp_path / "out")
    (out / "part-00000001.parquet").unlink()
    content = (out / "part-00000002.parquet").read_bytes()
    (out / "part-00000002.parquet").write_bytes(content[: len(content) // 2])
    (out / "part-00000003.parquet").write_bytes(b"")
    (out / f"_tmp-{'0' * 32}-part-00000001.parquet").write_bytes(content[:1000])
    shutil.rmtree(out / "_manifest")
    (out / "_manifest.json").unlink()
    before = {
        name: (out / name).stat().st_mtime_ns for name in ("part-00000000.parquet", "part-00000004.parquet")
    }
    done = generate(trained, out)
    assert (done.rows, done.shards, done.kept) == (ROWS, 5, 2)
    assert hashes(out) == hashes(whole)
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before


def test_a_shard_that_nothing_vouches_for_is_read_to_its_end(trained, whole, tmp_path):
    """Its part of the manifest is lost, and its rows were edited: the pages' checksums tell."""
    out = shutil.copytree(whole, tmp_path / "out")
    for number in (1, 2):
        (out / "_manifest" / f"{number:08d}-{number:08d}.jsonl").unlink()
    content = bytearray((out / "part-00000002.parquet").read_bytes())
    content[len(content) // 3] ^= 1
    (out / "part-00000002.parquet").write_bytes(content)
    done = generate(trained, out)
    assert done.kept == 4
    assert hashes(out) == hashes(whole)


def test_another_sampler_gives_other_rows_and_naive_warns(trained, whole, tmp_path):
    lines = []
    generate(trained, tmp_path / "naive", rows=3000, sampler="naive", say=lines.append)
    assert any(line.startswith("Warning: the sampler 'naive'") for line in lines)
    with pytest.raises(OutputError, match=r"sampler .*this one has sampler naive"):
        generate(trained, whole, sampler="naive")
    naive, own = (
        pads.dataset(str(f), exclude_invalid_files=True).to_table().slice(0, 3000)
        for f in (tmp_path / "naive", whole)
    )
    assert naive.schema.equals(own.schema) and not naive.equals(own)
    with pytest.raises(ConfigError, match=r"generate.sampler = 'flow'.* has .*mixture"):
        generate(trained, tmp_path / "flow", sampler="flow")
