"""The training loop of one worker, in graph: K steps in each call, gradients summed over all workers."""

import contextlib
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from raygen.codec.codec import Codec
from raygen.config import Config
from raygen.latent import streams
from raygen.model.layers import Keep, precision
from raygen.model.vae import VAE, positions
from raygen.training.loader import Feed

STEPS_PER_CALL = 50
ROWS_PER_CALL = 2**18
BETA_STEPS = 400  # over which beta rises to its value
RATE_STEPS = 100  # over which the learning rate rises to its value
AVERAGE_POWER = 8.0  # weight t of the average of weights counts as t ** 7: the last tenth of the steps, about
MAX_GRADIENT = 5.0
SCORE_ROWS = 4096


def vae_settings(codec: Codec, config: Config) -> dict:
    """The arguments of the VAE of a config for the codes of a codec: `VAE(**vae_settings(codec, config))` has
    the same weights wherever it is built."""
    tables, m = codec.tables(), config.model
    return {
        "cardinalities": tables.cardinalities,
        "ordered": tables.ordered,
        "num_offsets": tables.num_offsets,
        "latent_dim": m.latent_dim,
        "hidden_units": m.hidden_units,
        "prior": m.prior,
        "prior_components": m.prior_components,
        "seed": config.run.seed,
        "gaussian": tables.gaussian,
        "decoder": m.decoder,
        "turn_width": m.turn_width,
        "order": codec.turn_order,
    }


class Rate(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises over RATE_STEPS steps and stays, times a factor that a divergence halves."""

    def __init__(self, rate: float):
        self.rate, self.factor = rate, tf.Variable(1.0, trainable=False)

    def __call__(self, step: keras.Variable) -> tf.Tensor:
        return self.factor * self.rate * tf.minimum(1.0, (tf.cast(step, tf.float32) + 1) / RATE_STEPS)

    def get_config(self) -> dict:
        return {"rate": self.rate}


class Loop:
    """Steps and scores of one worker.

    Every worker holds its own copy of the weights. The copies stay equal because they start from the same
    seed and every step applies the same gradient, summed over the workers in one packed all-reduce (of
    bfloat16 numbers where that is the precision).

    The rate is not lowered at the end, since nobody knows beforehand where the end is: scores, posteriors and
    the model that is kept have an average of the weights, over a window that grows with the steps (Karras et
    al. 2024, "Analyzing and improving the training dynamics of diffusion models", sec. 3.1).

    Args:
        model: The VAE, with the same weights on every worker.
        config: The run's config.
        feed: Rows of this worker: codes and offsets, uint16 (rows, blocks) and uint8 or float32 (rows,
            num_offsets).
        world_size: Workers.
        strategy: `tf.distribute` strategy whose all-reduce joins the workers.
    """

    def __init__(
        self,
        model: VAE,
        config: Config,
        feed: Feed,
        world_size: int = 1,
        strategy: tf.distribute.Strategy | None = None,
    ):
        self.model, self.config, self.feed, self.world = model, config, feed, world_size
        self.strategy = strategy or tf.distribute.get_strategy()
        self.rate = Rate(config.train.learning_rate)
        self.optimizer = keras.optimizers.Adam(self.rate, beta_2=0.99)
        self.optimizer.build(model.trainable_variables)
        self.variables = [variable.value for variable in model.trainable_variables]
        self.average = [tf.Variable(variable, trainable=False) for variable in self.variables]
        self.noise = streams.key(config.run.seed, "training noise")
        self.dropped = streams.key(config.run.seed, "dropout")
        self.dropped_contexts = streams.key(config.run.seed, "context dropout")
        self.held_noise = streams.key(config.run.seed, "held-out noise")
        self.rows_at_once = min(SCORE_ROWS, config.train.micro_batch_size or SCORE_ROWS)
        self.step = 0
        self.best = self._averages()
        self.good = self.state()

    def run(self, count: int, count_rows: Callable[[int], None] = lambda rows: None) -> dict[str, float]:
        """Take `count` steps; mean reconstruction and KL over them and over all workers, in nats per row,
        rows/s of all workers, and the share of its time in which this one waited for rows.

        Args:
            count: Of steps.
            count_rows: Called with the rows of this worker that were trained on since it was called last.
        """
        began, waited, total, steps = time.perf_counter(), 0.0, np.zeros(2), 0
        rows = self.config.train.batch_size
        each = max(1, min(STEPS_PER_CALL, ROWS_PER_CALL // rows))
        while steps < count:
            k, since = min(each, count - steps), time.perf_counter()
            codes, offsets = map(tf.constant, self.feed.take(self.step, k))
            waited += time.perf_counter() - since
            total += self._sum(self._chunk(codes, offsets, tf.constant(self.step, tf.int64))).numpy()
            self.step, steps = self.step + k, steps + k
            count_rows(k * self.feed.batches.rows)
        reconstruction, kl = (total / count).tolist()
        seconds = time.perf_counter() - began
        return {
            "reconstruction": reconstruction,
            "kl": kl,
            "rows_per_second": count * rows / seconds,
            "wait_share": waited / seconds,
        }

    def score(self) -> dict[str, float]:
        """Means over all held-out rows of all workers under the averaged weights, in nats per row:
        reconstruction, KL, their sum (the negative ELBO) with its standard error, and the loss that training
        lowers, with the KL weighted by beta."""
        codes, offsets = self.feed.held
        total = np.zeros(4, np.float32)
        with self.averaged():
            for start in range(0, len(codes), self.rows_at_once):
                piece = slice(start, start + self.rows_at_once)
                first = tf.constant(self.feed.first_held + start, tf.int64)
                total += self._score(tf.constant(codes[piece]), tf.constant(offsets[piece]), first).numpy()
        total = self._sum(tf.constant(total)).numpy().astype(float)
        reconstruction, kl, square = (total[:3] / total[3]).tolist()
        nats, loss = reconstruction + kl, reconstruction + self.config.model.beta * kl
        error = (max(0.0, square - nats**2) / total[3].item()) ** 0.5
        terms = {"held_out_reconstruction": reconstruction, "held_out_kl": kl, "held_out_loss": loss}
        return {"held_out_nats": nats, "held_out_error": error, **terms}

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with the average of its weights, for as long as this lasts."""
        weights = [variable.numpy() for variable in self.variables]
        self._assign(self._averages())
        try:
            yield
        finally:
            self._assign(weights)

    def mean(self, values: np.ndarray) -> float:
        """Mean of numbers that lie spread over all workers, each of which must call this."""
        total = self._sum(tf.constant([values.sum(), len(values)], tf.float64)).numpy()
        return float(total[0] / total[1])

    def posterior(self, codes: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z_mean and z_log_var under the weights that the model has, each float32 of shape (rows,
        latent_dim)."""
        out = []
        for start in range(0, len(codes), self.rows_at_once):
            piece = slice(start, start + self.rows_at_once)
            out.append(
                [x.numpy() for x in self._encode(tf.constant(codes[piece]), tf.constant(offsets[piece]))]
            )
        z_mean, z_log_var = (np.concatenate(parts) for parts in zip(*out, strict=True))
        return z_mean, z_log_var

    def keep_best(self) -> None:
        """Note that the average of the weights is the best so far."""
        self.best = self._averages()

    def restore_best(self) -> None:
        """Make the best average the weights of the model; nothing is trained after that."""
        self._assign(self.best)
        for average, best in zip(self.average, self.best, strict=True):
            average.assign(best)

    def keep_good(self) -> None:
        """Note the state that `go_back` returns to."""
        self.good = self.state()

    def go_back(self) -> None:
        """Return to the state of the last `keep_good`, with half the learning rate."""
        factor = float(self.rate.factor.numpy()) / 2
        self.load_state(self.good)
        self.rate.factor.assign(factor)

    def state(self) -> dict[str, np.ndarray]:
        """All that a later `load_state` needs to continue as if there had been no interruption."""
        optimizer: dict = {}
        self.optimizer.save_own_variables(optimizer)
        arrays = {f"optimizer/{k}": np.asarray(v) for k, v in optimizer.items()}
        arrays |= {f"weights/{i}": w for i, w in enumerate(self.model.get_weights())}
        arrays |= {f"average/{i}": w for i, w in enumerate(self._averages())}
        arrays |= {f"best/{i}": w for i, w in enumerate(self.best)}
        return arrays | {"step": np.array(self.step), "rate_factor": self.rate.factor.numpy()}

    def load_state(self, arrays: dict[str, np.ndarray]) -> None:
        """Continue from a `state`."""
        prefix = "optimizer/"
        self.optimizer.load_own_variables(
            {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        )
        self.model.set_weights([arrays[f"weights/{i}"] for i in range(len(self.model.weights))])
        for i, average in enumerate(self.average):
            average.assign(arrays[f"average/{i}"])
        self.best = [arrays[f"best/{i}"] for i in range(len(self.best))]
        self.step = int(arrays["step"])
        self.rate.factor.assign(arrays["rate_factor"])

    def _averages(self) -> list[np.ndarray]:
        return [average.numpy() for average in self.average]

    def _assign(self, weights: list[np.ndarray]) -> None:
        for variable, weight in zip(self.variables, weights, strict=True):
            variable.assign(weight)

    @tf.function(reduce_retracing=True, autograph=False)  # it would take a third of the time of a start
    def _chunk(self, codes: tf.Tensor, offsets: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
        def step(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return i + 1, total + self._one(codes[i], offsets[i], first + tf.cast(i, tf.int64))

        count = tf.shape(codes)[0]
        return tf.while_loop(lambda i, _: i < count, step, (tf.constant(0), tf.zeros((2,))))[1]

    def _one(self, codes: tf.Tensor, offsets: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """One step; the sums of reconstruction and KL over the rows of this worker, divided by those of the
        global batch."""
        t, variables, rows = self.config.train, self.model.trainable_variables, self.feed.batches.rows
        sizes = [int(np.prod(v.shape)) for v in variables]
        first, size = step * t.batch_size + self.feed.batches.first, min(t.micro_batch_size or rows, rows)

        def add(
            start: tf.Tensor, terms: tf.Tensor, packed: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            piece = slice(start, start + size)
            more = self._gradients(codes[piece], offsets[piece], step, first + tf.cast(start, tf.int64))
            return start + size, terms + more[0], packed + more[1]

        nothing = tf.constant(0), tf.zeros((2,)), tf.zeros((sum(sizes),))
        if size < rows:  # one after the other: else the memory of several
            _, terms, packed = tf.while_loop(
                lambda start, *_: start < rows, add, nothing, parallel_iterations=1
            )
        else:
            terms, packed = self._gradients(codes, offsets, step, first)
        packed = self._sum(packed, sent_as=t.precision)
        flat, _ = tf.clip_by_global_norm(tf.split(packed, sizes), MAX_GRADIENT)
        # outside of `strategy.run`: inside, Keras would sum the gradients a second time
        self.optimizer.apply([tf.reshape(g, v.shape) for g, v in zip(flat, variables, strict=True)])
        count = tf.cast(step, tf.float32)
        stay = (count / (count + 1)) ** AVERAGE_POWER
        for average, variable in zip(self.average, self.variables, strict=True):
            average.assign(stay * average + (1 - stay) * variable)
        return terms

    def _gradients(
        self, codes: tf.Tensor, offsets: tf.Tensor, step: tf.Tensor, first: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What some rows of a step, from number `first` of all steps on, add to its terms and to the gradient
        of its loss, of shape (parameters,)."""
        t, rows = self.config.train, tf.shape(codes)[0]
        noise = streams.by_row(streams.normal, self.noise, rows, self.config.model.latent_dim, first)
        beta = self.config.model.beta * tf.minimum(1.0, tf.cast(step, tf.float32) / BETA_STEPS)
        with precision(t.precision), tf.GradientTape() as tape:
            keep = self._keep(rows, first), self._keep_context(rows, first)
            reconstruction, kl = self.model.bound(tf.cast(codes, tf.int32), positions(offsets), noise, *keep)
            terms = tf.stack([tf.reduce_sum(reconstruction), tf.reduce_sum(kl)]) / t.batch_size
            loss = terms[0] + beta * terms[1]
        # of TensorFlow's own variables: of Keras' ones it cannot make zeros where one is not connected
        gradients = tape.gradient(loss, self.variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return terms, tf.concat([tf.reshape(tf.convert_to_tensor(g), [-1]) for g in gradients], 0)

    def _keep(self, rows: tf.Tensor, first: tf.Tensor) -> Keep:
        """What hidden units are multiplied by (see `VAE.bound`) in `rows` rows from number `first` of all
        steps on; None without dropout."""
        dropout, units = self.config.model.dropout, 2 * sum(self.config.model.hidden_units)
        if not dropout:
            return None
        uniform = streams.by_row(streams.uniform, self.dropped, rows, units, first)
        return tf.cast(uniform >= dropout, tf.float32) / (1 - dropout)

    def _keep_context(self, rows: tf.Tensor, first: tf.Tensor) -> Keep:
        """The same for what a column says to the later ones; of shape (rows, columns)."""
        dropout = self.config.model.context_dropout
        if not dropout or self.model.turn is None:
            return None
        uniform = streams.by_row(
            streams.uniform, self.dropped_contexts, rows, len(self.model.settings["cardinalities"]), first
        )
        return tf.cast(uniform >= dropout, tf.float32) / (1 - dropout)

    @tf.function(reduce_retracing=True, autograph=False)
    def _score(self, codes: tf.Tensor, offsets: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
        noise = streams.by_row(
            streams.normal, self.held_noise, tf.shape(codes)[0], self.config.model.latent_dim, first
        )
        reconstruction, kl = self.model.bound(tf.cast(codes, tf.int32), positions(offsets), noise)
        count = tf.cast(tf.shape(codes)[0], tf.float32)
        return tf.stack(
            [
                tf.reduce_sum(reconstruction),
                tf.reduce_sum(kl),
                tf.reduce_sum((reconstruction + kl) ** 2),
                count,
            ]
        )

    @tf.function(reduce_retracing=True, autograph=False)
    def _encode(self, codes: tf.Tensor, offsets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self.model.encode(tf.cast(codes, tf.int32), positions(offsets))

    @tf.function(autograph=False)
    def _sum(self, value: tf.Tensor, sent_as: str = "") -> tf.Tensor:
        """`value` summed over all workers, who may send it as a type of fewer bytes."""
        if self.world == 1:
            return value

        def replica(value: tf.Tensor) -> tf.Tensor:
            sent = tf.identity(tf.cast(value, sent_as or value.dtype))  # its device is the replica's
            return tf.cast(
                tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, sent), value.dtype
            )

        return self.strategy.run(replica, args=(value,))
