import keras
from keras import ops

from s2s_keras.layers.spectral_features import SpectralFeatures
from s2s_keras.ops import mel


@keras.saving.register_keras_serializable(package="s2s_keras")
class LogMelSpectrogram(SpectralFeatures):
    """Log energies of mel filters, the usual input of a speech recognizer.

    Args:
        num_mel_bins: Int, number of filters.
        mel_scale: `"slaney"` (equal area), `"htk"` (equal height) or `"htk_integer"` (equal height, edges on whole
            bins, as python_speech_features).
        **kwargs: `sample_rate`, `window`, `window_ms`, `hop_ms`, `fft_length`, `preemphasis`, `dither`, `gain`,
            `normalization`, `convention`, `pad_to` and `seed` of `SpectralFeatures`.

    Call arguments:
        inputs: List of audio `(B, S)` float32 in [-1, 1] and audio_lengths `(B,)` int32.
        training: Bool, adds the dither.

    Returns:
        Features `(B, T, num_mel_bins)` float32, zero where padded, with a Keras mask `(B, T)`, True = real frame.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.layers import LogMelSpectrogram
    >>> audio = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")
    >>> features = LogMelSpectrogram(num_mel_bins=64)([audio, np.array([16000, 8000])])
    >>> tuple(features.shape)
    (2, 101, 64)
    """

    def __init__(self, num_mel_bins=64, mel_scale="slaney", **kwargs):
        super().__init__(**kwargs)
        if mel_scale not in mel.MEL_SCALES:
            raise ValueError(f"Unknown mel scale. Expected one of {mel.MEL_SCALES}, received mel_scale={mel_scale!r}.")
        self.num_mel_bins = num_mel_bins
        self.mel_scale = mel_scale
        self._filters = mel.mel_filter_bank(num_mel_bins, self.fft_length, self.sample_rate, mel_scale=mel_scale)

    @property
    def num_features(self):
        return self.num_mel_bins

    def power_to_features(self, power):
        return ops.log(ops.matmul(power, self._filters) + 1e-20)

    def get_config(self):
        return {**super().get_config(), "num_mel_bins": self.num_mel_bins, "mel_scale": self.mel_scale}
