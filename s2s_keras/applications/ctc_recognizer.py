"""What every CTC speech recognizer shares: audio in, logits out, text on request."""

import os

import keras
import numpy as np
import soxr

from s2s_keras.applications.application import Application, as_object
from s2s_keras.decoding import ctc_greedy
from s2s_keras.layers import BlankPadding, FeatureInput, LogMelSpectrogram
from s2s_keras.ops.audio import load_audio
from s2s_keras.tokenizers import CharacterTokenizer


@keras.saving.register_keras_serializable(package="s2s_keras")
class CTCRecognizer(Application):
    """Speech recognition with connectionist temporal classification: the base of Jasper, QuartzNet and the like.

    By itself it makes a recognizer of any layers, for example of the encoder blocks of one family and the recurrent
    layers of another.

    Args:
        encoder: list of layers that hand the mask on, applied one after the other: (B, T, F) -> (B, T', C). A subclass
            may give a callable that makes a Keras tensor of another; its own config then says how.
        vocabulary_size: int, token ids including blank (0).
        tokenizer: object with `encode`, `decode` and `vocabulary_size`. Default: English characters if
            `vocabulary_size` is 29, else none (then `transcribe` is not available).
        include_top: bool. False gives the encoder: its output is (B, T', C) with a Keras mask.
        front_end: layer from [audio, audio_lengths] to features with a mask; "log_mel" for a `LogMelSpectrogram` of
            `num_mel_bins`; None for a model that takes {"features", "feature_lengths"} instead of audio.
        num_mel_bins: int, features per frame.
        spec_augment: layer applied to the features, such as `SpecAugment`, or None.
        dtype: dtype policy. Front end, logits and statistics are float32 under every policy.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples}.

    Outputs:
        Logits, float32 (B, T', V). Padded frames say blank with certainty.

    Example:

    >>> CTCRecognizer([keras.layers.Dense(8), keras.layers.GRU(4, return_sequences=True)]).output_shape
    (None, None, 29)
    """

    def __init__(
        self,
        encoder,
        vocabulary_size=29,
        tokenizer=None,
        include_top=True,
        front_end="log_mel",
        num_mel_bins=64,
        spec_augment=None,
        dtype=None,
        **kwargs,
    ):
        if unknown := sorted(set(kwargs) - {"name", "trainable"}):
            raise TypeError(
                f"{type(self).__name__} has no argument {', '.join(unknown)}. Check the spelling: its docstring lists "
                "what it takes."
            )
        front_end = as_object(front_end)
        if front_end == "log_mel":
            front_end = LogMelSpectrogram(num_mel_bins=num_mel_bins, name="front_end")
        if front_end is not None and not callable(front_end):
            raise ValueError(f'`front_end` is a layer, "log_mel" or None. Received: front_end={front_end!r}.')
        num_mel_bins = getattr(front_end, "num_features", num_mel_bins)
        spec_augment = as_object(spec_augment)
        tokenizer = _tokenizer(as_object(tokenizer), vocabulary_size)
        if front_end is None:
            inputs = {
                "features": keras.Input((None, num_mel_bins), name="features", dtype="float32"),
                "feature_lengths": keras.Input((), name="feature_lengths", dtype="int32"),
            }
            x = FeatureInput(dtype=dtype, name="feature_input")(list(inputs.values()))
        else:
            inputs = {
                "audio": keras.Input((None,), name="audio", dtype="float32"),
                "audio_lengths": keras.Input((), name="audio_lengths", dtype="int32"),
            }
            x = front_end(list(inputs.values()))
        if spec_augment is not None:
            x = spec_augment(x)
        encoder = encoder if callable(encoder) else [as_object(layer) for layer in encoder]
        for layer in [encoder] if callable(encoder) else encoder:
            x = layer(x)
        if include_top:
            x = keras.layers.Dense(vocabulary_size, dtype="float32", name="logits")(x)
            x = BlankPadding(name="blank_padding")(x)
        super().__init__(inputs=inputs, outputs=x, dtype=dtype, **kwargs)
        if type(self) is CTCRecognizer:
            self.encoder = encoder
        self.vocabulary_size = vocabulary_size
        self.tokenizer = tokenizer
        self.include_top = include_top
        self.front_end = front_end
        self.num_mel_bins = num_mel_bins
        self.spec_augment = spec_augment

    @property
    def sample_rate(self):
        """Samples per second of the audio that the model takes, or None for a model that takes features."""
        return None if self.front_end is None else self.front_end.sample_rate

    def transcribe(self, audio, sample_rate=None, batch_size=8):
        """Text of recordings of any length, by greedy search.

        Args:
            audio: a path, an array (S,) of floats, int16 or int32, or a list of either. Files are resampled and mixed.
            sample_rate: int, of arrays, in Hz. Default: the model's own.
            batch_size: int, recordings at a time; they are sorted by length first. The text does not depend on it.

        Returns:
            str, or a list of str in the order of `audio`.

        Raises:
            ValueError: if the model has no tokenizer, head or front end, or audio cannot be read.
        """
        if self.tokenizer is None or not self.include_top or self.front_end is None:
            raise ValueError(
                "`transcribe` needs a tokenizer, the head and the front end. Received: "
                f"tokenizer={self.tokenizer}, include_top={self.include_top}, front_end={self.front_end}. "
                "Build the model with `tokenizer=...`, include_top=True and a front end."
            )
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be 1 or more. Received: batch_size={batch_size}.")
        single = not isinstance(audio, (list, tuple))
        recordings = [_waveform(a, self.sample_rate, sample_rate) for a in ([audio] if single else audio)]
        texts = [""] * len(recordings)
        for indices, batch in _batches(recordings, batch_size, self.sample_rate):
            token_ids = ctc_greedy(self.predict_on_batch(batch))
            for n, ids in zip(indices, token_ids, strict=False):
                texts[n] = self.tokenizer.decode(ids).strip()
        return texts[0] if single else texts

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        own = {"encoder": list(map(serialize, self.encoder))} if type(self) is CTCRecognizer else {}
        return {
            **super().get_config(),
            **own,
            "vocabulary_size": self.vocabulary_size,
            "tokenizer": None if self.tokenizer is None else serialize(self.tokenizer),
            "include_top": self.include_top,
            "front_end": None if self.front_end is None else serialize(self.front_end),
            "num_mel_bins": self.num_mel_bins,
            "spec_augment": None if self.spec_augment is None else serialize(self.spec_augment),
        }


def _tokenizer(tokenizer, vocabulary_size):
    english = CharacterTokenizer()
    if tokenizer is None:
        return english if vocabulary_size == english.vocabulary_size else None
    if tokenizer.vocabulary_size != vocabulary_size:
        raise ValueError(
            f"The tokenizer has {tokenizer.vocabulary_size} token ids (blank included), the model {vocabulary_size}. "
            f"Pass vocabulary_size={tokenizer.vocabulary_size}, another tokenizer, or tokenizer=None."
        )
    return tokenizer


def _waveform(audio, sample_rate, array_rate):
    """A path or an array as float32 samples at `sample_rate`."""
    if isinstance(audio, (str, os.PathLike)):
        return load_audio(audio, sample_rate)
    audio = np.asarray(audio)
    if audio.dtype in (np.int16, np.int32):
        audio = audio / -float(np.iinfo(audio.dtype).min)
    if audio.ndim != 1 or not np.issubdtype(audio.dtype, np.floating) or not np.all(np.isfinite(audio)):
        raise ValueError(
            "A recording is a path, or an array of shape (samples,) of finite floats in [-1, 1], int16 or int32. "
            f"Received: shape {audio.shape}, dtype {audio.dtype}. Mix channels first, for example `audio.mean(axis=1)`."
        )
    audio = audio.astype("float32")
    return audio if array_rate in (None, sample_rate) else soxr.resample(audio, array_rate, sample_rate, quality="HQ")


def _batches(recordings, batch_size, sample_rate):
    """Batches of similar length, padded to whole seconds (powers of 1.25 above four) for few compiled shapes."""
    order = sorted(range(len(recordings)), key=lambda n: -len(recordings[n]))
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        seconds = 1.0
        while seconds * sample_rate < len(recordings[indices[0]]):
            seconds = seconds + 1.0 if seconds < 4 else seconds * 1.25
        rows = batch_size if len(order) > batch_size else len(order)
        audio = np.zeros((rows, int(seconds * sample_rate)), "float32")
        lengths = np.zeros(rows, "int32")
        for row, n in enumerate(indices):
            lengths[row] = len(recordings[n])
            audio[row, : lengths[row]] = recordings[n]
        yield indices, {"audio": audio, "audio_lengths": lengths}
