"""A model folder made in a second, by raygen's own functions but without training: enough to be read, and to
be generated from."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from raygen import storage
from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.config import Config
from raygen.fakes import pools
from raygen.generation import manifest, request
from raygen.latent import samplers
from raygen.model import density_ratio
from raygen.model import folder as model_folder
from raygen.model.vae import VAE
from raygen.relations import language
from raygen.relations.counts import Counts
from raygen.relations.reduction import Reduction
from raygen.relations.uses import uses
from raygen.report.latent.record import LatentReport
from raygen.sampling.rows import Rows
from raygen.table.schema import Schema, infer
from raygen.training import trainer

SETTINGS = {
    "model.latent_dim": 2,
    "model.hidden_units": [8, 8],
    "model.prior_components": 2,
    "generate.rows": 40,
    "generate.rows_per_shard": 10,
}


def table(rows: int = 400) -> pa.Table:
    """Rows with numbers, categories, moments, booleans and missing values."""
    number = np.arange(rows)
    day = np.datetime64("2020-01-01T00:00:00", "ms") + number * 28_800_000
    return pa.table(
        {
            "number": pa.array(number * 0.37 % 17, mask=number % 11 == 0),
            "letter": pa.array([f"letter {n % 5}" for n in number]),
            "moment": pa.array(day),
            "flag": pa.array(number % 3 == 0),
        }
    )


def save(
    folder: Path,
    rows: pa.Table | None = None,
    settings: dict | None = None,
    relations: dict[str, str | list[str]] | None = None,
) -> str:
    """Write the model folder and return its path; `relations` always hold, by column."""
    rows = table() if rows is None else rows
    config = Config().override({"run.folder": str(folder.parent), **SETTINGS, **(settings or {})})
    named = config.schema_
    schema = Schema.of(rows.schema, dict(named.columns) or infer(rows)[0], "a test")
    built = _codec(schema, rows, config, relations or {})
    model = VAE(**trainer.vae_settings(built, config))
    model.set_tables(built.tables(), built.frequencies())
    d = config.model.latent_dim
    posteriors = samplers.Posteriors(*np.random.default_rng(0).normal(size=(2, 50, d)).astype(np.float32))
    fitted = {name: samplers.fit(name, posteriors, posteriors) for name in ("normal", "gaussian")}
    codes, _ = built.encode(rows)
    sizes = built.cardinalities
    half = codes[::2].astype(np.int64), codes[1::2].astype(np.int64)
    ratio, _ = density_ratio.fit(sizes, built.frequencies(), *half, *half)
    metrics = {"rows": rows.num_rows, "steps": 1, "training_seconds": 1.0, "kept_step": 1, "history": []}
    report = LatentReport(chosen="gaussian")
    model_folder.save(str(folder), config, built, model, fitted, metrics, report, ratio)
    return str(folder)


def _codec(schema: Schema, rows: pa.Table, config: Config, relations: dict) -> Codec:
    texts = [(column, text) for column, one in relations.items() for text in np.atleast_1d(one).tolist()]
    named = [language.parse(column, text, "always", schema.arrow) for column, text in texts]
    counts = Counts(named)
    counts.observe(rows)
    reduction = Reduction(schema, uses(counts.verified(), counts.counts, schema))
    inner, ties = reduction.reduce(rows)
    learned, explained = parts.observe(reduction.inner, inner), reduction.explained(ties)
    own = config.schema_
    fakes = pools.make(schema, own.fake, own.locale, config.run.seed)
    ties = {"reduction": reduction, "explained": explained, "fakes": fakes}
    return Codec.fit(schema, learned, 16, 16, own.numeric, **ties)


def generate(model: str, folder: Path, settings: dict | None = None) -> request.Job:
    """Generate from it as the driver and its actors do, but here and by one hand; the job that it was."""
    asked = Config().override({**SETTINGS, **(settings or {})}).generate
    job = request.Job.of(model, asked, str(folder))
    manifest.claim(str(folder), job.identity, job.told)
    rows, totals = Rows.of(job.found, asked, None, []), manifest.Totals()
    for number in range(job.plan.num_parts):
        lines = [line for shard in job.plan.part(number) for line in _shard(job, rows, shard)]
        manifest.write_part(str(folder), job.plan, number, lines)
        totals += manifest.Totals.of(lines)
    manifest.finish(str(folder), job.plan, job.identity, job.told, totals)
    return job


def _shard(job: request.Job, rows: Rows, shard: int) -> list[dict]:
    made = rows.table(*job.plan.span(shard))
    parts, lines = job.partitions.split(made) if job.partitions.columns else [made], []
    for file, part in zip(job.plan.files(shard), parts, strict=True):
        with storage.whole(storage.inside(job.folder, file)) as stream:
            told = job.format.write(stream, part.schema.with_metadata({b"raygen": job.mark(shard)}), [part])
        lines.append(manifest.line(shard, file, *told))
    return lines
