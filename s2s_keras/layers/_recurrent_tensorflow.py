"""A loop over time on TensorFlow; `ops.scan` fails there if there are two inputs of unknown length."""

import tensorflow as tf


def scan(step, init, xs, reverse=False):
    """As `ops.scan`: `init` and `xs` (T, ...) are tuples of tensors; what `step` puts out is shaped like `init`."""
    steps = tf.shape(xs[0])[0]
    inputs = [tf.TensorArray(x.dtype, steps, element_shape=x.shape[1:]).unstack(x) for x in xs]
    outputs = [tf.TensorArray(x.dtype, steps, element_shape=x.shape) for x in init]

    def body(n, carry, outputs):
        at = steps - 1 - n if reverse else n
        carry, ys = step(carry, tuple(x.read(at) for x in inputs))
        return n + 1, tuple(carry), [array.write(at, y) for array, y in zip(outputs, ys, strict=True)]

    shapes = (tf.TensorShape(()), tuple(x.shape for x in init), [tf.TensorShape(None)] * len(outputs))
    _, carry, outputs = tf.while_loop(lambda n, *_: n < steps, body, (0, tuple(init), outputs), shapes)
    return carry, tuple(array.stack() for array in outputs)
