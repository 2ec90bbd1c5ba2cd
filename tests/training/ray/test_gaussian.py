"""A network with Gaussian heads, from the table to its rows."""

import numpy as np
import pyarrow.parquet as pq
import pytest

import raygen
from raygen.training import encoding

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("here")]


def test_training_and_generation(trained, tiny, tmp_path):
    config = tiny(
        tmp_path,
        {
            "schema.numeric": "gaussian",
            "model.prior": "normal",
            "model.hidden_units": [64, 32, 8],
            "generate.rows": 3000,
        },
    )
    training = raygen.train(config, lambda line: None)
    assert training.fingerprint != trained.training.fingerprint
    encoded = encoding.encode(config)
    assert encoded.codec.gaussian
    assert {kind.str for kind, _ in encoding.row_type(encoded.codec).fields.values()} == {"|u1", "<f4"}
    assert encoded.worker_bytes(config, 1) == 2000 * (
        2 * encoded.codec.num_columns + 4 * encoded.codec.num_offsets + encoding.ORDER_BYTES
    )
    _, together = encoded.rows(0, 2000)
    assert together.dtype == np.float32
    np.testing.assert_allclose(
        (together.mean(axis=0), together.std(axis=0)),
        [[0] * together.shape[1], [1] * together.shape[1]],
        atol=1e-4,
    )
    generation = raygen.generate(config, say=lambda line: None)
    out = pq.read_table(generation.folder)
    assert out.num_rows == 3000
    assert out["age"].to_numpy().std() > 5
    lines: list[str] = []
    raygen.inspect(training.model, lines.append)
    assert any(line.split() == ["age", "numeric", "int64", "Gaussian"] for line in lines)
