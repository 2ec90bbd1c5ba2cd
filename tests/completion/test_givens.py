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


def test_a_given_category_leaves_codes_of_the_numbers_that_may_have_it():
    """Rules of some numbers forbid where they say something else, and nothing where they are silent."""
    rng = np.random.default_rng(1)
    amount = rng.gamma(2, 100, ROWS).round(2)
    band = np.where(amount >= 200, "high", rng.choice(["low", "other"], ROWS))
    band[amount < 50] = "low"
    table = pa.table({"amount": amount, "band": band})
    schema = Schema.of(table.schema, {"amount": "numeric", "band": "categorical"}, "here")
    rules = ("'high' where amount >= 200", "'low' where amount < 50")
    counts = Counts([language.parse("band", rule, "always", schema.arrow) for rule in rules])
    counts.observe(table)
    reduction = Reduction(schema, uses(counts.verified(), counts.counts, schema))
    codec = Codec.fit(schema, parts.observe(reduction.inner, table), 64, 64, reduction=reduction)
    rows = pa.table({"amount": pa.nulls(3, pa.float64()), "band": ["high", "low", "other"]})
    known = {"amount": np.zeros(3, bool), "band": np.ones(3, bool)}
    block = codec.blocks[Part("amount")]
    free = Encoder(codec).of(Partial(rows, known, known)).allowed[:, : block.cardinality] == 0
    low, high = block.grid[:, 0], block.grid[:, -1]
    assert np.array_equal(free[0], high >= 50) and np.array_equal(free[1], low < 200)
    assert np.array_equal(free[2], (high >= 50) & (low < 200))
