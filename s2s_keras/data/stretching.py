"""Tempo and pitch of recordings, one without the other: augmentations with a phase vocoder."""

import numpy as np

from s2s_keras.data.augmentation import Augmentation


class TimeStretch(Augmentation):
    """Makes speech faster or slower and keeps its pitch, with a phase vocoder.

    Args:
        low: float, smallest factor; below 1 is slower and longer. Default 0.9.
        high: float, largest factor; above 1 is faster and shorter. Default 1.1.
        frame_length: int, samples of the analysis window; recordings that are shorter stay as they are. Default 1024.
        probability: float. Default 1.

    Example:

    >>> stretch = TimeStretch(low=0.5, high=0.5)
    >>> stretch(np.zeros(4000, "float32"), np.random.default_rng(0)).shape
    (8000,)

    Reference: Flanagan and Golden, Phase vocoder, 1966; equal to `librosa.effects.time_stretch`.
    """

    def __init__(self, low=0.9, high=1.1, frame_length=1024, probability=1.0):
        super().__init__(probability)
        if not 0 < low <= high:
            raise ValueError(f"Stretch factors must satisfy 0 < low <= high. Received: low={low}, high={high}.")
        self.low = low
        self.high = high
        self.frame_length = frame_length
        self.max_speed = max(1.0, high)
        self.max_stretch = 1.0 / min(1.0, low)

    def change(self, audio, rng):
        factor = rng.uniform(self.low, self.high)
        return audio if factor == 1.0 or len(audio) < self.frame_length else _stretch(audio, factor, self.frame_length)


class PitchShift(Augmentation):
    """Makes a voice higher or lower and keeps its tempo and duration: a stretch, then a change of speed that undoes it.

    The formants move with the pitch, as those of a shorter or longer vocal tract would.

    Args:
        low: float, semitones. Default -2.
        high: float, semitones. Default 2.
        frame_length: int, samples of the analysis window; recordings that are shorter stay as they are. Default 1024.
        probability: float. Default 1.

    Example:

    >>> shift = PitchShift(low=2, high=2)
    >>> shift(np.zeros(4000, "float32"), np.random.default_rng(0)).shape
    (4000,)

    Reference: equal to `librosa.effects.pitch_shift`, which OpenSeq2Seq's speech commands use.
    """

    def __init__(self, low=-2.0, high=2.0, frame_length=1024, probability=1.0):
        super().__init__(probability)
        if not low <= high:
            raise ValueError(f"A pitch shift needs low <= high, in semitones. Received: low={low}, high={high}.")
        self.low = low
        self.high = high
        self.frame_length = frame_length

    def change(self, audio, rng):
        import soxr

        factor = 2.0 ** (rng.uniform(self.low, self.high) / 12.0)
        if factor == 1.0 or len(audio) < self.frame_length:
            return audio
        stretched = _stretch(audio, 1.0 / factor, self.frame_length)
        shifted = np.zeros_like(audio)
        resampled = soxr.resample(stretched, 1000.0 * factor, 1000.0, quality="HQ")[: len(audio)]
        shifted[: len(resampled)] = resampled
        return shifted


def _stretch(audio, factor, frame_length):
    hop = frame_length // 4
    window = np.hanning(frame_length + 1)[:-1].astype("float32")
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(audio, frame_length // 2), frame_length)[::hop]
    spectrum = np.pad(np.fft.rfft(frames * window).astype("complex128"), ((0, 2), (0, 0)))
    magnitude = np.sqrt(spectrum.real**2 + spectrum.imag**2)
    phasor = np.where(magnitude > 0.0, spectrum, 1.0) / np.where(magnitude > 0.0, magnitude, 1.0)
    steps = np.arange(0, len(frames), factor)
    left, weight = steps.astype(int), (steps % 1.0)[:, None]
    magnitude = magnitude[left] + weight * (magnitude[left + 1] - magnitude[left])
    turns = phasor[left + 1] * phasor[left].conj()  # from frame to frame the phase turns as it did in the original
    phasor = np.cumprod(np.concatenate([phasor[:1], turns[:-1]]), axis=0)
    frames = np.fft.irfft((magnitude * phasor).astype("complex64"), n=frame_length) * window
    return _overlap_add(frames, window, hop)[frame_length // 2 :][: round(len(audio) / factor)]


def _overlap_add(frames, window, hop):
    count, length = frames.shape
    audio, weight = np.zeros((2, hop * (count - 1) + 2 * length), "float32")
    for start in range(0, length, hop):  # a quarter of every frame at a time, the quarters lie end to end
        span = slice(start, start + hop * count)
        audio[span] += frames[:, start : start + hop].ravel()
        weight[span] += np.tile(window[start : start + hop] ** 2, count)
    return audio / np.where(weight > np.finfo("float32").tiny, weight, 1.0)
