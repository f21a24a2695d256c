"""Recordings as the models of speech recognition take them: waveforms, and batches of them."""

import os

import numpy as np
import soxr

from s2s_keras.ops.audio import load_audio


def as_waveform(audio, sample_rate, array_rate):
    """A path or an array as float32 samples at `sample_rate`."""
    if isinstance(audio, (str, os.PathLike)):
        return load_audio(audio, sample_rate)
    audio = np.asarray(audio)
    if audio.dtype in (np.int16, np.int32):
        audio = audio / -float(np.iinfo(audio.dtype).min)
    if audio.ndim != 1 or not np.issubdtype(audio.dtype, np.floating) or not np.all(np.isfinite(audio)):
        raise ValueError(
            "A recording is a path, or an array of shape (samples,) of finite floats in [-1, 1], int16 or int32. "
            f"Received: shape {audio.shape}, dtype {audio.dtype}. Mix channels first, for example `audio.mean(axis=1)`."
        )
    audio = audio.astype("float32")
    return audio if array_rate in (None, sample_rate) else soxr.resample(audio, array_rate, sample_rate, quality="HQ")


def padded_batches(recordings, sample_rate, batch_size=8, batch_seconds=None):
    """Yields (indices of recordings, inputs of a model) of similar length, the longest first.

    They are padded to whole seconds, to powers of 1.25 above four, and to full batches, for few compiled shapes. A
    batch is as many recordings as `batch_seconds` hold, padding included, but at least one; or `batch_size` without it.
    """
    order = sorted(range(len(recordings)), key=lambda n: -len(recordings[n]))
    start = 0
    while start < len(order):
        seconds = 1.0
        while seconds * sample_rate < len(recordings[order[start]]):
            seconds = seconds + 1.0 if seconds < 4 else seconds * 1.25
        size = batch_size if batch_seconds is None else max(int(batch_seconds / seconds), 1)
        indices = order[start : start + size]
        rows = size if len(order) > size else len(order)
        audio = np.zeros((rows, int(seconds * sample_rate)), "float32")
        lengths = np.zeros(rows, "int32")
        for row, n in enumerate(indices):
            lengths[row] = len(recordings[n])
            audio[row, : lengths[row]] = recordings[n]
        yield indices, {"audio": audio, "audio_lengths": lengths}
        start += size
