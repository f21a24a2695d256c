"""The last layer of a vocoder that predicts a spectrum: the inverse Fourier transform."""

import keras
import numpy as np
from keras import ops

from s2s_keras.ops import spectral
from s2s_keras.ops.stft import check_overlap, istft

_LARGEST_LOG = float(np.log(1e2))  # of a magnitude: Vocos' safeguard


@keras.saving.register_keras_serializable(package="s2s_keras")
class SpectrumToAudio(keras.layers.Layer):
    """Turns log magnitudes and phases into audio by an inverse short-time Fourier transform, in float32.

    It does at the rate of frames what other vocoders' transposed convolutions do at the rate of samples. The mask ends
    here: audio is zero behind the last real frame.

    Args:
        fft_length: int, samples of the transform and of its Hann window.
        hop_length: int, samples between frames, at most half of it.

    Call arguments:
        inputs: float (B, T, 2 * (fft_length // 2 + 1)): natural logarithms of magnitudes, those above log(100) taken
            for it, then phases in radians.
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float32 (B, (T - 1) * hop_length).

    Raises:
        ValueError: the hop is too long for the transform, or the inputs have not the size that it needs.

    Example:

    >>> tuple(SpectrumToAudio(fft_length=16, hop_length=4)(np.zeros((2, 5, 18), "float32")).shape)
    (2, 16)

    Reference:
        - [Vocos](https://arxiv.org/abs/2306.00814), section 3. Here the window's overlap is that of the real frames.
    """

    def __init__(self, fft_length=1024, hop_length=256, **kwargs):
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", **kwargs)
        check_overlap(fft_length, hop_length)
        self.supports_masking = True
        self.fft_length = fft_length
        self.hop_length = hop_length
        self._window = spectral.window_function("hann_periodic", fft_length)

    def build(self, input_shape):
        bins = self.fft_length // 2 + 1
        if input_shape[-1] != 2 * bins:
            raise ValueError(
                f"A transform of {self.fft_length} samples takes {bins} magnitudes and as many phases. Received: "
                f"{input_shape[-1]} values a frame, expected {2 * bins}."
            )

    def call(self, inputs, mask=None):
        logarithm, phase = ops.split(inputs, 2, axis=-1)
        magnitude = ops.exp(ops.minimum(logarithm, _LARGEST_LOG))
        real, imaginary = magnitude * ops.cos(phase), magnitude * ops.sin(phase)
        return istft(real, imaginary, self._window, self.hop_length, mask)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        frames = input_shape[1]
        return (input_shape[0], None if frames is None else (frames - 1) * self.hop_length)

    def get_config(self):
        return {**super().get_config(), "fft_length": self.fft_length, "hop_length": self.hop_length}
