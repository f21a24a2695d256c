"""Learning-rate schedules that `keras.optimizers.schedules` (`ks` below) lacks.

OpenSeq2Seq's policies in these words, with `lr` its `learning_rate`, `N` its `decay_steps` and `p` its `power`:

* `fixed_lr`: the float itself.
* `piecewise_constant`: `ks.PiecewiseConstantDecay(boundaries, [lr, lr * decay_rates[0], ...])`, with boundaries in
  steps: epochs times steps per epoch.
* `exp_decay`: `WarmUp(ks.ExponentialDecay(lr, N, decay_rate, staircase), hold_steps=begin_decay_at, minimum=min_lr)`.
* `poly_decay`: `ks.PolynomialDecay(lr, N, min_lr, p)`.
* `cosine_decay`: `ks.CosineDecay(lr, N, alpha=min_lr)`; its `min_lr` is a fraction of `lr` and its `power` is not used.
* The last two with `warmup_steps` and the same `begin_decay_at`: `WarmUp(..., warmup_steps)`; with a later
  `begin_decay_at` add `hold_steps=begin_decay_at - warmup_steps`; with `begin_decay_at=0` the original multiplies ramp
  and decay: `WarmUp(..., warmup_steps, overlap=True)`.
* `transformer_policy`: `TransformerDecay(lr * coefficient, d_model, warmup_steps, max_lr)`.
* `inv_poly_decay`: `InversePolynomialDecay(lr, N, min_lr, p)`; it ignores `begin_decay_at` and `warmup_steps`.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="s2s_keras")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Puts a linear warm-up, and if wanted a plateau, before another schedule.

    The rate climbs in a straight line from 0 to the first rate of `schedule`, stays there for `hold_steps`, and then
    follows `schedule`, which sees its own step 0 at that moment. With `overlap=True` the schedule starts at once and
    its rate is multiplied by the ramp.

    Args:
        schedule: `LearningRateSchedule`, or a float for a constant rate.
        warmup_steps: int, steps of the climb. Defaults to 0.
        hold_steps: int, steps at the first rate between climb and schedule. Defaults to 0.
        minimum: float, the rate never falls below it once the climb is over. Defaults to 0.0.
        overlap: bool, whether `schedule` runs from step 0, during the climb. Defaults to `False`.

    Call arguments:
        step: int scalar, the optimizer's step.

    Returns:
        float32 scalar, the learning rate.

    Raises:
        ValueError: a negative number of steps; `hold_steps` together with `overlap`.

    Example:

    >>> decay = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=90)
    >>> schedule = WarmUp(decay, warmup_steps=10)
    >>> [round(float(schedule(step)), 6) for step in (0, 5, 10, 50, 100)]
    [0.0, 0.005, 0.01, 0.005868, 0.0]

    Reference:
        Goyal et al., 2017, "Accurate, Large Minibatch SGD", https://arxiv.org/abs/1706.02677, section 2.2.
    """

    def __init__(self, schedule, warmup_steps=0, hold_steps=0, minimum=0.0, overlap=False):
        if warmup_steps < 0 or hold_steps < 0:
            raise ValueError(
                "warmup_steps and hold_steps count optimizer steps and must not be negative. "
                f"Received: warmup_steps={warmup_steps}, hold_steps={hold_steps}"
            )
        if overlap and hold_steps:
            raise ValueError(
                "With overlap=True the schedule starts at step 0, so there is nothing to hold. "
                f"Received: hold_steps={hold_steps}; leave it 0 or use overlap=False"
            )
        self.schedule = schedule
        self.warmup_steps = warmup_steps
        self.hold_steps = hold_steps
        self.minimum = minimum
        self.overlap = overlap

    def __call__(self, step):
        step = ops.cast(step, "float32")
        start = 0 if self.overlap else self.warmup_steps + self.hold_steps
        rate = self.schedule
        if callable(rate):
            rate = rate(ops.maximum(step - start, 0.0))
        rate = ops.maximum(ops.cast(rate, "float32"), self.minimum)
        if not self.warmup_steps:
            return rate
        return rate * ops.minimum(step / self.warmup_steps, 1.0)

    def get_config(self):
        schedule = self.schedule
        if callable(schedule):
            schedule = keras.optimizers.schedules.serialize(schedule)
        return {
            "schedule": schedule,
            "warmup_steps": self.warmup_steps,
            "hold_steps": self.hold_steps,
            "minimum": self.minimum,
            "overlap": self.overlap,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config["schedule"], dict):
            config["schedule"] = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(**config)


@keras.saving.register_keras_serializable(package="s2s_keras")
class TransformerDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then decay with the inverse square root of the step, scaled by the width of the network.

    `learning_rate / sqrt(hidden_dim) * min((step + 1) / warmup_steps**1.5, 1 / sqrt(step + 1))`

    Args:
        learning_rate: float, scale of the whole curve; not itself a rate. Defaults to 1.0.
        hidden_dim: int, width of the network. Defaults to 512.
        warmup_steps: int, the step of the highest rate. Defaults to 4000.
        maximum: float or `None`, the rate is cut at this height. Defaults to `None`.

    Call arguments:
        step: int scalar, the optimizer's step.

    Returns:
        float32 scalar, the learning rate.

    Raises:
        ValueError: `warmup_steps` or `hidden_dim` is below 1.

    Example:

    >>> schedule = TransformerDecay(2.0, hidden_dim=512, warmup_steps=8000)
    >>> [f"{float(schedule(step)):.3e}" for step in (0, 4000, 100000)]
    ['1.235e-07', '4.942e-04', '2.795e-04']

    Reference:
        Vaswani et al., 2017, "Attention Is All You Need", https://arxiv.org/abs/1706.03762, section 5.3, whose first
        step is 1; an optimizer's is 0, hence `step + 1`.
    """

    def __init__(self, learning_rate=1.0, hidden_dim=512, warmup_steps=4000, maximum=None):
        if warmup_steps < 1 or hidden_dim < 1:
            raise ValueError(
                "TransformerDecay divides by powers of warmup_steps and hidden_dim: both must be at least 1. "
                f"Received: warmup_steps={warmup_steps}, hidden_dim={hidden_dim}"
            )
        self.learning_rate = learning_rate
        self.hidden_dim = hidden_dim
        self.warmup_steps = warmup_steps
        self.maximum = maximum

    def __call__(self, step):
        step = ops.cast(step, "float32") + 1.0
        scale = self.learning_rate * self.hidden_dim**-0.5
        rate = scale * ops.minimum(step * self.warmup_steps**-1.5, ops.rsqrt(step))
        return rate if self.maximum is None else ops.minimum(rate, self.maximum)

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "hidden_dim": self.hidden_dim,
            "warmup_steps": self.warmup_steps,
            "maximum": self.maximum,
        }


@keras.saving.register_keras_serializable(package="s2s_keras")
class InversePolynomialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Decays as one over a power of the step, passing through a given rate at a given step.

    `initial_learning_rate / (1 + c * step)**power`, with `c` such that the rate is `end_learning_rate` at
    `decay_steps`. Falls fast at first and never stops falling: after `decay_steps` the rate is below
    `end_learning_rate`.

    Args:
        initial_learning_rate: float, the rate at step 0.
        decay_steps: int, the step at which the rate is `end_learning_rate`.
        end_learning_rate: float in (0, `initial_learning_rate`].
        power: float, above 0. Defaults to 1.0.

    Call arguments:
        step: int scalar, the optimizer's step.

    Returns:
        float32 scalar, the learning rate.

    Raises:
        ValueError: a number is outside its range.

    Example:

    >>> schedule = InversePolynomialDecay(0.1, decay_steps=1000, end_learning_rate=1e-3)
    >>> [round(float(schedule(step)), 7) for step in (0, 1, 500, 1000)]
    [0.1, 0.0909918, 0.0019802, 0.001]

    Reference:
        OpenSeq2Seq, `inv_poly_decay`; Caffe's `inv` policy with `gamma` computed instead of given.
    """

    def __init__(self, initial_learning_rate, decay_steps, end_learning_rate, power=1.0):
        if not (0.0 < end_learning_rate <= initial_learning_rate and decay_steps > 0 and power > 0.0):
            raise ValueError(
                "InversePolynomialDecay needs 0 < end_learning_rate <= initial_learning_rate, decay_steps > 0 and "
                f"power > 0. Received: initial_learning_rate={initial_learning_rate}, "
                f"end_learning_rate={end_learning_rate}, decay_steps={decay_steps}, power={power}"
            )
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power

    def __call__(self, step):
        ratio = self.initial_learning_rate / self.end_learning_rate
        slope = (ratio ** (1.0 / self.power) - 1.0) / self.decay_steps
        return self.initial_learning_rate / ops.power(1.0 + slope * ops.cast(step, "float32"), self.power)

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
        }
