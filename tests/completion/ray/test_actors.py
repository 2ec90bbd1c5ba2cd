"""Completion by actors on Ray: the same bytes however many there are and whatever was killed."""

import signal

import pyarrow.parquet as pq
import pytest

import raygen
from raygen.errors import OutputError
from tests import untrained
from tests.completion.test_completed import holes
from tests.generation.ray.rows_of import hashes

pytestmark = pytest.mark.ray
ROWS = 6000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model, rows given in part, and what this process completes them to."""
    folder = tmp_path_factory.mktemp("completion")
    model = untrained.save(folder / "model")
    pq.write_table(holes(untrained.table(ROWS), 0.4), folder / "partial.parquet", row_group_size=1000)
    raygen.complete(model, folder / "partial.parquet", str(folder / "here"), print, rows_per_shard=500)
    return model, folder / "partial.parquet", hashes(folder / "here")


def complete(made, folder, **settings):
    said = []
    done = raygen.complete(made[0], made[1], str(folder), said.append, rows_per_shard=500, **settings)
    return done, said


def test_actors_write_what_one_process_writes(local_ray, made, tmp_path):
    done, said = complete(made, tmp_path / "out", num_actors=2)
    assert (done.rows, done.shards, done.kept) == (ROWS, 12, 0)
    assert done.told["rows"] == ROWS and "with 2 actor(s)" in " ".join(said)
    assert hashes(tmp_path / "out") == made[2]
    assert raygen.verify(str(tmp_path / "out"), say=print).passed
    with pytest.raises(OutputError, match="made by raygen complete"):
        raygen.verify(str(tmp_path / "out"), repair=True, say=print)


def test_a_killed_actor_changes_nothing(local_ray, made, tmp_path, kill_one):
    killed = []

    def say(line):
        if "/6,000 rows" in line and not killed:
            killed.append(kill_one("MapWorker"))

    raygen.complete(made[0], made[1], str(tmp_path / "out"), say, rows_per_shard=500, num_actors=1)
    assert killed == [True]
    assert hashes(tmp_path / "out") == made[2]


def test_a_killed_command_goes_on_where_it_was(made, tmp_path, raygen_command):
    asked = ["complete", made[0], made[1], "--out", tmp_path / "out", "--rows-per-shard", 500]
    run = raygen_command(*asked)
    run.wait_for("/6,000 rows")
    run.send(signal.SIGKILL)
    run.finish()
    again = raygen_command(*asked)
    assert again.finish() == 0, again.output
    assert hashes(tmp_path / "out") == made[2]
