"""Silence at the ends of recordings."""

import numpy as np

_FAINTEST = 1e-10  # power below which nothing is quieter


def trim_silence(audio, top_db=60.0, frame_length=512, hop_length=128):
    """Cuts what is silent from both ends of a recording.

    A frame is silent where its mean power is `top_db` or more below that of the loudest frame. Frames are centred, as
    those of a spectrogram are, with zeros beyond the ends.

    Args:
        audio: float (S,).
        top_db: float, decibels below the loudest frame. Default 60.
        frame_length: int, samples. Default 512.
        hop_length: int, samples between the middles of two frames. Default 128.

    Returns:
        float (S',), a view: from the middle of the first frame that is not silent to the middle of the one that follows
        the last. Digital silence stays as it is.

    Example:

    >>> audio = np.zeros(8000, "float32")
    >>> audio[3000:5000] = 0.1
    >>> trim_silence(audio).shape
    (2560,)

    Reference: `librosa.effects.trim`, whose result it is; OpenSeq2Seq calls it with a half and an eighth of the length
    of the spectrum's frames.
    """
    audio = np.asarray(audio)
    frame_length = min(frame_length, 2 * len(audio))
    padded = np.pad(audio.astype("float64"), (frame_length // 2, frame_length // 2))
    energy = np.concatenate([[0.0], np.cumsum(padded**2)])
    power = (energy[frame_length:] - energy[:-frame_length])[::hop_length] / frame_length
    level = 10.0 * np.log10(np.maximum(power, _FAINTEST))
    heard = np.flatnonzero(level > level.max() - top_db)
    return audio[heard[0] * hop_length : (heard[-1] + 1) * hop_length]
