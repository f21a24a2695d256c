"""A loop over time on TensorFlow; `ops.scan` fails there if there are two inputs of unknown length."""

import tensorflow as tf
from keras import ops

from s2s_keras.ops.exporting import export_format


def scan(step, init, xs, reverse=False):
    """As `ops.scan`: `init` and `xs` (T, ...) are tuples of tensors; what `step` puts out is shaped like `init`."""
    if export_format() == "litert":
        return _scan_tensors(step, init, xs, reverse)
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


def _scan_tensors(step, init, xs, reverse):
    """The same without arrays of tensors, which LiteRT has only for batches of a size that is known."""
    steps = tf.shape(xs[0])[0]
    outputs = [tf.zeros(tf.concat([[steps], tf.shape(x)], axis=0), x.dtype) for x in init]

    def body(n, carry, outputs):
        at = steps - 1 - n if reverse else n
        carry, ys = step(carry, tuple(tf.gather(x, at) for x in xs))
        written = [
            ops.slice_update(output, [at] + [0] * len(y.shape), y[None]) for output, y in zip(outputs, ys, strict=True)
        ]
        return n + 1, tuple(carry), written

    shapes = (tf.TensorShape(()), tuple(x.shape for x in init), [tf.TensorShape([None, *x.shape]) for x in init])
    _, carry, outputs = tf.while_loop(lambda n, *_: n < steps, body, (0, tuple(init), outputs), shapes)
    return carry, tuple(outputs)
