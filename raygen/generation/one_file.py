"""A generation that is one file: its manifest lies beside it, in a folder of its name."""

from pyarrow import fs as pafs

from raygen import filesystems, storage, uris
from raygen.errors import ConfigError, OutputError
from raygen.generation import formats

MOST_ROWS = 10_000_000
BESIDE = ".manifest"  # after the file's name


def place(out: str) -> tuple[str, str]:
    """The folder of the manifest, and the name of the file that lies beside it; the folder of the shards
    itself, and "", where `out` does not end as a file does.

    Raises:
        OutputError: If there is such a file that raygen did not write.
    """
    folder = uris.join(uris.parent(out), uris.name(out) + BESIDE)
    if not formats.of_ending(uris.name(out)) or uris.split(out)[0].endswith("/"):
        return out, ""
    filesystem, path = filesystems.resolve(out)
    there = filesystem.get_file_info(path).type
    if there == pafs.FileType.Directory:
        return out, ""
    if there == pafs.FileType.File and not storage.exists(folder):
        raise OutputError(
            f"'{out}' exists, and raygen did not write it.", "choose another name with --out, or delete it."
        )
    return folder, uris.name(out)


def beside(path: str) -> str:
    """The folder that holds the manifest of a path: beside a file, else the path itself."""
    folder = uris.join(uris.parent(path), uris.name(path) + BESIDE)
    return folder if formats.of_ending(uris.name(path)) and storage.exists(folder) else path


def settings(file: str, given: dict) -> dict:
    """What `[generate]` has to be for a file of this name.

    Raises:
        ConfigError: If something else is asked for.
    """
    format, compression = formats.of_ending(file) or ("", "")
    if given.get("format") not in (None, format):
        raise ConfigError(
            f"--format {given['format']} and --out '{file}' name two formats.", "leave --format out."
        )
    for name, flag in (("shard_mib", "--shard-mib"), ("partition_by", "--partition-by")):
        if given.get(name):
            raise ConfigError(
                f"{flag} and --out '{file}' contradict each other: one file is not cut.",
                f"name a folder with --out, or leave {flag} out.",
            )
    return {
        "format": format,
        "compression": compression,
        "rows_per_shard": MOST_ROWS,
        "shard_mib": 0.0,
        "partition_by": [],
    }


def check_rows(rows: int, file: str) -> None:
    """Refuse more rows than one process is to write one after the other.

    Raises:
        ConfigError: If there are.
    """
    if rows > MOST_ROWS:
        raise ConfigError(
            f"generate.rows = {rows:,} are too many for one file, '{file}'; at most {MOST_ROWS:,} are.",
            "name a folder with --out: its shards are written side by side, and read as one table.",
        )
