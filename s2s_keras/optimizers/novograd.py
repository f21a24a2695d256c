"""NovoGrad: layer-wise normalized gradients, momentum, decoupled weight decay."""

import keras
from keras import ops

from s2s_keras.ops.gradients import dense_gradient


@keras.saving.register_keras_serializable(package="s2s_keras")
class NovoGrad(keras.optimizers.Optimizer):
    """Divides every variable's gradient by a running norm of that gradient, then applies momentum and weight decay.

    Jasper and QuartzNet were trained with it. One number per variable is remembered beside the momentum, so it costs
    half the memory of Adam, and a gradient that explodes in one layer moves that layer no further than usual. For a
    variable `w` with gradient `g`:

    ```
    velocity = ||g||^2                                           in the first step
    velocity = beta_2 * velocity + (1 - beta_2) * ||g||^2        afterwards
    update   = g / sqrt(velocity + epsilon) + weight_decay * w
    update   = (1 - beta_1) * update                             only with `grad_averaging`
    momentum = beta_1 * momentum + update
    w        = w - learning_rate * momentum
    ```

    Args:
        learning_rate: float, `keras.optimizers.schedules.LearningRateSchedule` or callable. Defaults to 0.02,
            Jasper's. Decay it to nearly zero: normalized gradients do not become smaller by themselves.
        beta_1: float in [0, 1), decay of the momentum. Defaults to 0.95.
        beta_2: float in [0, 1), decay of the squared norm. Defaults to 0.98, the paper's. 0 normalizes every gradient
            by its own norm, without memory: what OpenSeq2Seq computed whatever it was given, hence the setting of the
            published runs.
        epsilon: float added to the squared norm. Defaults to 1e-8.
        weight_decay: float or `None`, decoupled weight decay (Jasper: 0.001). Applies to every variable; name
            exceptions with `exclude_from_weight_decay(var_list, var_names)` before the first step. Defaults to
            `None`.
        grad_averaging: bool, whether the update is weighted by `1 - beta_1` as in Adam. Defaults to `False`.
        **kwargs: arguments of every Keras optimizer: `clipnorm`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, ...

    Raises:
        ValueError: a beta is outside [0, 1), or `epsilon` is not above 0.

    Example:

    >>> import numpy as np
    >>> w = keras.Variable(np.array([1.0, 2.0, 3.0], "float32"))
    >>> optimizer = NovoGrad(learning_rate=0.1, beta_2=0.0)
    >>> optimizer.apply([ops.convert_to_tensor([3.0, 0.0, 4.0])], [w])
    >>> [round(float(value), 4) for value in ops.convert_to_numpy(w)]
    [0.94, 2.0, 2.92]

    Reference:
        Ginsburg et al., 2019, "Stochastic Gradient Methods with Layer-wise Adaptive Moments for Training of Deep
        Networks", https://arxiv.org/abs/1905.11286, Algorithm 1. `epsilon` stands under the root as in OpenSeq2Seq,
        not beside it. "First step" is counted per variable and means its first non-zero gradient, so that a block
        which was dropped in step one starts no differently later. OpenSeq2Seq computes a second moment but never
        stores it: `beta_2=0.0` gives its results.
    """

    def __init__(
        self,
        learning_rate=0.02,
        beta_1=0.95,
        beta_2=0.98,
        epsilon=1e-8,
        weight_decay=None,
        grad_averaging=False,
        name="novograd",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        for label, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"{label} is the decay of an average and must be in [0, 1). Received: {label}={beta}")
        if not epsilon > 0.0:
            raise ValueError(
                "epsilon keeps a zero gradient from dividing by zero and must be above 0, such as 1e-8. "
                f"Received: epsilon={epsilon}"
            )
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.grad_averaging = grad_averaging

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._momentums = self.add_optimizer_variables(variables, "momentum")
        self._velocities = [
            self.add_variable(shape=(), dtype="float32", name=f"velocity_{index}") for index in range(len(variables))
        ]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index], self._velocities[index]
        gradient = ops.cast(dense_gradient(gradient), "float32")

        squared_norm = ops.sum(ops.square(gradient))
        average = self.beta_2 * velocity + (1.0 - self.beta_2) * squared_norm
        new_velocity = ops.where(ops.equal(velocity, 0.0), squared_norm, average)
        update = ops.cast(gradient * ops.rsqrt(new_velocity + self.epsilon), variable.dtype)
        if self.weight_decay and self._use_weight_decay(variable):
            update = update + ops.cast(self.weight_decay, variable.dtype) * variable
        if self.grad_averaging:
            update = ops.cast(1.0 - self.beta_1, variable.dtype) * update

        new_momentum = ops.cast(self.beta_1, variable.dtype) * momentum + update
        self.assign(velocity, new_velocity)
        self.assign(momentum, new_momentum)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * new_momentum)

    def _apply_weight_decay(self, variables):
        """Keras would shrink the variables here, before the step; NovoGrad's decay goes through the momentum."""

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "grad_averaging": self.grad_averaging,
        }
