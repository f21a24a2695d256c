"""LARC: momentum with a learning rate per variable, limited by the ratio of the norms of weight and gradient."""

import keras
from keras import ops

from s2s_keras.ops.gradients import dense_gradient

MODES = ("clip", "scale")
TINY = 1e-30  # a warm-up starts at learning rate 0


@keras.saving.register_keras_serializable(package="s2s_keras")
class LARC(keras.optimizers.Optimizer):
    """Momentum whose step is adapted to every variable: no update is large compared with the weights it changes.

    Wav2Letter+, Deep Speech 2 large and the first Jasper models were trained with it. For a variable `w` with
    gradient `g`:

    ```
    ratio    = max(trust_coefficient * ||w|| / (||g|| + epsilon), minimum)             mode "scale" (LARS)
    ratio    = min(max(that ratio without its minimum / learning_rate, minimum), 1)    mode "clip"  (LARC)
    momentum = momentum * momentum + ratio * g
    w        = w - learning_rate * momentum
    ```

    In mode "clip" the learning rate is an upper limit, in mode "scale" it is a factor. The learning rate multiplies
    the momentum, as in PyTorch and TensorFlow 1, so a decaying rate acts at once; in `keras.optimizers.SGD` it
    multiplies the gradient before that enters the momentum.

    Args:
        learning_rate: float, `keras.optimizers.schedules.LearningRateSchedule` or callable. Defaults to 0.01.
        momentum: float in [0, 1). Defaults to 0.9.
        trust_coefficient: float, largest ratio of the norms of update and weight. Defaults to 0.001.
        mode: "clip" or "scale". Defaults to "clip".
        minimum: float, lower limit of the ratio: all that moves a variable which is zero. Defaults to 1e-7.
        epsilon: float added to the norm of the gradient. Defaults to 1e-7.
        **kwargs: arguments of every Keras optimizer: `weight_decay` (decoupled, not part of the ratio), `use_ema`,
            `gradient_accumulation_steps`, ...

    Raises:
        ValueError: `mode` is neither of the two, or `momentum` is outside [0, 1).

    Example:

    >>> import numpy as np
    >>> w = keras.Variable(np.array([3.0, 4.0], "float32"))
    >>> optimizer = LARC(learning_rate=0.1, momentum=0.0)
    >>> optimizer.apply([ops.convert_to_tensor([0.6, 0.8])], [w])
    >>> [round(float(value), 4) for value in ops.convert_to_numpy(w)]
    [2.997, 3.996]

    Reference:
        You et al., 2017, "Large Batch Training of Convolutional Networks", https://arxiv.org/abs/1708.03888 (LARS);
        "clip" and the defaults are OpenSeq2Seq's, where LARC stood before any optimizer. Before `NovoGrad` it changes
        nothing but the steps of variables that are zero, for NovoGrad divides by the norm again.
    """

    def __init__(
        self,
        learning_rate=0.01,
        momentum=0.9,
        trust_coefficient=0.001,
        mode="clip",
        minimum=1e-7,
        epsilon=1e-7,
        name="larc",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        if mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}. Received: mode={mode!r}")
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"momentum must be in [0, 1). Received: momentum={momentum}")
        self.momentum = momentum
        self.trust_coefficient = trust_coefficient
        self.mode = mode
        self.minimum = minimum
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        momentum = self._momentums[self._get_variable_index(variable)]
        gradient = ops.cast(dense_gradient(gradient), "float32")
        learning_rate = ops.cast(learning_rate, "float32")

        ratio = self.trust_coefficient * _norm(variable) / (_norm(gradient) + self.epsilon)
        if self.mode == "clip":
            ratio = ratio / ops.maximum(learning_rate, TINY)
            ratio = ops.minimum(ops.maximum(ratio, self.minimum), 1.0)
        else:
            ratio = ops.maximum(ratio, self.minimum)

        scaled = ops.cast(ratio * gradient, variable.dtype)
        new_momentum = ops.cast(self.momentum, variable.dtype) * momentum + scaled
        self.assign(momentum, new_momentum)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * new_momentum)

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "trust_coefficient": self.trust_coefficient,
            "mode": self.mode,
            "minimum": self.minimum,
            "epsilon": self.epsilon,
        }


def _norm(tensor):
    return ops.sqrt(ops.sum(ops.square(ops.cast(tensor, "float32"))))
