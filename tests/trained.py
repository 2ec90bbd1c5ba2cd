"""A model trained on a small table in this process: what `raygen train` does, but for Ray's passes over the
table, the choice of a sampler and the reports."""

from pathlib import Path

import pyarrow as pa

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.config import Config
from raygen.latent import samplers
from raygen.model import folder as model_folder
from raygen.model.vae import VAE
from raygen.relations.counts import Counts
from raygen.relations.reduction import Reduction
from raygen.relations.relation import Relation
from raygen.relations.sample import find
from raygen.relations.uses import uses
from raygen.report.latent.record import LatentReport
from raygen.sampling.calibration import calibrate
from raygen.table.schema import Schema, infer
from raygen.training.job import sized
from raygen.training.loader import Feed
from raygen.training.trainer import Loop, vae_settings

SETTINGS = {
    "model.latent_dim": 4,
    "model.hidden_units": [32, 32],
    "model.prior_components": 16,
    "model.dropout": 0.0,
    "train.batch_size": 256,
    "train.steps": 300,
}


def reduced(table: pa.Table, schema: Schema, relations: list[Relation] | None = None) -> Reduction:
    """What relations leave to learn; those that are found where none are given."""
    if relations is None:
        relations = [one.relation for one in find(schema, table, 0)]
    counts = Counts(relations)
    counts.observe(table)
    return Reduction(schema, uses(counts.verified(), counts.counts, schema))


def save(
    folder: Path, table: pa.Table, settings: dict | None = None, relations: list[Relation] | None = None
) -> str:
    """Train, write the model folder and return its path."""
    config = Config().override({"run.folder": str(folder.parent), **SETTINGS, **(settings or {})})
    schema = Schema.of(table.schema, infer(table)[0], "a test")
    reduction = reduced(table, schema, relations)
    inner, ties = reduction.reduce(table)
    s, stats = config.schema_, parts.observe(reduction.inner, inner)
    explained = reduction.explained(ties)
    codec = Codec.fit(
        schema, stats, s.bars, s.max_categories, s.numeric, reduction=reduction, explained=explained
    )
    codes, offsets = codec.encode(table)
    config = sized(config, len(codes))
    model = VAE(**vae_settings(codec, config))
    model.set_tables(codec.tables(), codec.frequencies())
    feed = Feed(lambda first, last: (codes[first:last], offsets[first:last]), len(codes), config)
    loop = Loop(model, config, feed)
    loop.run(config.train.steps)
    loop.keep_best()
    loop.restore_best()
    rows = samplers.Posteriors(*loop.posterior(*loop.feed.some(2**14)))
    held = samplers.Posteriors(*loop.posterior(*loop.feed.all_held()))
    fitted = {"mixture": samplers.fit("mixture", rows, held, 32)}
    calibrate(model, codec, fitted["mixture"], config.run.seed)
    metrics = {"rows": len(codes), "steps": loop.step, "training_seconds": 1.0, "kept_step": loop.step}
    report = LatentReport(chosen="mixture")
    model_folder.save(str(folder), config, codec, model, fitted, metrics | {"history": []}, report)
    return str(folder)
