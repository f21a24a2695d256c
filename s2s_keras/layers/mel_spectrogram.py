"""Log-mel and log-magnitude spectrograms, what speech synthesis predicts."""

import keras
from keras import ops

from s2s_keras.layers.spectral_features import SpectralFeatures
from s2s_keras.ops.mel import mel_filter_bank

_LEAST_POWER = 1e-20  # of a bin whose root is taken: the root has no slope at zero


@keras.saving.register_keras_serializable(package="s2s_keras")
class MelSpectrogram(SpectralFeatures):
    """Logarithm of the magnitude in mel filters, the spectrogram that synthesis predicts and a vocoder speaks.

    A transform of whole frames: the window is as long as it. Nothing but real samples is read, so padding never changes
    a frame. `LogMelSpectrogram` is its sister for recognition.

    Args:
        sample_rate: int, samples per second of the audio.
        fft_length: int, samples of a frame, of its window and of its Fourier transform.
        hop_length: int, samples between frames.
        num_mel_bins: int, number of filters. `None` gives the magnitudes themselves, `fft_length // 2 + 1` of them.
        mel_scale: "slaney" (filters of equal area, librosa's default) or "htk" (of equal height).
        min_frequency: float, lower edge of the first filter in hertz.
        max_frequency: float, upper edge of the last filter in hertz. `None` is half the sample rate.
        power: float, 1 for magnitudes below the filters, 2 for power.
        floor: float, what is less is taken for it before the natural logarithm.
        **kwargs: `window` ("hann_periodic"), `preemphasis` (0), `dither` (0, training only), `gain` (1, or "peak"),
            `normalization` (`None`), `seed`; `SpectralFeatures` describes them.

    Call arguments:
        inputs: list of audio, float (B, S) in [-1, 1], and audio_lengths, int (B,), samples.
        training: bool, adds the dither.

    Returns:
        float32 (B, T, num_mel_bins), T = 1 + S // hop_length, zero at padded frames, with a Keras mask (B, T).

    Raises:
        ValueError: an unknown window, scale, gain or normalization, or a power or floor that is not above 0.

    Example:

    >>> import numpy as np
    >>> audio = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")
    >>> mel = MelSpectrogram()([audio, np.array([16000, 8000])])
    >>> tuple(mel.shape)
    (2, 63, 80)

    Reference: with power 1 and its defaults NVIDIA's Tacotron 2 at `sample_rate=22050, max_frequency=8000`, and
    OpenSeq2Seq's "mel_slaney"; its "mel" is `mel_scale="htk", floor=1e-2`, its "magnitude" `num_mel_bins=None`. The
    original ignores the hop length and takes a quarter of the transform.
    """

    def __init__(
        self,
        sample_rate=16000,
        fft_length=1024,
        hop_length=256,
        num_mel_bins=80,
        mel_scale="slaney",
        min_frequency=0.0,
        max_frequency=None,
        power=1.0,
        floor=1e-5,
        **kwargs,
    ):
        defaults = {"window": "hann_periodic", "preemphasis": 0.0, "dither": 0.0, "gain": 1.0, "normalization": None}
        milliseconds = {"window_ms": 1000 * fft_length / sample_rate, "hop_ms": 1000 * hop_length / sample_rate}
        super().__init__(sample_rate=sample_rate, fft_length=fft_length, **{**defaults, **kwargs, **milliseconds})
        if power <= 0 or floor <= 0:
            raise ValueError(f"`power` and `floor` must be above 0. Received: power={power}, floor={floor}.")
        self.num_mel_bins = num_mel_bins
        self.mel_scale = mel_scale
        self.min_frequency = min_frequency
        self.max_frequency = max_frequency
        self.power = power
        self.floor = floor
        self.filters = None
        if num_mel_bins is not None:
            limits = (min_frequency, max_frequency)
            self.filters = mel_filter_bank(num_mel_bins, fft_length, sample_rate, mel_scale, *limits)

    @property
    def num_features(self):
        return self.fft_length // 2 + 1 if self.num_mel_bins is None else self.num_mel_bins

    def power_to_features(self, power):
        if self.power != 2:
            power = ops.power(ops.maximum(power, _LEAST_POWER), self.power / 2)
        values = power if self.filters is None else ops.matmul(power, self.filters)
        return ops.log(ops.maximum(values, self.floor))

    def get_config(self):
        names = ("hop_length", "num_mel_bins", "mel_scale", "min_frequency", "max_frequency", "power", "floor")
        config = {**super().get_config(), **{name: getattr(self, name) for name in names}}
        return {name: value for name, value in config.items() if name not in ("window_ms", "hop_ms")}
