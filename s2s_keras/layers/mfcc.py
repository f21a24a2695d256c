"""Mel-frequency cepstral coefficients."""

import keras
from keras import ops

from s2s_keras.layers.spectral_features import SpectralFeatures
from s2s_keras.ops.mel import cosine_transform, mel_filter_bank

_FLOOR = 1e-10  # librosa's energy of silence


@keras.saving.register_keras_serializable(package="s2s_keras")
class MFCC(SpectralFeatures):
    """Mel-frequency cepstral coefficients: the cosine transform of the mel energies in decibels.

    Args:
        num_coefficients: int, coefficients to keep, from the lowest.
        num_mel_bins: int, number of mel filters. `None` is twice `num_coefficients`.
        mel_scale: "slaney" (filters of equal area, librosa's default), "htk" (of equal height), or `None`, the cosine
            transform of the power spectrum itself, which is what OpenSeq2Seq's librosa backend computes by mistake.
        top_db: float, energies are raised to at least this many decibels below the loudest of the utterance. `None`
            leaves them.
        **kwargs: `sample_rate` (16000), `window` ("hann"), `window_ms` (20), `hop_ms` (10), `fft_length` (next power
            of two of the window), `preemphasis` (0.97), `dither` (1e-5, training only), `gain` ("peak" or a number),
            `normalization` ("per_feature", "global", (mean, standard deviation) or `None`), `seed`; `SpectralFeatures`
            describes them.

    Call arguments:
        inputs: list of audio, float (B, S) in [-1, 1], and audio_lengths, int (B,), samples.
        training: bool, adds the dither.

    Returns:
        float32 (B, T, num_coefficients), T = 1 + S // hop_length, zero at padded frames, with a Keras mask (B, T).

    Raises:
        ValueError: an unknown window, scale, gain or normalization, more coefficients than filters, or a transform
            shorter than a frame.

    Example:

    >>> import numpy as np
    >>> audio = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")
    >>> tuple(MFCC(num_coefficients=13)([audio, np.array([16000, 8000])]).shape)
    (2, 101, 13)

    Reference: librosa.feature.mfcc, equal within 1e-4 with the same window. `top_db` counts from the loudest energy of
    the utterance, not of the batch.
    """

    def __init__(self, num_coefficients=13, num_mel_bins=None, mel_scale="slaney", top_db=80.0, **kwargs):
        super().__init__(**kwargs)
        self.num_coefficients = num_coefficients
        self.num_mel_bins = num_mel_bins or 2 * num_coefficients
        self.mel_scale = mel_scale
        self.top_db = top_db
        size = self.fft_length // 2 + 1 if mel_scale is None else self.num_mel_bins
        if num_coefficients > size:
            raise ValueError(
                f"There cannot be more coefficients than energies. Expected at most {size}, received "
                f"num_coefficients={num_coefficients}. Raise num_mel_bins."
            )
        if mel_scale is not None:
            self._filters = mel_filter_bank(self.num_mel_bins, self.fft_length, self.sample_rate, mel_scale)
        self._cosines = cosine_transform(size, num_coefficients)

    _NOT_STREAMABLE = {"top_db": None}

    @property
    def streamable(self):
        return super().streamable and (self.top_db is None or self.mel_scale is None)

    @property
    def num_features(self):
        return self.num_coefficients

    def power_to_features(self, power):
        if self.mel_scale is None:
            return power
        return 10.0 * ops.log10(ops.maximum(ops.matmul(power, self._filters), _FLOOR))

    def finish(self, features, mask):
        if self.mel_scale is not None and self.top_db is not None:
            loudest = ops.max(ops.where(ops.expand_dims(mask, -1), features, -1e9), axis=(1, 2), keepdims=True)
            features = ops.maximum(features, loudest - self.top_db)
        return ops.matmul(features, self._cosines)

    def get_config(self):
        names = ("num_coefficients", "num_mel_bins", "mel_scale", "top_db")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
