"""Changes to recordings that a recognizer should not mind: callables `(audio, rng) -> audio` on float32 arrays."""

import numpy as np


class SpeedPerturbation:
    """Plays the recording faster or slower by resampling, tempo and pitch together.

    A factor above 1 is faster and shorter, as in sox and Kaldi: 1.1 makes 10 s into 9.09 s and raises the pitch by 10 %.

    Args:
        factors: sequence of float, one of which is drawn, each as likely as the others. Default (0.9, 1.0, 1.1).
        probability: float, how often the recording is changed at all. Default 1.

    Example:

    >>> speed = SpeedPerturbation(factors=(1.25,))
    >>> speed(np.zeros(1000, "float32"), np.random.default_rng(0)).shape
    (800,)

    Reference: Ko et al., Audio augmentation for speech recognition, 2015.
    """

    def __init__(self, factors=(0.9, 1.0, 1.1), probability=1.0):
        self.factors = tuple(float(f) for f in factors)
        self.probability = probability
        if not self.factors or min(self.factors) <= 0:
            raise ValueError(f"Speed factors must be above 0 (above 1 is faster). Received: {factors}.")

    @property
    def max_speed(self):
        return max(1.0, *self.factors)

    @property
    def max_stretch(self):
        return 1.0 / min(1.0, *self.factors)

    def __call__(self, audio, rng):
        apply, factor = rng.random() < self.probability, rng.choice(self.factors)
        if not apply or factor == 1.0:
            return audio
        import soxr

        return soxr.resample(audio, 1000.0 * factor, 1000.0, quality="HQ")
