"""`raygen verify` on a real local Ray: whatever is done to a finished folder is named, and mended byte for
byte."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import raygen
from raygen.errors import ModelError, OutputError
from raygen.generation import verification
from raygen.generation.shards import Plan

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def whole(trained, here, tmp_path_factory) -> Path:
    """12,000 rows in twelve shards."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    raygen.generate(
        trained.config.override({"generate.rows": 12_000, "generate.rows_per_shard": 1000}),
        out=str(folder),
        say=silent,
    )
    return folder


def hashes(folder) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in Path(folder).rglob("*")
        if p.is_file()
    }


def shard(folder: Path, number: int) -> Path:
    return folder / f"part-{number:08d}.parquet"


def part(folder: Path, number: int) -> Path:
    return folder / "_manifest" / f"{number:08d}-{number:08d}.jsonl"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit_line(folder: Path, number: int, **values) -> None:
    line = json.loads(part(folder, number).read_text())
    part(folder, number).write_text(json.dumps(line | values) + "\n")


def damage_everything(folder: Path) -> None:
    flip(shard(folder, 0))
    shard(folder, 1).unlink()
    os.truncate(shard(folder, 2), 1000)
    shard(folder, 3).write_bytes(b"")
    with shard(folder, 4).open("ab") as file:
        file.write(b"more")
    part(folder, 7).unlink()
    part(folder, 8).write_text("{}\n")
    edit_line(folder, 9, sha256="0" * 64)


def test_a_whole_folder_passes(whole, run_cli):
    status, out, err = run_cli("verify", whole, "--json")
    assert status == 0, err
    told = json.loads(out.splitlines()[-1])
    assert (told["rows"], told["shards"], told["found"], told["problems"]) == (12_000, 12, {}, [])
    assert told["bytes"] == sum(p.stat().st_size for p in whole.glob("*.parquet"))
    assert "all as the manifest says" in out


def test_everything_that_is_wrong_is_named_and_mended(whole, tmp_path, run_cli):
    folder = Path(shutil.copytree(whole, tmp_path / "out"))
    damage_everything(folder)
    damaged = hashes(folder)
    status, out, _ = run_cli("verify", folder, "--json")
    assert status == 1
    assert f"To repair it, run: raygen verify {folder} --repair" in out
    told = json.loads(out.splitlines()[-1])
    assert told["found"] == {"content": 2, "missing": 1, "length": 3, "manifest": 2}
    problems = "\n".join(told["problems"])
    for number, text in enumerate(
        ["has other bytes", "is missing", "has 1,000 bytes; the manifest says", "has 0 bytes"]
    ):
        assert f"'part-{number:08d}.parquet' {text}" in problems
    assert "Part '00000007-00000007.jsonl' of the manifest is missing or damaged: 1 shard(s)" in problems
    assert "'part-00000009.parquet' has other bytes" in problems
    assert "a line was edited" not in problems, "parts are missing, so the header cannot be held against them"
    assert (told["rows"], told["shards"]) == (4000, 4)
    assert hashes(folder) == damaged, "without --repair nothing is touched"

    status, out, err = run_cli("verify", folder, "--repair")
    assert status == 0, err
    assert "12,000 rows in 12 whole shard(s), 6 of them made again" in out
    assert hashes(folder) == hashes(whole)


def test_surplus_files_are_named_and_left(whole, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "out"))
    (folder / "sub").mkdir()
    shutil.copy(shard(folder, 0), shard(folder, 12))
    shard(folder, 5).unlink()
    (folder / "_tmp-0-part-00000001.parquet").write_text("left by a killed actor")
    (folder / "_SUCCESS").write_text("")
    lines = []
    done = raygen.verify(str(folder), repair=True, say=lines.append)
    assert done.found == {"surplus": 2} and not done.passed and done.repaired == 1
    assert len(done.problems) == 2, "what was mended is no problem any more"
    assert "  'part-00000012.parquet' is not of this generation: move it away." in lines
    assert "  'sub/' is not of this generation: move it away." in lines
    assert shard(folder, 12).exists()


def test_rows_and_schema_are_held_against_the_plan(whole, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "out"))
    rows = pq.read_table(shard(folder, 0))
    for number, table in ((0, rows.slice(0, 900)), (1, rows.drop_columns(["age"]))):
        pq.write_table(table, shard(folder, number))
        content = shard(folder, number).read_bytes()
        edit_line(folder, number, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    done = raygen.verify(str(folder), say=silent)
    assert done.found == {"rows": 1, "schema": 1, "edited": 1} and done.repairable
    assert "'part-00000000.parquet' has 900 rows; the plan says 1,000." in done.problems
    assert any("a line was edited" in problem for problem in done.problems)


@pytest.mark.parametrize("mend", [(), ("--repair",)])
def test_a_shard_that_was_edited_with_its_line_is_named_and_no_mending_promised(
    mend, whole, tmp_path, run_cli
):
    folder = Path(shutil.copytree(whole, tmp_path / "out"))
    pq.write_table(pq.read_table(shard(folder, 0)), shard(folder, 0), compression="gzip")
    content = shard(folder, 0).read_bytes()
    edit_line(folder, 0, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    before = hashes(folder)
    status, out, _ = run_cli("verify", folder, *mend)
    assert status == 1
    assert "a line was edited" in out and "1 edited" in out and "To mend it" not in out
    assert hashes(folder) == before


def test_what_cannot_be_read_is_an_error_and_nothing_is_deleted(whole, tmp_path, run_cli):
    folder = Path(shutil.copytree(whole, tmp_path / "out"))
    part(folder, 3).unlink()
    part(folder, 3).mkdir()
    before = hashes(folder)
    for mend in ((), ("--repair",)):
        status, _, err = run_cli("verify", folder, *mend)
        assert status == 2
        assert (
            err.startswith(f"StorageError: '{part(folder, 3)}' cannot be read: ")
            and "Hint:" in err
            and "Traceback" not in err
        )
    assert hashes(folder) == before


def test_rows_of_conditions_strata_and_a_temperature_are_mended(trained, tmp_path):
    config = trained.config.override(
        {"generate.rows_per_shard": 400, "generate.temperature": 0.8, "generate.where": "age<60"}
    )
    raygen.generate(config, out=str(folder := tmp_path / "out"), per=" income = 7e2", say=silent)
    before = hashes(folder)
    assert json.loads((folder / "_run.json").read_text())["per"] == "income=700"
    flip(shard(folder, 1))
    shard(folder, 3).unlink()
    part(folder, 2).unlink()
    done = raygen.verify(str(folder), repair=True, say=silent)
    assert done.passed and (done.rows, done.shards, done.repaired, done.problems) == (1400, 4, 2, [])
    assert hashes(folder) == before


def test_a_lost_mark_is_made_good(trained, whole, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "out"))
    (folder / "_run.json").unlink()
    assert raygen.verify(str(folder), say=silent).passed
    config = trained.config.override({"generate.rows": 12_000, "generate.rows_per_shard": 1000})
    assert raygen.generate(config, out=str(folder), say=silent).kept == 12
    assert hashes(folder) == hashes(whole)


def test_an_unfinished_folder_and_a_damaged_header_are_named(whole, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "out"))
    (folder / "_manifest.json").write_text("{")
    shard(folder, 11).unlink()
    assert raygen.verify(str(folder), say=silent).found == {"manifest": 1, "missing": 1}
    (folder / "_manifest.json").unlink()
    assert raygen.verify(str(folder), say=silent).found == {"unfinished": 1, "missing": 1}
    assert raygen.verify(str(folder), repair=True, say=silent).passed
    assert hashes(folder) == hashes(whole)


def test_surplus_is_looked_for_in_prefix_folders(tmp_path):
    plan = Plan(2500, 1)
    for shard in range(plan.num_shards):
        (tmp_path / plan.prefix(shard)).mkdir(exist_ok=True)
        (tmp_path / plan.files(shard)[0]).touch()
    (tmp_path / "000001" / "part-00001000.parquet").rename(tmp_path / "000000" / "part-00001000.parquet")
    (tmp_path / "000002" / "part-00002500.parquet").touch()
    (tmp_path / "000003").mkdir()
    (tmp_path / "_manifest").mkdir()
    found = [
        name
        for part in range(plan.num_parts)
        for name in verification.surplus(str(tmp_path), plan, plan.part(part))
    ]
    assert found == ["000000/part-00001000.parquet", "000003", "000002/part-00002500.parquet"]


def test_what_is_no_generation_or_has_lost_its_model_is_refused(trained, whole, tmp_path):
    with pytest.raises(OutputError, match=r"holds no generation: there is no _run\.json"):
        raygen.verify(str(tmp_path), say=silent)
    folder = Path(shutil.copytree(whole, tmp_path / "out"))
    run = json.loads((folder / "_run.json").read_text())
    (folder / "_run.json").write_text(json.dumps(run | {"model": str(tmp_path / "gone")}))
    flip(shard(folder, 0))
    with pytest.raises(ModelError, match="gone"):
        raygen.verify(str(folder), repair=True, say=silent)
    assert shard(folder, 0).exists()
    assert raygen.verify(str(folder), say=silent).found == {"content": 1}
