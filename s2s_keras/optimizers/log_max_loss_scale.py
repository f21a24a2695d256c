"""LogMax: the loss scale that follows the statistics of the largest gradient."""

import keras
from keras import ops

from s2s_keras.optimizers.loss_scale import LossScale, check_limits


@keras.saving.register_keras_serializable(package="s2s_keras")
class LogMaxLossScale(LossScale):
    """A loss scale from the statistics of the largest gradient: as large as overflows stay rare.

    The logarithm of the largest absolute gradient is taken to be normally distributed. With its running mean `mu` and
    standard deviation `sigma` the scale is `2 ** (log_max - (mu + deviations * sigma))`, so that an overflow of
    `2 ** log_max` lies `deviations` standard deviations above the mean: once in a thousand steps with 3.09.

    Args:
        inner_optimizer: `keras.optimizers.Optimizer` that makes the updates.
        minimum: float, lower limit of the scale, with which it starts. Default 1.
        maximum: float, upper limit of the scale. Default 2**14.
        log_max: float, logarithm to the base 2 of the number that overflows. Default 16, of float16.
        beta_1: float in [0, 1), how much of the mean a step keeps. Default 0.99.
        beta_2: float in [0, 1), how much of the variance a step keeps. Default 0.999.
        deviations: float, distance from mean to overflow in standard deviations. Default 3.09.
        name: str or None, the optimizer's name. Default None.

    Raises:
        ValueError: `inner_optimizer` is no optimizer or scales the loss itself, or a number is out of its range.

    Example:

    >>> import numpy as np
    >>> w = keras.Variable(np.array([1.0], "float32"))
    >>> optimizer = LogMaxLossScale(keras.optimizers.SGD(0.5), maximum=2.0**20)
    >>> optimizer.apply([ops.convert_to_tensor([4.0])], [w])
    >>> round(float(optimizer.scale))
    16384

    Reference: OpenSeq2Seq's "LogMax", which its documentation calls "LogNormal". There, an overflow entered the mean as
    65536 where its logarithm, 16, was meant: one held the scale at its minimum for some 12,000 steps. Here it enters as
    `log_max`. There, `log_max` was read and 16 used; here it is used.
    """

    needs_maximum = True

    def __init__(
        self,
        inner_optimizer,
        minimum=1.0,
        maximum=2.0**14,
        log_max=16.0,
        beta_1=0.99,
        beta_2=0.999,
        deviations=3.09,
        name=None,
    ):
        super().__init__(inner_optimizer, minimum, name)
        check_limits(minimum, maximum)
        if not (0 <= beta_1 < 1 and 0 <= beta_2 < 1):
            raise ValueError(f"Betas lie in [0, 1). Received: beta_1={beta_1!r}, beta_2={beta_2!r}.")
        self.minimum = minimum
        self.maximum = maximum
        self.log_max = log_max
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.deviations = deviations
        names = ("steps", "mean", "slow_mean", "square")
        self._steps, self._mean, self._slow_mean, self._square = (self._scalar(n, 0.0, "float32") for n in names)

    def next_scale(self, finite, log2_maximum):
        x = ops.where(finite, log2_maximum, self.log_max)
        steps = self._steps + 1.0
        mean = self.beta_1 * self._mean + (1.0 - self.beta_1) * x
        slow_mean = self.beta_2 * self._slow_mean + (1.0 - self.beta_2) * x
        square = self.beta_2 * self._square + (1.0 - self.beta_2) * x * x
        # Averages of few steps are too small by these factors, as in Adam.
        first, second = 1.0 - ops.power(self.beta_1, steps), 1.0 - ops.power(self.beta_2, steps)
        variance = square / second - ops.square(slow_mean / second)
        highest = mean / first + self.deviations * ops.sqrt(ops.maximum(variance, 0.0))
        scale = ops.clip(ops.power(2.0, self.log_max - highest), self.minimum, self.maximum)
        return [
            (self.scale, scale),
            (self._steps, steps),
            (self._mean, mean),
            (self._slow_mean, slow_mean),
            (self._square, square),
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "minimum": self.minimum,
            "maximum": self.maximum,
            "log_max": self.log_max,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "deviations": self.deviations,
        }
