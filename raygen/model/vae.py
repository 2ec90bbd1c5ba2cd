"""The Keras VAE: an encoder from codes to z_mean and z_log_var, a decoder from z to one logit per code, and
its prior."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from raygen import rng
from raygen.codec.tables import Tables
from raygen.model.densities import log_gaussian, truncated_logistic
from raygen.model.layers import (
    LOG_2PI,
    LOG_VAR_RANGE,
    CodeTable,
    ColumnSums,
    Keep,
    MixturePrior,
    ResidualMLP,
    product,
)
from raygen.model.turn import Turn, context_width

Offsets = tuple[tf.Tensor | None, tf.Tensor | None, tf.Tensor, tf.Tensor]  # see `VAE._scores`
MAX_LOGIT = 40.0  # exp(40) times any number of codes still fits float32
MIN_SCALE = 0.02  # of the logistic inside a bar, in normal scores


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
        decoder: "independent": columns are independent given z; "autoregressive": each depends on those
            before it, too (see `turn`).
        turn_width: Width of what an autoregressive decoder says of the columns before one.
        order: Columns in the order in which an autoregressive decoder draws them; empty: as they are.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        ordered: Sequence[bool],
        num_offsets: int,
        latent_dim: int,
        hidden_units: Sequence[int],
        prior: str = "mixture",
        prior_components: int = 256,
        seed: int = 0,
        gaussian: bool = False,
        decoder: str = "independent",
        turn_width: int = 64,
        order: Sequence[int] = (),
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.settings: dict[str, Any] = {
            "cardinalities": [int(c) for c in cardinalities],
            "ordered": [bool(o) for o in ordered],
            "num_offsets": int(num_offsets),
            "latent_dim": int(latent_dim),
            "hidden_units": [int(u) for u in hidden_units],
            "prior": prior,
            "prior_components": int(prior_components),
            "seed": int(seed),
            "gaussian": bool(gaussian),
            "decoder": decoder,
            "turn_width": int(turn_width),
            "order": [int(c) for c in order],
        }
        self.num_offsets, self.latent_dim, self.gaussian = num_offsets, latent_dim, gaussian
        self.num_codes = sum(cardinalities)
        self.starts = np.cumsum([0, *cardinalities[:-1]]).astype(np.int32)
        self.column_sums = ColumnSums(cardinalities)
        self._build_codes()
        self._build_encoder()
        self._build_decoder()
        self.built = True

    def _seed(self, purpose: str) -> int:
        return rng.integer(self.settings["seed"], purpose)

    def _dense(self, width: int, before: int, purpose: str, scale: float = 1.0) -> keras.layers.Dense:
        start = keras.initializers.VarianceScaling(scale, seed=self._seed(purpose))
        layer = keras.layers.Dense(width, kernel_initializer=start)
        layer.build((None, before))
        return layer

    def _build_codes(self) -> None:
        """What there is of each code: rows of the encoder and the decoder, and constants of the codec."""
        width, codes = self.settings["hidden_units"][0], (self.num_codes,)
        cardinalities, ordered = self.settings["cardinalities"], self.settings["ordered"]

        def table(scale: float, purpose: str) -> CodeTable:
            name = purpose.replace(" ", "_")
            return CodeTable(cardinalities, ordered, width, scale, seed=self._seed(purpose), name=name)

        def constant(name: str) -> keras.Variable:
            return self.add_weight(shape=codes, initializer="zeros", trainable=False, name=name)

        self.embedding = table(1 / math.sqrt(len(cardinalities)), "embedding")
        self.code_kernel = table(math.sqrt(0.1 / width), "code kernel")
        self.code_bias = self.add_weight(shape=codes, initializer="zeros", name="code_bias")
        self.score_low, self.score_high = constant("score_low"), constant("score_high")
        self.has_offset = constant("has_offset")
        self.noise_log_var = None
        if self.gaussian:
            self.noise_log_var = self.add_weight(shape=(), initializer="zeros", name="noise_log_var")

    def _build_encoder(self) -> None:
        units = self.settings["hidden_units"]
        self.score_in = self._dense(units[0], max(1, self.num_offsets), "score input")
        self.encoder = ResidualMLP(units[1:], units[0], seed=self._seed("encoder"), name="encoder")
        self.mean_head = self._dense(self.latent_dim, units[-1], "mean head")
        self.log_var_head = self._dense(self.latent_dim, units[-1], "log var head", 0.1)

    def _build_decoder(self) -> None:
        """The decoder, its prior, and what makes it autoregressive."""
        settings, units = self.settings, self.settings["hidden_units"]
        laws = (1 if self.gaussian else 2) * max(1, self.num_offsets)
        self.decoder = ResidualMLP(units[::-1], self.latent_dim, seed=self._seed("decoder"), name="decoder")
        self.offset_head = self._dense(laws, units[0], "offset head", 0.1)
        self.prior = self.turn = None
        if settings["prior"] == "mixture":
            components = settings["prior_components"]
            self.prior = MixturePrior(components, self.latent_dim, seed=self._seed("prior"))
        if settings["decoder"] == "autoregressive":
            cardinalities, ordered = settings["cardinalities"], settings["ordered"]
            width, seed = context_width(settings["turn_width"], len(cardinalities)), self._seed("turn")
            self.turn = Turn(
                cardinalities,
                ordered,
                self.num_offsets,
                width,
                units[0],
                settings["order"],
                seed,
                name="turn",
            )

    def set_tables(self, tables: Tables, frequencies: np.ndarray, num_rows: int | None = None) -> None:
        """Take over the codec's constants and start the decoder at the log frequencies of the codes.

        Args:
            tables: The codec's constants.
            frequencies: Share of the rows that have each code, of shape (num_codes,).
            num_rows: Rows of the table: codes of few share more of their vectors (see `CodeTable`); None: as
                if they were many.
        """
        from scipy.special import ndtri

        edge = 1e-5
        self.score_low.assign(ndtri(np.clip(tables.low, edge, 1 - edge)))
        self.score_high.assign(ndtri(np.clip(tables.high, edge, 1 - edge)))
        self.has_offset.assign(tables.has_offset.astype(np.float32))
        self.code_bias.assign(np.log(np.maximum(frequencies, 1e-7)))
        if num_rows is not None:
            turn = [self.turn.embedding, self.turn.kernel] if self.turn else []
            for table in (self.embedding, self.code_kernel, *turn):
                table.count_rows(num_rows * np.asarray(frequencies))

    def encode(self, codes: tf.Tensor, offsets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
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

    def decode(
        self, z: tf.Tensor, codes: tf.Tensor | None = None, offsets: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Logits of all codes, and centre and scale of the offset of each block that has one (see
        `offset_law`), of shapes (rows, num_codes) and (rows, num_offsets).

        Args:
            z: float32 of shape (rows, latent_dim).
            codes, offsets: Of the same rows, as in `encode`; an autoregressive decoder needs them: what it
                says of a column depends on the columns before it.
        """
        if self.turn is None:
            return self._decode(z)
        if codes is None or offsets is None:
            raise ValueError("an autoregressive decoder needs the codes and offsets of its rows")
        index = codes + self.starts
        return self._decode(z, index, self._scores(index, offsets))

    def hidden_logits(self, hidden: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What the decoder's last hidden layer, by itself, says of all codes and of offsets: logits of shape
        (rows, num_codes) and the output of the offset head."""
        logits = product(hidden, ops.transpose(self.code_kernel.table())) + self.code_bias
        return logits, self.offset_head(hidden)

    def offset_law(self, head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Centre and scale of the logistic inside the bar, in normal scores, or of the Gaussian, from the
        output of the offset head."""
        if self.gaussian:
            return head, ops.exp(0.5 * ops.clip(self.noise_log_var, *LOG_VAR_RANGE)) * ops.ones_like(head)
        centre, scale = ops.split(head, 2, axis=1)
        return centre, MIN_SCALE + ops.softplus(scale)

    def bound(
        self,
        codes: tf.Tensor,
        offsets: tf.Tensor,
        noise: tf.Tensor,
        keep: Keep = None,
        keep_context: Keep = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The two terms of the negative ELBO by one draw z = z_mean + exp(z_log_var / 2) noise.

        Args:
            codes, offsets: As in `encode`.
            noise: Standard normals of shape (rows, latent_dim).
            keep: What hidden units are multiplied by, those of the encoder and then those of the decoder: 0,
                or 1 / (1 - dropout); None: 1.
            keep_context: The same for what an autoregressive decoder says of each column to the later ones,
                of shape (rows, blocks).

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
        nats = self._reconstruction(z, index, hot, scores, of_decoder, keep_context)
        return nats, self._kl(z_mean, z_log_var, z, noise)

    def scores(self, index: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
        """Normal scores of a row's numbers, or its standard deviations from the mean, (rows, num_offsets).

        Args:
            index: Number of the row's code of each block among all codes, int32 (rows, blocks).
            offsets: As in `encode`.
        """
        return self._scores(index, offsets)[2]

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        codes, offsets = inputs
        return self.decode(self.encode(codes, offsets)[0], codes, offsets)

    def _hot(self, index: tf.Tensor) -> tf.Tensor:
        """float32 of shape (rows, num_codes), 1 at the row's code of each block: on a CPU its matmul and the
        matmul's gradient are no slower than gathering rows of the embedding and scattering their gradient
        (measured: 0 to 20 % of a step)."""
        rows, blocks = ops.shape(index)[0], index.shape[1]
        flat = ops.reshape(index + self.num_codes * ops.arange(rows, dtype="int32")[:, None], (-1, 1))
        return ops.reshape(
            ops.scatter(flat, ops.ones((rows * blocks,)), (rows * self.num_codes,)), (rows, self.num_codes)
        )

    def _scores(self, index: tf.Tensor, offsets: tf.Tensor) -> Offsets:
        """Edges of the row's bars, the values between them in normal scores, and whether it is a bar, each
        (rows, num_offsets); with Gaussian heads the value, 0 where it is missing, has no edges."""
        index = index[:, : self.num_offsets]
        has_offset = ops.take(self.has_offset, index)
        if self.gaussian:
            return None, None, offsets * has_offset, has_offset
        low, high = ops.take(self.score_low, index), ops.take(self.score_high, index)
        return low, high, low + (high - low) * offsets, has_offset

    def _encode(self, hot: tf.Tensor, scores: Offsets, keep: Keep = None) -> tuple[tf.Tensor, tf.Tensor]:
        x = product(hot, self.embedding.table())
        if self.num_offsets:
            x = x + self.score_in(scores[2])
        x = self.encoder(
            ops.maximum(x, 0.0), keep
        )  # ops.relu here ends TensorFlow 2.21's optimisation of the whole graph (10 % of a step)
        return self.mean_head(x), ops.clip(self.log_var_head(x), *LOG_VAR_RANGE)

    def _decode(
        self,
        z: tf.Tensor,
        index: tf.Tensor | None = None,
        scores: Offsets | None = None,
        keep: Keep = None,
        keep_context: Keep = None,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        hidden = self.decoder(z, keep)
        logits, head = self.hidden_logits(hidden)
        if self.turn is not None and scores is not None:
            values = scores[2] * scores[3] if self.num_offsets else None
            gates = self.turn.gates(hidden, index, values, keep_context)
            logits = logits + self.turn.logits(gates)
            if self.num_offsets:
                head = head + ops.concatenate(self.turn.offsets(gates), axis=1)
        return ops.clip(logits, -MAX_LOGIT, MAX_LOGIT), *self.offset_law(head)

    def _reconstruction(
        self, z: tf.Tensor, index: tf.Tensor, hot: tf.Tensor, scores: Offsets, keep: Keep, keep_context: Keep
    ) -> tf.Tensor:
        logits, centre, scale = self._decode(z, index, scores, keep, keep_context)
        nats = ops.sum(ops.log(self.column_sums(ops.exp(logits))), axis=1) - ops.sum(hot * logits, axis=1)
        if self.num_offsets:
            low, high, score, has_offset = scores
            if self.gaussian:
                density = log_gaussian(score, centre, scale)
            else:
                density = truncated_logistic(score, low, high, centre, scale)
            nats = nats - ops.sum(has_offset * density, axis=1)
        return nats

    def _kl(self, z_mean: tf.Tensor, z_log_var: tf.Tensor, z: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """In closed form for N(0, I), by the draw z for the learned prior."""
        if self.prior is None:
            return 0.5 * ops.sum(z_mean**2 + ops.exp(z_log_var) - 1 - z_log_var, axis=1)
        log_q = -0.5 * ops.sum(noise**2 + z_log_var + LOG_2PI, axis=1)
        return log_q - self.prior.log_prob(z)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.settings}


def positions(offsets: tf.Tensor) -> tf.Tensor:
    """uint8 steps inside the bar to float32 positions in (0, 1); standard deviations from the mean stay as
    they are."""
    return offsets if offsets.dtype.is_floating else (tf.cast(offsets, tf.float32) + 0.5) / 256
