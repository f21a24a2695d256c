"""LazyAdam: Adam that leaves the rows of an embedding alone which a step did not use."""

import re

import keras
from keras import ops

from s2s_keras.ops.gradients import dense_gradient, is_sparse, merge_rows, sum_rows


@keras.saving.register_keras_serializable(package="s2s_keras")
class LazyAdam(keras.optimizers.Optimizer):
    """Adam whose step moves only those rows of an embedding that got a gradient.

    A batch of text uses a small part of a large vocabulary. Adam moves every row in every step, because its momentum
    lives on; here a row without gradient keeps its weights and moments, so that a rare word is not carried away by
    steps in which it did not occur, and on TensorFlow the step costs what the used rows cost. For used rows and all
    other variables it is `keras.optimizers.Adam`.

    Args:
        learning_rate: float, `keras.optimizers.schedules.LearningRateSchedule` or callable. Defaults to 0.001.
        beta_1: float in [0, 1), decay of the momentum. Defaults to 0.9.
        beta_2: float in [0, 1), decay of the squared gradient (0.997 for the original's Transformers). Defaults to
            0.999.
        epsilon: float, added to the root of the squared gradient (the original's Transformers: 1e-9). Defaults to 1e-7.
        pattern: str, regular expression that the path of an embedding matches from its start; its rows are the first
            axis. Defaults to ".*embeddings", what Keras and KerasHub call them.
        **kwargs: arguments of every Keras optimizer: `global_clipnorm`, `use_ema`, `gradient_accumulation_steps`, ...
            `weight_decay` shrinks every row, used or not.

    Raises:
        ValueError: a beta is outside [0, 1).

    Example:

    >>> import numpy as np
    >>> table = keras.Variable(np.ones((3, 2), "float32"), name="embeddings")
    >>> optimizer = LazyAdam(learning_rate=0.1)
    >>> for used in ([1.0, 1.0, 0.0], [1.0, 0.0, 0.0]):
    ...     optimizer.apply([ops.convert_to_tensor(np.float32([[row, row] for row in used]))], [table])
    >>> [round(float(value), 4) for value in ops.convert_to_numpy(table)[:, 0]]
    [0.8, 0.9, 1.0]

    Reference:
        Kingma and Ba, 2014, "Adam", https://arxiv.org/abs/1412.6980. OpenSeq2Seq took TensorFlow 1's
        `LazyAdamOptimizer`, which is lazy where the gradient is sparse; here a name decides, since JAX and PyTorch have
        dense gradients only, and a row counts as unused if its gradient is exactly zero, looked up or not. On
        TensorFlow Keras' Adam squares and clips as if every look-up of a row had a row of its own; this one adds them.
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        pattern=".*embeddings",
        name="lazy_adam",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        for label, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"{label} is the decay of an average and must be in [0, 1). Received: {label}={beta}")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.pattern = pattern

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._momentums = self.add_optimizer_variables(variables, "momentum")
        self._velocities = self.add_optimizer_variables(variables, "velocity")
        self._lazy = [bool(re.match(self.pattern, variable.path)) for variable in variables]

    def apply(self, grads, trainable_variables=None):
        super().apply([merge_rows(g) for g in grads], trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        tables = [variable, self._momentums[index], self._velocities[index]]
        if not self._lazy[index]:
            new = self._adam(dense_gradient(gradient), tables, learning_rate)
        elif is_sparse(gradient):
            rows, segments, sums = sum_rows(gradient)  # once more: those of several replicas stand side by side
            old = [ops.take(table, rows, axis=0) for table in tables]
            new = self._lazily(ops.take(sums, segments, axis=0), old, learning_rate)
            new = [type(gradient)(value, rows) for value in new]  # the values of a repeated row agree
        else:
            old = [ops.convert_to_tensor(table) for table in tables]
            new = self._lazily(gradient, old, learning_rate)
        for table, value in zip(tables, new, strict=True):
            self.assign(table, value)

    def _adam(self, gradient, tables, learning_rate):
        """New values of weights, momentum and velocity."""
        weights, momentum, velocity = tables
        dtype = weights.dtype
        step = ops.cast(self.iterations + 1, "float32")
        correction = ops.sqrt(1.0 - self.beta_2**step) / (1.0 - self.beta_1**step)
        rate = ops.cast(ops.cast(learning_rate, "float32") * correction, dtype)
        gradient = ops.cast(gradient, dtype)
        momentum = momentum + (gradient - momentum) * (1.0 - self.beta_1)
        velocity = velocity + (ops.square(gradient) - velocity) * (1.0 - self.beta_2)
        return weights - rate * momentum / (ops.sqrt(velocity) + self.epsilon), momentum, velocity

    def _lazily(self, gradient, tables, learning_rate):
        used = ops.any(ops.not_equal(gradient, 0), axis=tuple(range(1, len(gradient.shape))), keepdims=True)
        return [
            ops.where(used, new, old)
            for new, old in zip(self._adam(gradient, tables, learning_rate), tables, strict=True)
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "pattern": self.pattern,
        }
