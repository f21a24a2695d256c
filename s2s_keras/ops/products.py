"""Products of channels."""

from keras import ops


def channel_product(x, kernel):
    """`keras.ops.matmul` of features and a matrix, as a product of two matrices.

    With three axes XLA takes longer over product and gradient on a CPU: see benchmarks/README.md, WaveNet.

    Args:
        x: float (..., C).
        kernel: float (C, D).

    Returns:
        float (..., D).

    Example:

    >>> channel_product(ops.ones((1, 2, 3)), ops.ones((3, 4))).shape == (1, 2, 4)
    True
    """
    flat = ops.matmul(ops.reshape(x, (-1, kernel.shape[0])), kernel)
    return ops.reshape(flat, (*ops.shape(x)[:-1], kernel.shape[1]))
