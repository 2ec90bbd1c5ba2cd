"""The manifest: parts that vouch for shards, totals in any order, a header that keeps its word; a million
shards in flat memory."""

import itertools
import json
import tracemalloc

import pyarrow as pa
import pytest

from raygen import filesystems, storage
from raygen.errors import GenerationError, OutputError, StorageError
from raygen.evaluation import synthetic_rows
from raygen.generation import completeness, manifest
from raygen.generation.formats import Format
from raygen.generation.manifest import Totals
from raygen.generation.shards import Plan

PLAN = Plan(9000 * 10, 10)  # three shards in a part, 1,000 in a folder
IDENTITY = {"fingerprint": "f", "seed": 1, "rows": PLAN.rows, "rows_per_shard": 10, "format": "parquet"}
TOLD = {"model": "m", "schema": {"a": "int64"}}


@pytest.fixture(params=["", "fsspec+local://"])
def folder(request, tmp_path) -> str:
    return f"{request.param}{tmp_path}/out"


def lines(plan: Plan, number: int) -> list[dict]:
    return [
        manifest.line(shard, file, 10, 100 + shard, f"{shard:064x}")
        for shard in plan.part(number)
        for file in plan.files(shard)
    ]


def test_a_part_comes_back_and_tells_its_shards(folder):
    assert manifest.read_part(folder, PLAN, 2) is None
    manifest.write_part(folder, PLAN, 2, lines(PLAN, 2))
    assert manifest.read_part(folder, PLAN, 2) == lines(PLAN, 2)
    assert [line["shard"] for line in lines(PLAN, 2)] == [6, 7, 8]
    assert lines(PLAN, 2)[0]["file"] == "000000/part-00000006.parquet"
    assert storage.exists(storage.join(folder, "_manifest", "00000006-00000008.jsonl"))
    manifest.write_part(folder, PLAN, 0, lines(PLAN, 0))
    assert sorted(line["shard"] for line in manifest.read(folder)) == [0, 1, 2, 6, 7, 8]


@pytest.mark.parametrize("content", [b"null", b"null\n{}", b"{}\n", b"\xff\n", b"1\n"])
def test_a_part_that_holds_something_else_is_refused(content, folder):
    manifest.write_part(folder, PLAN, 0, lines(PLAN, 0))
    storage.write(storage.join(folder, "_manifest", "00000003-00000005.jsonl"), content)
    with pytest.raises(OutputError, match=r"the manifest of '.*' cannot be read: "):
        manifest.read(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-20],
        lambda text: text[: text.index(b"\n") + 1],
        lambda text: text.replace(b'"rows": 10', b'"rows": 9', 1),
        lambda text: text.replace(b'"bytes": 106', b'"bytes": "106"'),
        lambda text: text.replace(b"part-00000007", b"part-00000006"),
        lambda text: b"\n".join(reversed(text.splitlines())),
        lambda text: b"\xff\x00",
        lambda text: b"[]\n" * 3,
        lambda text: b"",
    ],
)
def test_a_damaged_part_vouches_for_nothing(damage, tmp_path):
    manifest.write_part(str(tmp_path), PLAN, 2, lines(PLAN, 2))
    (part,) = (tmp_path / "_manifest").iterdir()
    part.write_bytes(damage(part.read_bytes()))
    assert manifest.read_part(str(tmp_path), PLAN, 2) is None


def test_totals_are_the_same_in_any_order_and_change_with_any_line():
    parts = [Totals.of(lines(PLAN, number)) for number in range(4)]
    sums = {sum(order, Totals()) for order in itertools.permutations(parts)}
    assert sums == {Totals.of([line for number in range(4) for line in lines(PLAN, number)])}
    for count in range(5, 25):
        parts.append(Totals.of(lines(PLAN, count)))
        assert 0 <= sum(parts, Totals()).hash == sum(part.hash for part in parts) % 2**256
    (total,) = sums
    assert (total.rows, total.shards, total.bytes) == (120, 12, 12 * 100 + sum(range(12)))
    assert Totals.from_dict(json.loads(json.dumps(total.to_dict()))) == total
    for key, value in {"sha256": "1" * 64, "bytes": 1, "file": "x"}.items():
        changed = lines(PLAN, 0)
        changed[0][key] = value
        assert Totals.of(changed).hash != parts[0].hash


def test_a_folder_is_claimed_once(folder):
    manifest.claim(folder, IDENTITY, TOLD)
    manifest.claim(folder, IDENTITY, {**TOLD, "model": "elsewhere"})
    assert manifest.read_run(folder) == IDENTITY | TOLD
    with pytest.raises(OutputError, match=r"another generation \(seed 1\); this one has seed 2"):
        manifest.claim(folder, IDENTITY | {"seed": 2}, TOLD)
    with pytest.raises(OutputError, match=r"\(where None\); this one has where x"):
        manifest.claim(folder, IDENTITY | {"where": "x"}, TOLD)


def test_a_folder_grows_and_never_shrinks(folder):
    plan, longer = Plan(25, 10), Plan(60, 10)
    small, large = (IDENTITY | {"rows": p.rows} for p in (plan, longer))
    assert manifest.claim(folder, small, TOLD) == 0
    for number in range(plan.num_parts):
        rows = [
            manifest.line(s, file, min(10, 25 - 10 * s), 7, "0" * 64)
            for s in plan.part(number)
            for file in plan.files(s)
        ]
        manifest.write_part(folder, plan, number, rows)
    manifest.finish(folder, plan, small, TOLD, Totals(25, 3, 7, 5))
    assert manifest.claim(folder, large, TOLD) == 25
    assert manifest.read_run(folder)["rows"] == 60 and manifest.read_header(folder) is None, (
        "it is not finished any more"
    )
    assert manifest.claim(folder, large, TOLD) == 0
    assert (
        manifest.read_part(folder, longer, 1) is not None and manifest.read_part(folder, longer, 2) is None
    ), "the last shard was shorter"
    with pytest.raises(OutputError, match=r"generation \(rows 60\); this one has rows 25") as caught:
        manifest.claim(folder, small, TOLD)
    assert "at least --rows 60" in caught.value.hint
    with pytest.raises(OutputError, match=r"seed 1, rows 60\); this one has seed 2, rows 70"):
        manifest.claim(folder, large | {"rows": 70, "seed": 2}, TOLD)


def test_a_folder_that_lost_its_mark_grows_too(folder):
    manifest.finish(folder, Plan(30, 10), identity := IDENTITY | {"rows": 30}, TOLD, Totals(30, 3, 7, 5))
    assert manifest.claim(folder, identity | {"rows": 40}, TOLD) == 30
    assert manifest.read_run(folder)["rows"] == 40 and manifest.read_header(folder) is None


def test_parts_of_fewer_rows_are_deleted_at_the_end_and_those_of_more_are_kept(tmp_path):
    """4,201 to 4,203 shards have two in a part, the last one or two; the driver of the most has just begun
    when that of the others ends."""
    short, middle, long, folder = Plan(4201, 1), Plan(4202, 1), Plan(4203, 1), str(tmp_path)
    for plan in (short, middle, long):
        for number in (0, plan.num_parts - 1):
            manifest.write_part(
                folder,
                plan,
                number,
                [manifest.line(s, plan.files(s)[0], 1, 1, "") for s in plan.part(number)],
            )
    (tmp_path / "_manifest" / f"_tmp-{'1' * 32}-00000000-00000001.jsonl").write_text("half")
    manifest.finish(folder, middle, IDENTITY, TOLD, Totals(4202, 4202, 7, 5))
    names = sorted(p.name for p in (tmp_path / "_manifest").iterdir())
    assert names == ["00000000-00000001.jsonl", "00004200-00004201.jsonl", "00004202-00004202.jsonl"]


def test_another_driver_that_takes_the_folder_is_noticed(folder):
    """The shards of 25 rows end with one of 5, which those of 30 make 10."""
    short, long = Plan(25, 10), Plan(30, 10)
    small, large = (IDENTITY | {"rows": p.rows} for p in (short, long))
    manifest.claim(folder, small, TOLD)
    completeness.check_rows(folder, short)
    assert manifest.claim(folder, large, TOLD) == 25
    with pytest.raises(OutputError, match=r"marked for 30 rows now, no longer for 25") as caught:
        completeness.check_rows(folder, short)
    assert "--rows 30" in caught.value.hint
    storage.write_json(
        storage.join(folder, "_run.json"), small | TOLD
    )  # it claimed at the same moment, and wrote last
    with pytest.raises(OutputError, match=r"marked for 25 rows now, no longer for 30") as caught:
        completeness.check_rows(folder, long)
    assert "--rows 30" in caught.value.hint


def test_what_another_driver_changed_is_noticed_before_the_header_is_written(folder):
    plan, last = Plan(30, 10), storage.join(folder, "part-00000002.parquet")

    def write_last(rows: int, size: int) -> None:
        storage.write(last, b"x" * size)
        manifest.write_part(folder, plan, 2, [manifest.line(2, plan.files(2)[0], rows, size, "0" * 64)])

    for number in (0, 1):
        manifest.write_part(folder, plan, number, lines(plan, number))
    write_last(10, 7)
    completeness.check_whole(folder, plan)
    storage.write(last, b"x" * 5)
    with pytest.raises(GenerationError, match=r"last shard of .* was changed"):
        completeness.check_whole(folder, plan)
    write_last(5, 5)
    with pytest.raises(GenerationError, match=r"last shard of .* was changed"):
        completeness.check_whole(folder, plan)
    write_last(10, 7)
    storage.delete(last)
    with pytest.raises(GenerationError, match=r"last shard of .* was changed"):
        completeness.check_whole(folder, plan)
    storage.delete(storage.join(folder, "_manifest", plan.part_name(0)))
    with pytest.raises(GenerationError, match=r"1 part\(s\) of the manifest of .* were deleted"):
        completeness.check_whole(folder, plan)


def test_shards_that_would_have_to_move_are_not_added_to(folder):
    identity = IDENTITY | {"rows": 1000, "rows_per_shard": 1}
    manifest.claim(folder, identity, TOLD)
    with pytest.raises(
        OutputError, match="holds 1,000 shards; with 1,001 rows there are over 1,000"
    ) as caught:
        manifest.check(folder, identity | {"rows": 1001})
    assert "--first-row 1000" in caught.value.hint


def test_parts_that_would_have_to_name_other_shards_are_not_added_to(folder):
    identity = IDENTITY | {"rows": 4000, "rows_per_shard": 1, "first_row": 7}
    manifest.claim(folder, identity, TOLD)
    manifest.check(folder, identity | {"rows": 4096})
    with pytest.raises(
        OutputError,
        match="holds 4,000 shards; with 4,097 rows there are over 4,096, which 4,096 parts of the "
        "manifest name",
    ) as caught:
        manifest.check(folder, identity | {"rows": 4097})
    assert "--first-row 4007" in caught.value.hint


def test_a_folder_tells_the_rows_of_its_shards_of_a_size(folder):
    assert manifest.begun_with(folder, 0.5) == 0
    manifest.claim(folder, IDENTITY, TOLD | {"shard_mib": 0.5})
    assert (manifest.begun_with(folder, 0.5), manifest.begun_with(folder, 0.6)) == (10, 0)


def test_a_folder_of_an_earlier_raygen_is_read_and_not_continued(folder):
    old = {key: value for key, value in (IDENTITY | TOLD).items() if key != "format"}
    storage.write_json(storage.join(folder, "_run.json"), old)
    assert manifest.plan_of(manifest.read_run(folder)) == PLAN
    with pytest.raises(OutputError, match="was written by an earlier raygen"):
        manifest.check(folder, IDENTITY)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.parquet", "Parquet"), ("b.CSV.gz", "CSV"), ("c.jsonl", "JSON Lines")]
)
def test_a_folder_with_files_of_someone_else_is_refused(name, kind, tmp_path):
    (tmp_path / name).touch()
    with pytest.raises(OutputError, match=f"holds {kind} files that raygen did not write"):
        manifest.check(str(tmp_path), IDENTITY)
    (tmp_path / name).rename(tmp_path / "notes.txt")
    manifest.check(str(tmp_path), IDENTITY)


def test_files_of_partitions_are_vouched_for_by_their_sum(folder):
    plan = Plan(20, 10, partitions=("a=1", "a=2"))
    rows = [
        manifest.line(1, file, count, 7, "0" * 64) for file, count in zip(plan.files(1), (10, 0), strict=True)
    ]
    manifest.write_part(folder, plan, 1, rows)
    assert manifest.read_part(folder, plan, 1) == rows == manifest.of_shard(rows, 1)
    assert Totals.of(rows).shards == 1
    manifest.write_part(folder, plan, 1, [rows[0], rows[1] | {"rows": 1}])
    assert manifest.read_part(folder, plan, 1) is None
    manifest.write_part(folder, plan, 1, rows[:1])
    assert manifest.read_part(folder, plan, 1) is None
    twice = Plan(20, 10, partitions=("a=1", "a=1"))
    manifest.write_part(folder, twice, 1, [manifest.line(1, file, 5, 7, "0" * 64) for file in twice.files(1)])
    assert manifest.read_part(folder, twice, 1) is None, "one file cannot hold the rows of two"


def test_csv_is_held_against_its_manifest_by_length(tmp_path):
    plan, form, folder = Plan(6, 3, suffix=".csv"), Format("csv", "none"), str(tmp_path)
    identity = IDENTITY | {"rows": 6, "rows_per_shard": 3, "format": "csv", "compression": "none"}
    assert manifest.plan_of(identity) == plan
    for shard in range(2):
        with (tmp_path / plan.files(shard)[0]).open("wb", buffering=0) as stream:
            written = form.write(stream, pa.schema([("a", pa.int64())]), [pa.table({"a": [1, 2, 3]})])
        manifest.write_part(folder, plan, shard, [manifest.line(shard, plan.files(shard)[0], *written)])
    manifest.finish(folder, plan, identity, TOLD, Totals(6, 2, 18, 5))
    assert synthetic_rows.manifest_problems(synthetic_rows.opened(folder)) == []
    (tmp_path / plan.files(1)[0]).write_text("a\n1\n2\n3\n4\n5\n")
    problems = synthetic_rows.manifest_problems(synthetic_rows.opened(folder))
    assert problems == ["Shard 'part-00000001.csv' has 12 bytes; its manifest says 10."]


def test_a_finished_folder_keeps_its_hash(tmp_path):
    plan, folder = Plan(30, 10), str(tmp_path)
    assert manifest.read_header(folder) is None
    (tmp_path / f"_tmp-{'a' * 32}-part-00000000.parquet").write_text("half")
    manifest.finish(folder, plan, IDENTITY, TOLD, totals := Totals(30, 3, 7, 5))
    assert [p.name for p in tmp_path.iterdir()] == ["_manifest.json"]
    assert manifest.read_header(folder) == IDENTITY | TOLD | totals.to_dict() | {"parts": 3, "rows": 30}
    with pytest.raises(GenerationError, match="not those that it was finished with"):
        manifest.finish(folder, plan, IDENTITY, TOLD, Totals(30, 3, 7, 6))
    (tmp_path / "_manifest.json").write_text("{")
    with pytest.raises(OutputError, match="damaged"):
        manifest.read_header(folder)
    manifest.finish(folder, plan, IDENTITY, TOLD, Totals(30, 3, 7, 6))


def test_one_listing_gives_the_sizes_of_the_shards_of_a_part(tmp_path):
    for shard in (998, 999, 1000, 1001):
        storage.write(str(tmp_path / PLAN.files(shard)[0]), b"x" * shard)
    across = manifest.sizes(str(tmp_path), PLAN, range(999, 1002), listed := {})
    assert across == {PLAN.files(shard)[0]: shard for shard in (998, 999, 1000, 1001)}
    (tmp_path / PLAN.files(998)[0]).unlink()
    assert manifest.sizes(str(tmp_path), PLAN, PLAN.part(0), listed) == {
        PLAN.files(998)[0]: 998,
        PLAN.files(999)[0]: 999,
    }, "not listed again"
    assert listed.keys() == {PLAN.prefix(0)}, "and no folder is kept that is done with"
    assert manifest.sizes(str(tmp_path), PLAN, PLAN.part(0), {}) == {PLAN.files(999)[0]: 999}
    assert manifest.sizes(str(tmp_path / "none"), PLAN, PLAN.part(0), {}) == {}


def test_a_folder_that_cannot_be_listed_is_an_error_with_a_hint(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be read: Not a directory"):
        storage.entries(str(tmp_path / "file"))


def test_a_lost_mark_is_told_by_the_header_and_written_again(folder):
    plan = Plan(30, 10)
    manifest.claim(folder, identity := IDENTITY | {"rows": 30}, TOLD)
    manifest.finish(folder, plan, identity, TOLD, Totals(30, 3, 7, 5))
    before = storage.read(mark := storage.join(folder, "_run.json"))
    filesystem, path = filesystems.resolve(mark)
    filesystem.delete_file(path)
    assert manifest.read_run(folder).items() >= (identity | TOLD).items()
    with pytest.raises(OutputError, match=r"another generation \(seed 1\); this one has seed 2"):
        manifest.claim(folder, identity | {"seed": 2}, TOLD)
    manifest.claim(folder, identity, TOLD)
    assert storage.read(mark) == before
    storage.write(mark, b"{")
    with pytest.raises(OutputError, match="damaged") as caught:
        manifest.check(folder, identity)
    assert "delete it if _manifest.json is there" in caught.value.hint


def test_a_driver_adds_up_a_million_shards_in_flat_memory():
    plan = Plan(10**12, 10**6)
    tracemalloc.start()
    items, totals = plan.items(100), Totals()
    for first, last in items:
        for number in range(first, last):
            shards = plan.part(number)
            totals += Totals(len(shards) * plan.rows_per_shard, len(shards), 1, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (totals.rows, totals.shards) == (10**12, 10**6)
    assert peak < 2**20
