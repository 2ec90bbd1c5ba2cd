"""`raygen verify`: rows, hash and schema of every shard against the manifest, on all CPUs of the cluster; and how to mend what is wrong."""

import json
import pickle
import time
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs as pafs

from raygen import cluster, manifest, storage
from raygen.errors import OutputError, RaygenError, StorageError
from raygen.manifest import Totals
from raygen.shards import FILES_PER_FOLDER, Plan

MAX_MESSAGES = 100
NOT_MENDED = {"surplus", "edited"}


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Attributes:
        rows, shards, bytes: Of the shards that are as the manifest says.
        found: How many files are wrong, by what is wrong with them: missing, length, content, rows, schema, manifest, surplus, unfinished, edited.
        problems: A sentence for each, up to 100 of them. After mending, `found` and `problems` are what is still wrong.
        mended: How many shards were made again.
    """

    folder: str
    rows: int
    shards: int
    bytes: int
    found: dict[str, int]
    problems: list[str]
    mended: int
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.found

    @property
    def mendable(self) -> bool:
        return bool(self.found.keys() - NOT_MENDED)


def verify(folder: str, mend: bool = False, say=print) -> Verification:
    """Read every shard of a generation and hold it against the manifest.

    Args:
        folder: That `generate` wrote.
        mend: Delete each shard that is not as the manifest says, make again what is missing, and tell what is still wrong then.
        say: Called with a line for each problem, and with the progress of what is made again.

    Raises:
        OutputError: If the folder holds no generation, or cannot be written where it is to be mended.
        StorageError: If a file is there and cannot be read.
        ModelError: If it is to be mended and its model is not where it was.
        ClusterError: If it is to be mended and the cluster is too small, or a node does not see the folder.
    """
    folder, began = storage.absolute(folder), time.perf_counter()
    run = manifest.read_run(folder)
    plan = Plan(run["rows"], run["rows_per_shard"])
    with cluster.connected() as available:
        if mend:
            from raygen import generation

            job = generation.begun(folder)
            generation.check_cluster(job, available, "")  # what would be refused is refused before anything is deleted
        say(f"Verifying {plan.num_shards:,} shard(s) of {plan.rows:,} rows in {folder} ...")
        totals, found, problems = _checked(folder, run, plan, available.cpus, mend)
        for _, problem in problems:
            say(f"  {problem}")
        if sum(found.values()) > len(problems):
            say(f"  ... and {sum(found.values()) - len(problems):,} more")
        mended = 0
        if mend and found.keys() - NOT_MENDED:
            done = generation.written(job, say)
            totals, mended = Totals(done.rows, done.shards, done.bytes), done.shards - done.kept
            found = {kind: count for kind, count in found.items() if kind == "surplus"}
    told = [problem for kind, problem in problems if kind in found]
    return Verification(folder, totals.rows, totals.shards, totals.bytes, found, told, mended, time.perf_counter() - began)


def _checked(folder: str, run: dict, plan: Plan, cpus: int, mend: bool) -> tuple[Totals, dict[str, int], list[tuple[str, str]]]:
    import ray

    def check(batch):
        try:
            answer, error = _check(batch, folder, run, mend), None
        except RaygenError as mistake:  # returned, as Ray would wrap it in another
            answer, error = {}, mistake
        except OSError as refusal:
            message = f"'{folder}' cannot be read: {storage.reason(refusal)}."
            answer, error = {}, StorageError(message, storage.hint(refusal, "check that it may be read."))
        return {"answer": [json.dumps(answer)], "error": [pickle.dumps(error)]}  # between Ray's processes only

    items = [{"first": first, "last": last} for first, last in plan.items(max(1, cpus))]
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(check, batch_size=1)
    totals, whole, found, problems = Totals(), Totals(), Counter[str](), list[tuple[str, str]]()
    for row in dataset.iter_rows():
        if error := pickle.loads(row["error"]):
            raise error
        done = json.loads(row["answer"])
        totals, whole = totals + Totals.from_dict(done["named"]), whole + Totals.from_dict(done["whole"])
        found.update(done["found"])
        problems += [(kind, text) for kind, text in done["problems"]][: MAX_MESSAGES - len(problems)]
    for kind, problem in _header_problems(folder, totals, "manifest" in found):
        found[kind] += 1
        problems.append((kind, problem))
    return whole, dict(found), problems


def _header_problems(folder: str, totals: Totals, parts_are_missing: bool):
    try:
        header = manifest.read_header(folder)
    except OutputError as error:
        yield "manifest", error.message[0].upper() + error.message[1:]
        return
    if header is None:
        yield "unfinished", f"There is no {manifest.HEADER}: the generation has not finished, or it was deleted."
    elif not parts_are_missing and totals.to_dict() != {key: header[key] for key in totals.to_dict()}:
        yield "edited", f"The parts of the manifest are not those that {manifest.HEADER} was made from: a line was edited."


def _check(batch: dict, folder: str, run: dict, mend: bool) -> dict:
    """Check some parts of the manifest and their shards."""
    ((first, last),) = zip(batch["first"], batch["last"], strict=True)
    plan, named, whole, problems = Plan(run["rows"], run["rows_per_shard"]), Totals(), Totals(), []
    listed: dict[str, dict[str, int]] = {}
    for number in range(int(first), int(last)):
        shards, lines = plan.part(number), manifest.read_part(folder, plan, number)
        sizes = manifest.sizes(folder, plan, shards, listed)
        named += Totals.of(lines or [])
        if lines is None:
            problems.append(("manifest", f"Part '{plan.part_name(number)}' of the manifest is missing or damaged: {len(shards):,} shard(s)."))
        by_shard = {line["shard"]: line for line in lines or []}
        for shard in shards:
            line = by_shard.get(shard)
            problem = _shard_problem(folder, run, plan, shard, line, sizes.get(plan.name(shard)))
            if problem:
                problems.append(problem)
                if mend and problem[0] != "missing":
                    filesystem, path = storage.resolve(uri := storage.join(folder, plan.name(shard)))
                    with storage.writing(uri):
                        filesystem.delete_file(path)
            elif line:
                whole += Totals.of([line])
        problems += [("surplus", f"'{name}' is not of this generation: move it away.") for name in surplus(folder, plan, shards)]
    found = Counter(kind for kind, _ in problems)
    return {"named": named.to_dict(), "whole": whole.to_dict(), "found": found, "problems": problems[:MAX_MESSAGES]}


def _shard_problem(folder: str, run: dict, plan: Plan, shard: int, line: dict | None, size: int | None) -> tuple[str, str] | None:
    """What is wrong with a shard: a word for it and a sentence.

    Raises:
        StorageError: If it cannot be read, so that nothing is known of it.
    """
    name, (first, last) = plan.name(shard), plan.span(shard)
    uri = storage.join(folder, name)
    if size is None:
        return "missing", f"'{name}' is missing."
    if line and size != line["bytes"]:
        return "length", f"'{name}' has {size:,} bytes; the manifest says {line['bytes']:,}."
    try:
        if line and storage.sha256(uri) != line["sha256"]:
            return "content", f"'{name}' has other bytes than the manifest says (SHA-256), though as many."
        length = int.from_bytes(storage.read_end(uri, 8)[:4], "little")
        footer = storage.read_end(uri, length + 8)
    except FileNotFoundError:
        return "missing", f"'{name}' is missing."
    try:
        with pq.ParquetFile(pa.BufferReader(footer)) as parquet:
            rows, schema = parquet.metadata.num_rows, parquet.schema_arrow
    except (pa.ArrowException, OSError) as error:
        return "content", f"'{name}' cannot be read: {str(error).splitlines()[0]}"
    if rows != last - first:
        return "rows", f"'{name}' has {rows:,} rows; the plan says {last - first:,}."
    if {field.name: str(field.type) for field in schema} != run["schema"]:
        return "schema", f"'{name}' has other columns or types than the model makes."
    return None


def surplus(folder: str, plan: Plan, shards: range) -> list[str]:
    """What lies in the folders of these shards and is no shard: looked for where the first shard of a folder is checked."""
    found = []
    for shard in shards:
        if shard % FILES_PER_FOLDER == 0:
            prefix = plan.prefix(shard)
            known = {plan.name(s) for s in range(shard, min(shard + FILES_PER_FOLDER, plan.num_shards))}
            found += [f"{prefix}/{name}".lstrip("/") for name in _names(storage.join(folder, prefix)) if f"{prefix}/{name}".lstrip("/") not in known]
            if prefix and shard == 0:
                prefixes = set(plan.prefixes())
                found += [name for name in _names(folder) if name not in prefixes]
    return found


def _names(folder: str) -> list[str]:
    """Files and folders in a folder, but those that readers of Parquet folders leave out too."""
    hidden = ("_", ".")
    return sorted(
        info.base_name + "/" * (info.type == pafs.FileType.Directory and not info.base_name.isdigit())
        for info in manifest.entries(folder)
        if not info.base_name.startswith(hidden)
    )
