"""What a trained VAE of someone else's does, in figures: how it spreads z, what its decoder can give, and
what each sampler makes of it."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from raygen import rng
from raygen.diagnosis import log_sigma
from raygen.diagnosis.networks import MAX_LOG_VAR, Networks
from raygen.latent import samplers as latent_samplers
from raygen.latent.samplers import Posteriors, Sampler
from raygen.metrics import fidelity
from raygen.report.latent.record import LatentReport, References, TableScores
from raygen.report.redrawn import Say
from raygen.sampler_catalogue import FITTED, SAMPLERS
from raygen.sampling import latent_report, sampler_comparison
from raygen.sampling.draws import latents
from raygen.sampling.row_blocks import BLOCK_ROWS

Block = Callable[[int], tuple[np.ndarray, np.ndarray]]  # means and rows of a block, by its number
FAR = 8.0  # standard deviations of z out to which the decoder's range is looked at
TIMED_BLOCKS = 2


def read_convention(
    networks: Networks, x: np.ndarray, found: list[np.ndarray], stated: str = "", seed: int = 0
) -> dict:
    """How the encoder's second output is meant (see `convention`).

    Args:
        x: Training rows.
        found: What the encoder makes of them.
        stated: "log_sigma" or "log_var" if the user knows how the draw takes it.

    Returns:
        `convention`, of `diagnosis.log_sigma.LAWS`; `draw`, "log_sigma" or "log_var", that everything else
        goes by; `why`; `misfits`; `told`.
    """
    z_mean, o = found[:2]
    unit = x.min() >= 0 and x.max() <= 1
    misfits = log_sigma.of_weights(
        x, z_mean, o, networks.decode_graph, ("squared", "crossentropy") if unit else ("squared",), seed
    )
    draw, why = stated, "as stated" if stated else ""
    if not draw and len(found) == 3:
        draw, nats = log_sigma.of_draws(z_mean, o, found[2])
        why = f"its z shows it, by {nats:.2f} nats a number" if draw else ""
    read = log_sigma.read(misfits, draw)
    told = bool(read)
    if read and not draw:
        others = ", ".join(f"{m:.2f} under {name}" for name, m in sorted(misfits.items()) if name != read)
        why = f"the weights are at rest under that: misfit {misfits[read]:.2f}, against {others}"
    if not read:
        read, guess = _guess(networks.spread_name, misfits, draw)
        why = why or guess
    return {
        "convention": read,
        "draw": "log_var" if read == "log_var" else "log_sigma",
        "why": why,
        "misfits": misfits,
        "told": told,
    }


def _guess(name: str, misfits: dict[str, float], draw: str) -> tuple[str, str]:
    """A convention where the weights do not tell, and by what it was guessed."""
    if draw:
        return draw, ""
    if "var" in name:
        return (
            "log_var",
            f"a guess by the layer's name '{name}', for the weights do not tell; state it with --convention",
        )
    if "sigma" in name or "std" in name:
        return (
            "log_sigma",
            f"a guess by the layer's name '{name}', for the weights do not tell; state it with --convention",
        )
    if misfits:
        best = min(misfits, key=lambda n: misfits[n])
        return (
            "log_var" if best == "log_var" else "log_sigma",
            "a guess, the best of three that the weights hardly tell apart; state it with --convention",
        )
    return "log_var", "a guess, the textbook's, for nothing tells; state it with --convention"


def posteriors(found: list[np.ndarray], draw: str) -> Posteriors:
    """z_mean and z_log_var from what the encoder gives, with z_log_var between -MAX_LOG_VAR and
    MAX_LOG_VAR."""
    return Posteriors(
        found[0], np.clip(found[1] * (2 if draw == "log_sigma" else 1), -MAX_LOG_VAR, MAX_LOG_VAR)
    )


def outputs(
    networks: Networks, names: list[str], x: np.ndarray, rows: Posteriors, seed: int = 0
) -> tuple[dict, np.ndarray]:
    """What the decoder gives beside what it should, and the residual variance of each column.

    Args:
        x: Held-out rows.
        rows: Their posteriors.

    Returns:
        Figures by name, and the variance around reconstructions from a draw of z, float64 of shape
        (columns,).
    """
    generator = rng.generator(seed, "doctor reconstructions")
    z = rows.draw(generator)
    far = z.mean(axis=0) + FAR * (z.std(axis=0) + 1e-6) * generator.standard_normal(z.shape)
    made = wide(networks, z)
    ends = np.concatenate([made, wide(networks, far.astype(np.float32))])
    low, high, std = ends.min(axis=0), ends.max(axis=0), x.std(axis=0)
    slack = 1e-3 * std
    below, above = (x < low - slack).mean(axis=0), (x > high + slack).mean(axis=0)
    residual, varies = x - made, std > 0
    constant = varies & (np.ptp(ends, axis=0) <= 1e-6 * std)
    worst = int(np.argmax(below + above))
    squared = (residual.astype(float) ** 2).mean(axis=0)[varies] / std[varies].astype(float) ** 2
    spread = np.where(varies, std, np.nan)
    known = varies.any()
    widest, narrowest = (int(np.nanargmax(spread)), int(np.nanargmin(spread))) if known else (0, 0)
    variance = residual.astype(float).var(axis=0)
    share = np.where(varies, variance / np.maximum(std.astype(float) ** 2, 1e-30), np.nan)
    figures = {
        "columns": len(names),
        "columns_out": networks.columns_out,
        "constant": [n for n, c in zip(names, constant, strict=True) if c],
        "constant_zero": bool(constant.any() and (ends[:, constant] == 0).all()),
        "below": float(below.mean()),
        "above": float(above.mean()),
        "outside": float((below + above).mean()),
        "worst": names[worst],
        "lowest": float(low[worst]),
        "highest": float(high[worst]),
        "misfit": float(np.median(squared)) if known else 0.0,
        "uneven": float(spread[widest] / spread[narrowest]) if known else 1.0,
        "widest": names[widest],
        "narrowest": names[narrowest],
        "residual_share": dict(zip(names, share.tolist(), strict=True)),
        "residual_share_median": float(np.nanmedian(share)) if known else 0.0,
    }
    return figures, variance


def holes(
    rows: Posteriors, held: Posteriors, samplers: dict[str, Sampler], seed: int = 0
) -> dict[str, float]:
    """Share of a sampler's draws where log q(z) is below the first percentile of z of held-out rows; 0.01 if
    they are alike.

    Args:
        rows: Whose aggregate posterior q is.
        held: Posteriors of held-out rows.
        samplers: By name.
    """
    generator = rng.generator(seed, "doctor holes")
    rows = rows.take(generator.permutation(len(rows.z_mean))[: latent_report.KL_ROWS])
    z = np.concatenate([held.draw(generator) for _ in range(-(-latent_report.KL_DRAWS // len(held.z_mean)))])
    limit = np.quantile(latent_report.log_posterior(rows, z), 0.01)
    draws = {
        name: latent_report.draws(samplers[name], seed)[: latent_report.KL_DRAWS]
        for name in ("normal", "gaussian")
    }
    return {name: float((latent_report.log_posterior(rows, d) < limit).mean()) for name, d in draws.items()}


def wide(networks: Networks, z: np.ndarray) -> np.ndarray:
    """The decoder's output, one number repeated over the columns if it gives no more, float32 of shape (rows,
    columns)."""
    return np.broadcast_to(networks.decode(z), (len(z), networks.width))


def blocks(networks: Networks, sampler: Sampler, scale: np.ndarray, seed: int) -> Block:
    """A function from a block's number to its BLOCK_ROWS rows: the decoder's mean, and the row drawn around
    it.

    Args:
        scale: Standard deviation of the noise, of shape (columns,).
        seed: Row i is a function of it and of i alone.
    """
    graph = latents(sampler, seed)

    def block(number: int) -> tuple[np.ndarray, np.ndarray]:
        mean = wide(networks, graph(tf.constant(number * BLOCK_ROWS, tf.int64)).numpy())
        return mean, mean + scale * rng.generator(seed, "doctor residuals", number).standard_normal(
            mean.shape
        )

    return block


class Comparison:
    """What each sampler does to the table, as `sampling.latent_report.Comparison` has it for raygen's own
    models.

    Shape, Trend and C2ST are of rows drawn around the decoder's mean, the variance ratio of that mean alone.
    """

    def __init__(
        self,
        networks: Networks,
        names: list[str],
        x: np.ndarray,
        held_x: np.ndarray,
        held: Posteriors,
        scale: np.ndarray,
        seed: int = 0,
    ):
        self.networks, self.names, self.scale, self.seed = networks, names, scale, seed
        self.kinds = dict.fromkeys(names, "numeric")
        self.rows = min(sampler_comparison.COMPARED_ROWS, len(held_x))
        self.repeats = max(1, min(sampler_comparison.REPEATS, sampler_comparison.COMPARED_ROWS // self.rows))
        generator = rng.generator(seed, "doctor comparison")
        self.real = [
            self._table(x[np.sort(generator.permutation(len(x))[: self.rows])]) for _ in range(self.repeats)
        ]
        out = np.sort(generator.permutation(len(held_x))[: self.rows])
        self.ceiling = held_x[out]
        self.bound = [wide(networks, held.take(out).draw(generator)) for _ in range(self.repeats)]
        self.generator = generator
        self.made: dict[str, Block] = {}

    def block(self, sampler: Sampler) -> Block:
        """The sampler's `blocks`, traced once."""
        if sampler.name not in self.made:
            self.made[sampler.name] = blocks(self.networks, sampler, self.scale, self.seed)
        return self.made[sampler.name]

    def speed(self, sampler: Sampler) -> float:
        """Rows/s from random numbers to rows, in this process."""
        block = self.block(sampler)
        block(0)
        began = time.perf_counter()
        for number in range(TIMED_BLOCKS):
            block(number)
        return TIMED_BLOCKS * BLOCK_ROWS / (time.perf_counter() - began)

    def of_sampler(self, sampler: Sampler) -> TableScores:
        """Scores of rows drawn from a sampler."""
        block, each = self.block(sampler), -(-self.rows // BLOCK_ROWS)
        pairs = []
        for repeat in range(self.repeats):
            made = [block(repeat * each + b) for b in range(each)]
            pairs.append(tuple(np.concatenate(side)[: self.rows] for side in zip(*made, strict=True)))
        return self._scores(pairs)

    def references(self) -> References:
        """Scores of rows decoded from z of held-out rows (bound), of shuffled columns (floor), of held-out
        rows (ceiling)."""
        bound = [
            (mean, mean + self.scale * self.generator.standard_normal(mean.shape)) for mean in self.bound
        ]
        floor = [np.column_stack(fidelity.floor(real, self.seed).columns) for real in self.real]
        ceiling = [(self.ceiling, self.ceiling)] * self.repeats
        return References(
            bound=self._scores(bound),
            ceiling=self._scores(ceiling),
            floor=self._scores([(f, f) for f in floor]),
        )

    def _scores(self, pairs: Sequence[tuple[np.ndarray, ...]]) -> TableScores:
        """Means over the repeats, for pairs of the decoder's means and the rows drawn around them."""
        means, tables = ([self._table(side) for side in sides] for sides in zip(*pairs, strict=True))
        ratios = [
            fidelity.variance_ratio(real, mean, self.kinds)
            for real, mean in zip(self.real, means, strict=True)
        ]
        scores = fidelity.repeated(self.real, tables, self.kinds, self.seed)
        return TableScores(**scores, variance_ratio=float(np.mean(ratios)))

    def _table(self, rows: np.ndarray) -> pa.Table:
        return pa.table(list(rows.T), self.names)


def fit(
    networks: Networks,
    names: list[str],
    data: tuple,
    found: tuple,
    scale: np.ndarray,
    sampler: str,
    flow_steps: int,
    seed: int,
    say: Say,
) -> tuple[dict, LatentReport]:
    """Every sampler fitted, scored and compared, and the latent report with the choice, as
    `training.samplers.fit_samplers` does it.

    Args:
        data: Training rows and held-out rows.
        found: Their posteriors.
        sampler: "auto", or the one to draw from.
        flow_steps: 0 leaves the flow out.
    """
    (x, held_x), (rows, held) = data, found
    check, scored = latent_samplers.halves(held)
    with_flow = flow_steps and networks.latent_dim <= latent_samplers.FLOW_LATENT_DIM
    fitted = [name for name in SAMPLERS if name in FITTED and (name != "flow" or with_flow)]
    say(f"Fitting latent samplers: {', '.join(fitted)} ...")
    samplers, seconds = latent_samplers.fit_all(fitted, rows, check, 128, flow_steps, seed)
    scores = latent_samplers.score(samplers, scored, seed)
    tables = Comparison(networks, names, x, held_x, held, scale, seed)
    speeds = {name: tables.speed(one) for name, one in samplers.items()}
    chosen = latent_samplers.choose(scores) if sampler == "auto" else sampler
    report = latent_report.describe(rows, scored, samplers, scores, chosen, seed)
    say(f"Comparing what each sampler does to the table, on {tables.rows:,} rows x {tables.repeats} ...")
    records = {
        name: record.model_copy(
            update={
                "fit_seconds": seconds[name],
                "rows_per_second": speeds[name],
                **tables.of_sampler(samplers[name]).to_dict(),
            }
        )
        for name, record in report.samplers.items()
    }
    references = {"tables": tables.references(), "rows_compared": tables.rows}
    return samplers, report.model_copy(update={"samplers": records, **references})
