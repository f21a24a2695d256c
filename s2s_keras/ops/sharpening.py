"""Against spectrograms that are too smooth."""

from keras import ops

from s2s_keras.ops.masks import apply_mask


def sharpen(mel, mask, contrast):
    """A log-mel spectrogram whose bins vary more around their means over time.

    Args:
        mel: float (B, T, F).
        mask: bool (B, T), True at real frames.
        contrast: float, how many times more; 1 changes nothing.

    Returns:
        float (B, T, F), zero at padded frames.

    Example:

    >>> import numpy as np
    >>> mel, mask = np.array([[[1.0], [3.0], [9.0]]], "float32"), np.array([[True, True, False]])
    >>> ops.convert_to_numpy(sharpen(mel, mask, 2.0)).ravel().tolist()
    [0.0, 4.0, 0.0]
    """
    mel = apply_mask(mel, mask)
    count = ops.sum(ops.cast(mask, mel.dtype), axis=1)[:, None, None]
    mean = ops.sum(mel, axis=1, keepdims=True) / ops.maximum(count, 1.0)
    return apply_mask(mean + contrast * (mel - mean), mask)
