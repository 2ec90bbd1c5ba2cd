"""What killed actors leave half written, and parts of the manifest of fewer rows: found by the exact names
that raygen gives, so that nobody else's file is ever deleted."""

import contextlib
import re
from collections.abc import Iterator

from pyarrow import fs as pafs

from raygen import filesystems, records, storage
from raygen.errors import OutputError
from raygen.generation.run_records import HEADER, PARTS, RUN, Line
from raygen.generation.shards import Plan

TEMPORARY = re.compile(r"_tmp-[0-9a-f]{32}-(.+)")  # as `storage.whole` names it
PART = re.compile(r"(\d{8,})-(\d{8,})\.jsonl")


def sweep(folder: str, plan: Plan) -> None:
    """Delete what is left of this generation's own making."""
    for name in _half_written(folder, plan):
        _delete(folder, plan, name)
    for name in _stale_parts(folder, plan):
        _delete(folder, plan, name)


def _half_written(folder: str, plan: Plan) -> Iterator[str]:
    parts = set(map(plan.part_name, range(plan.num_parts)))
    for one in plan.all_folders():
        for name in _names(folder, one):
            if (written := TEMPORARY.fullmatch(name)) and _is_shard(written[1], one, plan):
                yield f"{one}/{name}".lstrip("/")
    for name in _names(folder, PARTS):
        if (written := TEMPORARY.fullmatch(name)) and written[1] in parts:
            yield f"{PARTS}/{name}"


def _is_shard(name: str, folder: str, plan: Plan) -> bool:
    if plan.file:
        return name == plan.file
    number = re.fullmatch(r"part-(\d{8,})" + re.escape(plan.suffix), name)
    if not folder and name in (RUN, HEADER):
        return True
    whole = number and int(number[1]) < plan.num_shards
    return bool(whole) and f"{folder}/{name}".lstrip("/") in plan.files(int(number[1] if number else 0))


def _stale_parts(folder: str, plan: Plan) -> Iterator[str]:
    """Parts of fewer rows: their names say so, and so does what they hold; those of more rows may be another
    driver's, who has begun."""
    own = set(map(plan.part_name, range(plan.num_parts)))
    for name in _names(folder, PARTS):
        shards = PART.fullmatch(name)
        if shards and name not in own and int(shards[2]) < plan.num_shards:
            place = f"{PARTS}/{name}"
            if _is_part(storage.inside(folder, place), plan, range(int(shards[1]), int(shards[2]) + 1)):
                yield place


def _is_part(uri: str, plan: Plan, shards: range) -> bool:
    """Whether a file holds the lines of these shards, and nothing else."""
    try:
        lines = [records.checked(Line, records.parsed(text)) for text in storage.read(uri).splitlines()]
    except (ValueError, OSError):
        return False
    return {line.shard for line in lines} == set(shards) and all(
        line.file in plan.files(line.shard) and not line.model_extra for line in lines
    )


def _names(folder: str, name: str) -> list[str]:
    found = storage.entries(storage.inside(folder, name) if name else folder)
    return [info.base_name for info in found if info.type == pafs.FileType.File]


def _delete(folder: str, plan: Plan, name: str) -> None:
    try:
        place = plan.own(folder, name)
    except OutputError:
        return  # a link, which raygen makes none of
    filesystem, path = filesystems.resolve(place)
    with storage.writing(folder), contextlib.suppress(FileNotFoundError):  # another driver was there first
        filesystem.delete_file(path)
