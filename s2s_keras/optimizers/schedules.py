"""Learning-rate schedules that `keras.optimizers.schedules` lacks."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="s2s_keras")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Puts a linear warm-up, and if wanted a plateau, before another schedule.

    The rate climbs in a straight line from 0 to the first rate of `schedule`, stays there for `hold_steps`, and then follows
    `schedule`, which sees its own step 0 at that moment. With `overlap=True` the schedule starts at once and its rate is
    multiplied by the ramp.

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
        Goyal et al., 2017, "Accurate, Large Minibatch SGD", https://arxiv.org/abs/1706.02677, section 2.2. OpenSeq2Seq's
        `warmup_steps` and `begin_decay_at` become `warmup_steps` and `hold_steps = begin_decay_at - warmup_steps`, its
        `min_lr` becomes `minimum`. With `begin_decay_at` below `warmup_steps` it multiplied both: `overlap=True`.
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
