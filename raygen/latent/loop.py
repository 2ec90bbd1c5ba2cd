"""A loop of training steps as one graph."""

from collections.abc import Callable

import tensorflow as tf


def graph(step: Callable[[tf.Tensor], object]) -> Callable[[tf.Tensor, tf.Tensor], None]:
    """A graph that takes the steps from one number (int64) up to another; `step` is given each number, in
    graph. Autograph, which would rewrite a loop in Python, takes longer than all else of a start."""

    def taken(number: tf.Tensor) -> tf.Tensor:
        step(number)
        return number + 1

    @tf.function(autograph=False)
    def run(first: tf.Tensor, last: tf.Tensor) -> None:
        tf.while_loop(lambda number: number < last, taken, (first,))

    return run
