"""Agreement of the replicas that `tf.distribute` runs a training step on.

On JAX a step runs once, on the whole batch of all devices, and on PyTorch in one process: there is nothing to agree on.
"""

import keras


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
    if keras.backend.backend() != "tensorflow":
        return x
    from s2s_keras.ops import _replicas_tensorflow

    return _replicas_tensorflow.total(x)


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
