"""What a completion is made from: the model, the rows given in part, and how they are written."""

import hashlib
import json
from dataclasses import asdict, dataclass

from raygen import uris
from raygen.completion.completed import Completed
from raygen.completion.loaded import Loaded
from raygen.completion.partial import Reader
from raygen.completion.reading import CountedSource, RowReader
from raygen.completion.settings import Settings
from raygen.config_sections import GenerateSettings
from raygen.errors import SchemaError
from raygen.generation import one_file
from raygen.generation.formats import Format
from raygen.generation.hive import Partitions
from raygen.generation.shards import Plan
from raygen.model import folder as model_folder


@dataclass(frozen=True)
class CompletionJob:
    """A completion, checked.

    Attributes:
        loaded: The model.
        source: Rows given in part.
        how: How they are completed.
        settings: How they are written, and by whom.
        plan, format, partitions, folder: As those of a generation.
    """

    loaded: Loaded
    source: CountedSource
    how: Settings
    settings: GenerateSettings
    plan: Plan
    format: Format
    partitions: Partitions
    folder: str

    @classmethod
    def of(
        cls,
        loaded: Loaded,
        partial: str | CountedSource,
        how: Settings,
        settings: GenerateSettings,
        folder: str,
        file: str = "",
    ) -> "CompletionJob":
        """The job of these settings; of one file beside the folder if it has a name.

        Args:
            partial: A source that has been read for its types, or the path or URI of one.

        Raises:
            SchemaError: If the rows cannot be read, or do not fit the model's table.
            ConfigError: If the settings do not go together.
        """
        form, found = Format.of(settings), loaded.found
        like = found.codec.schema.arrow
        source = CountedSource.open(uris.absolute(partial), like) if isinstance(partial, str) else partial
        Reader(found.codec, source.schema, how.fill)
        how.output(found.codec)
        rows = source.rows * how.draws
        if not rows:
            raise SchemaError(f"'{source.source.uri}' has no rows to complete.", "name a table with rows.")
        if file:
            one_file.check_rows(rows, file)
        plan = Plan(rows, settings.rows_per_shard, 0, form.suffix, ("",), file)
        found.codec.schema.check_ids(rows)
        return cls(loaded, source, how, settings, plan, form, Partitions.of(found.codec, []), folder)

    @property
    def found(self) -> model_folder.Artifact:
        """The model."""
        return self.loaded.found

    @property
    def identity(self) -> dict:
        """What the bytes of the shards are a function of."""
        made = {"fingerprint": self.found.fingerprint, "sampler": self.found.sampler, "seed": self.how.seed}
        proposal = self.found.content.get(model_folder.PROPOSAL, b"")  # rows of a generation do not need it
        made["proposal"] = hashlib.sha256(proposal).hexdigest()[:16]
        asked = {"completes": self.source.identity, "completion": asdict(self.how)}
        cut = {"rows": self.plan.rows, "rows_per_shard": self.plan.rows_per_shard, "first_row": 0}
        written = {"format": self.format.name, "compression": self.format.compression, "partition_by": []}
        grouped = {} if self.format.is_text else {"row_group_rows": self.format.group_rows}
        safe = {"csv_safe": True} if self.format.csv_safe else {}
        return {**made, **asked, **cut, **written, **grouped, **safe}

    def mark(self, shard: int) -> bytes:
        """What a file of a shard that has a place for it says of itself."""
        return json.dumps(self.identity | {"shard": shard, "span": self.plan.span(shard)}).encode()

    @property
    def told(self) -> dict:
        """What is written beside the identity; the rows hold cells of real ones."""
        output = self.how.output(self.found.codec)
        return {
            "model": self.found.uri,
            "schema": {field.name: str(self.format.stored(field.type)) for field in output},
            "partitions": [""],
            "shard_mib": 0.0,
            "source": self.source.source.uri,
            "holds_given_cells": True,
        } | ({"file": self.plan.file} if self.plan.file else {})

    @property
    def notes(self) -> list[str]:
        """What a user should know before it begins."""
        return Reader(self.found.codec, self.source.schema, self.how.fill).notes

    def rows(self) -> Completed:
        """The completed rows."""
        reader = Reader(self.found.codec, self.source.schema, self.how.fill)
        return Completed(self.loaded, reader, RowReader(self.source), self.how)
