"""Rows that satisfy conditions, by importance resampling: no rejection, exact counts, rows a function of
their number.

A block of rows draws a fixed number of candidates, weighs each by how likely the model finds the conditions
there, and takes as many as it has rows by systematic resampling. Where columns are independent given z, a
candidate is z (see `candidates`); where they are drawn in turn, it is z and the columns up to the last
conditioned one (see `turn_candidates`), or all of them where a relation gives a conditioned column.
Candidates come from a proposal that favours what satisfies the conditions, which the weights undo; a pilot
finds it and the number of candidates. As that number grows the law of the rows becomes that of the model's
rows that satisfy the conditions; what is left at a finite number is of the order of one over the block's
effective sample size.
"""

import math

import numpy as np

from raygen.errors import ConfigError
from raygen.latent import streams
from raygen.latent.samplers import Sampler
from raygen.model.vae import VAE
from raygen.sampling.candidates import Candidates
from raygen.sampling.resampling import effective, resampled
from raygen.sampling.row_blocks import BLOCK_ROWS
from raygen.sampling.selection import Law, Selection
from raygen.sampling.turn_candidates import TurnCandidates

MEASURED_BLOCKS = 8  # of candidates from the proposal, by which their number is chosen
EFFECTIVE = 1.5  # effective candidates for each row, if the most that is drawn allows
MAX_CANDIDATES = 64  # for each row; those of two blocks of rows lie so far apart
MIN_PROBABILITY = 1e-6
MIN_DISTINCT = 0.05  # of the candidates that become rows
SPREAD = (
    np.arange(BLOCK_ROWS) * 797
) % BLOCK_ROWS  # row -> place among the resampled: the first few rows are from all candidates


class Conditional:
    """Rows of a selection as codes, block by block (see `Selection.blocks`).

    Args:
        model: The trained VAE.
        sampler: Where z is drawn from.
        seed: Of the rows.
        temperature: As in `Decoder`; the conditions' probabilities follow it.
        selection: What every row must satisfy.
        laws: Of each stratum, as `explore` found them.
    """

    def __init__(
        self,
        model: VAE,
        sampler: Sampler,
        seed: int,
        temperature: float,
        selection: Selection,
        laws: list[Law],
    ):
        self.selection, self.laws = selection, laws
        stream = ("candidates", seed)
        self.candidates = _kind(model, selection)(model, sampler, temperature, selection, stream, seed)
        self.resample = streams.key(seed, "resample")

    def block(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes and positions of the rows of a block, int32 and float32 (BLOCK_ROWS, columns)."""
        return self.candidates.rows(self.chosen(number), number, number % self.selection.num_laws)

    def chosen(self, number: int) -> list[np.ndarray]:
        """The candidates that become the rows of a block, as the candidates' `block` gives them."""
        stratum = number % self.selection.num_laws
        law = self.laws[stratum]
        drawn = [
            self.candidates.block(number * MAX_CANDIDATES + i, stratum, law.proposal)[:2]
            for i in range(law.candidates)
        ]
        rows, log_weight = zip(*drawn, strict=True)
        offset = float(streams.uniform(self.resample, (1,), number * streams.PER_COUNTER)[0])
        taken = resampled(np.concatenate(log_weight), BLOCK_ROWS, offset)[SPREAD]
        return [np.concatenate(arrays)[taken] for arrays in zip(*rows, strict=True)]


def _kind(model: VAE, selection: Selection) -> type[Candidates] | type[TurnCandidates]:
    is_whole = any(map(selection.tests_of, range(selection.num_laws)))
    return TurnCandidates if model.turn or is_whole else Candidates


def explore(model: VAE, sampler: Sampler, temperature: float, selection: Selection) -> list[Law]:
    """Find the law of each stratum, by candidates that depend on no seed.

    Raises:
        ConfigError: If the model gives the conditions hardly any probability, or only few candidates satisfy
            them.
    """
    candidates = _kind(model, selection)(model, sampler, temperature, selection, ("pilot",))
    return [_explored(candidates, stratum) for stratum in range(selection.num_laws)]


def _explored(candidates: Candidates | TurnCandidates, stratum: int) -> Law:
    proposal, first = candidates.pilot(stratum)
    log_weight = np.concatenate(
        [candidates.block(first + i, stratum, proposal)[1] for i in range(MEASURED_BLOCKS)]
    )
    weight = np.exp(log_weight)
    probability = float(weight.mean())
    conditions = candidates.selection.describe(stratum)
    hint = (
        "leave such categories out by --where COLUMN NOT IN (...)"
        if candidates.selection.strata
        else "loosen the condition"
    )
    if probability < MIN_PROBABILITY:
        message = f'the model gives "{conditions}" a probability of about {probability:.1e}; at least'
        raise ConfigError(
            f"{message} {MIN_PROBABILITY:.0e} is needed.", f"{hint}, or train on a table with more such rows."
        )
    number = min(candidates.most, math.ceil(EFFECTIVE * len(weight) / effective(log_weight)))
    rows = len(weight) // number
    distinct = float(np.minimum(rows * weight / weight.sum(), 1.0).sum() / rows)
    if distinct < MIN_DISTINCT:
        message = f'"{conditions}" (probability {probability:.1e}) is met by few candidates: only'
        raise ConfigError(
            f"{message} {distinct:.0%} of the rows would have one of their own.",
            f"{hint}, or draw from a sampler of more components.",
        )
    return Law(proposal, number, probability, distinct)


def lines(selection: Selection, laws: list[Law]) -> list[str]:
    """What a user should know of the conditions."""
    if not selection.strata:
        what = f"Conditions {selection.text}: probability {laws[0].probability:.3g} under the model"
    else:
        also = f" with {selection.text}" if selection.text else ""
        what = (
            f"Strata: {selection.rows_per_stratum:,} rows for each of {len(laws)} categories of "
            f"{selection.column}{also}: "
        )
        what += (
            f"probability {min(law.probability for law in laws):.3g} to "
            f"{max(law.probability for law in laws):.3g} under the model"
        )
    most, least = max(law.candidates for law in laws), min(law.distinct for law in laws)
    up_to, at_least = ("up to ", "at least ") if len(laws) > 1 else ("", "")
    return [f"{what}; {up_to}{most} candidate(s) for a row, {at_least}{least:.0%} of those taken distinct."]
