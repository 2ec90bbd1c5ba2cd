"""What a generation's folder may be, on a real local Ray: other formats, shards by size, partitions, more
rows added, rows from the middle."""

import gzip
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

import raygen
from raygen.errors import ConfigError, OutputError
from raygen.generation import manifest, request
from raygen.generation.request import Job
from raygen.model import folder as model_folder
from raygen.sampling import rows as sampling
from raygen.table.source import Source

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]


def silent(line: str) -> None:
    pass


def generate(trained, folder, settings=None, say=silent, **given):
    return raygen.generate(trained.config.override(settings or {}), out=str(folder), say=say, **given)


def hashes(folder) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in Path(folder).rglob("*")
        if p.is_file()
    }


def test_csv_of_a_size_grows_into_the_bytes_of_one_run_and_is_mended(trained, tmp_path, run_cli):
    settings = {"generate.compression": "gzip", "generate.row_group_rows": 4000, "generate.num_actors": 1}
    out, lines = tmp_path / "out", []
    first = generate(trained, out, settings, lines.append, rows=5000, format="csv", shard_mib=0.06)
    assert "generate.row_group_rows = 4,000 is rounded up to 4,096: whole blocks of rows." in lines
    per_shard = json.loads((out / "_run.json").read_text())["rows_per_shard"]
    assert f"Shards of about 0.06 MiB hold {per_shard:,} rows each." in lines
    assert (
        per_shard % 2048 == 0
        and 5000 % per_shard
        and 0.6 < (out / "part-00000000.csv.gz").stat().st_size / (0.06 * 2**20) < 1.5
    )
    whole = {
        f"part-{i:08d}.csv.gz": (out / f"part-{i:08d}.csv.gz").stat().st_mtime_ns
        for i in range(5000 // per_shard)
    }

    done = generate(trained, out, settings, lines.append, rows=9000, format="csv", shard_mib=0.06)
    assert (done.rows, done.kept) == (9000, len(whole)) and done.shards > first.shards
    assert {name: (out / name).stat().st_mtime_ns for name in whole} == whole, "full shards are kept"
    assert "The folder was begun for 5,000 rows of this generation; now for 9,000." in lines
    by_two = settings | {"generate.num_actors": 2}
    generate(trained, tmp_path / "once", by_two, rows=9000, format="csv", shard_mib=0.06)
    assert hashes(out) == hashes(tmp_path / "once")
    assert json.loads((out / "_run.json").read_text())["shard_mib"] == 0.06
    frames = [pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in sorted(out.glob("part-*"))]
    expected = raygen.sample(trained.model, 9000).to_pandas()
    pd.testing.assert_frame_equal(pd.concat(frames, ignore_index=True), expected, check_dtype=False)

    with pytest.raises(OutputError, match=r"rows 9000\); this one has rows 5000") as caught:
        generate(trained, out, settings | {"generate.rows_per_shard": per_shard}, rows=5000, format="csv")
    assert "at least --rows 9000" in caught.value.hint

    before = hashes(out)
    with gzip.open(out / "part-00000000.csv.gz", "ab") as file:
        file.write(b"more\n")
    (out / "_manifest" / "00000001-00000001.jsonl").unlink()
    status, said, _ = run_cli("verify", out)
    assert status == 1 and "1 length" in said and "1 manifest" in said
    done = raygen.verify(str(out), repair=True, say=silent)
    assert done.passed and done.repaired == 2, "and text that nothing vouches for is made again"
    assert hashes(out) == before


def test_json_lines_from_the_middle_of_the_rows(trained, tmp_path):
    """They are not where blocks begin, and are those of memory."""
    done = generate(
        trained,
        tmp_path / "out",
        {"generate.rows_per_shard": 900},
        rows=2000,
        format="jsonl",
        first_row=3001,
        where="age < 60",
    )
    assert (done.rows, done.shards) == (2000, 3)
    lines = [
        json.loads(line)
        for path in sorted((tmp_path / "out").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    assert lines == raygen.sample(trained.model, 2000, where="age < 60", first_row=3001).to_pylist()
    assert lines == raygen.sample(trained.model, 5001, where="age < 60").slice(3001).to_pylist()
    assert raygen.verify(str(tmp_path / "out"), say=silent).passed
    assert Source.open(str(tmp_path / "out")).head()["age"].to_pylist() == [line["age"] for line in lines]


def test_partitions_hold_all_rows_and_are_mended(trained, tmp_path):
    columns, out = ["income", "sex"], tmp_path / "out"
    settings = {"generate.rows_per_shard": 1100, "generate.num_actors": 2}
    done = generate(trained, out, settings, rows=3000, partition_by=columns)
    folder = out / "income=%3E50K" / "sex=Female"
    assert [path.name for path in sorted(folder.iterdir())] == [f"part-{i:08d}.parquet" for i in range(3)]
    assert (done.rows, done.shards, len(list(out.rglob("*.parquet")))) == (3000, 3, 12)
    expected = raygen.sample(trained.model, 3000)
    order = [(name, "ascending") for name in expected.column_names]
    for made in (
        pads.dataset(out, partitioning="hive").to_table(),
        pa.Table.from_pandas(
            pd.read_parquet(out).astype(dict.fromkeys(columns, object)), preserve_index=False
        ),
    ):
        assert (
            made.select(expected.column_names)
            .cast(expected.schema)
            .sort_by(order)
            .equals(expected.sort_by(order))
        )
    assert raygen.verify(str(out), say=silent).passed

    before = hashes(out)
    (folder / "part-00000000.parquet").unlink()
    (out / "_manifest" / "00000001-00000001.jsonl").unlink()
    (out / "_manifest.json").unlink()
    content = bytearray((folder / "part-00000002.parquet").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "part-00000002.parquet").write_bytes(content)
    (out / "income=%3E50K" / "stray").mkdir()
    (out / "stray.parquet").write_bytes(b"")
    found = raygen.verify(str(out), say=silent)
    assert found.found == {"missing": 1, "content": 1, "manifest": 1, "unfinished": 1, "surplus": 2}
    (out / "income=%3E50K" / "stray").rmdir()
    (out / "stray.parquet").unlink()
    done = raygen.verify(str(out), repair=True, say=silent)
    assert done.passed and done.repaired == 2, "what no part vouches for is read to its end and kept"
    assert hashes(out) == before
    run = raygen.evaluate(trained.config, [str(out)], str(tmp_path / "report"), say=silent).report.runs[0]
    assert not run.problems and "c2st" in run.scores, "folders hold columns"


@pytest.mark.parametrize("name", ["x y.csv", "x.parquet"])
def test_one_file_with_its_manifest_beside_it(trained, tmp_path, name):
    out = tmp_path / name
    (tmp_path / "mine.csv").write_text("a\n")
    done = generate(trained, out, rows=500)
    assert (done.folder, done.rows, done.shards, done.kept) == (str(out), 500, 1, 0)
    whole = generate(trained, tmp_path / "folder", rows=500, format=out.suffix[1:])
    assert whole.bytes == done.bytes or name.endswith("parquet"), (
        "a mark in Parquet tells the shard's settings"
    )
    assert Source.open(str(out)).count_rows() == [500]
    assert generate(trained, out, rows=500).kept == 1
    assert raygen.verify(str(out), say=silent).passed
    assert generate(trained, out, rows=700).rows == 700 and Source.open(str(out)).count_rows() == [700]
    content = out.read_bytes()
    out.write_bytes(content[:-9] + b"123456789")
    assert raygen.verify(str(out), say=silent).found == {"content": 1}
    assert raygen.verify(str(out), repair=True, say=silent).passed
    assert out.read_bytes() == content and (tmp_path / "mine.csv").read_text() == "a\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["folder", "mine.csv", name, f"{name}.manifest"]
    )


def test_what_a_shard_says_of_itself_does_not_change_with_the_rows_that_follow(trained):
    few, many, others = (
        Job.of(
            trained.model,
            trained.config.override(
                {"generate.rows": rows, "generate.rows_per_shard": 10, "generate.seed": seed}
            ).generate,
            "",
        )
        for rows, seed in ((35, 0), (60, 0), (35, 1))
    )
    assert few.identity != many.identity and few.mark(2) == many.mark(2) != few.mark(1)
    assert few.mark(3) != many.mark(3), (
        "a shard that grows has other bytes, though a file of a category may have as many rows"
    )
    assert few.mark(2) != others.mark(2)


def test_a_folder_of_shards_of_a_size_goes_on_with_the_rows_that_it_was_begun_with(trained, tmp_path):
    """Another machine may measure another number."""
    asked = Job.of(
        trained.model, trained.config.override({"generate.shard_mib": 0.06}).generate, str(tmp_path)
    )
    made, _ = request.prepared(asked, silent)
    measured = made.plan.rows_per_shard
    other = measured + 2048
    again = replace(
        made,
        settings=made.settings.model_copy(update={"rows_per_shard": other}),
        plan=replace(made.plan, rows_per_shard=other),
    )
    manifest.claim(str(tmp_path), again.identity, again.told)
    assert request.prepared(asked, silent)[0].plan.rows_per_shard == other
    assert request.begun(str(tmp_path)).plan.rows_per_shard == other
    larger = replace(asked, settings=asked.settings.model_copy(update={"shard_mib": 0.5}))
    assert request.prepared(larger, silent)[0].plan.rows_per_shard > measured


def test_a_shard_that_another_driver_has_made_longer_is_not_replaced(trained, tmp_path):
    out = tmp_path / "out"

    def grow(line: str) -> None:
        """Once this driver has taken the folder, another one takes it for more rows and makes the last shard
        longer."""
        if line.startswith("Generating"):
            run = json.loads((out / "_run.json").read_text())
            assert manifest.claim(str(out), run | {"rows": 3000}, {}) == 2500
            (out / "part-00000002.parquet").write_bytes(b"longer")

    with pytest.raises(OutputError, match=r"marked for 3,000 rows now, no longer for 2,500") as caught:
        generate(trained, out, {"generate.rows_per_shard": 1000}, grow, rows=2500)
    assert "--rows 3000" in caught.value.hint
    assert (out / "part-00000002.parquet").read_bytes() == b"longer" and not list(out.rglob("_tmp-*"))
    done = generate(trained, out, {"generate.rows_per_shard": 1000}, rows=3000)
    assert done.rows == 3000 and raygen.verify(str(out), say=silent).passed


def test_tables_that_meet_inside_a_block_decode_it_once(trained):
    made, numbers = sampling.Rows(model_folder.load(trained.model), seed=0), []

    class Counted:
        decoder = made.decoder

        def block(self, number: int):
            numbers.append(number)
            return self.decoder.block(number)

    made.decoder = Counted()
    cut = pa.concat_tables([made.table(first, first + 2048) for first in range(1000, 9000, 2048)])
    assert numbers == [1, 2, 3, 4], "block 0 was decoded to trace the graph"
    assert cut.equals(made.table(1000, 9192))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"partition_by": ["income"], "format": "csv"},
            r"partition_by = \['income'\] with generate.format = 'csv': only Parquet",
        ),
        ({"per": "income=10", "first_row": 5}, r"first_row = 5 and generate.per = 'income=10'"),
        ({"partition_by": ["age"]}, "column 'age' is of kind numeric"),
        ({"first_row": -1}, "generate.first_row = -1"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_made(given, message, trained, tmp_path):
    for verb in (raygen.generate, raygen.plan):
        with pytest.raises(ConfigError, match=message):
            verb(trained.config, out=str(tmp_path / "out"), say=silent, **given)
    assert not (tmp_path / "out").exists()


def test_plan_tells_shards_of_a_size_and_the_files_of_partitions(trained, run_cli):
    options = ("--shard-mib", "100", "--partition-by", "income", "--first-row", "1e6")
    status, out, err = run_cli("plan", trained.model, "--rows", "1e9", *options, "--json")
    assert status == 0, err
    told = json.loads(out.splitlines()[-1])["generate"]
    assert f"Shards of about 100 MiB hold {told['rows_per_shard']:,} rows each." in out
    assert (
        f"1,000,000,000 rows from number 1,000,000 on, seed 0, in {told['shards']:,} shard(s) of 2 files each"
        in out
    )
    assert 80 < told["bytes"] / told["shards"] / 2**20 < 120


def test_a_plan_knows_that_a_name_of_a_file_is_one(trained, tmp_path):
    lines = []
    answer = raygen.plan(trained.model, rows=5000, out=str(tmp_path / "x.csv"), say=lines.append)
    assert answer["generate"]["shards"] == answer["generate"]["actors"] == 1
    assert any("Generate: 5,000 rows, seed 0, in one file, x.csv, by 1 actor(s); " in line for line in lines)
    for settings, words in (({"format": "jsonl"}, "name two formats"), ({"rows": 10**8}, "for one file")):
        with pytest.raises(ConfigError, match=words):
            raygen.plan(trained.model, out=str(tmp_path / "x.csv"), say=silent, **settings)
    (tmp_path / "y.parquet").write_bytes(b"mine")
    with pytest.raises(OutputError, match="did not write it"):
        raygen.plan(trained.model, out=str(tmp_path / "y.parquet"), say=silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["y.parquet"]
