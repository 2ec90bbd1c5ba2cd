"""Rows in memory, of pandas, Arrow or Ray Data, put where training and evaluation read them."""

import hashlib
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raygen import filesystems, storage, uris
from raygen.config import Config
from raygen.errors import SchemaError
from raygen.report.redrawn import Say
from raygen.table import frames

FOLDER = "data"  # of a run folder
FRAME, TABLE, DATASET = "frame", "table", "dataset"  # what they came as, by the beginnings of their names


def source_of(data: Any, folder: str, say: Say) -> str:
    """Path or URI of a table: the one given, or that of the Parquet that its rows are written to.

    Args:
        data: A path or URI; or pandas or Arrow rows, whose file is named by its content, so that the same
            rows are the same source; or a Ray Dataset, which Ray writes.
        folder: That the rows are written below.
        say: Called with a line that tells where they are.

    Raises:
        SchemaError: If it is none of these, or no table can be made of it.
    """
    if frames.is_path(data):
        return uris.absolute(data)
    if type(data).__module__.startswith("ray.data."):
        return _of_dataset(data, folder, say)
    kind = FRAME if frames.is_frame(data) else TABLE
    packed = _packed(frames.to_table(data))
    name = f"{kind}-{hashlib.sha256(packed).hexdigest()[:16]}.parquet"
    uri = storage.join(folder, FOLDER, name)
    if not storage.exists(uri):
        storage.make_folder(storage.join(folder, FOLDER))
        storage.write(uri, packed)
    say(f"The rows are in {uri} ({len(packed) / 1e6:,.1f} MB).")
    return uri


def came_as_frame(config: Config) -> bool:
    """Whether the table of a config was a pandas DataFrame that `fit` was given."""
    source = config.data.source
    folder = storage.join(config.run.folder, FOLDER)
    return uris.parent(source) == folder and uris.name(source).startswith(f"{FRAME}-")


def _packed(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    packed = io.BytesIO()
    try:
        pq.write_table(table, packed, compression="zstd")
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise SchemaError(
            f"the rows cannot be written as Parquet: {reason}.", "leave that column out, or make it text."
        ) from None
    return packed.getvalue()


def _of_dataset(data: Any, folder: str, say: Say) -> str:
    """Let Ray write a Dataset in place of what was written before; its blocks may change places, which the
    model does not depend on."""
    uri = storage.new_folder(storage.join(folder, FOLDER), DATASET)
    filesystem, path = filesystems.resolve(uri)
    data.write_parquet(path, filesystem=filesystem)
    say(f"The rows of the Dataset are in {uri}.")
    return uri
