"""Agreement of the replicas that `tf.distribute` runs a training step on.

On JAX a step runs once, on the whole batch of all devices, and on PyTorch in one process: there is nothing to agree on.
There it is the compiler that divides the work, and `map_rows` helps it where it does not know how.
"""

import keras
from keras import ops


def sum_over_replicas(x):
    """The sum of a tensor over the replicas that train together, the same on each of them.

    Args:
        x: float tensor of any shape; the same shape on every replica.

    Returns:
        Tensor of the shape of `x`. Gradients flow back to every replica.

    Example:

    >>> sum_over_replicas(2.0)
    2.0
    """
    if not _several():
        return x
    from s2s_keras.ops import _replicas_tensorflow

    return _replicas_tensorflow.total(x)


def merge_moments(count, mean, variance, around):
    """Mean and variance of the values of all replicas that train together, from those of each.

    The replicas exchange one vector, not the mean first and the variance afterwards: what waits for the network is the
    number of exchanges.

    Args:
        count: float tensor, scalar; how many values there are on this replica.
        mean, variance: float (C,), of these values; the variance is the biased one.
        around: float (C,), any numbers that are the same on all replicas. The nearer to the mean, the less is rounded.

    Returns:
        Tuple of count, mean and variance, the same on every replica. Gradients flow back to each.

    Example:

    >>> merge_moments(2.0, 3.0, 4.0, around=0.0)
    (2.0, 3.0, 4.0)
    """
    if not _several():
        return count, mean, variance
    offset = mean - around
    sums = ops.concatenate([count * offset, count * (variance + ops.square(offset)), ops.reshape(count, (1,))])
    sums = sum_over_replicas(sums)
    offset, square = ops.split(sums[:-1] / ops.maximum(sums[-1], 1.0), 2)
    return sums[-1], around + offset, ops.maximum(square - ops.square(offset), 0.0)


def map_rows(function, x):
    """Applies a function to the rows of a batch where they are, on each device those that it has.

    For what JAX' compiler does not divide, a Fourier transform above all: it would gather the whole batch on every
    device and do the work of all.

    Args:
        function: called with rows (b, ...); gives a tensor or several, with a row for each. It treats every row alike
            and apart from the others.
        x: tensor (B, ...).

    Returns:
        What `function` gives for all rows.

    Example:

    >>> map_rows(lambda x: x + 1.0, ops.ones((2, 3))).shape == (2, 3)
    True
    """
    if keras.backend.backend() != "jax":
        return function(x)
    from s2s_keras.ops import _replicas_jax

    return _replicas_jax.map_rows(function, x)


def apply_if(condition, optimizer, grads, variables):
    """Lets an optimizer apply gradients if a condition holds that is the same on all replicas.

    Args:
        condition: bool tensor, scalar.
        optimizer: `keras.optimizers.Optimizer`.
        grads: list of gradients.
        variables: list of variables, or None for those that the optimizer was built with.
    """
    if keras.backend.backend() == "tensorflow":
        from s2s_keras.ops import _replicas_tensorflow

        _replicas_tensorflow.choose(condition, optimizer.apply, lambda *_: None, (grads, variables))
    elif condition:
        optimizer.apply(grads, variables)


def _several():
    if keras.backend.backend() != "tensorflow":
        return False
    from s2s_keras.ops import _replicas_tensorflow

    return _replicas_tensorflow.several()
