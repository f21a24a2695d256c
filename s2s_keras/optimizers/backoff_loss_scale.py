"""Backoff: the loss scale that overflows lower and time raises."""

import keras
from keras import ops

from s2s_keras.optimizers.loss_scale import LossScale, check_limits


@keras.saving.register_keras_serializable(package="s2s_keras")
class BackoffLossScale(LossScale):
    """A loss scale that is divided after every overflow and multiplied after many steps without one.

    The scale to begin with under `mixed_float16`: it needs no knowledge of the gradients.

    Args:
        inner_optimizer: `keras.optimizers.Optimizer` that makes the updates.
        minimum: float, lower limit of the scale. Default 1.
        maximum: float, upper limit of the scale, with which it starts. Default 2**14.
        factor: float above 1, by which the scale is divided and multiplied. Default 2.
        window: int, steps in a row without an overflow after which the scale is multiplied. Default 2000.
        name: str or None, the optimizer's name. Default None.

    Raises:
        ValueError: `inner_optimizer` is no optimizer or scales the loss itself, or a number is out of its range.

    Example:

    >>> import numpy as np
    >>> w = keras.Variable(np.array([1.0], "float32"))
    >>> optimizer = BackoffLossScale(keras.optimizers.SGD(0.5), window=2)
    >>> for gradient in (float("inf"), 1.0, 1.0):
    ...     optimizer.apply([ops.convert_to_tensor([gradient])], [w])
    ...     print(float(optimizer.scale))
    8192.0
    8192.0
    16384.0

    Reference: OpenSeq2Seq's "Backoff". There, the step counter was read while it was being increased, so that the scale
    could be doubled at the first step after an overflow; here, as was meant, after `window` of them.
    """

    def __init__(self, inner_optimizer, minimum=1.0, maximum=2.0**14, factor=2.0, window=2000, name=None):
        super().__init__(inner_optimizer, maximum, name)
        check_limits(minimum, maximum)
        if not factor > 1 or not window >= 1:
            raise ValueError(
                "Backoff divides the scale by a factor above 1 and multiplies it by that after a window of 1 step or "
                f"more. Received: factor={factor!r}, window={window!r}."
            )
        self.minimum = minimum
        self.maximum = maximum
        self.factor = factor
        self.window = window
        self.good_steps = self._scalar("good_steps", 0, "int32")

    def next_scale(self, finite, log2_maximum):
        good_steps = ops.where(finite, self.good_steps + 1, 0)
        scale = ops.convert_to_tensor(self.scale)
        grown = ops.where(good_steps >= self.window, scale * self.factor, scale)
        scale = ops.where(finite, grown, scale / self.factor)
        return [
            (self.scale, ops.clip(scale, self.minimum, self.maximum)),
            (self.good_steps, good_steps % self.window),
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "minimum": self.minimum,
            "maximum": self.maximum,
            "factor": self.factor,
            "window": self.window,
        }
