"""Mel filter banks and the cosine transform, as NumPy constants made once and multiplied in the graph."""

import numpy as np

MEL_SCALES = ("slaney", "htk", "htk_integer")

_SLANEY_BREAK = 1000.0  # Hz; linear below, logarithmic above (Slaney's Auditory Toolbox, 1998)
_SLANEY_HZ_PER_MEL = 200.0 / 3.0
_SLANEY_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(frequencies, mel_scale="slaney"):
    """Converts hertz to mel; every scale but `"slaney"` is HTK's `2595 log10(1 + f / 700)`."""
    frequencies = np.asarray(frequencies, "float64")
    if mel_scale != "slaney":
        return 2595.0 * np.log10(1.0 + frequencies / 700.0)
    linear = frequencies / _SLANEY_HZ_PER_MEL
    above = np.maximum(frequencies, _SLANEY_BREAK) / _SLANEY_BREAK
    logarithmic = _SLANEY_BREAK / _SLANEY_HZ_PER_MEL + np.log(above) / _SLANEY_LOG_STEP
    return np.where(frequencies < _SLANEY_BREAK, linear, logarithmic)


def mel_to_hz(mels, mel_scale="slaney"):
    """Converts mel to hertz, the inverse of `hz_to_mel`."""
    mels = np.asarray(mels, "float64")
    if mel_scale != "slaney":
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    break_mel = _SLANEY_BREAK / _SLANEY_HZ_PER_MEL
    above = np.maximum(mels, break_mel) - break_mel
    return np.where(mels < break_mel, mels * _SLANEY_HZ_PER_MEL, _SLANEY_BREAK * np.exp(_SLANEY_LOG_STEP * above))


def mel_filter_bank(
    num_mel_bins, fft_length, sample_rate, min_frequency=0.0, max_frequency=None, mel_scale="slaney"
):
    """Triangular filters that turn a power spectrum into mel energies.

    Args:
        num_mel_bins: Int, number of filters.
        fft_length: Int, length of the transform that made the spectrum.
        sample_rate: Int, samples per second.
        min_frequency: Float, lower edge of the first filter in hertz.
        max_frequency: Float, upper edge of the last filter in hertz. `None` is half the sample rate.
        mel_scale: `"slaney"` (filters of equal area, librosa's default), `"htk"` (filters of equal height on HTK's
            scale) or `"htk_integer"` (the same with edges rounded down to whole bins, as python_speech_features does).

    Returns:
        A float32 array `(fft_length // 2 + 1, num_mel_bins)`.

    Example:

    >>> from s2s_keras.ops.mel import mel_filter_bank
    >>> mel_filter_bank(64, 512, 16000).shape
    (257, 64)
    """
    max_frequency = sample_rate / 2 if max_frequency is None else max_frequency
    limits = hz_to_mel([min_frequency, max_frequency], mel_scale)
    edges = mel_to_hz(np.linspace(limits[0], limits[1], num_mel_bins + 2), mel_scale)
    bins = np.arange(fft_length // 2 + 1) * (sample_rate / fft_length)
    if mel_scale == "htk_integer":
        edges = np.floor((fft_length + 1) * edges / sample_rate)
        bins = np.arange(fft_length // 2 + 1, dtype="float64")
    lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = (bins[:, None] - lower) / (center - lower)
        falling = (upper - bins[:, None]) / (upper - center)
    if mel_scale == "htk_integer":
        weights = np.where(bins[:, None] < center, rising, falling)
        inside = (bins[:, None] >= lower) & (bins[:, None] < upper)
        weights = np.where(inside, weights, 0.0)
    else:
        weights = np.maximum(0.0, np.minimum(rising, falling))
    if mel_scale == "slaney":
        weights = weights * (2.0 / (upper - lower))
    return weights.astype("float32")
