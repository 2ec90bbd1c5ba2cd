"""A trained model as an object: rows in memory, scores, and a Dataset of as many rows as you want."""

import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raygen import storage, uris
from raygen.cluster import devices
from raygen.commands import inspect_model
from raygen.completion import driver as completion
from raygen.completion import scoring
from raygen.completion.loaded import Loaded
from raygen.config import refusing_others, with_settings
from raygen.config_sections import EvaluateSettings, GenerateSettings
from raygen.errors import ConfigError, ModelError
from raygen.evaluation import driver as evaluation
from raygen.generation import dataset as generated
from raygen.generation import driver as generation
from raygen.model import folder as model_folder
from raygen.notebook import given
from raygen.report import redrawn
from raygen.report.evaluation import notebook
from raygen.report.redrawn import Say
from raygen.sampling import rows as sampling
from raygen.table import frames
from raygen.table.files import Files

if TYPE_CHECKING:
    import pandas as pd

SCHEMES = {"local": "", "s3": "s3://", "gcs": "gs://", "abfs": "abfs://", "hdfs": "hdfs://"}
ACTORS = ("num_actors", "cpus_per_actor", "gpus_per_actor")  # settings that no row depends on
EVALUATED_ROWS = 100_000  # at most, of a model that evaluates itself


@refusing_others
def load(model: Any) -> "Model":
    """The model in a folder.

    Args:
        model: Path or URI of the folder; what `train`, `tune` or `fit` returned; or a Checkpoint of Ray.

    Raises:
        ModelError: If it is missing or damaged.
    """
    if hasattr(model, "filesystem") and hasattr(model, "path"):
        model = _of_checkpoint(model)
    return Model(model)


class Model:
    """A model folder, loaded. What takes a model's path takes it too; tasks and actors of Ray get it by that
    path.

    Args:
        path: Of the folder; or what has one, such as a `Training`.
        fingerprint: That it must have; empty: any.

    Attributes:
        path: Of the folder, absolute, or its URI.
        found: The model's parts (see `raygen.model.folder.Artifact`).
        loaded: The same, with what `complete` and `score` keep of it.
    """

    def __init__(self, path: str | os.PathLike[str], fingerprint: str = ""):
        self.path = uris.absolute(path)
        self.found = model_folder.load(self.path)
        self.loaded = Loaded(self.found)
        if fingerprint and fingerprint != self.fingerprint:
            message = f"model '{self.path}' was {fingerprint}, and its fingerprint is {self.fingerprint} now."
            raise ModelError(message, "load it anew: raygen.load(path).")
        self._drawn: tuple[dict[str, Any], sampling.Rows] | None = None  # what the last rows were drawn by

    @property
    def fingerprint(self) -> str:
        """Hash of all that the rows depend on, but for their seed."""
        return self.found.fingerprint

    @property
    def columns(self) -> dict[str, str]:
        """Kind of each column."""
        return dict(self.found.codec.schema.kinds)

    @refusing_others
    @with_settings(GenerateSettings, sampling.DRAWN_BY)
    def sample(
        self,
        n: int | None = None,
        where: str | None = None,
        seed: int = 0,
        to_pandas: bool | None = None,
        **settings: Any,
    ) -> "pa.Table | pd.DataFrame":
        """Rows in memory: those that `raygen generate` writes for the same settings.

        Args:
            n: Rows; left out where `per` says how many.
            where: Conditions that every row satisfies, such as "age > 60".
            seed: Other seeds give other rows.
            to_pandas: Whether to return a DataFrame; None: if `fit` was given one.
            settings: The others of `[generate]` that a row depends on.

        Raises:
            ConfigError: If a setting is wrong, or the model gives the conditions hardly any probability.
        """
        if to_pandas not in (None, True, False):
            raise ConfigError(
                f"to_pandas = {to_pandas!r}: expected True or False.", "leave it out, or say so."
            )
        section = sampling.settings_of(n, {**settings, "where": where or "", "seed": seed})
        asked = sampling.Asked.of(self.found, section)
        with devices.in_this_process(use_gpu=False):
            if not self._drawn or self._drawn[0] != asked.law:
                self._drawn = asked.law, asked.rows()
            table = self._drawn[1].table(asked.first, asked.last)
        frame = given.came_as_frame(self.found.config) if to_pandas is None else to_pandas
        return frames.to_frame(table, self.found.codec.schema.arrow) if frame else table

    @refusing_others
    @with_settings(GenerateSettings, sampling.DRAWN_BY)
    def dataset(
        self,
        rows: int | None = None,
        num_actors: int | None = None,
        seed: int = 0,
        where: str | None = None,
        **settings: Any,
    ) -> "generated.Dataset":
        """A Ray Dataset of the rows that `raygen generate` writes, in their order, drawn as they are read.

        Args:
            rows: How many; left out where `per` says so.
            num_actors: Actors of one CPU that draw them; None: as many as the cluster has room for.
            seed: Other seeds give other rows.
            where: Conditions that every row satisfies.
            settings: The others of `[generate]` that a row depends on.

        Raises:
            ConfigError: If a setting is wrong, or the model gives the conditions hardly any probability.
        """
        section = sampling.settings_of(rows, {**settings, "where": where or "", "seed": seed})
        return generated.dataset(sampling.Asked.of(self.found, section), num_actors)

    def complete(self, partial: Any, **settings: Any) -> Any:
        """Rows given in part, whole (see `raygen.complete`)."""
        return completion.complete(self, partial, **settings)

    def score(self, rows: Any, **settings: Any) -> Any:
        """How likely each row is (see `raygen.score`)."""
        return scoring.score(self, rows, **settings)

    @refusing_others
    @with_settings(EvaluateSettings, ("target", "sample_rows", "seed"))
    def evaluate(
        self,
        holdout: Any = None,
        rows: int | None = None,
        out: str | None = None,
        say: Say = print,
        **settings: Any,
    ) -> evaluation.Evaluation:
        """Compare rows of the model with the real ones that it learned from, print their scores, and write a
        report.

        Args:
            holdout: Real rows that it did not learn from, as `fit` takes a table; None: those that training
                held out.
            rows: Of the model, to compare; None: as many as it learned from, 100,000 at most.
            out: Folder of the report, and of the rows; `report/` in the run folder if empty.
            say: Called with each line.
            settings: Of `[evaluate]`.

        Raises:
            SchemaError: If real rows cannot be read.
            OutputError: If the report cannot be written.
        """
        say = redrawn.teller(say)
        folder = uris.absolute(out or storage.join(storage.parent(self.path), "report"))
        config = evaluation.of_model(self.path)
        config = config.override({f"evaluate.{name}": value for name, value in settings.items()})
        if holdout is not None:
            config = config.override({"evaluate.holdout": given.source_of(holdout, folder, say)})
            Files.of(config.evaluate.holdout)
        count = min(self.found.metrics["rows"], EVALUATED_ROWS) if rows is None else rows
        name = f"rows-{self.fingerprint[:8]}-{count}"
        plain = GenerateSettings().model_dump(exclude={"rows", *ACTORS})
        made = generation.generate(self, count, storage.join(folder, name), say, **plain)
        return evaluation.evaluate(config, [made.folder], folder, say=say)

    @refusing_others
    def inspect(self, say: Say = print) -> dict:
        """Print columns, training and latent samplers; the same as a dict."""
        return inspect_model.inspect(self, redrawn.teller(say))

    def __fspath__(self) -> str:
        return self.path

    def __reduce__(self) -> tuple:
        return Model, (self.path, self.fingerprint)

    def __repr__(self) -> str:
        return f"Model('{self.path}', {len(self.columns)} columns, fingerprint {self.fingerprint})"

    def _repr_html_(self) -> str:
        schema = self.found.codec.schema
        rows = [[field.name, schema.kinds[field.name], str(field.type)] for field in schema.arrow]
        caption = f"Model {self.path}, fingerprint {self.fingerprint}"
        return notebook.html_table([["column", "kind", "type"], *rows], caption)


def _of_checkpoint(checkpoint: Any) -> str:
    """Path or URI of a Checkpoint of Ray.

    Raises:
        ModelError: If its storage has no URI that raygen knows.
    """
    kind = checkpoint.filesystem.type_name
    if kind not in SCHEMES:
        raise ModelError(
            f"the Checkpoint '{checkpoint.path}' lies in storage of type '{kind}'.",
            "copy it: raygen.load(checkpoint.to_directory()).",
        )
    return f"{SCHEMES[kind]}{checkpoint.path}"
