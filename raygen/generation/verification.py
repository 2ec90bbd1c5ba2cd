"""`raygen verify`: rows, hash and schema of every shard against the manifest, on all CPUs of the cluster or,
of few rows, in this process; and how to repair what is wrong."""

import contextlib
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import fs as pafs

from raygen import filesystems, storage, uris
from raygen.cluster import connection, devices
from raygen.config_sections import GenerateSettings
from raygen.errors import OutputError, RaygenError, StorageError
from raygen.generation import manifest, one_file, same_rows
from raygen.generation.formats import Format
from raygen.generation.manifest import Totals
from raygen.generation.shards import FILES_PER_FOLDER, Plan
from raygen.report.redrawn import Say

MAX_MESSAGES = 100
NOT_REPAIRED = {"surplus", "edited"}


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Attributes:
        rows, shards, bytes: Of the shards that are as the manifest says.
        found: How many files are wrong, by what is wrong with them: missing, length, content, rows, schema,
            manifest, surplus, unfinished, edited.
        problems: A sentence for each, up to 100 of them. After repairing, `found` and `problems` are what is
            still wrong.
        repaired: How many shards were made again.
    """

    folder: str
    rows: int
    shards: int
    bytes: int
    found: dict[str, int]
    problems: list[str]
    repaired: int
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.found

    @property
    def repairable(self) -> bool:
        return bool(self.found.keys() - NOT_REPAIRED)


def verify(folder: str, repair: bool = False, say: Say = print) -> Verification:
    """Read every shard of a generation and hold it against the manifest.

    Args:
        folder: That `generate` wrote, or a file.
        repair: Delete each shard that is not as the manifest says, make again what is missing, and tell what
            is still wrong then.
        say: Called with a line for each problem, and with the progress of what is made again.

    Raises:
        OutputError: If the folder holds no generation, or cannot be written where it is to be repaired.
        StorageError: If a file is there and cannot be read.
        ModelError: If it is to be repaired and its model is not where it was.
        ClusterError: If it is to be repaired and the cluster is too small, or a node does not see the folder.
    """
    from raygen.generation import driver as generation
    from raygen.generation import request

    folder, began = one_file.beside(uris.absolute(folder)), time.perf_counter()
    run = manifest.read_run(folder)
    plan = manifest.plan_of(run)
    asked = request.begun(folder) if repair else None
    settings = asked.settings if asked else GenerateSettings()
    with contextlib.ExitStack() as stack:
        available = None
        if not generation.runs_here(settings, plan.rows):
            available = stack.enter_context(connection.connected())
        elif asked:
            stack.enter_context(devices.in_this_process(use_gpu=False))
        if asked:  # what would be refused is refused before anything is deleted
            if available:
                generation.check_cluster(asked, available, "")
            same_rows.made_with(asked, settings, available, say)
        say(f"Verifying {plan.num_shards:,} shard(s) of {plan.rows:,} rows in {folder} ...")
        totals, found, problems = _checked(folder, run, plan, available.cpus if available else 0, repair)
        for _, problem in problems:
            say(f"  {problem}")
        if sum(found.values()) > len(problems):
            say(f"  ... and {sum(found.values()) - len(problems):,} more")
        repaired = 0
        if asked and found.keys() - NOT_REPAIRED:
            missing = plan.num_shards if "manifest" in found else sum(found.values())
            done = generation.written(asked, say, missing)
            totals, repaired = Totals(done.rows, done.shards, done.bytes), done.shards - done.kept
            found = {kind: count for kind, count in found.items() if kind == "surplus"}
    told = [problem for kind, problem in problems if kind in found]
    return Verification(
        folder, totals.rows, totals.shards, totals.bytes, found, told, repaired, time.perf_counter() - began
    )


def _checked(
    folder: str, run: dict, plan: Plan, cpus: int, repair: bool
) -> tuple[Totals, dict[str, int], list[tuple[str, str]]]:
    """What is named by the manifest and whole, how much of what is wrong, and a sentence on each; `cpus` of
    Ray, or 0 for this process alone."""

    def check(first: int, last: int) -> dict | RaygenError:
        try:
            return _check(first, last, folder, run, repair)
        except RaygenError as mistake:  # returned, as Ray would wrap it in another
            return mistake
        except OSError as refusal:
            message = f"'{folder}' cannot be read: {filesystems.reason(refusal)}."
            return StorageError(message, filesystems.hint(refusal, "check that it may be read."))

    items = plan.items(max(1, cpus))
    answers = _by_ray(check, items) if cpus else (check(*item) for item in items)
    totals, whole, found, problems = Totals(), Totals(), Counter[str](), list[tuple[str, str]]()
    for done in answers:
        if isinstance(done, RaygenError):
            raise done
        totals, whole = totals + Totals.from_dict(done["named"]), whole + Totals.from_dict(done["whole"])
        found.update(done["found"])
        problems += [(kind, text) for kind, text in done["problems"]][: MAX_MESSAGES - len(problems)]
    for kind, problem in _header_problems(folder, totals, "manifest" in found):
        found[kind] += 1
        problems.append((kind, problem))
    return whole, dict(found), problems


def _by_ray(
    check: Callable[[int, int], dict | RaygenError], items: list[tuple[int, int]]
) -> Iterator[dict | RaygenError]:
    import ray

    def run(batch: dict) -> dict:
        (item,) = batch["item"].tolist()
        return {"answer": [pickle.dumps(check(*item))]}  # between Ray's own processes only

    pieces = [{"item": item} for item in items]
    dataset = ray.data.from_items(pieces, override_num_blocks=len(pieces)).map_batches(run, batch_size=1)
    return (pickle.loads(row["answer"]) for row in dataset.iter_rows())


def _header_problems(folder: str, totals: Totals, parts_are_missing: bool) -> Iterator[tuple[str, str]]:
    try:
        header = manifest.read_header(folder)
    except OutputError as error:
        yield "manifest", error.message[0].upper() + error.message[1:]
        return
    if header is None:
        yield (
            "unfinished",
            f"There is no {manifest.HEADER}: the generation has not finished, or it was deleted.",
        )
    elif not parts_are_missing and totals.to_dict() != {key: header[key] for key in totals.to_dict()}:
        yield (
            "edited",
            f"The parts of the manifest are not those that {manifest.HEADER} was made from: a line "
            "was edited.",
        )


def _check(first: int, last: int, folder: str, run: dict, repair: bool) -> dict:
    """Check some parts of the manifest, [first, last), and their shards."""
    plan, named, whole, problems = manifest.plan_of(run), Totals(), Totals(), []
    listed: dict[str, dict[str, int]] = {}
    for number in range(first, last):
        shards, lines = plan.part(number), manifest.read_part(folder, plan, number)
        sizes = manifest.sizes(folder, plan, shards, listed)
        named += Totals.of(lines or [])
        if lines is None:
            problems.append(
                (
                    "manifest",
                    f"Part '{plan.part_name(number)}' of the manifest is missing or damaged: "
                    f"{len(shards):,} shard(s).",
                )
            )
        by_file = {line["file"]: line for line in lines or []}
        for shard in shards:
            before = len(problems)
            for name in plan.files(shard):
                if problem := _file_problem(
                    folder, run, plan, shard, name, by_file.get(name), sizes.get(name)
                ):
                    problems.append(problem)
                    if repair and problem[0] != "missing":
                        storage.delete(plan.own(folder, name))
            if lines and len(problems) == before:
                whole += Totals.of(manifest.of_shard(lines, shard))
        problems += [
            ("surplus", f"'{name}' is not of this generation: move it away.")
            for name in surplus(folder, plan, shards)
        ]
    found = Counter(kind for kind, _ in problems)
    return {
        "named": named.to_dict(),
        "whole": whole.to_dict(),
        "found": found,
        "problems": problems[:MAX_MESSAGES],
    }


def _file_problem(
    folder: str, run: dict, plan: Plan, shard: int, name: str, line: dict | None, size: int | None
) -> tuple[str, str] | None:
    """What is wrong with a file of a shard: a word for it and a sentence.

    Raises:
        StorageError: If it cannot be read, so that nothing is known of it.
    """
    uri, form = storage.inside(folder, name), Format.of_run(run)
    if size is None:
        return "missing", f"'{name}' is missing."
    if line and size != line["bytes"]:
        return "length", f"'{name}' has {size:,} bytes; the manifest says {line['bytes']:,}."
    try:
        if line and storage.sha256(uri) != line["sha256"]:
            return "content", f"'{name}' has other bytes than the manifest says (SHA-256), though as many."
        if not line and form.is_text:
            return None  # nothing tells what it should hold; it is made again with its part of the manifest
        rows, columns = form.described(uri)
    except FileNotFoundError:
        return "missing", f"'{name}' is missing."
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, StorageError):
            raise
        return "content", f"'{name}' cannot be read: {str(error).splitlines()[0]}"
    first, last = plan.span(shard)
    expected = line["rows"] if line else last - first
    if rows != expected and (line or len(plan.partitions) == 1):
        return "rows", f"'{name}' has {rows:,} rows; the plan says {expected:,}."
    known = {
        column: kind for column, kind in run["schema"].items() if column not in run.get("partition_by", [])
    }
    if columns != (dict.fromkeys(known, "") if form.is_text else known):
        return "schema", f"'{name}' has other columns or types than the model makes."
    return None


def surplus(folder: str, plan: Plan, shards: range) -> list[str]:
    """What lies in the folders of these shards and is no shard: looked for where the first shard of a folder
    is checked."""
    found: list[str] = []
    for shard in shards if not plan.file else ():
        if shard % FILES_PER_FOLDER == 0:
            known = {
                name
                for s in range(shard, min(shard + FILES_PER_FOLDER, plan.num_shards))
                for name in plan.files(s)
            }
            inside = [
                f"{one}/{name}".lstrip("/")
                for one in plan.folders(shard)
                for name in _names(storage.inside(folder, one))
            ]
            found += [name for name in inside if name not in known]
        if shard == 0:
            found += _strange_folders(folder, set(plan.all_folders()))
    return found


def _strange_folders(folder: str, known: set[str]) -> list[str]:
    """What lies above the folders of the shards and does not lead to them."""
    leading = {"/".join(one.split("/")[:depth]) for one in known for depth in range(1, one.count("/") + 2)}
    above = {"/".join(one.split("/")[:depth]) for one in known for depth in range(one.count("/") + 1)} - known
    return [
        name
        for one in sorted(above)
        for name in (f"{one}/{each}".lstrip("/") for each in _names(storage.inside(folder, one)))
        if name.rstrip("/") not in leading
    ]


def _names(folder: str) -> list[str]:
    """Files and folders in a folder, but those that readers of Parquet folders leave out too."""
    hidden = ("_", ".")
    return sorted(
        info.base_name + "/" * (info.type == pafs.FileType.Directory and not info.base_name.isdigit())
        for info in storage.entries(folder)
        if not info.base_name.startswith(hidden)
    )
