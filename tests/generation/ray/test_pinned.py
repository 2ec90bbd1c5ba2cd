"""Actors compute as the rows of a folder were made, and as every node of a cluster can."""

import json
import sys

import pytest

import raygen
from raygen.cluster import surroundings
from tests.generation.ray.rows_of import hashes, silent

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(
        surroundings.here()["instructions"] not in ("AVX", "AVX2", "AVX512_CORE"),
        reason="no more than SSE4.1",
    ),
]
LESS = {surroundings.MOST: "SSE41"}
ROWS = {"generate.rows": 6000, "generate.rows_per_shard": 3000}


def begun_with(folder) -> str:
    return json.loads((folder / "_run.json").read_text())["made_with"]["instructions"]


def test_actors_go_on_with_the_instructions_of_a_folder(trained, toml, tmp_path, raygen_command):
    config, out = trained.config.override(ROWS), tmp_path / "out"
    begun = raygen_command("generate", toml(config), "--out", out, env=LESS)
    assert begun.finish() == 0, begun.output
    assert begun_with(out) == "SSE41"
    whole = hashes(out)
    for name in ("part-00000001.parquet", "_manifest.json"):
        (out / name).unlink()
    assert raygen.generate(config, out=str(out), say=silent).kept == 1
    assert hashes(out) == whole

    run, said = json.loads((out / "_run.json").read_text()), []
    run["made_with"]["numpy"] = "1.0"
    (out / "_run.json").write_text(json.dumps(run))
    (out / "part-00000001.parquet").unlink()
    assert raygen.verify(str(out), repair=True, say=said.append).passed
    assert any("begun with numpy 1.0; now numpy" in line and "come out the same" in line for line in said)
    shards = {name: digest for name, digest in hashes(out).items() if name.startswith("part-")}
    assert shards.items() <= whole.items()


NODES = """
import sys
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import raygen
from raygen.cluster import connection, surroundings
from raygen.errors import ClusterError
from ray.cluster_utils import Cluster

connection.prepare_environment(connection.ENVIRONMENT | connection.DRIVER_ENVIRONMENT)
memory = {"object_store_memory": 80_000_000}
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **memory})
nodes.add_node(num_cpus=1, env_vars={surroundings.MOST: "SSE41"}, **memory)
ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
config, out = raygen.Config.load(sys.argv[1]), sys.argv[2]
raygen.generate(config, out=out, say=print)
dataset = raygen.load(sys.argv[3]).dataset(6000, num_actors=2)
batches = dataset.iter_batches(batch_size=None, batch_format="pyarrow")
drawn = pa.concat_tables(batch for batch in batches if batch.num_rows)
print("a Dataset has the same rows:", drawn.equals(pq.read_table(out).cast(drawn.schema)))
nodes.add_node(num_cpus=1, env_vars={"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}, **memory)
try:
    raygen.generate(config, out=out + "-more", say=print)
except ClusterError as error:
    print("refused:", error)
ray.shutdown()
nodes.shutdown()
"""


def test_a_mixed_cluster_has_the_least_or_is_refused(trained, toml, tmp_path, command):
    config = toml(trained.config.override(ROWS | {"generate.num_actors": 2}))
    cluster = command(sys.executable, "-c", NODES, config, str(tmp_path / "out"), trained.model)
    assert cluster.finish() == 0, cluster.output
    assert begun_with(tmp_path / "out") == "SSE41"
    assert "6,000/6,000 rows" in cluster.output
    assert "a Dataset has the same rows: True" in cluster.output
    (refused,) = (line for line in cluster.lines if line.startswith("refused: "))
    assert "XLA_FLAGS --xla_cpu_enable_fast_math=true" in refused and "XLA_FLAGS unset" in refused
    assert not (tmp_path / "out-more" / "_run.json").exists()
