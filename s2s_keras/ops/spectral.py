"""Waveform to power spectrum: stateless steps shared by the audio front ends."""

import numpy as np
from keras import ops


def preemphasis(audio, coefficient):
    """Subtracts `coefficient` times the previous sample; the first sample stays."""
    return ops.concatenate([audio[:, :1], audio[:, 1:] - coefficient * audio[:, :-1]], axis=1)


def reflect_pad(audio, lengths, left, right):
    """Mirrors every utterance at its own first and last sample, not at the end of the batch.

    Args:
        audio: `(B, S)` float32.
        lengths: `(B,)` int32, real samples of each utterance.
        left: Int, samples to put in front.
        right: Int, samples to put behind.

    Returns:
        `(B, left + S + right)`; sample `j` of an utterance of `n` samples stands at `left + j` and everything outside
        `0 ... n - 1` continues the mirror image, however often it has to turn.
    """
    positions = ops.arange(ops.shape(audio)[1] + left + right, dtype="int32") - left
    period = ops.expand_dims(ops.maximum(2 * (lengths - 1), 1), 1)
    offset = ops.mod(ops.expand_dims(positions, 0), period)
    source = ops.minimum(ops.minimum(offset, period - offset), ops.shape(audio)[1] - 1)
    return ops.take_along_axis(audio, source, axis=1)


def frame(audio, frame_length, hop_length, num_frames):
    """Cuts `(B, S)` into `(B, num_frames, frame_length)`, one frame every `hop_length` samples.

    Whole hops are reshaped and set side by side, which needs no gather. `S` must reach
    `(num_frames + ceil(frame_length / hop_length) - 1) * hop_length`.
    """
    pieces = []
    for start in range(0, frame_length, hop_length):
        piece = audio[:, start : start + num_frames * hop_length]
        piece = ops.reshape(piece, (-1, num_frames, hop_length))
        pieces.append(piece[:, :, : min(hop_length, frame_length - start)])
    return pieces[0] if len(pieces) == 1 else ops.concatenate(pieces, axis=-1)


def power_spectrum(frames, window, fft_length):
    """`|rfft(frames * window)|**2`: `(..., W)` -> `(..., fft_length // 2 + 1)`."""
    real, imaginary = ops.rfft(frames * window, fft_length)
    return ops.square(real) + ops.square(imaginary)


def window_function(name, length):
    """Returns a symmetric window of `length` samples as a float32 array."""
    windows = {"hann": np.hanning, "hamming": np.hamming, "rectangular": np.ones}
    if name not in windows:
        raise ValueError(f"Unknown window. Expected one of {sorted(windows)}, received window={name!r}.")
    return windows[name](length).astype("float32")
