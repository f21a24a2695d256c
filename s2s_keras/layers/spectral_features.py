import keras
import numpy as np
from keras import ops

from s2s_keras.ops import spectral
from s2s_keras.ops.masks import apply_mask, sequence_mask

_PEAK_EPSILON = 1e-5 / 32768  # the original adds 1e-5 to the peak of 16-bit samples
_FLAT = 1e-5  # deviations below this fraction of the mean are rounding, not signal
_CONVENTIONS = ("librosa", "python_speech_features")
_NORMALIZATIONS = ("per_feature", "global", None)


class SpectralFeatures(keras.layers.Layer):
    """Common ground of the audio front ends: samples in, normalized features of every real frame and a mask out.

    Subclasses turn a power spectrum into features (`power_to_features`). Everything runs in float32 under every dtype
    policy, reads real samples only, and therefore gives an utterance the same features alone, in a batch and with any
    padding, even one that holds garbage.

    Args:
        sample_rate: Int, samples per second of the audio.
        window: `"hann"`, `"hamming"` (both symmetric) or `"rectangular"`.
        window_ms: Float, length of a frame in milliseconds.
        hop_ms: Float, distance between frames in milliseconds.
        fft_length: Int, length of the Fourier transform. `None` is the next power of two of the window.
        preemphasis: Float, weight of the previous sample that is subtracted; 0 turns it off.
        dither: Float, standard deviation of the noise added in training only, after the gain.
        gain: `"peak"` divides every utterance by its own peak; a float multiplies every utterance.
        normalization: `"per_feature"` (zero mean and unit variance of every feature over the real frames),
            `"global"` (of all features together), a pair of mean and standard deviation (numbers or one per feature),
            or `None`.
        convention: `"librosa"` centers frames on multiples of the hop and mirrors the audio at both ends;
            `"python_speech_features"` starts the first frame at sample 0, fills up with zeros and rounds the audio to
            16 bits after the gain.
        pad_to: Int, `"python_speech_features"` only: zeros are appended until the number of frames is a multiple of
            this, and those frames count as real; 0 turns it off.
        seed: Int or `keras.random.SeedGenerator`, seed of the dither.
        **kwargs: `name` and `trainable`. The dtype is always float32.
    """

    def __init__(
        self,
        sample_rate=16000,
        window="hann",
        window_ms=20,
        hop_ms=10,
        fft_length=None,
        preemphasis=0.97,
        dither=1e-5,
        gain="peak",
        normalization="per_feature",
        convention="librosa",
        pad_to=8,
        seed=None,
        **kwargs,
    ):
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", **kwargs)
        self.supports_masking = True
        self.sample_rate = sample_rate
        self.window = window
        self.window_ms = window_ms
        self.hop_ms = hop_ms
        self.window_length = int(sample_rate * window_ms / 1000)
        self.hop_length = int(sample_rate * hop_ms / 1000)
        self.fft_length = fft_length or 2 ** max(self.window_length - 1, 0).bit_length()
        self.preemphasis = preemphasis
        self.dither = dither
        self.gain = gain
        self.normalization = _standardize_normalization(normalization)
        self.convention = convention
        self.pad_to = pad_to
        self.seed = seed
        self._check_arguments()
        self.seed_generator = seed if isinstance(seed, keras.random.SeedGenerator) else keras.random.SeedGenerator(seed)

    def _check_arguments(self):
        if self.convention not in _CONVENTIONS:
            raise ValueError(f"Unknown convention. Expected one of {_CONVENTIONS}, received {self.convention!r}.")
        if self.hop_length < 1 or self.window_length < 1:
            raise ValueError(
                "A frame and a hop must hold at least one sample. Received "
                f"window_ms={self.window_ms}, hop_ms={self.hop_ms} at sample_rate={self.sample_rate}."
            )
        if self.fft_length < self.window_length:
            raise ValueError(
                "The Fourier transform must hold a whole frame. Expected fft_length of at least "
                f"{self.window_length} samples ({self.window_ms} ms), received fft_length={self.fft_length}."
            )
        if isinstance(self.gain, str) and self.gain != "peak":
            raise ValueError(f'Unknown gain. Expected "peak" or a number, received gain={self.gain!r}.')
        spectral.window_function(self.window, 1)

    @property
    def _from_start(self):
        return self.convention == "python_speech_features"

    def power_to_features(self, power):
        """Turns a power spectrum `(B, T, fft_length // 2 + 1)` into features `(B, T, F)`."""
        raise NotImplementedError

    @property
    def num_features(self):
        """Features per frame."""
        raise NotImplementedError

    def frame_lengths(self, audio_lengths):
        """Frames of utterances with `audio_lengths` samples; works on numbers, arrays and tensors."""
        if not self._from_start:
            return audio_lengths // self.hop_length + 1 * (audio_lengths > 0)
        hop, pad_to = self.hop_length, max(self.pad_to, 1)
        beyond = (audio_lengths - self.window_length) * (audio_lengths > self.window_length)
        frames = 1 + -(-beyond // hop)
        return -(-frames // pad_to) * pad_to * (audio_lengths > 0)

    def _frame_reference(self, audio):
        """A `(B, T)` tensor with as many columns as there are frames, found without arithmetic on the shape."""
        if not self._from_start:
            return ops.pad(audio[:, self.hop_length - 1 :: self.hop_length], ((0, 0), (1, 0)))
        pad_to = max(self.pad_to, 1)
        start = self.window_length + (pad_to - 1) * self.hop_length
        groups = ops.pad(audio[:, start :: pad_to * self.hop_length], ((0, 0), (1, 0)))
        return ops.repeat(groups, pad_to, axis=1)

    def compute_mask(self, inputs, mask=None):
        audio, audio_lengths = inputs
        return sequence_mask(self._frame_lengths_tensor(audio_lengths), self._frame_reference(audio))

    def _frame_lengths_tensor(self, audio_lengths):
        lengths = ops.cast(audio_lengths, "int32")
        hop = self.hop_length
        real = ops.cast(lengths > 0, "int32")
        if not self._from_start:
            return lengths // hop * real + real
        pad_to = max(self.pad_to, 1)
        frames = 1 + (ops.maximum(lengths - self.window_length, 0) + hop - 1) // hop
        return (frames + pad_to - 1) // pad_to * pad_to * real

    def call(self, inputs, training=False):
        audio, audio_lengths = inputs
        audio = ops.cast(audio, "float32")
        lengths = ops.cast(audio_lengths, "int32")
        real_samples = sequence_mask(lengths, audio)
        audio = self._condition(ops.where(real_samples, audio, 0.0), real_samples, training)
        mask = self.compute_mask(inputs)
        frames = self._frames(audio, lengths, ops.shape(mask)[1])
        window = spectral.window_function(self.window, self.window_length)
        features = self.power_to_features(spectral.power_spectrum(frames, window, self.fft_length))
        return apply_mask(self._normalize(features, mask), mask)

    def _condition(self, audio, real_samples, training):
        """Applies gain, dither and, in the psf convention, 16-bit rounding to `(B, S)`."""
        if self.gain == "peak":
            audio = audio / (ops.max(ops.abs(audio), axis=1, keepdims=True, initial=0.0) + _PEAK_EPSILON)
        else:
            audio = audio * self.gain
        if self._from_start:
            audio = ops.cast(ops.cast(audio * 32767.0, "int32"), "float32")
        if training and self.dither:
            noise = keras.random.normal(ops.shape(audio), stddev=self.dither, dtype="float32", seed=self.seed_generator)
            audio = ops.where(real_samples, audio + noise, audio)
        return audio

    def _frames(self, audio, lengths, num_frames):
        hop, window = self.hop_length, self.window_length
        reach = -(-window // hop) * hop
        if self._from_start:
            return self._frames_from_start(audio, lengths, num_frames)
        if self.preemphasis:
            audio = spectral.preemphasis(audio, self.preemphasis)
        left = self.fft_length // 2 - (self.fft_length - window) // 2
        return spectral.frame(spectral.reflect_pad(audio, lengths, left, reach), window, hop, num_frames)

    def _frames_from_start(self, audio, lengths, num_frames):
        hop, window = self.hop_length, self.window_length
        reach = -(-window // hop) * hop
        audio = ops.pad(audio, ((0, 0), (0, max(self.pad_to, 1) * hop + reach)))
        if self.preemphasis:
            audio = spectral.preemphasis(audio, self.preemphasis)
            # The original appends its zeros before the pre-emphasis but only when frames are missing from a full
            # multiple; otherwise the last frame is completed with zeros after it.
            frames = 1 + (ops.maximum(lengths - window, 0) + hop - 1) // hop
            appended = self._frame_lengths_tensor(lengths) > frames
            audio = apply_mask(audio, sequence_mask(lengths + ops.cast(appended, "int32"), audio))
        return spectral.frame(audio, window, hop, num_frames)

    def _normalize(self, features, mask):
        if self.normalization is None:
            return features
        if not isinstance(self.normalization, str):
            mean, deviation = (np.asarray(value, "float32") for value in self.normalization)
            return (features - mean) / deviation
        axes = 1 if self.normalization == "per_feature" else (1, 2)
        weights = ops.cast(ops.expand_dims(mask, -1), "float32")
        count = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)
        if self.normalization == "global":
            count = count * self.num_features
        mean = ops.sum(features * weights, axis=axes, keepdims=True) / count
        centered = (features - mean) * weights
        deviation = ops.sqrt(ops.sum(ops.square(centered), axis=axes, keepdims=True) / count)
        flat = deviation <= _FLAT * (1.0 + ops.abs(mean))
        return ops.where(flat, 0.0, centered / ops.where(flat, 1.0, deviation))

    def compute_output_shape(self, input_shapes):
        (batch, samples), _ = input_shapes
        frames = None if samples is None else self._max_frames(samples)
        return (batch, frames, self.num_features)

    def _max_frames(self, samples):
        return max(self.frame_lengths(samples), max(self.pad_to, 1) if self._from_start else 1)

    def get_config(self):
        config = super().get_config()
        names = ("sample_rate", "window", "window_ms", "hop_ms", "fft_length", "preemphasis", "dither", "gain")
        config.update({name: getattr(self, name) for name in names + ("normalization", "convention", "pad_to", "seed")})
        return config


def _standardize_normalization(normalization):
    if normalization is None or isinstance(normalization, str):
        if normalization not in _NORMALIZATIONS:
            raise ValueError(
                f"Unknown normalization. Expected one of {_NORMALIZATIONS} or a pair (mean, standard deviation), "
                f"received {normalization!r}."
            )
        return normalization
    if len(normalization) != 2:
        raise ValueError(
            "A fixed normalization needs two values, the mean and the standard deviation. "
            f"Received {len(normalization)} values."
        )
    return [np.asarray(value, "float64").tolist() for value in normalization]
