"""The files of a table: of which format they are, which folders of Hive's they lie in."""

import json
import re
import urllib.parse
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import fs as pafs

from raygen import filesystems, storage
from raygen.errors import SchemaError, listed

PACKED = ("", ".gz", ".bz2", ".zst")
ENDINGS = {
    "parquet": (".parquet", ".pq"),
    "csv": tuple(f".{name}{packed}" for name in ("csv", "tsv") for packed in PACKED),
    "jsonl": tuple(f".{name}{packed}" for name in ("jsonl", "ndjson") for packed in PACKED),
    "feather": (".feather", ".arrow", ".ipc"),
}
JSON = (".json", ".json.gz")  # of lines, where there is nothing else
NAMES = {"parquet": "Parquet", "csv": "CSV", "jsonl": "JSON Lines", "feather": "Feather"}
ANY = "a Parquet, CSV, JSON Lines or Feather file"
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
TO_UTF8 = "convert it, as in: iconv -f latin1 -t utf-8 OLD > NEW."


@dataclass(frozen=True)
class Files:
    """The files of a table, all of one format.

    Attributes:
        filesystem: They lie in.
        identity: Path, size and time of each.
        format: "parquet", "csv", "jsonl" or "feather".
        folders: For each, the column values that the names of its folders tell, as text.
    """

    filesystem: pafs.FileSystem
    identity: list[tuple[str, int, str]]
    format: str
    folders: list[dict[str, str | None]]

    @classmethod
    def of(cls, uri: str) -> "Files":
        """Those of a source, but what begins with `.` or `_`.

        Raises:
            SchemaError: If there are none, or of several formats.
        """
        filesystem, path = filesystems.resolve(uri)
        info = filesystem.get_file_info(path)
        hidden = re.compile(r"(^|/)[._]")
        infos = (
            [info]
            if info.type == pafs.FileType.File
            else [i for i in storage.listing(uri) if not hidden.search(i.path.removeprefix(path))]
        )
        if not infos:
            raise SchemaError(f"source '{uri}' does not exist, or holds no file.", "check data.source.")
        found = {i.path: f for i in infos for f, ends in ENDINGS.items() if i.path.lower().endswith(ends)}
        found = found or {i.path: "jsonl" for i in infos if i.path.lower().endswith(JSON)}
        formats = sorted(set(found.values()), key=list(ENDINGS).index)
        if len(formats) != 1:
            kinds = " and ".join(NAMES[one] for one in formats)
            raise SchemaError(
                f"source '{uri}' holds {f'both {kinds} files' if formats else f'no {ANY[2:]}'}.",
                "name a .parquet, .csv, .tsv, .jsonl or .feather file (text also as .gz), or a folder of one "
                "of them.",
            )
        infos = [i for i in infos if i.path in found]
        folders = [_told(i.path.removeprefix(path)) if i.path != path else {} for i in infos]
        for one, told in zip(infos, folders, strict=True):
            if list(told) != list(folders[0]):
                raise SchemaError(
                    f"file '{one.path}' lies in folders of {listed(list(told)) or 'no column'}; the files "
                    f"before it in those of {listed(list(folders[0])) or 'none'}.",
                    "give all files of a table the same Hive folders.",
                )
        identity = [(i.path, i.size, str(i.mtime)) for i in infos]
        return cls(filesystem, identity, formats[0], folders)

    @property
    def paths(self) -> list[str]:
        """Inside `filesystem`."""
        return [path for path, _, _ in self.identity]

    @property
    def is_text(self) -> bool:
        """Whether the files tell no types."""
        return self.format in ("csv", "jsonl")

    def partitions(self, stored: pa.Schema) -> pa.Schema:
        """The columns that folders tell and files do not hold: whole numbers if they are written as such,
        else text."""
        found = []
        for name in self.folders[0]:
            texts = {one[name] for one in self.folders} - {None}
            whole = all(re.fullmatch("0|-?[1-9][0-9]{0,17}", text or "") for text in texts)
            if name not in stored.names:
                found.append(pa.field(name, pa.int64() if texts and whole else pa.string()))
        return pa.schema(found)


def _told(path: str) -> dict[str, str | None]:
    """The columns in the names of folders, such as income=%3E50K/."""
    parts = [one.split("=", 1) for one in path.split("/")[:-1] if "=" in one]
    return {
        urllib.parse.unquote(name): None if value == NO_VALUE else urllib.parse.unquote(value)
        for name, value in parts
    }


def check_names(path: str, names: list[str]) -> list[str]:
    """The names of a file's columns.

    Raises:
        SchemaError: If one comes twice.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"file '{path}' has more than one column '{twice}'.", "rename one of them.")
    return names


def not_utf8(path: str, name: str, hint: str = TO_UTF8, line: int = 0) -> SchemaError:
    where = f" (line {line:,})" if line else ""
    return SchemaError(f"file '{path}' holds text in column '{name}' that is not UTF-8{where}.", hint)


def check_text(table: pa.Table | pa.RecordBatch, path: str) -> None:
    """Refuse text whose bytes are not those of text.

    Raises:
        SchemaError: Naming the column.
    """
    for field in table.schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            try:
                table[field.name].validate(full=True)
            except pa.ArrowInvalid:
                hint = (
                    f"write the column again as text, as in: frame[{json.dumps(field.name)}] = "
                    "column.cast(pyarrow.binary()).to_pandas().str.decode('latin1')."
                )
                raise not_utf8(path, field.name, hint) from None
