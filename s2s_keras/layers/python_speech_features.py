"""The features of OpenSeq2Seq's default backend, for its models and for parity."""

import keras
import numpy as np
from keras import ops

from s2s_keras.layers.spectral_features import SpectralFeatures
from s2s_keras.ops import spectral
from s2s_keras.ops.masks import apply_mask, sequence_mask
from s2s_keras.ops.mel import cosine_transform, mel_filter_bank

_MAX_INT16 = 32767.0
_MIN_FFT_LENGTH = 512
_MEL_FLOOR = float(np.finfo("float64").eps)  # python_speech_features' energy of an empty filter
_POWER_FLOOR = 1e-30


@keras.saving.register_keras_serializable(package="s2s_keras")
class PythonSpeechFeatures(SpectralFeatures):
    """Features as python_speech_features computes them, which most of OpenSeq2Seq's models were trained on.

    Choose it to run such a model; for a new one `LogMelSpectrogram`, `Spectrogram` and `MFCC` are the better front
    ends. The utterance is divided by its peak and cut to 16-bit integers, frames start at sample 0, zeros complete the
    last one, filters have their edges on whole bins, and the mean and deviation are those of all features together.

    Args:
        features: "log_mel", "spectrogram" or "mfcc".
        num_features: int, mel filters, frequencies from the lowest, or coefficients.
        sample_rate: int, samples per second of the audio.
        window_ms: float, length of a frame in milliseconds.
        hop_ms: float, distance between frames in milliseconds.
        pad_to: int, zeros are appended until the number of frames is a multiple of this, and those frames count as
            real; 0 appends none.
        **kwargs: `name` and `trainable`. The dtype is always float32.

    Call arguments:
        inputs: list of audio, float (B, S) in [-1, 1], and audio_lengths, int (B,), samples.

    Returns:
        float32 (B, T, num_features) with a Keras mask (B, T). `n` samples have `1 + ceil((n - window) / hop)` frames,
        at least one, rounded up to a multiple of `pad_to`; no samples have none.

    Raises:
        ValueError: unknown features, or more than the window has frequencies.

    Example:

    >>> import numpy as np
    >>> audio = np.random.default_rng(0).normal(size=(2, 16000)).astype("float32")
    >>> tuple(PythonSpeechFeatures("log_mel", 40)([audio, np.array([16000, 8000])]).shape)
    (2, 104, 40)

    Reference: OpenSeq2Seq's "psf" backend, equal within 1e-3 on recordings; there windows longer than 512 samples lose
    their end.
    """

    def __init__(
        self, features="log_mel", num_features=64, sample_rate=16000, window_ms=20, hop_ms=10, pad_to=8, **kwargs
    ):
        if features not in ("log_mel", "spectrogram", "mfcc"):
            raise ValueError(
                f'Unknown features. Expected "log_mel", "spectrogram" or "mfcc", received features={features!r}.'
            )
        spectrogram = features == "spectrogram"
        window_length = int(sample_rate * window_ms / 1000)
        super().__init__(
            sample_rate=sample_rate,
            window="hann" if spectrogram else "rectangular",
            window_ms=window_ms,
            hop_ms=hop_ms,
            fft_length=window_length if spectrogram else max(_MIN_FFT_LENGTH, 2 ** (window_length - 1).bit_length()),
            preemphasis=0.0 if spectrogram else 0.97,
            dither=0.0,
            normalization="global",
            **kwargs,
        )
        self.features = features
        self._num_features = num_features
        self.pad_to = pad_to
        if spectrogram and num_features > self.fft_length // 2 + 1:
            raise ValueError(
                f"A window of {window_ms} ms has {self.fft_length // 2 + 1} frequencies. Received "
                f"num_features={num_features}. Ask for fewer or set a longer window_ms."
            )
        if not spectrogram:
            filters = num_features if features == "log_mel" else 2 * num_features
            self._filters = mel_filter_bank(filters, self.fft_length, sample_rate, "htk_integer")
        if features == "mfcc":
            lifter = 1.0 + num_features * np.sin(np.pi * np.arange(num_features) / (2 * num_features))
            self._cosines = (cosine_transform(2 * num_features, num_features) * lifter).astype("float32")

    @property
    def num_features(self):
        return self._num_features

    def power_to_features(self, power):
        power = power / self.fft_length
        if self.features == "spectrogram":
            return 10.0 * ops.log10(ops.maximum(power[:, :, : self.num_features], _POWER_FLOOR))
        energies = ops.matmul(power, self._filters)
        energies = ops.log(ops.where(energies > 0, energies, _MEL_FLOOR))
        return energies if self.features == "log_mel" else ops.matmul(energies, self._cosines)

    def _whole_frames(self, lengths):
        return 1 + (ops.maximum(lengths - self.window_length, 0) + self.hop_length - 1) // self.hop_length

    streamable = False  # its frames are not centred

    def frame_lengths(self, audio_lengths):
        """Frames of utterances with `audio_lengths` samples, int32 (B,), those of appended zeros included."""
        lengths = ops.cast(audio_lengths, "int32")
        multiple = max(self.pad_to, 1)
        frames = (self._whole_frames(lengths) + multiple - 1) // multiple * multiple
        return ops.where(lengths > 0, frames, 0)

    def _frame_reference(self, audio):
        multiple = max(self.pad_to, 1)
        start = self.window_length + (multiple - 1) * self.hop_length
        groups = ops.pad(audio[:, start :: multiple * self.hop_length], ((0, 0), (1, 0)))
        return ops.repeat(groups, multiple, axis=1)

    def _condition(self, audio, real, training):
        audio = super()._condition(audio, real, training)
        return ops.cast(ops.cast(audio * _MAX_INT16, "int32"), "float32")

    def _extend(self, audio, lengths, padding):
        left = (self.fft_length - self.window_length) // 2
        audio = spectral.pad_and_emphasize(audio, left, padding - left, self.preemphasis)
        # Zeros that make up a multiple of frames are appended before the pre-emphasis, so the first of them becomes
        # -0.97 times the last sample; zeros that complete the last frame come after it and stay.
        appended = ops.cast(self.frame_lengths(lengths) > self._whole_frames(lengths), "int32")
        return apply_mask(audio, sequence_mask(left + lengths + appended, audio))

    def _max_frames(self, samples):
        multiple = max(self.pad_to, 1)
        frames = 1 + -(-max(samples - self.window_length, 0) // self.hop_length)
        return -(-frames // multiple) * multiple

    def get_config(self):
        names = ("features", "num_features", "sample_rate", "window_ms", "hop_ms", "pad_to")
        return {**keras.layers.Layer.get_config(self), **{name: getattr(self, name) for name in names}}
