"""What vouches for the shards of a folder: whose generation it is, one line for each file, written in parts,
and a header last.

_run.json                                the generation that the folder belongs to, written first
_manifest/00000000-00000243.jsonl ...    a part: shard, file, rows, bytes and sha256, a line each, once its
shards are whole _manifest.json                           the generation, its totals and the hash of all
lines, once every part is there
"""

import hashlib
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace

from pyarrow import fs as pafs

from raygen import records, storage
from raygen.errors import GenerationError, OutputError
from raygen.generation import formats, leftovers
from raygen.generation.formats import Format
from raygen.generation.run_records import HEADER, PARTS, RUN, Header, Line, Run
from raygen.generation.shards import FILES_PER_FOLDER, MAX_PARTS, Plan

KEYS = ("shard", "file", "rows", "bytes", "sha256")
READ_AT_A_TIME = 16  # parts of the manifest: on an object store each is a short wait


@dataclass(frozen=True)
class Totals:
    """Sums over shards; `hash` is the sum of the SHA-256 of their lines modulo 2^256, the same in any
    order."""

    rows: int = 0
    shards: int = 0
    bytes: int = 0
    hash: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        rows, shards, size, digest = map(sum, zip(astuple(self), astuple(other), strict=True))
        return Totals(rows, shards, size, digest % 2**256)

    @classmethod
    def of(cls, lines: list[dict]) -> "Totals":
        """Of all lines of some shards."""
        digest = sum(int(hashlib.sha256(_text(line)).hexdigest(), 16) for line in lines) % 2**256
        return cls(
            sum(line["rows"] for line in lines),
            len({line["shard"] for line in lines}),
            sum(line["bytes"] for line in lines),
            digest,
        )

    def to_dict(self) -> dict:
        return {"rows": self.rows, "shards": self.shards, "bytes": self.bytes, "hash": f"{self.hash:064x}"}

    @classmethod
    def from_dict(cls, row: dict) -> "Totals":
        return cls(int(row["rows"]), int(row["shards"]), int(row["bytes"]), int(row["hash"], 16))


def line(shard: int, file: str, rows: int, size: int, sha256: str) -> dict:
    return {"shard": shard, "file": file, "rows": rows, "bytes": size, "sha256": sha256}


def of_shard(lines: list[dict] | None, shard: int) -> list[dict]:
    """The lines of a shard among those of a part."""
    return [one for one in lines or [] if one["shard"] == shard]


def plan_of(run: dict) -> Plan:
    """The plan of a folder, as its `_run.json` tells; what an older one leaves out was not yet to be
    chosen."""
    suffix, partitions = Format.of_run(run).suffix, tuple(run.get("partitions", [""]))
    file = run.get("file", "")
    if "/" in file or file == "..":
        raise OutputError(f"{RUN} is damaged: '{file}' names no file.", "generate the rows again.")
    return Plan(run["rows"], run["rows_per_shard"], run.get("first_row", 0), suffix, partitions, file)


def _text(line: dict) -> bytes:
    return json.dumps({key: line[key] for key in KEYS}).encode() + b"\n"


def write_part(folder: str, plan: Plan, number: int, lines: list[dict]) -> None:
    storage.write(storage.own(folder, f"{PARTS}/{plan.part_name(number)}"), b"".join(map(_text, lines)))


def read_part(folder: str, plan: Plan, number: int) -> list[dict] | None:
    """The lines of a part; None if it is not there, or not what `write_part` writes."""
    if not storage.exists(uri := storage.join(folder, PARTS, plan.part_name(number))):
        return None
    try:
        lines = _lines(storage.read(uri))
    except ValueError:
        return None
    if [(one["shard"], one["file"]) for one in lines] != [
        (s, file) for s in plan.part(number) for file in plan.files(s)
    ]:
        return None
    if len({one["file"] for one in lines}) != len(lines):
        return None
    rows = Counter[int]()
    for one in lines:
        rows[one["shard"]] += one["rows"]
    spans = {shard: plan.span(shard) for shard in plan.part(number)}
    return lines if all(rows[shard] == last - first for shard, (first, last) in spans.items()) else None


def read(folder: str) -> list[dict]:
    """All lines, in no order.

    Raises:
        OutputError: If a part is damaged, or cannot be read.
    """
    parts = storage.join(folder, PARTS)
    try:
        uris = [storage.join(parts, one.base_name) for one in storage.entries(parts)]
        with ThreadPoolExecutor(READ_AT_A_TIME) as pool:
            return [line for content in pool.map(storage.read, uris) for line in _lines(content)]
    except (ValueError, OSError) as error:
        raise OutputError(
            f"the manifest of '{folder}' cannot be read: {error}.", f"find out more: raygen verify {folder}"
        ) from None


def _lines(content: bytes) -> list[dict]:
    """The lines of a part; a ValueError says what is wrong with one."""
    return [records.checked(Line, records.parsed(text)).model_dump() for text in content.splitlines()]


def read_header(folder: str) -> dict | None:
    """The header; None if it is not there, so that the generation has not finished.

    Raises:
        OutputError: If it is damaged.
    """
    uri = storage.join(folder, HEADER)
    hint = f"find out more: raygen verify {folder}"
    return _checked(uri, Header, hint) if storage.exists(uri) else None


def read_run(folder: str) -> dict:
    """The generation that the folder belongs to; where `_run.json` is lost, the header tells the same.

    Raises:
        OutputError: If it belongs to none, or the file that tells so is damaged.
    """
    run = run_of(folder)
    if not run:
        raise OutputError(
            f"'{folder}' holds no generation: there is no {RUN} in it.",
            "name a folder that raygen generate wrote.",
        )
    return run


def run_of(folder: str) -> dict | None:
    """As `read_run`; None if the folder belongs to no generation."""
    hints = {
        RUN: f"delete it if {HEADER} is there, which tells the same; else choose an empty folder with --out.",
        HEADER: "choose an empty folder with --out.",
    }
    for name, hint in hints.items():
        if storage.exists(uri := storage.join(folder, name)):
            return _checked(uri, Run, hint)
    return None


def _checked(uri: str, kind: type[Run], hint: str) -> dict:
    try:
        value = records.read(uri)
        records.checked(kind, value)
    except ValueError as error:
        raise OutputError(f"'{uri}' is damaged: {error}.", hint) from None
    return value


def claim(folder: str, identity: dict, more: dict) -> int:
    """Mark the folder as this generation's, or refuse it as `check` does.

    Args:
        identity: What has to be the same to go on with it; `rows` may grow.
        more: What is told beside it.

    Returns:
        Rows that the folder had been marked for, if they were fewer; else 0.
    """
    check(folder, identity)
    before, mark = run_of(folder), storage.own(folder, RUN)
    grown = before["rows"] if before and before["rows"] < identity["rows"] else 0
    others = before is not None and "made_with" in more and before.get("made_with") != more["made_with"]
    if grown or others or not storage.exists(mark):
        storage.write_json(mark, identity | more)
    if _finished_with_others(folder, identity["rows"]):
        storage.delete(storage.own(folder, HEADER))
    check(folder, identity)
    return grown


def begun_with(folder: str, shard_mib: float) -> int:
    """Rows of a shard of a folder that was begun with shards of so many MiB; 0 if it was not."""
    run = run_of(folder)
    return run["rows_per_shard"] if run and run.get("shard_mib") == shard_mib else 0


def _finished_with_others(folder: str, rows: int) -> bool:
    try:
        header = read_header(folder)
    except OutputError:
        return False  # damaged: `finish` writes it anew
    return header is not None and header["rows"] != rows


def check(folder: str, identity: dict) -> None:
    """Refuse a folder that is not this generation's nor free; it is made if there is none.

    Raises:
        OutputError: If it holds the shards of another one, or more rows of this one, or files of someone
            else.
    """
    storage.make_folder(folder)
    for name in (RUN, HEADER, PARTS):
        storage.own(folder, name)
    before = run_of(folder)
    if not before:
        if theirs := next(filter(None, (formats.of_file(i.path) for i in storage.listing(folder))), None):
            raise OutputError(
                f"'{folder}' holds {theirs} files that raygen did not write.",
                "choose an empty folder with --out.",
            )
        return
    if "format" not in before:
        message = (
            f"'{folder}' was written by an earlier raygen, whose shards this one would make with other bytes."
        )
        raise OutputError(
            message, "choose an empty folder with --out; raygen verify still reads the old one."
        )
    differs = [key for key in identity if before.get(key) != identity[key]]
    if differs == ["rows"] and before["rows"] < identity["rows"]:
        _check_growth(folder, plan_of(before), identity["rows"])
    elif differs:
        of_another, of_this = (
            ", ".join(f"{key} {each.get(key)}" for key in differs) for each in (before, identity)
        )
        hint = "choose an empty folder with --out, or the same settings to continue it."
        if differs == ["rows"]:
            hint = f"choose an empty folder with --out, or at least --rows {before['rows']} to continue it."
        raise OutputError(
            f"'{folder}' holds shards of another generation ({of_another}); this one has {of_this}.", hint
        )


def check_links(folder: str, plan: Plan) -> None:
    """Refuse to write through a link in place of a folder of shards.

    Raises:
        OutputError: Naming it.
    """
    for one in [plan.files(0)[0]] if plan.file else filter(None, plan.all_folders()):
        plan.own(folder, one)


def _check_growth(folder: str, before: Plan, rows: int) -> None:
    after, most = replace(before, rows=rows), before.shards_per_part * MAX_PARTS
    moved = f"{FILES_PER_FOLDER:,}, which lie in folders" if before.prefix(0) != after.prefix(0) else ""
    if before.shards_per_part != after.shards_per_part:
        moved = moved or f"{most:,}, which {MAX_PARTS:,} parts of the manifest name by more shards each"
    if moved:
        message = f"'{folder}' holds {before.num_shards:,} shards; with {rows:,} rows there are over {moved}."
        hint = (
            f"choose an empty folder with --out; --first-row {before.first_row + before.rows} "
            "makes only the rows that are not here."
        )
        raise OutputError(message, hint)


def finish(folder: str, plan: Plan, identity: dict, more: dict, totals: Totals) -> None:
    """Write the header, after what killed actors left half written is deleted, and parts of the manifest as
    they were with fewer rows.

    Raises:
        GenerationError: If the folder was finished before with other shards: the same generation has the same
            bytes.
    """
    leftovers.sweep(folder, plan)
    header = identity | more | totals.to_dict() | {"parts": plan.num_parts}
    try:
        before = read_header(folder) or header
    except OutputError:
        before = header  # damaged: it is written anew
    if before["hash"] != header["hash"]:
        message = (
            f"the shards of '{folder}' are not those that it was finished with: one was edited "
            "with its manifest, or made by other software."
        )
        raise GenerationError(
            message, f"generate into an empty folder, or delete {HEADER} to take them as they are."
        )
    storage.write_json(storage.own(folder, HEADER), header)


def sizes(folder: str, plan: Plan, shards: range, listed: dict[str, dict[str, int]]) -> dict[str, int]:
    """Bytes of the files in the folders of these shards, by their names relative to `folder`: one listing for
    each folder.

    Args:
        listed: What the last call found, by folder, so that none is listed again; afterwards what this one
            found.
    """
    inside = dict.fromkeys(
        one for shard in (*shards[::FILES_PER_FOLDER], shards[-1]) for one in plan.folders(shard)
    )
    for one in listed.keys() - inside.keys():
        del listed[one]
    for one in inside.keys() - listed.keys():
        files = (
            info for info in storage.entries(storage.inside(folder, one)) if info.type == pafs.FileType.File
        )
        listed[one] = {"/".join(filter(None, [one, info.base_name])): info.size for info in files}
    return {name: size for one in inside for name, size in listed[one].items()}
