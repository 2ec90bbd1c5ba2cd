"""Files that raygen reads back, which may be damaged or forged: JSON of a bounded size and depth, held
against a model of what it may hold, and arrays no larger than their file."""

import io
import json
import math
import zipfile
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from raygen import storage

MOST_BYTES = 2**26
SHOWN = 60  # signs of a wrong value
Some = TypeVar("Some", bound="Record")


class Record(BaseModel):
    """What a file holds: what is not named here may stand beside it, as later releases write more."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="allow", allow_inf_nan=False, protected_namespaces=()
    )


def read(uri: str, most_bytes: int = MOST_BYTES) -> Any:
    """The JSON of a file.

    Raises:
        ValueError: If it is none, or larger or deeper than raygen writes any.
        FileNotFoundError: If there is no such file.
        StorageError: If it cannot be read.
    """
    return parsed(storage.read(uri, most_bytes))


def parsed(content: bytes | str) -> Any:
    """The JSON of a text.

    Raises:
        ValueError: If it is none, or nested too deeply.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def checked(kind: type[Some], value: Any) -> Some:
    """The value as such a record.

    Raises:
        ValueError: Saying what is wrong with it, in a few words.
    """
    if not isinstance(value, dict):
        raise ValueError(f"it holds no object but {shown(value)}")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise ValueError(mistake(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def mistake(error: ValidationError) -> str:
    """The first thing that is wrong, in a line."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"it lacks {place}"
    said = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{place} = {shown(first['input'])}: expected {said}" if place else said


def shown(value: Any) -> str:
    """The beginning of a value, for an error."""
    try:
        text = json.dumps(value, default=str)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."


def arrays(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of NumPy's npz, as `numpy.savez` writes it.

    Raises:
        ValueError: If it is none, or names arrays larger than itself.
    """
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED or info.file_size > len(content):
                    raise ValueError(f"'{info.filename}' in it is packed")
                found[info.filename.removesuffix(".npy")] = _array(archive.read(info))
    except ValueError:
        raise
    except Exception as error:  # zipfile and NumPy raise a dozen kinds
        raise ValueError(f"it is no npz: {type(error).__name__}: {error}") from None
    return found


def _array(content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = header(stream)
    if kind.hasobject or any(n < 0 for n in shape):
        raise ValueError("an array in it is of objects")
    if math.prod(shape) * kind.itemsize != len(content) - stream.tell():
        raise ValueError(f"an array in it of shape {shape} is not as long as it says")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)
