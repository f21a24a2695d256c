"""Sparse gradients, as TensorFlow gives them for the look-ups of an embedding: `tf.IndexedSlices`.

A row that was looked up twice stands there twice, and what is not linear, a square or a norm, must add the two first.
Keras' optimizers do not: on TensorFlow their Adam squares each apart.
"""

from keras import ops


def is_sparse(gradient):
    """Whether a gradient is `tf.IndexedSlices`."""
    return type(gradient).__name__ == "IndexedSlices"


def dense_gradient(gradient):
    """A gradient as a tensor of its variable's shape.

    Args:
        gradient: tensor or `tf.IndexedSlices`.

    Returns:
        Tensor.

    Example:

    >>> float(dense_gradient(ops.convert_to_tensor(2.0)))
    2.0
    """
    if not is_sparse(gradient):
        return gradient
    return ops.segment_sum(gradient.values, gradient.indices, num_segments=gradient.dense_shape[0])


def merge_rows(gradient):
    """The same gradient with all of a row in one place, so that squares and norms of its values are those of the rows.

    Args:
        gradient: tensor, which is returned as it is, or `tf.IndexedSlices`.

    Returns:
        `tf.IndexedSlices` with as many rows as before, zeros where a row is repeated.

    Example:

    >>> float(merge_rows(ops.convert_to_tensor(2.0)))
    2.0
    """
    if not is_sparse(gradient):
        return gradient
    rows, segments, sums = sum_rows(gradient)
    first = ops.pad(ops.not_equal(segments[1:], segments[:-1]), [[1, 0]], constant_values=True)
    first = ops.reshape(first, [-1] + [1] * (len(sums.shape) - 1))
    values = ops.where(first, ops.take(sums, segments, axis=0), 0)
    return type(gradient)(values, rows, gradient.dense_shape)


def sum_rows(gradient):
    """What `tf.IndexedSlices` say of each row.

    Args:
        gradient: `tf.IndexedSlices` of n rows, some of them the same.

    Returns:
        Tuple of int tensor (n,), row numbers in order, repeated ones included; int tensor (n,), where the sum of each
        stands; tensor (n, ...), the sums, one per different row and zeros behind them.
    """
    order = ops.argsort(gradient.indices)
    rows = ops.take(gradient.indices, order)
    segments = ops.pad(ops.cumsum(ops.cast(ops.not_equal(rows[1:], rows[:-1]), "int32")), [[1, 0]])
    sums = ops.segment_sum(ops.take(gradient.values, order, axis=0), segments, num_segments=ops.shape(rows)[0])
    return rows, segments, sums
