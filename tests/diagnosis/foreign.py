"""Networks whose optimum is known in closed form, as someone else's VAE, and what doctor says of them."""

import keras
import numpy as np

from raygen.diagnosis import driver as diagnosis

ROWS = 4000


def white(d, rows=ROWS, seed=0):
    """Rows with mean 0 and covariance I, exactly."""
    x = np.random.default_rng(seed).normal(size=(rows, d))
    x -= x.mean(axis=0)
    return (x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / rows)).T).astype(np.float32)


def dense(model, *arrays):
    model.set_weights([np.asarray(a, np.float32) for a in arrays])
    return model


def encoder(mean, o, o_kernel=None):
    """z_mean = x @ mean, and o, plus x @ o_kernel if there is one."""
    width, d = np.shape(mean)
    x = keras.Input((width,))
    model = keras.Model(x, [keras.layers.Dense(d, name="head-1")(x), keras.layers.Dense(d, name="head-2")(x)])
    return dense(
        model,
        mean,
        np.zeros(d),
        np.zeros((width, d)) if o_kernel is None else o_kernel,
        np.broadcast_to(o, d),
    )


def decoder(kernel, bias=0.0, activation=None):
    d, width = np.shape(kernel)
    model = keras.Sequential([keras.Input((d,)), keras.layers.Dense(width, activation=activation)])
    return dense(model, kernel, np.broadcast_to(bias, width))


def posted(d):
    """The optimum of the question's loss on white rows of width d: Var z, encoder, decoder, and its three
    weights."""
    r = 1 / (2 * d)
    root = (1 + r**0.5 / 2 - ((1 + r**0.5 / 2) ** 2 - 2 * r) ** 0.5) / (2 * r)
    b, std = (root * (1 - r * root)) ** 0.5, r**0.5 * root
    a = b / root
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(d, d)))[0]
    return root, encoder(b * turn, np.log(std)), decoder(a * turn.T), (a, b, std)


def correct(d=4, noise=0.1):
    """A consistent VAE at its optimum (probabilistic PCA): q(z) is N(0, I)."""
    a = (1 - noise) ** 0.5
    return encoder(a * np.eye(d), np.log(noise)), decoder(a * np.eye(d))


def run(enc, dec, data, **options):
    lines = []
    return diagnosis.doctor(enc, dec, data, flow_steps=0, say=lines.append, **options), "\n".join(lines)


def names(result):
    return [d["name"] for d in result["defects"]]


@keras.saving.register_keras_serializable("raygen_tests")
class Draw(keras.layers.Layer):
    def call(self, pair):
        import tensorflow as tf

        return pair[0] + keras.ops.exp(pair[1]) * tf.random.normal(tf.shape(pair[0]))


def with_draw(enc):
    return keras.Model(enc.inputs, [*enc.outputs, Draw()(enc.outputs)])
