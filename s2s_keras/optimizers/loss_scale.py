"""Loss scaling: what keeps small gradients above float16's smallest number, and updates that are not finite away."""

import keras
from keras import ops

from s2s_keras.ops.gradients import is_sparse, merge_rows
from s2s_keras.ops.replicas import apply_if, sum_over_replicas

_SMALLEST = 2.0**-126  # of the normal float32 numbers: its logarithm stands for that of zero


class LossScale(keras.optimizers.LossScaleOptimizer):
    """The base of the loss scalings: an optimizer around another one.

    The loss is multiplied by `scale`, the gradients are divided by it, and an update whose loss or gradients are not
    finite is skipped and counted: weights, moments, averages and the schedule's step stay as they were. That holds
    in every precision, on every backend and, under `tf.distribute`, for all replicas alike: a gradient that is not
    finite on one of them skips the update on all, and the scale is the same on all.

    Pass the wrapped optimizer to `compile`; Keras then adds no loss scaling of its own.

    Args:
        inner_optimizer: `keras.optimizers.Optimizer` that makes the updates.
        initial_scale: float above 0, the scale of the first step.
        name: str or None, the optimizer's name. Default None.

    Attributes:
        scale: float32 variable, the factor of the next step's loss.
        skipped: int32 variable, updates skipped so far.
        skipped_in_a_row: int32 variable, updates skipped since the last one made.
        gradient_norm: float32 variable, norm of the last step's gradients over all variables, before clipping. Under
            `tf.distribute` the root mean square over the replicas of the norm that each has for its part of the batch.
    """

    def __init__(self, inner_optimizer, initial_scale, name=None):
        if not isinstance(inner_optimizer, keras.optimizers.Optimizer) or hasattr(inner_optimizer, "inner_optimizer"):
            raise ValueError(
                f"{type(self).__name__} wraps a Keras optimizer that scales no loss itself. Received: "
                f"inner_optimizer={inner_optimizer!r}. Pass the bare one, for example "
                f"{type(self).__name__}(keras.optimizers.Adam(1e-3))."
            )
        if not initial_scale > 0:
            raise ValueError(f"A loss scale is a number above 0. Received: {initial_scale!r}.")
        super().__init__(inner_optimizer, initial_scale=float(initial_scale), name=name)
        # Here and not in `build`: a step that is traced before the optimizer is built must read the variable, too.
        self.scale = self._scalar("scale", initial_scale, "float32")
        self.skipped = self._scalar("skipped", 0, "int32")
        self.skipped_in_a_row = self._scalar("skipped_in_a_row", 0, "int32")
        self.gradient_norm = self._scalar("gradient_norm", 0.0, "float32")
        self._state = [self.scale, self.skipped, self.skipped_in_a_row, self.gradient_norm]

    def _scalar(self, name, value, dtype):
        initializer = keras.initializers.Constant(value)
        return self.add_variable((), initializer, dtype, aggregation="only_first_replica", name=name)

    def build(self, variables):
        if self.built:
            return
        self.inner_optimizer.build(variables)
        keras.optimizers.Optimizer.build(self, variables)

    def next_scale(self, finite, log2_maximum):
        """What follows from one step; subclasses say it.

        Args:
            finite: bool tensor, whether loss and gradients were.
            log2_maximum: float32 tensor, logarithm of the largest absolute gradient, unscaled; 0 unless
                `needs_maximum`.

        Returns:
            List of (variable, new value): the scale and what else the policy remembers.
        """
        raise NotImplementedError

    needs_maximum = False

    def scale_loss(self, loss):
        # A loss that is not finite can have gradients that are, for example zeros where it was masked: this poisons
        # them, so that the update is skipped.
        finite = ops.isfinite(ops.stop_gradient(loss))
        scale = ops.where(finite, ops.convert_to_tensor(self.scale), float("nan"))
        return ops.multiply(loss, ops.cast(scale, loss.dtype))

    def apply(self, grads, trainable_variables=None):
        if not self.built:
            self.build(list(trainable_variables))
        if keras.backend.backend() == "jax":
            variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
            values = self.stateless_apply([v.value for v in self.variables], grads, [v.value for v in variables])
            for variable, value in zip([*variables, *self.variables], [*values[0], *values[1]], strict=True):
                variable.assign(value)
            return
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        grads = self._unscale(grads, variables)
        finite, updates = self._after(grads)
        apply_if(finite, self.inner_optimizer, grads, trainable_variables)
        for variable, value in updates:
            variable.assign(value)

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        if not self.built:
            raise ValueError(f"Build {type(self).__name__} with `build(variables)` before `stateless_apply`.")
        own = len(self._variables)
        inner = optimizer_variables[own:]
        mapping = list(zip(self._variables, optimizer_variables[:own], strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            grads = self._unscale(grads, self._trainable_variables)
            finite, updates = self._after(grads)
            for variable, value in updates:
                variable.assign(value)
            own_values = [scope.get_current_value(v) for v in self._variables]
        trainable_variables, inner = ops.cond(
            finite,
            lambda: self.inner_optimizer.stateless_apply(inner, grads, trainable_variables),
            lambda: (list(trainable_variables), list(inner)),
        )
        return trainable_variables, own_values + inner

    def _unscale(self, grads, variables):
        def unscaled(gradient, variable):
            if gradient is None or getattr(variable, "overwrite_with_gradient", False):
                return gradient  # the latter are not gradients but new values: Keras' float8 scales
            return merge_rows(ops.divide(gradient, ops.cast(self.scale, gradient.dtype)))

        return [unscaled(g, v) for g, v in zip(grads, variables, strict=True)]

    def _after(self, grads):
        """Whether the gradients are finite, and the new values of the own variables."""
        grads = [_dense_values(g) for g in grads if g is not None]
        squared = sum(ops.sum(ops.square(g)) for g in grads)
        maximum = self._log2_maximum(grads) if self.needs_maximum else ops.zeros((), "float32")
        squared, maximum, replicas = ops.unstack(sum_over_replicas(ops.stack([squared, maximum, ops.ones(())])), 3)
        squared, maximum = squared * replicas, maximum / replicas  # a replica has its share of the mean's gradient
        finite = ops.isfinite(squared)
        in_a_row = ops.where(finite, 0, self.skipped_in_a_row + 1)
        updates = [
            (self.skipped, self.skipped + ops.cast(ops.logical_not(finite), "int32")),
            (self.skipped_in_a_row, in_a_row),
            (self.gradient_norm, ops.where(finite, ops.sqrt(squared), ops.convert_to_tensor(self.gradient_norm))),
            *self.next_scale(finite, maximum),
        ]
        return finite, [(variable, ops.cast(value, variable.dtype)) for variable, value in updates]

    def _log2_maximum(self, grads):
        maximum = ops.max(ops.stack([ops.max(ops.abs(g)) for g in grads]))
        return ops.log2(ops.maximum(maximum, _SMALLEST))

    def get_config(self):
        return {"name": self.name, "inner_optimizer": keras.saving.serialize_keras_object(self.inner_optimizer)}


def _dense_values(gradient):
    """Float32 values of a gradient; of TensorFlow's IndexedSlices, those of the rows that it holds."""
    values = gradient.values if is_sparse(gradient) else gradient
    return ops.cast(values, "float32")


def check_limits(minimum, maximum):
    if not 0 < minimum <= maximum:
        raise ValueError(
            f"A loss scale lies between a minimum above 0 and a maximum. Received: minimum={minimum!r}, "
            f"maximum={maximum!r}."
        )


@keras.saving.register_keras_serializable(package="s2s_keras")
class StaticLossScale(LossScale):
    """A loss scale that never changes; with 1, only the skipping of updates that are not finite.

    Use it in float32 and bfloat16, whose range needs no scaling, to survive a batch that is not finite.

    Args:
        inner_optimizer: `keras.optimizers.Optimizer` that makes the updates.
        scale: float above 0. Default 1.
        name: str or None, the optimizer's name. Default None.

    Raises:
        ValueError: `inner_optimizer` is no optimizer or scales the loss itself, or `scale` is not above 0.

    Example:

    >>> import numpy as np
    >>> w = keras.Variable(np.array([1.0, 2.0], "float32"))
    >>> optimizer = StaticLossScale(keras.optimizers.SGD(0.5), scale=8.0)
    >>> optimizer.apply([ops.convert_to_tensor([8.0, 16.0])], [w])
    >>> optimizer.apply([ops.convert_to_tensor([8.0, float("nan")])], [w])
    >>> ops.convert_to_numpy(w).tolist(), int(optimizer.skipped)
    ([0.5, 1.0], 1)
    """

    def __init__(self, inner_optimizer, scale=1.0, name=None):
        super().__init__(inner_optimizer, scale, name)

    def next_scale(self, finite, log2_maximum):
        return []

    def get_config(self):
        return {**super().get_config(), "scale": self.initial_scale}
