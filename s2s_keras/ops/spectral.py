"""Waveform to power spectrum: stateless steps that the audio front ends share."""

import keras
import numpy as np
from keras import ops

from s2s_keras.ops.exporting import export_format, is_portable
from s2s_keras.ops.replicas import map_rows

# Frames transformed at a time. A spectrum of some megabytes stays in the cache and in memory that the allocator keeps;
# one of a whole minute is mapped and faulted in anew at every call, which takes longer than the transform.
_CHUNK = 1024

_WINDOWS = {
    "hann": np.hanning,
    "hann_periodic": lambda length: np.hanning(length + 1)[:-1],
    "hamming": np.hamming,
    "rectangular": np.ones,
}


def window_function(name, length):
    """The window called `name` as a float32 array of `length` samples.

    Args:
        name: "hann" and "hamming" (symmetric, as NumPy's), "hann_periodic" (as librosa's "hann") or "rectangular".
        length: int, samples.

    Raises:
        ValueError: no window has this name.

    Example:

    >>> window_function("hann", 5).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if name not in _WINDOWS:
        raise ValueError(f"Unknown window. Expected one of {sorted(_WINDOWS)}, received window={name!r}.")
    return _WINDOWS[name](length).astype("float32")


def pad_and_emphasize(audio, left, right, preemphasis=0.0):
    """Zeros on both sides of `audio` (B, S), which then loses `preemphasis` times the sample before each sample."""
    if not preemphasis:
        return ops.pad(audio, ((0, 0), (left, right)))
    audio = ops.pad(audio, ((0, 0), (left + 1, right)))
    return audio[:, 1:] - preemphasis * audio[:, :-1]


def mirror_ends(audio, lengths, left, right):
    """Mirrors every utterance at its own first and last sample, wherever the batch ends.

    Args:
        audio: float (B, S). Utterance `i` occupies `left` to `left + lengths[i] - 1`; at least `right` samples follow
            the longest one.
        lengths: int (B,), real samples of each utterance.
        left: int, samples to fill in front of each utterance.
        right: int, samples to fill behind it.

    Returns:
        float (B, S). The mirror image turns as often as it takes to fill the ends of a short utterance.

    Example:

    >>> import numpy as np
    >>> audio = np.array([[0, 0, 1, 2, 3, 0, 0]], "float32")
    >>> ops.convert_to_numpy(mirror_ends(audio, np.array([3]), 2, 2)).astype(int).tolist()
    [[3, 2, 1, 2, 3, 2, 1]]
    """
    lengths = ops.cast(lengths, "int32")[:, None]
    before = ops.arange(-left, 0, dtype="int32")[None] + ops.zeros_like(lengths)
    ends = ops.concatenate([before, lengths + ops.arange(right, dtype="int32")[None]], axis=1)
    period = ops.maximum(2 * (lengths - 1), 1)
    turned = ops.mod(ops.abs(ends), period)  # not of a negative number, whose remainder ONNX takes otherwise
    values = ops.take_along_axis(audio, left + ops.minimum(turned, period - turned), axis=1)
    rows = ops.arange(ops.shape(audio)[0], dtype="int32")[:, None] + ops.zeros_like(ends)
    places = ops.reshape(ops.stack([rows, left + ends], axis=-1), (-1, 2))
    return ops.scatter_update(audio, places, ops.reshape(values, (-1,)))


def power_spectrum(audio, window, hop_length, fft_length, precise=False):
    """Power of the short-time Fourier transform.

    Args:
        audio: float32 (B, S).
        window: float32 array (W,), centred in the `fft_length` samples of each frame.
        hop_length: int, samples between frames.
        fft_length: int, length of the transform, at least W.
        precise: bool, whether to transform in float64, twice the work: for single bins, which may hold almost no power,
            so that their logarithm shows the last digits of the transform. JAX has no float64 by default: left out
            there. Default False.

    Returns:
        float32 (B, 1 + (S - fft_length) // hop_length, fft_length // 2 + 1).
    """
    if is_portable():
        transformed = export_format() == "litert" and fft_length & (fft_length - 1) == 0  # LiteRT has powers of two
        portable = _transformed_power_spectrum if transformed else _convolved_power_spectrum
        return portable(audio, window, hop_length, fft_length)
    dtype = "float64" if precise and keras.backend.backend() != "jax" else "float32"

    def power(audio):
        taper = ops.cast(ops.convert_to_tensor(window), dtype)
        samples = ops.cast(audio, dtype)
        real, imaginary = ops.stft(samples, len(window), hop_length, fft_length, window=taper, center=False)
        return ops.cast(ops.square(real) + ops.square(imaginary), "float32")

    return map_rows(power, audio)


def _transformed_power_spectrum(audio, window, hop_length, fft_length):
    """The same in float32 of frames that are gathered; it takes no table of waves, which a small file is larger by."""
    start = (fft_length - len(window)) // 2
    num_frames = 1 + (ops.shape(audio)[1] - fft_length) // hop_length
    first = start + hop_length * ops.arange(num_frames, dtype="int32")
    frames = ops.take(audio, first[:, None] + ops.arange(len(window), dtype="int32"), axis=1)
    real, imaginary = ops.rfft(frames * ops.convert_to_tensor(window), fft_length)
    return ops.square(real) + ops.square(imaginary)


def _convolved_power_spectrum(audio, window, hop_length, fft_length):
    """The same in float32 as a convolution with windowed cosines and sines."""
    bins = fft_length // 2 + 1
    start = (fft_length - len(window)) // 2
    turns = np.outer(start + np.arange(len(window)), np.arange(bins)) % fft_length / fft_length
    waves = np.exp(2j * np.pi * turns) * np.asarray(window, "float64")[:, None]
    kernel = np.concatenate([waves.real, waves.imag], axis=1).astype("float32")[:, None]
    behind = fft_length - len(window) - start
    audio = ops.expand_dims(audio[:, start : ops.shape(audio)[1] - behind], -1)
    parts = ops.square(ops.conv(audio, kernel, hop_length, "valid"))
    return parts[..., :bins] + parts[..., bins:]


def chunk_layout(num_frames, hop_length, fft_length):
    """How `map_chunks` divides `num_frames` frames: (chunks, frames in each, samples of audio that takes).

    Works on numbers and on tensors, for lengths known only when a graph runs.
    """
    chunks = 1 if is_portable() else -(-num_frames // _CHUNK)
    frames = -(-num_frames // chunks) + -(-fft_length // hop_length)  # a chunk must outlast its overlap with the next
    return chunks, frames, chunks * frames * hop_length + max(fft_length - hop_length, 0)


def map_chunks(function, audio, chunks, frames, hop_length, fft_length):
    """Applies `function`, audio (B, S) to features (B, frames, F), to overlapping chunks and joins the results.

    Args:
        function: called with the samples of `frames` frames.
        audio: float (B, S) with S as `chunk_layout` says.
        chunks: int or int scalar, how often to call it.
        frames: int or int scalar, frames of a chunk.
        hop_length: int, samples between frames.
        fft_length: int, samples of a frame.

    Returns:
        (B, chunks * frames, F).
    """
    if is_portable():
        return function(audio)
    step, overlap = frames * hop_length, max(fft_length - hop_length, 0)
    starts = ops.reshape(audio[:, : chunks * step], (-1, chunks, step))
    last = audio[:, None, chunks * step : chunks * step + overlap]
    ends = ops.concatenate([starts[:, 1:, :overlap], last], axis=1)
    pieces = ops.transpose(ops.concatenate([starts, ends], axis=-1), (1, 0, 2))
    features = ops.transpose(ops.map(function, pieces), (1, 0, 2, 3))
    return ops.reshape(features, (-1, chunks * frames, features.shape[-1]))
