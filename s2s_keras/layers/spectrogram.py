"""Power spectrograms in decibels."""

import keras
from keras import ops

from s2s_keras.layers.spectral_features import SpectralFeatures

_FLOOR = 1e-30  # OpenSeq2Seq's power of silence


@keras.saving.register_keras_serializable(package="s2s_keras")
class Spectrogram(SpectralFeatures):
    """Power spectrum in decibels, the input of DeepSpeech 2.

    Args:
        num_bins: int, frequencies to keep, from the lowest. `None` keeps all `fft_length // 2 + 1`.
        fft_length: int, length of the Fourier transform. `None` is the length of the window.
        preemphasis: float, weight of the previous sample that is subtracted from each; 0 turns it off.
        **kwargs: `sample_rate` (16000), `window` ("hann"), `window_ms` (20), `hop_ms` (10), `dither` (1e-5, training
            only), `gain` ("peak" or a number), `normalization` ("per_feature", "global", (mean, standard deviation) or
            `None`), `seed`; `SpectralFeatures` describes them.

    Call arguments:
        inputs: list of audio, float (B, S) in [-1, 1], and audio_lengths, int (B,), samples.
        training: bool, adds the dither.

    Returns:
        float32 (B, T, num_bins), T = 1 + S // hop_length, zero at padded frames, with a Keras mask (B, T).

    Raises:
        ValueError: an unknown window, gain or normalization, a transform shorter than a frame or with too few bins.

    Example:

    >>> import numpy as np
    >>> audio = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")
    >>> tuple(Spectrogram(num_bins=160)([audio, np.array([16000, 8000])]).shape)
    (2, 101, 160)

    Reference: OpenSeq2Seq's "spectrogram" of its librosa backend, equal within 1e-3 on recordings.
    """

    precise = True

    def __init__(self, num_bins=None, fft_length=None, preemphasis=0.0, **kwargs):
        super().__init__(fft_length=fft_length, preemphasis=preemphasis, **kwargs)
        if fft_length is None:
            self.fft_length = self.window_length
        available = self.fft_length // 2 + 1
        if num_bins is not None and num_bins > available:
            raise ValueError(
                f"A transform of {self.fft_length} samples has {available} frequencies. Received num_bins={num_bins}. "
                "Ask for fewer or set a longer fft_length."
            )
        self.num_bins = num_bins or available

    @property
    def num_features(self):
        return self.num_bins

    def power_to_features(self, power):
        return 10.0 * ops.log10(ops.maximum(power[:, :, : self.num_bins], _FLOOR))

    def get_config(self):
        return {**super().get_config(), "num_bins": self.num_bins}
