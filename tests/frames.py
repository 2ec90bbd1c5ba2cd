"""Scores of pandas tables, which are short to write down; raygen's own are of Arrow tables."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pandas as pd
import pyarrow as pa


def arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()


class OfFrames:
    """The functions of a module, called with pandas tables for Arrow's."""

    def __init__(self, module: ModuleType):
        self.module = module

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self.module, name)
        if not callable(function) or isinstance(function, type):
            return function

        def called(*args: Any, **options: Any) -> Any:
            return function(*map(_arrow, args), **options)

        return called


def _arrow(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return arrow(value)
    return [_arrow(part) for part in value] if isinstance(value, list) else value
