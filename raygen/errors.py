"""Errors that a user can act on: what came, what was expected, and one hint."""

import difflib
import unicodedata
from collections.abc import Iterable

TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of the direction of text


class RaygenError(Exception):
    """Base of every error that raygen raises on purpose.

    Args:
        message: The setting or object first, then what came and what was expected.
        hint: One imperative sentence that mends it, or empty.
    """

    def __init__(self, message: str, hint: str = ""):
        super().__init__(
            message, hint
        )  # both in args, so that the error survives pickling between Ray processes
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nHint: {self.hint}" if self.hint else self.message


class ConfigError(RaygenError, ValueError):
    """A setting is unknown or has an impossible value."""


class SchemaError(RaygenError, ValueError):
    """The source cannot be read as the table that the schema describes."""


class ModelError(RaygenError, ValueError):
    """A model folder is damaged, incomplete or of another format."""


class OutputError(RaygenError, OSError):
    """A folder holds something else, or cannot be written."""


class StorageError(RaygenError, OSError):
    """A file or folder cannot be reached."""


class ClusterError(RaygenError, RuntimeError):
    """The cluster cannot run what was asked."""


class TrainingError(RaygenError, RuntimeError):
    """Training stopped before its end; its checkpoints are kept."""


class GenerationError(RaygenError, RuntimeError):
    """Generation stopped before its end; finished shards are kept."""


def printable(line: str) -> str:
    """A line for a terminal: what would move its cursor, change its colours or turn its direction is escaped,
    as a category of a table may hold it."""
    return "".join(c.encode("unicode_escape").decode() if _moves(c) else c for c in line)


def _moves(sign: str) -> bool:
    return (unicodedata.category(sign) == "Cc" and sign != "\t") or sign in TURNS


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The hint for a misspelt `name`: the nearest of `known`, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"choose one of: {listed(names)}."


def listed(names: list[str], most: int = 20) -> str:
    """Names side by side, the first `most` of many."""
    return ", ".join(names[:most] + ["..."] * (len(names) > most))
