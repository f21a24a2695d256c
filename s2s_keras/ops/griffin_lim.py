"""From magnitudes back to audio without a network: Griffin and Lim's iteration, and mel filters turned around."""

import numpy as np
from keras import ops

from s2s_keras.ops.spectral import window_function
from s2s_keras.ops.stft import istft, stft

_TINY = 1e-16
_PHASES = 127  # frames of random phases, which then repeat
_MEL_INVERSIONS = ("non_negative", "pseudo_inverse", "transpose")
_UPDATES = 30  # of the non-negative inversion: the error then falls by less than a hundredth of itself at each


def griffin_lim(magnitude, hop_length, mask=None, num_iterations=32, momentum=0.99, seed=0, window="hann_periodic"):
    """Audio whose short-time Fourier transform has the given magnitudes, as far as such audio exists.

    From random phases it goes back and forth between audio and spectrum, and keeps the phases each time. The phases
    depend on the seed and the frame's place alone: every backend begins with the same, and an utterance sounds in a
    batch, with any padding, as it does alone.

    Args:
        magnitude: float32 (B, T, fft_length // 2 + 1), of frames centred on multiples of the hop.
        hop_length: int, samples between frames, at most half the transform.
        mask: bool (B, T) or None, True at real frames.
        num_iterations: int, transforms there and back.
        momentum: float, how far each step is taken beyond its end; 0 is the original algorithm.
        seed: int, of the first phases.
        window: "hann_periodic", "hann", "hamming" or "rectangular", as long as the transform.

    Returns:
        float32 (B, (T - 1) * hop_length), zero from the last real frame's centre on.

    Raises:
        ValueError: the hop is too long, or a momentum below 0.

    Example:

    >>> tone = np.sin(np.arange(4096) / 5).astype("float32")[None]
    >>> window = window_function("hann_periodic", 256)
    >>> magnitude = np.abs(ops.convert_to_numpy(stft(tone, window, 64)[0]))
    >>> tuple(griffin_lim(magnitude, 64, num_iterations=4).shape)
    (1, 4096)

    Reference:
        - [A fast Griffin-Lim algorithm](https://doi.org/10.1109/WASPAA.2013.6701851), with librosa's meaning of
          momentum. OpenSeq2Seq takes 50 iterations without momentum of magnitudes to the power of 1.5.
    """
    if momentum < 0:
        raise ValueError(f"`momentum` must be at least 0. Received: momentum={momentum}.")
    magnitude = ops.convert_to_tensor(magnitude, "float32")
    bins = magnitude.shape[-1]
    taper = window_function(window, 2 * (bins - 1))
    turns = 2 * np.pi * np.random.default_rng(seed).random((_PHASES, bins), dtype="float32")
    places = ops.mod(ops.cumsum(ops.ones_like(magnitude[0, :, 0], dtype="int32")) - 1, _PHASES)
    phases = ops.take(ops.convert_to_tensor(turns), places, axis=0)[None]

    def to_audio(real, imaginary):
        return istft(magnitude * real, magnitude * imaginary, taper, hop_length, mask)

    def step(_, state):
        real, imaginary, last_real, last_imaginary = state
        spectrum = stft(to_audio(real, imaginary), taper, hop_length)
        new_real, new_imaginary = (ops.reshape(part, ops.shape(magnitude)) for part in spectrum)  # known, in a loop
        real = new_real - momentum / (1 + momentum) * last_real
        imaginary = new_imaginary - momentum / (1 + momentum) * last_imaginary
        scale = ops.rsqrt(ops.square(real) + ops.square(imaginary) + _TINY)
        return real * scale, imaginary * scale, new_real, new_imaginary

    nothing = ops.zeros_like(magnitude)
    state = (ops.cos(phases) + nothing, ops.sin(phases) + nothing, nothing, nothing)
    return to_audio(*ops.fori_loop(0, num_iterations, step, state)[:2])


def mel_to_magnitude(mel, filters, power=1.0, method="non_negative"):
    """Magnitudes that mel filters would turn into a spectrogram.

    Args:
        mel: float32 (B, T, M), natural logarithms, as `MelSpectrogram` makes them.
        filters: float array (bins, M), such as `MelSpectrogram.filters`.
        power: float, of the magnitudes below the filters.
        method: "non_negative" (least squares among magnitudes of at least 0, the nearest), "pseudo_inverse" (least
            squares, what is below 0 set to 0; one product of matrices) or "transpose" (the filters' own shapes).

    Returns:
        float32 (B, T, bins).

    Raises:
        ValueError: an unknown method.

    Example:

    >>> from s2s_keras.ops.mel import mel_filter_bank
    >>> filters = mel_filter_bank(20, 256, 16000)
    >>> tuple(mel_to_magnitude(np.zeros((2, 7, 20), "float32"), filters).shape)
    (2, 7, 129)

    Reference: "non_negative" is what librosa's `mel_to_stft` looks for, "transpose" OpenSeq2Seq's.
    """
    if method not in _MEL_INVERSIONS:
        raise ValueError(f"Unknown inversion of mel filters. Expected one of {_MEL_INVERSIONS}, received {method!r}.")
    filters = np.asarray(filters, "float32")
    energies = ops.exp(ops.convert_to_tensor(mel, "float32"))
    if method == "pseudo_inverse":
        values = ops.maximum(ops.matmul(energies, np.linalg.pinv(filters)), 0.0)
    else:
        values = ops.matmul(energies, filters.T)
    if method == "non_negative":
        values = _multiplicative_updates(values, filters)
    return values if power == 1 else ops.power(values, 1.0 / power)


def _multiplicative_updates(correlation, filters):
    """The non-negative x that brings x @ filters closest to energies, of which `correlation` is energies @ filters.T.

    Reference: [Algorithms for non-negative matrix factorization](https://papers.nips.cc/paper/1861), theorem 1.
    """
    flat, back = ops.convert_to_tensor(filters), ops.convert_to_tensor(filters.T)

    def step(_, values):
        return values * correlation / (ops.matmul(ops.matmul(values, flat), back) + _TINY)

    return ops.fori_loop(0, _UPDATES, step, correlation)
