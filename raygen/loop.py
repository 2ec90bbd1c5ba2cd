"""The training loop of one worker, in graph: K steps in each call, gradients summed over all workers."""

import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from raygen import streams
from raygen.batches import Batches, spread
from raygen.model import VAE

STEPS_PER_CALL = 50
WARMUP = 0.1  # share of the steps over which beta rises to its value
LR_WARMUP = 0.02
MAX_GRADIENT = 5.0
SCORE_ROWS = 4096


def build(codec, config) -> VAE:
    """The VAE of a config for the codes of a codec; the same weights wherever it is built."""
    tables = codec.tables()
    m = config.model
    codes = tables.cardinalities, tables.ordered, tables.num_offsets
    return VAE(*codes, m.latent_dim, m.hidden_units, m.prior, m.prior_components, config.run.seed, gaussian=tables.gaussian)


class Loop:
    """Steps and scores of one worker.

    Every worker holds its own copy of the weights. The copies stay equal because they start from the same seed and every step applies
    the same gradient, summed over the workers in one packed all-reduce.

    Args:
        model: The VAE, with the same weights on every worker.
        config: The run's config.
        codes, offsets: Stored training rows of this worker, uint16 (rows, blocks) and uint8 or float32 (rows, num_offsets).
        held: The same pair for this worker's piece of the held-out rows.
        first_held: Number of its first held-out row.
        batches: Which of the stored rows make a step.
        rank, world_size: This worker, of how many.
        strategy: `tf.distribute` strategy whose all-reduce joins the workers.
    """

    def __init__(self, model, config, codes, offsets, held, first_held, batches: Batches, rank=0, world_size=1, strategy=None):
        self.model, self.config, self.batches, self.rank, self.world = model, config, batches, rank, world_size
        self.strategy = strategy or tf.distribute.get_strategy()
        self.codes, self.offsets = tf.constant(codes), tf.constant(offsets)
        self.held, self.first_held = held, first_held
        steps, rate = config.train.steps, config.train.learning_rate
        schedule = keras.optimizers.schedules.CosineDecay(0.0, steps, alpha=0.01, warmup_target=rate, warmup_steps=max(1, int(LR_WARMUP * steps)))
        self.optimizer = keras.optimizers.Adam(schedule, beta_2=0.99)
        self.optimizer.build(model.trainable_variables)
        self.noise = streams.key(config.run.seed, "training noise")
        self.dropped = streams.key(config.run.seed, "dropout")
        self.held_noise = streams.key(config.run.seed, "held-out noise")
        self.step = 0
        self.best = [w.copy() for w in model.get_weights()]

    def some(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Stored codes and offsets of at most so many of this worker's training rows, from all over them."""
        rows = spread(len(self.codes), most)
        return tf.gather(self.codes, rows).numpy(), tf.gather(self.offsets, rows).numpy()

    def run(self, count: int, told: Callable[[int], None] = lambda rows: None) -> dict[str, float]:
        """Take `count` steps; mean reconstruction and KL over them and over all workers, in nats per row, rows/s of all workers, and the share of
        its time in which this one waited for rows.

        Args:
            count: Of steps.
            told: Called with the rows of this worker that were trained on since it was called last.
        """
        began, waited, total, done = time.perf_counter(), 0.0, np.zeros(2), 0
        rows = self.config.train.batch_size
        while done < count:
            k, since = min(STEPS_PER_CALL, count - done), time.perf_counter()
            index = tf.constant(self.batches.take(self.step, k))
            waited += time.perf_counter() - since
            total += self._chunk(index, tf.constant(self.step, tf.int64)).numpy()
            self.step, done = self.step + k, done + k
            told(k * rows // self.world)
        reconstruction, kl = (total / count).tolist()
        seconds = time.perf_counter() - began
        return {"reconstruction": reconstruction, "kl": kl, "rows_per_second": count * rows / seconds, "wait_share": waited / seconds}

    def score(self) -> dict[str, float]:
        """Means over all held-out rows of all workers, in nats per row: reconstruction, KL, their sum (the negative ELBO) with its standard
        error, and the loss that training lowers, with the KL weighted by beta."""
        codes, offsets = self.held
        total = np.zeros(4, np.float32)
        for start in range(0, len(codes), SCORE_ROWS):
            piece = slice(start, start + SCORE_ROWS)
            first = tf.constant(self.first_held + start, tf.int64)
            total += self._score(tf.constant(codes[piece]), tf.constant(offsets[piece]), first).numpy()
        total = self._sum(tf.constant(total)).numpy().astype(float)
        reconstruction, kl, square = (total[:3] / total[3]).tolist()
        nats, loss = reconstruction + kl, reconstruction + self.config.model.beta * kl
        error = (max(0.0, square - nats**2) / total[3].item()) ** 0.5
        terms = {"held_out_reconstruction": reconstruction, "held_out_kl": kl, "held_out_loss": loss}
        return {"held_out_nats": nats, "held_out_error": error, **terms}

    def mean(self, values: np.ndarray) -> float:
        """Mean of numbers that lie spread over all workers, each of which must call this."""
        total = self._sum(tf.constant([values.sum(), len(values)], tf.float64)).numpy()
        return float(total[0] / total[1])

    def posterior(self, codes, offsets) -> tuple[np.ndarray, np.ndarray]:
        """z_mean and z_log_var, each float32 of shape (rows, latent_dim)."""
        out = []
        for start in range(0, len(codes), SCORE_ROWS):
            piece = slice(start, start + SCORE_ROWS)
            out.append([t.numpy() for t in self._encode(tf.constant(codes[piece]), tf.constant(offsets[piece]))])
        z_mean, z_log_var = (np.concatenate(parts) for parts in zip(*out, strict=True))
        return z_mean, z_log_var

    def keep_best(self) -> None:
        self.best = [w.copy() for w in self.model.get_weights()]

    def restore_best(self) -> None:
        self.model.set_weights(self.best)

    def state(self) -> dict[str, np.ndarray]:
        """All that a later `load_state` needs to go on as if nothing had happened."""
        optimizer: dict = {}
        self.optimizer.save_own_variables(optimizer)
        arrays = {f"optimizer/{k}": np.asarray(v) for k, v in optimizer.items()}
        arrays |= {f"weights/{i}": w for i, w in enumerate(self.model.get_weights())}
        arrays |= {f"best/{i}": w for i, w in enumerate(self.best)}
        return arrays | {"step": np.array(self.step)}

    def load_state(self, arrays: dict[str, np.ndarray]) -> None:
        self.optimizer.load_own_variables({k.removeprefix("optimizer/"): v for k, v in arrays.items() if k.startswith("optimizer/")})
        self.model.set_weights([arrays[f"weights/{i}"] for i in range(len(self.best))])
        self.best = [arrays[f"best/{i}"] for i in range(len(self.best))]
        self.step = int(arrays["step"])

    @tf.function(reduce_retracing=True)
    def _chunk(self, index, first):
        total = tf.zeros((2,))
        for i in tf.range(tf.shape(index)[0]):
            total += self._one(index[i], first + tf.cast(i, tf.int64))
        return total

    def _one(self, index, step):
        """One step; the sums of reconstruction and KL over the global batch, divided by its rows."""
        t, d, variables = self.config.train, self.config.model.latent_dim, self.model.trainable_variables
        rows = t.batch_size // self.world
        whole = -(-t.batch_size * d // streams.PER_COUNTER) * streams.PER_COUNTER  # normals of a step over all workers
        noise = streams.normal(self.noise, (rows, d), step * whole + self.rank * rows * d)
        beta = self.config.model.beta * tf.minimum(1.0, tf.cast(step, tf.float32) / max(1.0, WARMUP * t.steps))
        codes = tf.cast(tf.gather(self.codes, index), tf.int32)
        offsets = positions(tf.gather(self.offsets, index))
        first_row = step * t.batch_size + self.rank * rows

        def replica(codes, offsets, noise, beta):
            with tf.GradientTape() as tape:
                reconstruction, kl = self.model.bound(codes, offsets, noise, self._keep(rows, first_row))
                terms = tf.stack([tf.reduce_sum(reconstruction), tf.reduce_sum(kl)]) / t.batch_size
                loss = terms[0] + beta * terms[1]
            gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return tf.concat([terms] + [tf.reshape(tf.convert_to_tensor(g), [-1]) for g in gradients], 0)

        packed = self._all_reduce(replica, (codes, offsets, noise, beta))
        terms, *flat = tf.split(packed, [2] + [int(np.prod(v.shape)) for v in variables])
        flat, _ = tf.clip_by_global_norm(flat, MAX_GRADIENT)
        self.optimizer.apply([tf.reshape(g, v.shape) for g, v in zip(flat, variables, strict=True)])
        return terms

    def _keep(self, rows: int, first):
        """What hidden units are multiplied by (see `VAE.bound`) in `rows` rows from number `first` of all steps on; None without dropout."""
        dropout, units = self.config.model.dropout, 2 * sum(self.config.model.hidden_units)
        if not dropout:
            return None
        width = -(-units // streams.PER_COUNTER) * streams.PER_COUNTER  # whole counters for each row, as for held-out noise
        drawn = streams.uniform(self.dropped, (rows, width), first * width)[:, :units]
        return tf.cast(drawn >= dropout, tf.float32) / (1 - dropout)

    @tf.function(reduce_retracing=True)
    def _score(self, codes, offsets, first):
        d = self.config.model.latent_dim
        width = -(-d // streams.PER_COUNTER) * streams.PER_COUNTER  # whole counters for each row, so that its noise is its own
        noise = streams.normal(self.held_noise, (tf.shape(codes)[0], width), first * width)[:, :d]
        reconstruction, kl = self.model.bound(tf.cast(codes, tf.int32), positions(offsets), noise)
        count = tf.cast(tf.shape(codes)[0], tf.float32)
        return tf.stack([tf.reduce_sum(reconstruction), tf.reduce_sum(kl), tf.reduce_sum((reconstruction + kl) ** 2), count])

    @tf.function(reduce_retracing=True)
    def _encode(self, codes, offsets):
        return self.model.encode(tf.cast(codes, tf.int32), positions(offsets))

    @tf.function
    def _sum(self, value):
        return self._all_reduce(tf.identity, (value,))

    def _all_reduce(self, replica, args):
        """`replica(*args)` summed over all workers.

        The optimizer is applied outside of `strategy.run`: inside, Keras would sum the gradients a second time, one by one.
        """
        if self.world == 1:
            return replica(*args)

        def reduced(*args):
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, replica(*args))

        return self.strategy.run(reduced, args=args)


def positions(offsets):
    """uint8 steps inside the bar to float32 positions in (0, 1); standard deviations from the mean stay as they are."""
    return offsets if offsets.dtype.is_floating else (tf.cast(offsets, tf.float32) + 0.5) / 256
