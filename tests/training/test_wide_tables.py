"""Tables of more columns than have matrix products of their own in the decoder that draws columns in turn."""

import numpy as np
import pyarrow as pa
import pytest

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.config import Config
from raygen.model.turn import MOST_ALONE
from raygen.model.vae import VAE
from raygen.table.schema import Schema, infer
from raygen.training.loader import Feed
from raygen.training.trainer import Loop, vae_settings

ROWS, STEPS = 400, 60


@pytest.mark.slow
def test_columns_learn_from_those_before_them():
    """All follow one coin, numbers and categories."""
    rng = np.random.default_rng(0)
    coin = rng.integers(0, 2, ROWS)
    columns = {f"letter {k}": np.array(["a", "b"])[coin] for k in range(MOST_ALONE)}
    columns |= {f"number {k}": np.round(rng.normal(size=ROWS) + 9 * coin, 3) for k in range(6)}
    table = pa.table(columns)
    schema = Schema.of(table.schema, infer(table)[0], "test")
    built = Codec.fit(schema, parts.observe(schema, table), 16, 16)
    codes, offsets = built.encode(table)
    small = {"model.latent_dim": 2, "model.hidden_units": [16, 16], "model.prior_components": 8}
    settings = Config().override(small | {"train.batch_size": 64, "train.steps": STEPS})
    assert settings.model.context_dropout and built.num_columns > MOST_ALONE

    model = VAE(**vae_settings(built, settings))
    model.set_tables(built.tables(), built.frequencies())
    loop = Loop(
        model, settings, Feed(lambda first, last: (codes[first:last], offsets[first:last]), ROWS, settings)
    )
    before = loop.score()["held_out_nats"]
    loop.run(STEPS)
    assert loop.score()["held_out_nats"] < before - 0.5 * MOST_ALONE * np.log(2)
