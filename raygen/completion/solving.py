"""Rows whose given cells relations tie to cells that are not given: one of those is solved for, and particles
weigh what the whole row then weighs."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from raygen.codec.codec import Codec
from raygen.completion.givens import Encoder
from raygen.completion.partial import Partial, chosen
from raygen.completion.particles import Cloud, Particles
from raygen.relations import inverse
from raygen.relations.differences import added, difference
from raygen.relations.relation import BREAKS, Relation
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.table import arrow
from raygen.table.part import Part

IMPOSSIBLE = -1e6  # log weight of a row that breaks a relation
OUTSIDE = -20.0  # nats of a solved value that the model never saw


class Solver:
    """Finds rows that need it, and solves them.

    Args:
        codec: The model's.
        particles: Draws them.
    """

    def __init__(self, codec: Codec, encoder: Encoder, particles: Particles):
        self.codec, self.encoder, self.particles = codec, encoder, particles
        reduction = codec.reduction
        used = [use for use in reduction.uses if use.how != "checked"]
        near = {name for name, one in reduction.differences.items() if one.rule.within is not None}
        self.differences = {y: one for y, one in reduction.differences.items() if y not in near}
        total = [u.relation for u in used if u.relation.is_total]
        self.always = [one for one in total if one.gives or one.rule.within is not None]
        order = [codec.parts[i] for i in codec.turn_order] or codec.parts
        self.turn = {part: place for place, part in enumerate(order)}

    def hard(self, rows: Partial) -> np.ndarray:
        """Whether a row has a given cell that follows from others, some of which are not given."""
        found = np.zeros(rows.num_rows, bool)
        for relation in (*self.always, *self.differences.values()):
            if not relation.rule.where and relation.column not in self.encoder.certain:
                lacking = [~rows.known[name] for name in relation.inputs]
                found |= rows.known[relation.column] & np.logical_or.reduce(lacking)
        return found

    def solve(self, cloud: Cloud, rows: Partial) -> tuple[pa.Table, Cloud]:
        """All particles as rows that keep what always holds where that can be, and the particles with the
        weights that these rows have; `cloud` was drawn without regard to these relations.

        Where y = x + a difference is given and x is not, x follows from the difference that was drawn, or the
        difference from the x that was drawn: for each row, that by which the given cells seem more likely, as
        particles that are few miss most of what is likely."""
        made, weighed = self._way(cloud, rows, True)
        if any((rows.known[y] & ~rows.known[one.inputs[0]]).any() for y, one in self.differences.items()):
            other, kept = self._way(cloud, rows, False)
            better = kept.log_probability > weighed.log_probability
            weight = np.where(better[:, None], kept.log_weight, weighed.log_weight)
            weighed = replace(weighed, log_weight=weight)
            better, own = np.repeat(better[: rows.num_rows], cloud.codes.shape[1]), np.arange(made.num_rows)
            made = arrow.taken(pa.concat_tables([made, other]), np.where(better, own + len(own), own))
        return made, weighed

    def _way(self, cloud: Cloud, rows: Partial, shift: bool) -> tuple[pa.Table, Cloud]:
        made, known, drawn = self._solved(cloud, rows, shift)
        return made, self._weighed(cloud, rows, made, known, drawn)

    def drawn(self, cloud: Cloud, rows: Partial) -> pa.Table:
        """All particles as rows."""
        codes, places, repeated = _flat(cloud, rows)
        return self.codec.decode(codes, places, 0, 0, repeated.given)

    def _solved(
        self, cloud: Cloud, rows: Partial, shift: bool
    ) -> tuple[pa.Table, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The same with cells solved for; which of them were given or are solved for; and of which given ones
        the difference that is learned was drawn."""
        codes, places, repeated = _flat(cloud, rows)
        given, known, drawn = dict(repeated.given), dict(repeated.known), dict[str, np.ndarray]()
        free = self.codec.decode(codes, places)
        for name, relation in self.differences.items() if shift else ():
            drawn[name] = self._shift(name, relation.inputs[0], free, given, known)
        made = self.codec.decode(codes, places, 0, 0, given)
        for relation in reversed(self.always):
            if self._invert(relation, made, given, known):
                made = self.codec.decode(codes, places, 0, 0, given)
        return made, known, drawn

    def _shift(self, y: str, x: str, free: pa.Table, given: dict, known: dict[str, np.ndarray]) -> np.ndarray:
        """x as far from the given y as it was drawn from the y that was drawn; where it was, bool of shape
        (rows,)."""
        where = known[y] & ~known[x]
        if not where.any():
            return where
        kind = self.codec.schema.arrow.field(x).type
        step = difference(free[x], free[y])
        moved = added(given[y][0].combine_chunks(), step, kind)
        where &= moved.is_valid().to_numpy(zero_copy_only=False)
        self._give(x, moved, where, free, given, known)
        return where

    def _invert(self, relation: Relation, made: pa.Table, given: dict, known: dict[str, np.ndarray]) -> bool:
        """Solve a relation for one of its inputs where its column is given and is not what it says."""
        broken = known[relation.column] & (relation.keeps(made) == BREAKS)
        found = False
        for name in sorted(relation.inputs, key=lambda one: -self.turn.get(Part(one), -1)):
            where = broken & ~known[name]
            told = inverse.solved(relation, name, self.codec.schema.arrow.field(name).type)
            if told is None or not where.any():
                continue
            values = arrow.plain(told.values(made))
            where &= values.is_valid().to_numpy(zero_copy_only=False)
            self._give(name, values, where, made, given, known)
            broken, found = broken & ~where, found or bool(where.any())
        return found

    def _give(
        self, name: str, values: pa.Array, where: np.ndarray, made: pa.Table, given: dict, known: dict
    ) -> None:
        kind = self.codec.schema.arrow.field(name).type
        before = given[name][0] if name in given else made[name]
        given[name] = chosen(where, values, before, kind), known[name] | where
        known[name] = known[name] | where

    def _weighed(
        self,
        cloud: Cloud,
        rows: Partial,
        made: pa.Table,
        known: dict[str, np.ndarray],
        drawn: dict[str, np.ndarray],
    ) -> Cloud:
        """The particles with weights of the rows that they have become."""
        count, each = rows.num_rows, cloud.codes.shape[1]
        everywhere = np.ones(count * each, bool)
        whole = Partial(
            made, dict.fromkeys(made.column_names, everywhere), dict.fromkeys(made.column_names, ~everywhere)
        )
        givens = self.encoder.of(whole).padded(BLOCK_ROWS)
        shape = (*cloud.codes.shape[:2], -1)
        flat = cloud.z.reshape(-1, cloud.z.shape[2])
        log_p = self.particles.log_likelihood(flat, givens.codes, givens.places)
        log_p = np.where(givens.known > 0, log_p, OUTSIDE).reshape(shape).astype(float)
        settled = self.encoder.blocks_of({n: own & ~drawn.get(n, False) for n, own in known.items()})
        settled = np.pad(settled.astype(bool), [(0, len(flat) - len(settled)), (0, 0)]).reshape(shape)
        log_weight = cloud.log_prior + np.sum(np.where(settled, log_p, log_p - cloud.log_drawn), axis=2)
        broken = np.zeros(count * each, bool)
        for relation in (*self.always, *(one for one in self.differences.values() if one.is_total)):
            broken |= relation.keeps(made) == BREAKS
        broken = np.pad(broken, (0, len(flat) - len(broken))).reshape(shape[:2])
        return replace(cloud, log_weight=log_weight + np.where(broken, IMPOSSIBLE, 0.0))


def _flat(cloud: Cloud, rows: Partial) -> tuple[np.ndarray, np.ndarray, Partial]:
    """Codes and places of all particles, and what is given of each, those of a row side by side."""
    count, each = rows.num_rows, cloud.codes.shape[1]
    codes, places = (array[:count].reshape(count * each, -1) for array in (cloud.codes, cloud.places))
    return codes, places, rows.take(np.repeat(np.arange(count), each))
