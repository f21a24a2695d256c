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


def mel_filter_bank(num_mel_bins, fft_length, sample_rate, mel_scale="slaney", min_frequency=0.0, max_frequency=None):
    """Triangular filters that turn a power spectrum into mel energies.

    Args:
        num_mel_bins: int, number of filters.
        fft_length: int, length of the transform that made the spectrum.
        sample_rate: int, samples per second.
        mel_scale: "slaney" (filters of equal area, librosa's default), "htk" (filters of equal height on HTK's scale)
            or "htk_integer" (the same with edges rounded down to whole bins, as python_speech_features does).
        min_frequency: float, lower edge of the first filter in hertz.
        max_frequency: float, upper edge of the last filter in hertz. `None` is half the sample rate.

    Returns:
        float32 array (fft_length // 2 + 1, num_mel_bins).

    Raises:
        ValueError: an unknown scale, or frequencies out of order or above half the sample rate.

    Example:

    >>> mel_filter_bank(64, 512, 16000).shape
    (257, 64)
    """
    if mel_scale not in MEL_SCALES:
        raise ValueError(f"Unknown mel scale. Expected one of {MEL_SCALES}, received mel_scale={mel_scale!r}.")
    max_frequency = sample_rate / 2 if max_frequency is None else max_frequency
    if not 0 <= min_frequency < max_frequency <= sample_rate / 2:
        raise ValueError(
            f"Filters must lie between 0 and {sample_rate / 2} Hz. Received min_frequency={min_frequency}, "
            f"max_frequency={max_frequency}."
        )
    limits = hz_to_mel([min_frequency, max_frequency], mel_scale)
    edges = mel_to_hz(np.linspace(limits[0], limits[1], num_mel_bins + 2), mel_scale)
    bins = np.arange(fft_length // 2 + 1, dtype="float64")[:, None]
    if mel_scale == "htk_integer":
        edges = np.floor((fft_length + 1) * edges / sample_rate)
    else:
        bins = bins * (sample_rate / fft_length)
    lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(bins < center, (bins - lower) / (center - lower), (upper - bins) / (upper - center))
    weights = np.where((bins >= lower) & (bins < upper), weights, 0.0)
    if mel_scale == "slaney":
        weights = weights * (2.0 / (upper - lower))
    return weights.astype("float32")


def cosine_transform(size, num_coefficients):
    """The first coefficients of the orthonormal type-II cosine transform, as a matrix to multiply from the right.

    Args:
        size: int, values to transform.
        num_coefficients: int, coefficients to keep.

    Returns:
        float32 array (size, num_coefficients).

    Example:

    >>> [round(float(x), 4) for x in cosine_transform(4, 2)[0]]
    [0.5, 0.6533]
    """
    angles = np.pi / size * (np.arange(size)[:, None] + 0.5) * np.arange(num_coefficients)
    scale = np.where(np.arange(num_coefficients) == 0, np.sqrt(1.0 / size), np.sqrt(2.0 / size))
    return (np.cos(angles) * scale).astype("float32")
