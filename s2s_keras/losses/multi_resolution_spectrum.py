"""How far the spectrum of synthesized audio is from that of real audio."""

import keras
from keras import ops

from s2s_keras.ops.mel import mel_filter_bank
from s2s_keras.ops.spectral import window_function
from s2s_keras.ops.stft import stft

_LEAST_POWER = 1e-14  # of a bin whose root is taken: the root has no slope at zero


@keras.saving.register_keras_serializable(package="s2s_keras")
class MultiResolutionSpectrum(keras.losses.Loss):
    """Distance of magnitudes and of log-mel energies at several resolutions, what a vocoder is trained on.

    Short frames see when something happens, long ones at what pitch; that several agree leaves phases little freedom.
    At each resolution three terms are added, and their mean over resolutions is the loss of an utterance: the mean
    absolute difference of log magnitudes, their relative difference (spectral convergence), and the mean absolute
    difference of log-mel energies. Frames of which neither holds a sound, such as padding, count for nothing.

    Values are computed in float32.

    Args:
        sample_rate: int, samples per second.
        fft_lengths: sequence of int, samples of the transforms. The hop is a quarter.
        num_mel_bins: sequence of int, mel filters at each resolution.
        mel_weight: float, of the log-mel term; 0 leaves it out.
        floor: float, magnitudes below it count as it in logarithms.
        reduction: string or None, as in `keras.losses.Loss`. Default "sum_over_batch_size".
        name: string.
        dtype: string or dtype policy, of the result. Default "float32" under every global policy.

    Call arguments:
        y_true: float (B, S), real audio.
        y_pred: float (B, S), synthesized audio.

    Returns:
        float scalar, or (B,) with `reduction=None`.

    Raises:
        ValueError: not as many numbers of filters as transforms, or audio is not (B, S).

    Example:

    >>> import numpy as np
    >>> audio = np.random.default_rng(0).normal(0, 0.1, (2, 4096)).astype("float32")
    >>> loss = MultiResolutionSpectrum()
    >>> [round(float(loss(audio, gain * audio)), 2) for gain in (1.0, -1.0, 0.5)]
    [0.0, 0.0, 1.89]

    Reference:
        - [Parallel WaveGAN](https://arxiv.org/abs/1910.11480), section 3.2, for the first two terms;
          [Descript's codec](https://arxiv.org/abs/2306.06546), section 3.4, for mel energies at several resolutions.
    """

    def __init__(
        self,
        sample_rate=16000,
        fft_lengths=(256, 512, 1024, 2048),
        num_mel_bins=(20, 40, 80, 160),
        mel_weight=1.0,
        floor=1e-5,
        reduction="sum_over_batch_size",
        name="multi_resolution_spectrum",
        dtype="float32",
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if len(fft_lengths) != len(num_mel_bins):
            raise ValueError(
                "Every resolution has a transform and a number of mel filters. Received: "
                f"fft_lengths={tuple(fft_lengths)}, num_mel_bins={tuple(num_mel_bins)}."
            )
        self.sample_rate = sample_rate
        self.fft_lengths = tuple(fft_lengths)
        self.num_mel_bins = tuple(num_mel_bins)
        self.mel_weight = mel_weight
        self.floor = floor
        self._resolutions = [
            (window_function("hann_periodic", length), mel_filter_bank(bins, length, sample_rate))
            for length, bins in zip(self.fft_lengths, self.num_mel_bins, strict=True)
        ]

    def call(self, y_true, y_pred):
        if len(y_true.shape) != 2 or len(y_pred.shape) != 2:
            raise ValueError(
                "Audio is (batch, samples). Received: "
                f"y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}."
            )
        real, made = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        total = sum(self._distance(real, made, *resolution) for resolution in self._resolutions)
        return total / len(self._resolutions)

    def _distance(self, real, made, window, filters):
        powers = [_power(audio, window) for audio in (real, made)]
        sounding = ops.cast(sum(ops.sum(power, axis=-1) for power in powers) > 0.0, "float32")
        real, made = (ops.sqrt(ops.maximum(power, _LEAST_POWER)) for power in powers)
        distance = self._log_distance(real, made, sounding)
        error, norm = (ops.sum(ops.square(x), axis=(1, 2)) for x in (real - made, real))
        distance = distance + ops.sqrt((error + _LEAST_POWER) / (norm + self.floor))
        if self.mel_weight:
            mels = (ops.matmul(magnitude, filters) for magnitude in (real, made))
            distance = distance + self.mel_weight * self._log_distance(*mels, sounding)
        return distance

    def _log_distance(self, real, made, sounding):
        real, made = (ops.log(ops.maximum(x, self.floor)) for x in (real, made))
        distance = ops.mean(ops.abs(real - made), axis=-1)
        return ops.sum(distance * sounding, axis=1) / ops.maximum(ops.sum(sounding, axis=1), 1.0)

    def get_config(self):
        names = ("sample_rate", "fft_lengths", "num_mel_bins", "mel_weight", "floor", "dtype")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _power(audio, window):
    audio = ops.pad(audio, ((0, 0), (0, len(window) // 2)))  # the last frame that hears of it is there in every batch
    real, imaginary = stft(audio, window, len(window) // 4)
    return ops.square(real) + ops.square(imaginary)
