"""What a generation is made from: the model, the settings that were asked for, and what has to be found by
decoding a few rows."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from raygen import storage, uris
from raygen.cluster import devices, surroundings
from raygen.cluster.surroundings import Surroundings
from raygen.config import Config
from raygen.config_sections import GenerateSettings
from raygen.errors import ConfigError, GenerationError, OutputError, RaygenError
from raygen.generation import manifest, one_file
from raygen.generation.formats import Format
from raygen.generation.hive import Partitions
from raygen.generation.shards import Plan
from raygen.model import folder as model_folder
from raygen.report.redrawn import Say
from raygen.sampling import conditions, selection
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.rows import Rows, check_oversample, drawing_from, num_rows

TRIES = 2  # of what is called in a process like an actor's, if that is lost
PROBE_ROWS = 64 * BLOCK_ROWS  # at most, to find how many make a shard of a size


@dataclass(frozen=True)
class Job:
    """Everything that a generation is made from, checked: the model to draw from, its settings, and whose
    folder it is."""

    found: model_folder.Artifact
    settings: GenerateSettings
    wanted: selection.Selection | None
    plan: Plan
    format: Format
    partitions: Partitions
    folder: str

    @classmethod
    def of(cls, model: str, settings: GenerateSettings, folder: str, file: str = "") -> "Job":
        """The job of these settings; of one file beside the folder if it has a name."""
        found, form = model_folder.load(model), Format.of(settings)
        check_oversample(found, settings)
        wanted = selection.select(found.codec, settings.where, settings.per)
        if settings.partition_by and form.is_text:
            message = (
                f"generate.partition_by = {settings.partition_by} with generate.format = "
                f"'{form.name}': only Parquet is partitioned."
            )
            raise ConfigError(message, "leave one of them out.")
        cuts = Partitions.of(found.codec, settings.partition_by)
        rows = num_rows(settings, wanted)
        if file:
            one_file.check_rows(rows, file)
        plan = Plan(rows, settings.rows_per_shard, settings.first_row, form.suffix, cuts.folders, file)
        found.codec.schema.check_ids(plan.first_row + rows)
        return cls(drawing_from(found, settings.sampler), settings, wanted, plan, form, cuts, folder)

    @property
    def identity(self) -> dict:
        """What the bytes of the shards are a function of."""
        s, plan = self.settings, self.plan
        drawn = {
            "fingerprint": self.found.fingerprint,
            "sampler": self.found.sampler,
            "seed": s.seed,
            "temperature": s.temperature,
        }
        chosen = {
            "where": conditions.spelled(s.where),
            "per": conditions.spelled_per(s.per),
            "oversample": s.oversample,
        }
        cut = {
            "rows": plan.rows,
            "rows_per_shard": plan.rows_per_shard,
            "first_row": plan.first_row,
            "partition_by": s.partition_by,
        }
        written = {"format": self.format.name, "compression": self.format.compression}
        grouped = {} if self.format.is_text else {"row_group_rows": self.format.group_rows}
        safe = {"csv_safe": True} if self.format.csv_safe else {}
        return {**drawn, **chosen, **cut, **written, **grouped, **safe}

    def mark(self, shard: int) -> bytes:
        """What a file of a shard that has a place for it says of itself; a longer generation begins with the
        same full shards."""
        own = {"shard": shard, "span": self.plan.span(shard)}
        return json.dumps(
            {key: value for key, value in self.identity.items() if key != "rows"} | own
        ).encode()

    @property
    def told(self) -> dict:
        """What is written beside the identity, to make the same again."""
        output = self.found.codec.schema.output
        columns = {field.name: str(self.format.stored(field.type)) for field in output}
        return {
            "model": self.found.uri,
            "schema": columns,
            "partitions": list(self.plan.partitions),
            "shard_mib": self.settings.shard_mib,
        } | ({"file": self.plan.file} if self.plan.file else {})

    def rows(self) -> Rows:
        """Its rows, as this process makes them; how they are drawn is found first."""
        return Rows.of(self.found, self.settings, self.wanted, _prepared(self, measure=False)[0])

    @property
    def notes(self) -> list[str]:
        """What a user should know of settings that are not followed to the letter."""
        asked, made = self.settings.row_group_rows, self.format.group_rows
        return (
            [f"generate.row_group_rows = {asked:,} is rounded up to {made:,}: whole blocks of rows."]
            if asked != made
            else []
        )


def located(
    config: Config | str | os.PathLike[str], rows: int | None, settings: dict[str, Any]
) -> tuple[str, GenerateSettings]:
    """The model folder, and the `generate` section to follow: that of the config with those settings in their
    place that are not None.

    Raises:
        ConfigError: If there is no such setting, or it has an impossible value.
    """
    if not isinstance(config, Config):
        index = model_folder.read_index(os.fspath(config))
        model, config = uris.absolute(config), Config.from_dict(index["config"])
    else:
        config = config.settled()
        model = storage.join(config.run.folder, "model")
    changes = {f"generate.{k}": v for k, v in {"rows": rows, **settings}.items() if v is not None}
    section = config.override(changes).generate
    if rows is not None and section.per:
        raise ConfigError(
            f"rows = {rows:,} and generate.per = '{section.per}' both say how many rows to make.",
            "leave one of them out.",
        )
    return model, section


def begun(folder: str) -> Job:
    """The generation that a folder was begun by, to go on with it.

    Raises:
        OutputError: If the folder holds none.
        ModelError: If its model is not where it was.
    """
    run = manifest.read_run(folder)
    if "completes" in run:
        message = f"'{folder}' was made by raygen complete, and its rows hold given cells."
        raise OutputError(message, "delete the shards that are wrong, and run raygen complete again.")
    config = Config.from_dict(model_folder.read_index(run["model"])["config"])
    given = {"num_actors": 0, "shard_mib": 0.0} | {
        key: run[key] for key in GenerateSettings.model_fields if key in run
    }
    job = Job.of(
        run["model"],
        config.override({f"generate.{key}": value for key, value in given.items()}).generate,
        folder,
        run.get("file", ""),
    )
    manifest.check(folder, job.identity)
    if manifest.plan_of(run) != job.plan:  # never a name from the file
        message = f"'{storage.join(folder, manifest.RUN)}' names other files than its model makes."
        raise OutputError(message, "choose an empty folder with --out.")
    manifest.check_links(folder, job.plan)
    return job


def prepared(job: Job, say: Say, here: bool = False, pinned: Surroundings | None = None) -> tuple[Job, list]:
    """The job with the rows of its shards, and how its rows are to be drawn (see
    `sampling.conditional.explore`), found in a process like an actor's; in this one if `here`.

    Raises:
        ConfigError: If the model gives the conditions hardly any probability.
    """
    s = job.settings
    laws, rows_per_shard = (
        [],
        manifest.begun_with(job.folder, s.shard_mib) if s.shard_mib and job.folder else 0,
    )
    measure = bool(s.shard_mib and not rows_per_shard)
    if job.wanted or measure:
        laws, measured = (
            _prepared(job, measure) if here else like_an_actor(s, _prepared, job, measure, pinned=pinned)
        )
        rows_per_shard = measured or rows_per_shard
    if job.wanted:
        from raygen.sampling import conditional

        for line in conditional.lines(job.wanted, laws):
            say(line)
    if rows_per_shard:
        say(f"Shards of about {s.shard_mib:g} MiB hold {rows_per_shard:,} rows each.")
        settings = s.model_copy(update={"rows_per_shard": rows_per_shard})
        job = replace(job, settings=settings, plan=replace(job.plan, rows_per_shard=rows_per_shard))
    return job, laws


def _prepared(job: Job, measure: bool) -> tuple[list, int]:
    """How rows are to be drawn, and those of a shard: 0 where that is not measured."""
    from raygen.sampling import conditional

    s, found = job.settings, job.found
    laws = (
        conditional.explore(found.network(), found.samplers[found.sampler], s.temperature, job.wanted)
        if job.wanted
        else []
    )
    if not measure:
        return laws, 0
    rows, last = (
        Rows.of(found, s, job.wanted, laws),
        min(job.format.group_rows, PROBE_ROWS),
    )  # of any generation of these rows, however many
    last = min(last, job.plan.rows) if s.per else last
    return laws, job.format.rows_per_shard(s.shard_mib, rows.table(0, last))


def like_an_actor(
    settings: GenerateSettings, function: Callable, *arguments: Any, pinned: Surroundings | None = None
) -> Any:
    """`function(*arguments)`, called in a process that has what a decode actor is given; in another one if
    that is lost.

    Args:
        pinned: What it is to compute as (see `cluster.surroundings.pin`).

    Raises:
        RaygenError: That it raises there.
        GenerationError: If `TRIES` processes were lost.
    """
    import ray
    from ray.exceptions import RayActorError

    place: dict[str, Any] = {"num_cpus": settings.cpus_per_actor, "num_gpus": settings.gpus_per_actor}
    again = {"max_restarts": TRIES - 1, "max_task_retries": TRIES - 1}
    process: Any = ray.remote(**place, **again)(_NewProcess).remote()
    try:
        answer = ray.get(process.call.remote(settings, function, arguments, pinned))
    except RayActorError as error:
        raise GenerationError(
            f"{TRIES} processes that were given what an actor is given were lost, one after the other: "
            f"{str(error).strip().splitlines()[-1]}",
            "look at the memory of the cluster's nodes, and at Ray's logs.",
        ) from error
    finally:
        ray.kill(process)
    if isinstance(answer, RaygenError):
        raise answer
    return answer


class _NewProcess:
    """An actor: its process is its own, while a task's may have used TensorFlow for another task."""

    def call(
        self,
        settings: GenerateSettings,
        function: Callable,
        arguments: tuple,
        pinned: Surroundings | None,
    ) -> Any:
        try:
            keep_to(settings, pinned)
            return function(*arguments)
        except RaygenError as error:  # returned, as Ray would wrap it in another
            return error


def keep_to(settings: GenerateSettings, pinned: Surroundings | None = None) -> None:
    """Keep TensorFlow and Arrow to what a decode actor is given (see `cluster.devices.keep_to`), and to what
    it is to compute as."""
    if pinned:
        surroundings.pin(pinned)
    devices.keep_to(
        settings.cpus_per_actor,
        settings.gpus_per_actor,
        f"generate.gpus_per_actor = {settings.gpus_per_actor:g}",
    )
