"""Changes to recordings that a recognizer should not mind: callables `(audio, rng) -> audio` on float32 arrays.

An augmentation that changes the duration has `max_speed` and `max_stretch`, the most it shortens and lengthens by: the
first tells whether the labels still fit, the second what to pad to. Any callable without them is taken to keep the
duration. All randomness comes from the `numpy.random.Generator` that is passed in.
"""

import os

import numpy as np

from s2s_keras.data.manifest import load_manifest
from s2s_keras.ops.audio import load_audio

VOICE_LIKE = ("baby_cry", "crying_baby", "person_sneeze", "sneezing", "speech", "singing", "laughing", "coughing")


class Augmentation:
    """Base of the augmentations here: applies `change(audio, rng)` with a probability.

    Args:
        probability: float in [0, 1], how often a recording is changed. Default 1.

    Call arguments:
        audio: float32 (samples,).
        rng: `numpy.random.Generator`.

    Returns:
        float32 (samples,), of another length only where the class says so.

    Example:

    >>> class Reverse(Augmentation):
    ...     def change(self, audio, rng):
    ...         return audio[::-1]
    >>> Reverse(probability=1.0)(np.array([1.0, 2.0], "float32"), np.random.default_rng(0)).tolist()
    [2.0, 1.0]
    """

    def __init__(self, probability=1.0):
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"A probability lies in [0, 1]. Received: {probability}.")
        self.probability = probability

    max_speed = 1.0
    max_stretch = 1.0

    def __call__(self, audio, rng):
        return self.change(audio, rng) if rng.random() < self.probability else audio

    def change(self, audio, rng):
        """The changed recording; `audio` itself must stay as it is, a cache may hold it."""
        raise NotImplementedError(f"{type(self).__name__} must define change(audio, rng).")


class SpeedPerturbation(Augmentation):
    """Plays the recording faster or slower by resampling, tempo and pitch together.

    A factor above 1 is faster and shorter, as in sox and Kaldi: 1.1 makes 10 s into 9.09 s and raises the pitch by
    10 %.

    Args:
        factors: sequence of float, one of which is drawn, each as likely as the others. Default (0.9, 1.0, 1.1).
        probability: float, how often a factor is drawn at all. Default 1.

    Example:

    >>> speed = SpeedPerturbation(factors=(1.25,))
    >>> speed(np.zeros(1000, "float32"), np.random.default_rng(0)).shape
    (800,)

    Reference: Ko et al., Audio augmentation for speech recognition, 2015. OpenSeq2Seq's `speed_perturbation_ratio` is
    the same factor, resampled with resampy; here soxr does it at its HQ setting.
    """

    def __init__(self, factors=(0.9, 1.0, 1.1), probability=1.0):
        super().__init__(probability)
        self.factors = tuple(float(f) for f in factors)
        if not self.factors or min(self.factors) <= 0:
            raise ValueError(f"Speed factors must be above 0 (above 1 is faster). Received: {factors}.")
        self.max_speed = max(1.0, *self.factors)
        self.max_stretch = 1.0 / min(1.0, *self.factors)

    def change(self, audio, rng):
        import soxr

        factor = self.factors[rng.integers(len(self.factors))]
        return audio if factor == 1.0 else soxr.resample(audio, 1000.0 * factor, 1000.0, quality="HQ")


class NoiseAtSNR(Augmentation):
    """Adds noise at a drawn signal-to-noise ratio.

    A random stretch of a random noise recording, one that holds sound, is scaled so that the power of the whole
    utterance is the drawn number of decibels above the power of the noise. Shorter noise is repeated. Noise files are
    read when first used and stay in memory. The sum may leave [-1, 1] and is not clipped.

    Args:
        noise: None for white noise, the path of a manifest of noise recordings, or a sequence of paths and float32
            arrays. Default None.
        snr_db: tuple of float, lowest and highest ratio in decibels. Default (10, 40).
        skip_labels: sequence of str, values of the manifest's "label" that are left out, because a recognizer should
            not learn to ignore voices. Default: `VOICE_LIKE`.
        sample_rate: int, of the utterances. Default 16000.
        probability: float. Default 0.5.

    Raises:
        ValueError: no noise is left, a noise file cannot be read, or `snr_db` is not ascending.

    Example:

    >>> audio = np.sin(np.arange(16000, dtype="float32"))
    >>> noisy = NoiseAtSNR(snr_db=(20, 20), probability=1.0)(audio, np.random.default_rng(0))
    >>> round(float(10 * np.log10(np.mean(audio**2) / np.mean((noisy - audio) ** 2))), 3)
    20.0
    """

    def __init__(self, noise=None, snr_db=(10, 40), skip_labels=VOICE_LIKE, sample_rate=16000, probability=0.5):
        super().__init__(probability)
        if isinstance(noise, (str, os.PathLike)):
            noise = [u.audio for u in load_manifest(noise) if u.label not in skip_labels]
        self.noise = None if noise is None else list(noise)
        if self.noise is not None and not self.noise:
            raise ValueError("NoiseAtSNR needs at least one noise recording that is not skipped; None is white noise.")
        if len(snr_db) != 2 or snr_db[0] > snr_db[1]:
            raise ValueError(f"snr_db must be (lowest, highest) in decibels. Received: {snr_db}.")
        self.snr_db = tuple(snr_db)
        self.sample_rate = sample_rate

    def change(self, audio, rng):
        snr = rng.uniform(*self.snr_db)
        noise = rng.standard_normal(len(audio), "float32") if self.noise is None else self._recording(len(audio), rng)
        power, noise_power = np.mean(audio**2, dtype="float64"), np.mean(noise**2, dtype="float64")
        if noise_power == 0.0:
            return audio
        return audio + noise * np.float32(np.sqrt(power / noise_power / 10.0 ** (snr / 10.0)))

    def _recording(self, length, rng):
        index = rng.integers(len(self.noise))
        noise = self.noise[index]
        if not isinstance(noise, np.ndarray):
            noise = self.noise[index] = load_audio(noise, self.sample_rate)
        sounding = np.flatnonzero(
            np.abs(noise) >= 0.01 * np.abs(noise).max()
        )  # many recordings are filled with silence
        start = sounding[rng.integers(len(sounding))] - rng.integers(length)
        return np.resize(noise[np.clip(start, 0, max(len(noise) - length, 0)) :], length)


class Gain(Augmentation):
    """Makes the recording louder or quieter.

    Args:
        low: float, decibels. Default -6.
        high: float, decibels. Default 6.
        probability: float. Default 1.

    Example:

    >>> Gain(20, 20)(np.array([0.025], "float32"), np.random.default_rng(0)).tolist()
    [0.25]
    """

    def __init__(self, low=-6.0, high=6.0, probability=1.0):
        super().__init__(probability)
        if not low <= high:
            raise ValueError(f"Gain needs low <= high, in decibels. Received: low={low}, high={high}.")
        self.low = low
        self.high = high

    def change(self, audio, rng):
        return audio * np.float32(10.0 ** (rng.uniform(self.low, self.high) / 20.0))


class Equalizer(Augmentation):
    """Colours the recording as another microphone or room would: a smooth random gain over the frequencies.

    Args:
        max_db: float, decibels. The gain at each of `num_points` frequencies is drawn between minus and plus this much,
            and runs straight from one to the next. Default 10.
        num_points: int, frequencies from 0 to half the sample rate, at equal distances. Default 5.
        probability: float. Default 1.

    Example:

    >>> tone = np.sin(0.5 * np.pi * np.arange(800, dtype="float32"))
    >>> louder = Equalizer(max_db=6.0)(tone, np.random.default_rng(0))
    >>> bool(0.5 < np.abs(louder).max() < 2.0)
    True
    """

    def __init__(self, max_db=10.0, num_points=5, probability=1.0):
        super().__init__(probability)
        if max_db < 0 or num_points < 2:
            raise ValueError(
                "An equalizer needs max_db of at least 0 and two points or more. Received: "
                f"max_db={max_db}, num_points={num_points}."
            )
        self.max_db = max_db
        self.num_points = num_points

    def change(self, audio, rng):
        spectrum = np.fft.rfft(audio)
        points = np.linspace(0.0, len(spectrum) - 1.0, self.num_points)
        gain = np.interp(np.arange(len(spectrum)), points, rng.uniform(-self.max_db, self.max_db, self.num_points))
        return np.fft.irfft(spectrum * 10.0 ** (gain / 20.0), n=len(audio)).astype("float32")


class TimeShift(Augmentation):
    """Starts the recording a little earlier or later, so that frames fall on other samples.

    The length stays; what leaves at one end is lost and the other end is filled with zeros.

    Args:
        max_shift: float, seconds in either direction. Default 0.01.
        sample_rate: int, of the utterances. Default 16000.
        probability: float. Default 1.

    Example:

    >>> TimeShift(max_shift=0.0)(np.ones(3, "float32"), np.random.default_rng(0)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, max_shift=0.01, sample_rate=16000, probability=1.0):
        super().__init__(probability)
        if max_shift < 0:
            raise ValueError(f"max_shift must be 0 or above, in seconds. Received: {max_shift}.")
        self.max_shift = max_shift
        self.sample_rate = sample_rate

    def change(self, audio, rng):
        limit = min(round(self.max_shift * self.sample_rate), len(audio))
        shift = int(rng.integers(-limit, limit + 1))
        shifted = np.zeros_like(audio)
        shifted[max(shift, 0) : len(audio) + min(shift, 0)] = audio[max(-shift, 0) : len(audio) - max(shift, 0)]
        return shifted
