"""Audio cut into overlapping frames, their spectra, and the way back."""

import numpy as np
from keras import ops

from s2s_keras.ops.exporting import is_portable
from s2s_keras.ops.masks import apply_mask

_LEAST_OVERLAP = 1e-8  # of windows squared: where there is less, nothing is left to divide


def split_frames(audio, frame_length, hop_length):
    """Cuts audio into overlapping frames: slices that are joined, which has a fast gradient on every backend.

    Args:
        audio: float (B, S), S at least `frame_length`.
        frame_length: int, samples of a frame.
        hop_length: int, samples between frames.

    Returns:
        float (B, 1 + (S - frame_length) // hop_length, frame_length).

    Example:

    >>> ops.convert_to_numpy(split_frames(np.arange(6.0)[None], 3, 2))[0].astype(int).tolist()
    [[0, 1, 2], [2, 3, 4]]
    """
    overlap = -(-frame_length // hop_length)
    num_frames = 1 + (ops.shape(audio)[1] - frame_length) // hop_length
    audio = ops.pad(audio, ((0, 0), (0, overlap * hop_length - frame_length)))  # so that the last frame is whole blocks
    blocks = ops.reshape(audio[:, : (num_frames + overlap - 1) * hop_length], (ops.shape(audio)[0], -1, hop_length))
    frames = ops.concatenate([blocks[:, n : n + num_frames] for n in range(overlap)], axis=-1)
    return frames[..., :frame_length]


def overlap_add(frames, hop_length):
    """Adds overlapping frames up, the transpose of `split_frames`.

    Args:
        frames: float (B, T, frame_length).
        hop_length: int, samples between frames.

    Returns:
        float (B, (T - 1 + ceil(frame_length / hop_length)) * hop_length), zeros behind the last frame.

    Example:

    >>> ops.convert_to_numpy(overlap_add(np.ones((1, 2, 3)), 2))[0].astype(int).tolist()
    [1, 1, 2, 1, 1, 0]
    """
    length = frames.shape[-1]
    overlap = -(-length // hop_length)
    frames = ops.pad(frames, ((0, 0), (0, 0), (0, overlap * hop_length - length)))
    total = 0.0
    for n in range(overlap):
        part = frames[..., n * hop_length : (n + 1) * hop_length]
        total = total + ops.pad(part, ((0, 0), (n, overlap - 1 - n), (0, 0)))
    return ops.reshape(total, (ops.shape(total)[0], -1))


def stft(audio, window, hop_length):
    """Short-time Fourier transform of frames centred on multiples of the hop, silence around the audio.

    Args:
        audio: float32 (B, S).
        window: float32 array, as long as the transform.
        hop_length: int, samples between frames.

    Returns:
        Tuple of real and imaginary parts, float32 (B, 1 + S // hop_length, len(window) // 2 + 1).

    Example:

    >>> real, imaginary = stft(np.ones((2, 100), "float32"), np.hanning(16).astype("float32"), 4)
    >>> tuple(real.shape)
    (2, 26, 9)
    """
    length = len(window)
    audio = ops.pad(audio, ((0, 0), (length // 2, length - length // 2)))
    return _forward(split_frames(audio, length, hop_length) * ops.convert_to_tensor(window), length)


def istft(real, imaginary, window, hop_length, mask=None):
    """Audio whose short-time Fourier transform comes closest to a spectrum, in the sense of least squares.

    Args:
        real, imaginary: float32 (B, T, len(window) // 2 + 1), frames centred on multiples of the hop.
        window: float32 array, as long as the transform; it must overlap with itself, so a hop of at most half of it.
        hop_length: int, samples between frames.
        mask: bool (B, T) or None, True at real frames. Others count for nothing, so that an utterance sounds in a batch
            as it does alone.

    Returns:
        float32 (B, (T - 1) * hop_length), zero from the last real frame's centre on.

    Raises:
        ValueError: the hop is too long for the window.

    Example:

    >>> window = np.hanning(17)[:-1].astype("float32")
    >>> audio = np.random.default_rng(0).normal(size=(1, 40)).astype("float32")
    >>> again = istft(*stft(audio, window, 4), window, 4)
    >>> bool(np.abs(ops.convert_to_numpy(again) - audio).max() < 1e-5)
    True
    """
    length = len(window)
    check_overlap(length, hop_length)
    frames = apply_mask(_inverse(real, imaginary, length) * ops.convert_to_tensor(window), mask)
    audio = overlap_add(frames, hop_length) / window_overlap(frames, window, hop_length, mask)
    samples = (ops.shape(frames)[1] - 1) * hop_length
    audio = audio[:, length // 2 : length // 2 + samples]
    return audio if mask is None else apply_mask(audio, sample_mask(mask, hop_length))


def check_overlap(fft_length, hop_length):
    """Raises a `ValueError` unless frames overlap by half at least."""
    if not 0 < hop_length <= fft_length // 2:
        raise ValueError(
            f"Frames must overlap by half at least to be joined again. Expected a hop of 1 to {fft_length // 2} "
            f"samples for a transform of {fft_length}, received hop_length={hop_length}."
        )


def window_overlap(frames, window, hop_length, mask=None):
    """What `overlap_add` makes of the window's square at every real frame of `frames` (B, T, ...), never 0."""
    overlap = -(-len(window) // hop_length)
    squares = np.pad(np.square(window), (0, overlap * hop_length - len(window))).reshape(overlap, hop_length)
    real = ops.ones_like(frames[:1, :, 0], dtype="float32") if mask is None else ops.cast(mask, "float32")
    shifted = [ops.pad(real, ((0, 0), (n, overlap - 1 - n))) for n in range(overlap)]
    total = ops.matmul(ops.stack(shifted, axis=-1), squares.astype("float32"))
    return ops.maximum(ops.reshape(total, (ops.shape(total)[0], -1)), _LEAST_OVERLAP)


def sample_mask(mask, hop_length):
    """The mask (B, (T - 1) * hop_length) of the samples between real frames, of a mask (B, T) of frames."""
    return ops.repeat(mask[:, 1:], hop_length, axis=1)


def _forward(frames, length):
    if not is_portable():
        return ops.rfft(frames, length)
    cosines, sines = _waves(length)
    return ops.matmul(frames, cosines.T.astype("float32")), ops.matmul(frames, sines.T.astype("float32"))


def _inverse(real, imaginary, length):
    if not is_portable():
        return ops.irfft((real, imaginary), length)
    bins = np.arange(length // 2 + 1)
    counts = np.where((bins == 0) | (2 * bins == length), 1.0, 2.0)[:, None] / length  # each stands for its mirror, too
    cosines, sines = (waves * counts for waves in _waves(length))
    return ops.matmul(real, cosines.astype("float32")) + ops.matmul(imaginary, sines.astype("float32"))


def _waves(length):
    """Real and imaginary parts of the transform's waves, float64 (length // 2 + 1, length)."""
    turns = np.outer(np.arange(length // 2 + 1), np.arange(length)) % length / length
    return np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)
