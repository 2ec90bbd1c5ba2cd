"""Completion: rows given in part come back whole."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from raygen.completion import likely
from raygen.completion.completed import Completed
from raygen.completion.partial import Reader
from raygen.errors import ConfigError
from raygen.model import folder as model_folder

Say = Callable[[str], object]
OLD = (
    "The model was trained without a proposal (latent.proposal_steps): z of a row is drawn as for a new one, "
    "so that fewer particles count. Train it again, or ask for more particles."
)


def complete_table(
    model: str, rows: pa.Table, settings: likely.Settings, say: Say, found: Any = None
) -> pa.Table:
    """The rows of a table, each with its given cells and the others filled.

    Raises:
        ModelError: If the model is missing or damaged.
        SchemaError: If the rows do not fit the model's table.
        ConfigError: If the settings do not.
    """
    found = found or model_folder.load(model)
    reader = Reader(found.codec, rows.schema, settings.fill)
    completed = Completed(found, reader, lambda first, last: rows.slice(first, last - first), settings)
    for note in [*reader.notes, *([] if model_folder.PROPOSAL in found.content else [OLD])]:
        say(note)
    made = completed.table(0, rows.num_rows * settings.draws)
    for line in completed.told.lines(settings.particles):
        say(line)
    return made


def complete(model: str, partial: Any, say: Say = print, **settings: Any) -> Any:
    """Fill what is missing in rows that are given in part.

    Args:
        model: Folder of a model.
        partial: A pandas DataFrame or an Arrow table with any of the model's columns, in any order.
        say: Called with what a user should know.
        settings: Those of `likely.Settings`.

    Returns:
        The completed rows, in order, as a DataFrame if that came in, else as an Arrow table.
    """
    if isinstance(partial, pa.Table):
        return complete_table(model, partial, likely.Settings(**settings), say)
    if hasattr(partial, "columns") and hasattr(partial, "to_numpy"):
        table = pa.Table.from_pandas(partial, preserve_index=False)
        return complete_table(model, table, likely.Settings(**settings), say).to_pandas()
    raise ConfigError(f"the rows to complete are a {type(partial).__name__}.", "give a DataFrame or a table.")
