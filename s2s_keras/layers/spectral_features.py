"""What every audio front end does around its own features."""

import keras
import numpy as np
from keras import ops

from s2s_keras.ops import spectral
from s2s_keras.ops.masks import apply_mask, sequence_mask

_PEAK_EPSILON = 1e-5 / 32768  # OpenSeq2Seq adds 1e-5 to the peak of 16-bit samples
_FLAT = 1e-6  # a deviation below this fraction of the mean is rounding, not signal
_NORMALIZATIONS = ("per_feature", "per_feature_unbiased", "global", None)
_UNBIASED_EPSILON = 1e-5  # what NeMo adds to the deviation


class SpectralFeatures(keras.layers.Layer):
    """Common ground of the audio front ends: audio in, normalized features of the real frames and their mask out.

    A subclass turns a power spectrum into features (`power_to_features`, `finish`, `num_features`). Everything runs in
    float32 under every dtype policy and reads real samples only, so an utterance has the same features alone, in a
    batch and with any padding, even one that holds garbage. Frames are centred on multiples of the hop and the audio is
    mirrored at both of its ends, so `n` samples make `1 + n // hop_length` frames, however few they are. No samples
    make no frame. A feature that does not vary is 0 after the normalization, as is the only frame of an utterance.

    Args:
        sample_rate: int, samples per second of the audio.
        window: "hann", "hamming" (both symmetric), "hann_periodic" or "rectangular".
        window_ms: float, length of a frame in milliseconds.
        hop_ms: float, distance between frames in milliseconds.
        fft_length: int, length of the Fourier transform. `None` is the next power of two of the window.
        preemphasis: float, weight of the previous sample that is subtracted from each; 0 turns it off.
        dither: float, standard deviation of the noise added in training only, after the gain.
        gain: "peak" divides every utterance by its own peak; a number multiplies every utterance.
        normalization: "per_feature" (zero mean and unit variance of each feature over the real frames),
            "per_feature_unbiased" (with the unbiased deviation and 1e-5 added to it, as in NeMo), "global" (of all
            features together), a pair of mean and standard deviation (numbers, or one of each per feature), `None`.
        seed: int, seed of the dither.
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
        self.window_length = _whole_samples(sample_rate * window_ms / 1000)
        self.hop_length = _whole_samples(sample_rate * hop_ms / 1000)
        self.fft_length = fft_length or 2 ** max(self.window_length - 1, 1).bit_length()
        self.preemphasis = preemphasis
        self.dither = dither
        self.gain = gain
        self.normalization = _standardize_normalization(normalization)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._check_arguments()
        self._window = spectral.window_function(window, self.window_length)

    _NOT_STREAMABLE = {}  # arguments of a subclass that look at the whole recording, and what turns them off

    def with_statistics(self, recordings, gain=None):
        """The same front end with a fixed gain and the statistics of recordings as its normalization, for streaming.

        Args:
            recordings: iterable of float arrays (S,) at the front end's sample rate, such as those it will be trained
                with.
            gain: float. Default None: this front end's own if it is a number, else 1.

        Returns:
            A front end of the same class.

        Raises:
            ValueError: there is no recording, or one is no array of finite floats.

        Example:

        >>> from s2s_keras.layers import LogMelSpectrogram
        >>> noise = np.random.default_rng(0).normal(0, 0.1, (2, 8000))
        >>> front_end = LogMelSpectrogram(num_mel_bins=2).with_statistics(noise)
        >>> front_end.gain, len(front_end.normalization)
        (1.0, 2)
        """
        if gain is None:
            gain = 1.0 if isinstance(self.gain, str) else self.gain
        config = {**self.get_config(), "gain": gain, **self._NOT_STREAMABLE}
        plain = type(self).from_config({**config, "normalization": None})
        count, total, squares = 0, 0.0, 0.0
        for audio in map(np.asarray, recordings):
            if audio.ndim != 1 or not np.issubdtype(audio.dtype, np.floating) or not np.all(np.isfinite(audio)):
                raise ValueError(
                    "Statistics are those of arrays of shape (samples,) of finite floats in [-1, 1]. "
                    f"Received: shape {audio.shape}, dtype {audio.dtype}."
                )
            padded = np.zeros((1, 2 ** max(len(audio) - 1, 1023).bit_length()), "float32")  # few shapes to compile
            padded[0, : len(audio)] = audio
            x = ops.convert_to_numpy(plain([padded, np.array([len(audio)], "int32")]))[0]
            x = x[: int(plain.frame_lengths(len(audio)))].astype("float64")
            count, total, squares = count + len(x), total + x.sum(axis=0), squares + np.square(x).sum(axis=0)
        if not count:
            raise ValueError("Statistics need a recording at least. Received: none.")
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        deviation = np.where(deviation > _FLAT * np.abs(mean), deviation, 1.0)
        return type(self).from_config({**config, "normalization": (mean.tolist(), deviation.tolist())})

    def _check_arguments(self):
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

    @property
    def streamable(self):
        """bool, whether a frame depends on nothing but the audio around it: fixed gain and fixed statistics."""
        return not isinstance(self.gain, str) and not isinstance(self.normalization, str)

    precise = False  # whether single bins count, not sums of them: `spectral.power_spectrum`

    @property
    def num_features(self):
        """int, features per frame."""
        raise NotImplementedError

    def power_to_features(self, power):
        """Features (B, T, F) of a power spectrum (B, T, fft_length // 2 + 1), frame by frame."""
        raise NotImplementedError

    def finish(self, features, mask):
        """What remains to do when an utterance's features (B, T, F) are complete, before the normalization."""
        return features

    def frame_lengths(self, audio_lengths):
        """Frames of utterances with `audio_lengths` samples, int32 (B,)."""
        lengths = ops.cast(audio_lengths, "int32")
        return ops.where(lengths > 0, 1 + lengths // self.hop_length, 0)

    def compute_mask(self, inputs, mask=None):
        return self.frame_mask(*inputs)

    def frame_mask(self, audio, audio_lengths):
        """The real frames of utterances, bool (B, T)."""
        return sequence_mask(self.frame_lengths(audio_lengths), self._frame_reference(audio))

    def _frame_reference(self, audio):
        """A tensor with one column per frame, made without arithmetic on the shape, which may be unknown."""
        return ops.pad(audio[:, self.hop_length - 1 :: self.hop_length], ((0, 0), (1, 0)))

    def call(self, inputs, training=False):
        audio, audio_lengths = inputs
        samples = ops.shape(audio)[1]
        lengths = ops.minimum(ops.cast(audio_lengths, "int32"), samples)
        real = ops.arange(samples, dtype="int32")[None] < lengths[:, None]
        audio = self._condition(ops.where(real, audio, 0.0), real, training)
        mask = self.frame_mask(audio, audio_lengths)
        num_frames = ops.shape(mask)[1]
        chunks, frames, needed = spectral.chunk_layout(num_frames, self.hop_length, self.fft_length)
        audio = self._extend(audio, lengths, needed - samples)
        features = spectral.map_chunks(self._transform, audio, chunks, frames, self.hop_length, self.fft_length)
        features = self.finish(features[:, :num_frames], mask)
        return apply_mask(self._normalize(features, mask), mask)

    def _transform(self, audio):
        power = spectral.power_spectrum(audio, self._window, self.hop_length, self.fft_length, self.precise)
        return self.power_to_features(power)

    def _condition(self, audio, real, training):
        """Gain and dither of audio (B, S), `real` bool (B, S)."""
        if self.gain == "peak":
            audio = audio * (1.0 / (ops.max(ops.abs(audio), axis=1, keepdims=True, initial=0.0) + _PEAK_EPSILON))
        else:
            audio = audio * self.gain
        if training and self.dither:
            noise = keras.random.normal(ops.shape(audio), stddev=self.dither, dtype="float32", seed=self.seed_generator)
            audio = ops.where(real, audio + noise, 0.0)
        return audio

    def _extend(self, audio, lengths, padding):
        """Adds `padding` samples, most of them behind, so that the first `fft_length` samples are the first frame."""
        left = self.fft_length // 2
        audio = spectral.pad_and_emphasize(audio, left, padding - left, self.preemphasis)
        return spectral.mirror_ends(audio, lengths, left, left)

    def _normalize(self, features, mask):
        if self.normalization is None:
            return features
        if not isinstance(self.normalization, str):
            mean, deviation = (ops.convert_to_tensor(value, "float32") for value in self.normalization)
            return (features - mean) / deviation
        weights = ops.cast(ops.expand_dims(mask, -1), "float32")
        count = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)
        axes, first = 1, features[:, :1]
        if self.normalization == "global":
            axes, first, count = (1, 2), features[:, :1, :1], count * self.num_features
        features = (features - first) * weights  # sums of differences to the first frame keep their digits
        mean = ops.sum(features, axis=axes, keepdims=True) / count
        features = (features - mean) * weights
        unbiased = self.normalization == "per_feature_unbiased"
        count = ops.maximum(count - 1.0, 1.0) if unbiased else count
        deviation = ops.sqrt(ops.sum(ops.square(features), axis=axes, keepdims=True) / count)
        flat = deviation <= _FLAT * ops.abs(first + mean)
        deviation = deviation + _UNBIASED_EPSILON if unbiased else deviation
        return ops.where(flat, 0.0, features / ops.where(flat, 1.0, deviation))

    def compute_output_shape(self, input_shapes):
        audio_shape = input_shapes[0]
        frames = None if audio_shape[1] is None else self._max_frames(audio_shape[1])
        return (audio_shape[0], frames, self.num_features)

    def _max_frames(self, samples):
        return 1 + samples // self.hop_length

    def get_config(self):
        names = ("sample_rate", "window", "window_ms", "hop_ms", "fft_length", "preemphasis", "dither", "gain")
        names += ("normalization", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _whole_samples(samples):
    """Rounded down, but for what is less than a whole number by the last digits of a division alone."""
    return int(round(samples, 6))


def _standardize_normalization(normalization):
    if isinstance(normalization, str) or normalization is None:
        if normalization not in _NORMALIZATIONS:
            raise ValueError(
                f"Unknown normalization. Expected one of {_NORMALIZATIONS} or a pair (mean, standard deviation), "
                f"received {normalization!r}."
            )
        return normalization
    if len(normalization) != 2 or not np.all(np.asarray(normalization[1]) > 0):
        raise ValueError(
            "A fixed normalization is a pair of a mean and a standard deviation above 0 (numbers or one per feature). "
            f"Received {normalization!r}."
        )
    return [np.asarray(value, "float64").tolist() for value in normalization]
