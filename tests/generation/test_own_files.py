"""Nothing that is not raygen's own is deleted or written: neither by names in a damaged file, nor through
links, nor because a user's file lies where raygen keeps its own."""

import json
import uuid
from pathlib import Path

import pytest

from raygen import storage
from raygen.errors import OutputError, RaygenError
from raygen.generation import manifest, verification
from raygen.generation.manifest import Totals
from raygen.generation.shards import Plan
from tests import untrained

PLAN = Plan(30, 10)
IDENTITY = {"fingerprint": "f", "seed": 1, "rows": 30, "rows_per_shard": 10, "format": "parquet"}
TOLD = {"model": "m", "schema": {"a": "int64"}}
PARTITIONED = {"generate.partition_by": ["flag"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return untrained.save(tmp_path_factory.mktemp("run") / "model")


def theirs(folder: Path, *names: str) -> dict[Path, str]:
    """Files of a user's own, and what is in them."""
    found = {folder / name: f"mine: {name}" for name in names}
    for path, text in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return found


def kept(files: dict[Path, str]) -> bool:
    return all(path.is_file() and path.read_text() == text for path, text in files.items())


def repair(folder: Path) -> None:
    """What `verify --repair` does before it makes anything again."""
    run = manifest.read_run(str(folder))
    plan = manifest.plan_of(run)
    verification._check(0, plan.num_parts, str(folder), run, True)


def edit_run(folder: Path, **values) -> None:
    path = folder / "_run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_files_of_the_users_beside_raygens_stay(tmp_path):
    mine = theirs(
        tmp_path,
        "_tmp-notes.txt",
        "_tmp-0-part-00000000.parquet",
        f"_tmp-{uuid.uuid4().hex}-notes.txt",
        f"_tmp-{uuid.uuid4().hex}-part-00000007.parquet",
        "_manifest/notes.jsonl",
        "_manifest/_tmp-mine",
        "_manifest/00000000-00000001.jsonl",
        "_manifest/00000000-00000000.jsonl.bak",
        "_manifest/sub/more.txt",
    )
    half = [
        tmp_path / f"_tmp-{uuid.uuid4().hex}-part-00000002.parquet",
        tmp_path / "_manifest" / f"_tmp-{uuid.uuid4().hex}-00000001-00000001.jsonl",
    ]
    for path in half:
        path.write_text("left by a killed actor")
    manifest.finish(str(tmp_path), PLAN, IDENTITY, TOLD, Totals(30, 3, 7, 5))
    assert kept(mine)
    assert not any(path.exists() for path in half)


@pytest.mark.parametrize("scheme", ["", "fsspec+local://"])
@pytest.mark.parametrize("name", ["_manifest", "_run.json", "_manifest.json"])
def test_a_link_in_place_of_raygens_own_is_refused(scheme, name, tmp_path):
    mine = theirs(tmp_path / "elsewhere", "00000000-00000001.jsonl", "_tmp-a", "file")
    out = tmp_path / "out"
    out.mkdir()
    (out / name).symlink_to(tmp_path / "elsewhere" / ("file" if "." in name else ""))
    with pytest.raises(OutputError, match=rf"'{name}' .* is a link"):
        manifest.claim(f"{scheme}{out}", IDENTITY, TOLD)
    if name == "_manifest":
        with pytest.raises(OutputError, match=r"'_manifest' .* is a link"):
            manifest.write_part(f"{scheme}{out}", PLAN, 0, [])
        manifest.finish(f"{scheme}{out}", PLAN, IDENTITY, TOLD, Totals(30, 3, 7, 5))
    assert kept(mine) and len(list((tmp_path / "elsewhere").iterdir())) == len(mine)


@pytest.mark.parametrize("partition", ["../victim", "{victim}", "flag=true/../../victim", "", "."])
@pytest.mark.slow
def test_repair_deletes_nothing_that_run_json_names_elsewhere(partition, model, tmp_path):
    mine = theirs(tmp_path / "victim", "part-00000000.parquet")
    out = tmp_path / "out"
    untrained.generate(model, out, PARTITIONED)
    named = partition.format(victim=tmp_path / "victim")
    edit_run(out, partitions=[named, "flag=false"])
    with pytest.raises(OutputError, match=r"_run.json. is damaged: partitions") as caught:
        repair(out)
    assert kept(mine) and "delete it" in caught.value.hint


@pytest.mark.parametrize("setting", ["format", "compression"])
@pytest.mark.slow
def test_repair_takes_no_ending_of_files_from_run_json(setting, model, tmp_path):
    mine = theirs(tmp_path, "victim")
    out = tmp_path / "out"
    untrained.generate(model, out, {"generate.format": "csv"})
    edit_run(out, **{setting: "/../../victim"})
    with pytest.raises(RaygenError, match=rf"_run.json. is damaged: {setting}"):
        repair(out)
    assert kept(mine)


def test_repair_follows_no_link_to_a_folder(model, tmp_path):
    mine = theirs(tmp_path / "victim", *(f"part-{shard:08d}.parquet" for shard in range(4)))
    out = tmp_path / "out"
    untrained.generate(model, out, PARTITIONED)
    (out / "flag=true").rename(tmp_path / "away")
    (out / "flag=true").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match=r"'flag=true' .* is a link"):
        repair(out)
    assert kept(mine)


def test_repair_removes_no_link_to_a_file(model, tmp_path):
    mine = theirs(tmp_path, "victim")
    out = tmp_path / "out"
    untrained.generate(model, out)
    (out / "part-00000001.parquet").unlink()
    (out / "part-00000001.parquet").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match=r"'part-00000001.parquet' .* is a link"):
        repair(out)
    assert kept(mine) and (out / "part-00000001.parquet").is_symlink()


def test_nothing_is_written_through_a_link(model, tmp_path):
    out, victim = tmp_path / "out", tmp_path / "victim"
    victim.mkdir()
    job = untrained.generate(model, out, PARTITIONED)
    for path in (out / "flag=true").iterdir():
        path.unlink()
    (out / "flag=true").rmdir()
    (out / "flag=true").symlink_to(victim)
    with pytest.raises(OutputError, match=r"'flag=true' .* is a link"):
        manifest.check_links(str(out), job.plan)
    with pytest.raises(OutputError, match=r"'flag=true' .* is a link"):
        storage.own(str(out), job.plan.files(0)[1])
    assert not list(victim.iterdir())


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "a/../b", ".", "", "a/..", "a\0b"])
def test_a_name_that_leads_out_of_its_folder_is_refused(name, tmp_path):
    with pytest.raises(OutputError, match="names no file below it"):
        storage.own(str(tmp_path), name)


def test_a_folder_that_is_itself_a_link_is_the_users_choice(model, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    untrained.generate(model, tmp_path / "out")
    assert (tmp_path / "disk" / "_manifest.json").exists()
