"""The Keras VAE: an encoder from codes to z_mean and z_log_var, a decoder from z to one logit per code, and
its prior."""

import contextlib
import math

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from raygen import rng

LOG_2PI = math.log(2 * math.pi)
MAX_LOGIT = 40.0  # exp(40) times any number of codes still fits float32
GROUP_SIZES = (4, 16)
MIN_SCALE = 0.02  # of the logistic inside a bar, in normal scores
_factors = "float32"


@contextlib.contextmanager
def precision(kind: str):
    """The type of the factors of the large matrix products, "float32" or "bfloat16", in what is traced
    inside; sums and weights stay float32."""
    global _factors
    before, _factors = _factors, kind
    try:
        yield
    finally:
        _factors = before


def product(a, b):
    """a b, float32."""
    if _factors == "float32":
        return ops.matmul(a, b)
    return ops.cast(ops.matmul(ops.cast(a, _factors), ops.cast(b, _factors)), "float32")


@keras.saving.register_keras_serializable("raygen")
class ResidualMLP(keras.layers.Layer):
    """Dense relu layers; a layer as wide as its input is added to it.

    Args:
        units: Widths, first to last.
        width: Width of the input.
    """

    def __init__(self, units, width, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.width, self.seed = [int(u) for u in units], int(width), int(seed)
        seeds = [
            keras.initializers.HeNormal(seed=rng.integer(self.seed, "residual layer", i))
            for i in range(len(self.units))
        ]
        self.layers = [
            keras.layers.Dense(u, activation="relu", kernel_initializer=s)
            for u, s in zip(self.units, seeds, strict=True)
        ]
        for layer, before in zip(self.layers, [self.width, *self.units], strict=False):
            layer.build((None, before))
        self.built = True

    def call(self, x, keep=None):
        """The last hidden layer; `keep`, if given, is what each hidden unit of each row is multiplied by, of
        shape (rows, sum of units)."""
        at = 0
        for layer, before, after in zip(self.layers, [self.width, *self.units], self.units, strict=False):
            out = layer.activation(product(x, layer.kernel) + layer.bias)
            out = out if keep is None else out * keep[:, at : at + after]
            x, at = x + out if before == after else out, at + after
        return x

    def get_config(self):
        return {**super().get_config(), "units": self.units, "width": self.width, "seed": self.seed}


@keras.saving.register_keras_serializable("raygen")
class CodeTable(keras.layers.Layer):
    """A trained vector for each code, as the encoder's embedding or the rows of the decoder's last matrix.

    In a block whose codes are ordered (a number's atoms and bars), a code's vector is the sum of its own and
    of those of its groups of 4 and of 16 neighbours, so that neighbours share what they learn (measured on
    18,000 rows of 9 numbers: 1.5 nats of held-out bound, and XGB-C2ST .74 -> .79).

    Args:
        cardinalities: Codes of each block.
        ordered: For each block, whether its codes are in order.
        width: Of the vectors.
        stddev: Of the initial vectors; those of groups start at zero.
    """

    def __init__(self, cardinalities, ordered, width, stddev, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.settings = {
            "cardinalities": list(cardinalities),
            "ordered": list(ordered),
            "width": width,
            "stddev": stddev,
            "seed": seed,
        }
        start = keras.initializers.RandomNormal(stddev=stddev, seed=seed)
        self.own = self.add_weight(shape=(sum(cardinalities), width), initializer=start, name="own")
        self.groups = [_groups(cardinalities, ordered, size) for size in GROUP_SIZES]
        self.shared = [
            self.add_weight(shape=(int(g[-1]) + 1, width), initializer="zeros", name=f"shared_{i}")
            for i, g in enumerate(self.groups)
        ]
        self.built = True

    def table(self):
        """float32 of shape (codes, width)."""
        return sum(
            (ops.take(shared, group, axis=0) for group, shared in zip(self.groups, self.shared, strict=True)),
            self.own.value,
        )

    def get_config(self):
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable("raygen")
class MixturePrior(keras.layers.Layer):
    """p(z): a mixture of diagonal Gaussians, trained with the network (the VampPrior's aim, Tomczak and
    Welling 2018, sec. 2)."""

    def __init__(self, components, latent_dim, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.components, self.latent_dim, self.seed = int(components), int(latent_dim), int(seed)
        shape = (self.components, self.latent_dim)
        self.mean = self.add_weight(
            shape=shape, initializer=keras.initializers.RandomNormal(stddev=1.0, seed=seed), name="mean"
        )
        self.log_var = self.add_weight(shape=shape, initializer="zeros", name="log_var")
        self.logits = self.add_weight(shape=(self.components,), initializer="zeros", name="logits")
        self.built = True

    def log_prob(self, z):
        """log p(z), float32 of shape (rows,), for z of shape (rows, latent_dim)."""
        log_var = ops.clip(self.log_var, -12.0, 6.0)
        precision = ops.exp(-log_var)
        constant = ops.sum(log_var + self.mean**2 * precision, axis=1) + self.latent_dim * LOG_2PI
        square = ops.matmul(z**2, ops.transpose(precision)) - 2 * ops.matmul(
            z, ops.transpose(self.mean * precision)
        )
        return ops.logsumexp(ops.log_softmax(self.logits) - 0.5 * (square + constant), axis=1)

    def get_config(self):
        return {
            **super().get_config(),
            "components": self.components,
            "latent_dim": self.latent_dim,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("raygen")
class VAE(keras.Model):
    """A variational autoencoder (Kingma and Welling 2014) over rows of integer codes.

    Args:
        cardinalities: Codes of each block; all logits lie side by side in the order of the blocks.
        ordered: For each block, whether its codes are in the order of values.
        num_offsets: The first so many blocks have bars, whose position inside the bar is learned too; with
            `gaussian`, values.
        latent_dim: Width of z.
        hidden_units: Widths of the encoder's hidden layers; the decoder has them in reverse.
        prior: "mixture" (learned) or "normal" (N(0, I)).
        prior_components: Gaussians of the learned prior.
        seed: Of the initial weights.
        gaussian: Offsets are values in standard deviations from the mean, each under a Gaussian around a
            linear output of its own; the variance is learned, one for all, so that the loss is the sum of
            squared errors in nats.
    """

    def __init__(
        self,
        cardinalities,
        ordered,
        num_offsets,
        latent_dim,
        hidden_units,
        prior="mixture",
        prior_components=256,
        seed=0,
        gaussian=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.settings = {
            "cardinalities": [int(c) for c in cardinalities],
            "ordered": [bool(o) for o in ordered],
            "num_offsets": int(num_offsets),
            "latent_dim": int(latent_dim),
            "hidden_units": [int(u) for u in hidden_units],
            "prior": prior,
            "prior_components": int(prior_components),
            "seed": int(seed),
            "gaussian": bool(gaussian),
        }
        self.num_offsets, self.latent_dim, self.gaussian, units = (
            num_offsets,
            latent_dim,
            gaussian,
            self.settings["hidden_units"],
        )
        self.num_codes = sum(cardinalities)
        self.starts = np.cumsum([0, *cardinalities[:-1]]).astype(np.int32)
        self.segments = np.repeat(np.eye(len(cardinalities), dtype=np.float32), cardinalities, axis=0)

        def dense(width, before, purpose, scale=1.0):
            layer = keras.layers.Dense(
                width,
                kernel_initializer=keras.initializers.VarianceScaling(scale, seed=rng.integer(seed, purpose)),
            )
            layer.build((None, before))
            return layer

        codes = self.settings["cardinalities"], self.settings["ordered"], units[0]
        self.embedding = CodeTable(
            *codes, 1 / math.sqrt(len(cardinalities)), seed=rng.integer(seed, "embedding"), name="embedding"
        )
        self.code_kernel = CodeTable(
            *codes, math.sqrt(0.1 / units[0]), seed=rng.integer(seed, "code kernel"), name="code_kernel"
        )
        self.code_bias = self.add_weight(shape=(self.num_codes,), initializer="zeros", name="code_bias")
        self.score_low = self.add_weight(
            shape=(self.num_codes,), initializer="zeros", trainable=False, name="score_low"
        )
        self.score_high = self.add_weight(
            shape=(self.num_codes,), initializer="zeros", trainable=False, name="score_high"
        )
        self.has_offset = self.add_weight(
            shape=(self.num_codes,), initializer="zeros", trainable=False, name="has_offset"
        )
        self.noise_log_var = (
            self.add_weight(shape=(), initializer="zeros", name="noise_log_var") if gaussian else None
        )
        self.score_in = dense(units[0], max(1, num_offsets), "score input")
        self.encoder = ResidualMLP(units[1:], units[0], seed=rng.integer(seed, "encoder"), name="encoder")
        self.mean_head = dense(latent_dim, units[-1], "mean head")
        self.log_var_head = dense(latent_dim, units[-1], "log var head", 0.1)
        self.decoder = ResidualMLP(units[::-1], latent_dim, seed=rng.integer(seed, "decoder"), name="decoder")
        self.offset_head = dense((1 if gaussian else 2) * max(1, num_offsets), units[0], "offset head", 0.1)
        self.prior = (
            MixturePrior(prior_components, latent_dim, seed=rng.integer(seed, "prior"))
            if prior == "mixture"
            else None
        )
        self.built = True

    def set_tables(self, tables, frequencies):
        """Take over the codec's constants and start the decoder at the log frequencies of the codes (shape
        (num_codes,))."""
        from scipy.special import ndtri

        edge = 1e-5
        self.score_low.assign(ndtri(np.clip(tables.low, edge, 1 - edge)))
        self.score_high.assign(ndtri(np.clip(tables.high, edge, 1 - edge)))
        self.has_offset.assign(tables.has_offset.astype(np.float32))
        self.code_bias.assign(np.log(np.maximum(frequencies, 1e-7)))

    def encode(self, codes, offsets):
        """Parameters of q(z | row).

        Args:
            codes: int32 of shape (rows, blocks).
            offsets: float32 of shape (rows, num_offsets), positions inside the bar in (0, 1), or standard
                deviations from the mean.

        Returns:
            z_mean and z_log_var, each of shape (rows, latent_dim).
        """
        index = codes + self.starts
        return self._encode(self._hot(index), self._scores(index, offsets))

    def decode(self, z, keep=None):
        """Logits of all codes, and centre and scale of the offset of each block that has one (see
        `offset_law`); `keep` as in `bound`."""
        hidden = self.decoder(z, keep)
        logits = product(hidden, ops.transpose(self.code_kernel.table())) + self.code_bias
        return ops.clip(logits, -MAX_LOGIT, MAX_LOGIT), *self.offset_law(hidden)

    def offset_law(self, hidden):
        """Centre and scale of the logistic inside the bar, in normal scores, or of the Gaussian, from the
        decoder's last hidden layer."""
        if self.gaussian:
            centre = self.offset_head(hidden)
            return centre, ops.exp(0.5 * ops.clip(self.noise_log_var, -12.0, 6.0)) * ops.ones_like(centre)
        centre, scale = ops.split(self.offset_head(hidden), 2, axis=1)
        return centre, MIN_SCALE + ops.softplus(scale)

    def bound(self, codes, offsets, noise, keep=None):
        """The two terms of the negative ELBO by one draw z = z_mean + exp(z_log_var / 2) noise.

        Args:
            codes, offsets: As in `encode`.
            noise: Standard normals of shape (rows, latent_dim).
            keep: What hidden units are multiplied by, those of the encoder and then those of the decoder: 0,
                or 1 / (1 - dropout); None: 1.

        Returns:
            -log p(row | z), the cross-entropy of every block and of its offset, and KL(q || prior), in nats,
            each of shape (rows,).
        """
        index = codes + self.starts
        hot, scores = self._hot(index), self._scores(index, offsets)
        half = sum(self.settings["hidden_units"])
        of_encoder, of_decoder = (None, None) if keep is None else (keep[:, :half], keep[:, half:])
        z_mean, z_log_var = self._encode(hot, scores, of_encoder)
        z = z_mean + ops.exp(0.5 * z_log_var) * noise
        return self._reconstruction(z, hot, scores, of_decoder), self._kl(z_mean, z_log_var, z, noise)

    def call(self, inputs):
        codes, offsets = inputs
        return self.decode(self.encode(codes, offsets)[0])

    def _hot(self, index):
        """float32 of shape (rows, num_codes), 1 at the row's code of each block: on a CPU its matmul and the
        matmul's gradient are no slower than gathering rows of the embedding and scattering their gradient
        (measured: 0 to 20 % of a step)."""
        rows, blocks = ops.shape(index)[0], index.shape[1]
        flat = ops.reshape(index + self.num_codes * ops.arange(rows, dtype="int32")[:, None], (-1, 1))
        return ops.reshape(
            ops.scatter(flat, ops.ones((rows * blocks,)), (rows * self.num_codes,)), (rows, self.num_codes)
        )

    def _scores(self, index, offsets):
        """Edges of the row's bars, the values between them in normal scores, and whether it is a bar, each
        (rows, num_offsets); with Gaussian heads the value, 0 where it is missing, has no edges."""
        index = index[:, : self.num_offsets]
        has_offset = ops.take(self.has_offset, index)
        if self.gaussian:
            return None, None, offsets * has_offset, has_offset
        low, high = ops.take(self.score_low, index), ops.take(self.score_high, index)
        return low, high, low + (high - low) * offsets, has_offset

    def _encode(self, hot, scores, keep=None):
        x = product(hot, self.embedding.table())
        if self.num_offsets:
            x = x + self.score_in(scores[2])
        x = self.encoder(
            ops.maximum(x, 0.0), keep
        )  # ops.relu here ends TensorFlow 2.21's optimisation of the whole graph (10 % of a step)
        return self.mean_head(x), ops.clip(self.log_var_head(x), -12.0, 6.0)

    def _reconstruction(self, z, hot, scores, keep):
        logits, centre, scale = self.decode(z, keep)
        log_total = ops.log(ops.matmul(ops.exp(logits), self.segments))
        nats = ops.sum(log_total, axis=1) - ops.sum(hot * logits, axis=1)
        if self.num_offsets:
            low, high, score, has_offset = scores
            law = (
                log_gaussian(score, centre, scale)
                if self.gaussian
                else truncated_logistic(score, low, high, centre, scale)
            )
            nats = nats - ops.sum(has_offset * law, axis=1)
        return nats

    def _kl(self, z_mean, z_log_var, z, noise):
        """In closed form for N(0, I), by the draw z for the learned prior."""
        if self.prior is None:
            return 0.5 * ops.sum(z_mean**2 + ops.exp(z_log_var) - 1 - z_log_var, axis=1)
        log_q = -0.5 * ops.sum(noise**2 + z_log_var + LOG_2PI, axis=1)
        return log_q - self.prior.log_prob(z)

    def get_config(self):
        return {**super().get_config(), **self.settings}


def _groups(cardinalities, ordered, size: int) -> np.ndarray:
    """Number of each code's group: `size` neighbours of an ordered block, the whole of another one."""
    sizes = [size if o else n for n, o in zip(cardinalities, ordered, strict=True)]
    firsts = np.cumsum([0, *(-(-n // s) for n, s in zip(cardinalities, sizes, strict=True))])
    return np.concatenate(
        [f + np.arange(n) // s for n, s, f in zip(cardinalities, sizes, firsts, strict=False)]
    ).astype(np.int32)


def log_gaussian(value, centre, scale):
    """Log density of `value` under a Gaussian."""
    return -0.5 * (((value - centre) / scale) ** 2 + LOG_2PI) - ops.log(scale)


def truncated_logistic(score, low, high, centre, scale):
    """Log density of `score`, relative to the uniform one on (low, high), under a logistic truncated to (low,
    high).

    With F the logistic function, T, A and B the standardised score and edges, log f(T) - log(F(B) - F(A)) is
    written with softplus alone, so that it stays finite far from the centre.
    """
    t, a, b = (score - centre) / scale, (low - centre) / scale, (high - centre) / scale
    width = ops.maximum(b - a, 1e-6)
    log_mass = b + ops.log(-ops.expm1(-width)) - ops.softplus(a) - ops.softplus(b)
    return t - 2 * ops.softplus(t) - log_mass + ops.log(width)


def positions(offsets):
    """uint8 steps inside the bar to float32 positions in (0, 1); standard deviations from the mean stay as
    they are."""
    return offsets if offsets.dtype.is_floating else (tf.cast(offsets, tf.float32) + 0.5) / 256
