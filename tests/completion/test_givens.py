"""Given cells as codes."""

import numpy as np
import pyarrow as pa

from raygen.codec import parts
from raygen.codec.codec import Codec
from raygen.completion.givens import Encoder
from raygen.completion.partial import Partial
from raygen.relations import language
from raygen.relations.counts import Counts
from raygen.relations.reduction import Reduction
from raygen.relations.uses import uses
from raygen.table.part import Part
from raygen.table.schema import Schema

ROWS = 2000


def test_a_moment_that_a_relation_gives_has_codes_that_each_of_its_parts_has():
    """As `Codec.encode` gives them in training."""
    rng = np.random.default_rng(0)
    at = np.datetime64("2012-01-01T00:00:00") + rng.integers(0, 10**8, ROWS)
    later = np.where(rng.random(ROWS) < 0.5, 86_400, rng.integers(0, 10**7, ROWS))
    table = pa.table({"at": at, "until": at + later})
    schema = Schema.of(table.schema, dict.fromkeys(table.column_names, "datetime"), "here")
    counts = Counts([language.parse("until", "at + 1 day", "often", schema.arrow)])
    counts.observe(table)
    reduction = Reduction(schema, uses(counts.verified(), counts.counts, schema))
    inner, ties = reduction.reduce(table)
    told = {"reduction": reduction, "explained": reduction.explained(ties)}
    codec = Codec.fit(schema, parts.observe(reduction.inner, inner), 64, 64, **told)
    assert set(Part.every("until")) <= set(codec.parts) and (ties["until"] >= 0).mean() > 0.4
    known = dict.fromkeys(table.column_names, np.ones(ROWS, bool))
    found = Encoder(codec).of(Partial(table, known, known))
    assert found.known.all()
    assert np.array_equal(found.codes, codec.encode(table)[0])
    assert np.array_equal((found.allowed == 0).sum(axis=1), np.full(ROWS, len(codec.parts)))
