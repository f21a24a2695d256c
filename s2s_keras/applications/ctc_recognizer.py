"""What every CTC speech recognizer shares: audio in, logits out, text on request."""

import functools
import os

import keras
import numpy as np

from s2s_keras.applications.application import Application, as_object, copy_weights
from s2s_keras.applications.recordings import as_waveform, padded_batches, real_frames
from s2s_keras.applications.speech_classifier import SpeechClassifier
from s2s_keras.applications.speech_input import apply_encoder, as_front_end, check_keywords, speech_input
from s2s_keras.applications.streaming import Stream
from s2s_keras.applications.transcription import joined_hypotheses, recognize, word_separator
from s2s_keras.decoding import CTCBeamSearch, ctc_greedy
from s2s_keras.decoding.hypothesis import greedy_hypotheses, timed_words, token_texts
from s2s_keras.layers import BlankPadding
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
        check_keywords(self, kwargs)
        front_end, spec_augment = as_front_end(front_end, num_mel_bins), as_object(spec_augment)
        num_mel_bins = getattr(front_end, "num_features", num_mel_bins)
        tokenizer = _tokenizer(as_object(tokenizer), vocabulary_size)
        inputs, features = speech_input(front_end, num_mel_bins, spec_augment, dtype)
        encoder = encoder if callable(encoder) else [as_object(layer) for layer in encoder]
        x = apply_encoder(encoder, features)
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

    @functools.cached_property
    def frame_seconds(self):
        """Seconds from one output frame to the next, the first one at 0; None for a model that takes features."""
        if self.front_end is None:
            return None
        hop, many = self.front_end.hop_length, 5040  # divisible by every stride up to 10
        frames = [self.compute_output_shape({"audio": (1, n * many * hop), "audio_lengths": (1,)})[1] for n in (1, 2)]
        return many * hop / (frames[1] - frames[0]) / self.sample_rate

    def transcribe(
        self,
        audio,
        sample_rate=None,
        batch_size=8,
        language_model=None,
        num_best=None,
        batch_seconds=None,
        max_seconds=30.0,
        progress=None,
    ):
        """Text of recordings of any length, by greedy search or with a language model.

        Args:
            audio: a path, an array (S,) of floats, int16 or int32, or a list of either. Files are resampled and mixed.
            sample_rate: int, of arrays, in Hz. Default: the model's own.
            batch_size: int, recordings at a time; they are sorted by length first. The text does not depend on it.
            language_model: a `CTCBeamSearch` with any settings; what `CTCBeamSearch.from_preset` takes, such as "an4"
                or the path of an ARPA file; or a language model itself. Default None: greedy search.
            num_best: int or None. A number gives that many `Hypothesis` of each recording, with scores and timed words,
                instead of its text; with more than one, the search is a beam search always.
            batch_seconds: float or None, as many recordings at a time as last so long together, padding included,
                instead of `batch_size`. Default None.
            max_seconds: float, at least 10. A longer recording is cut at pauses and recognized in parts, each by
                itself; it is never in memory as a whole. Default 30.
            progress: callable that is told now and then how many seconds of audio are done. Default None.

        Returns:
            str, or list of `Hypothesis`; a list of either, in the order of `audio`, if that is a list.

        Raises:
            ValueError: if the model has no tokenizer, head or front end, or audio cannot be read.

        Example:

        >>> recognizer = CTCRecognizer([keras.layers.Dense(8)])
        >>> [best] = recognizer.transcribe(np.zeros(1600), num_best=1)
        >>> isinstance(best.text, str), isinstance(best.words, tuple)
        (True, True)
        """
        search = self._search(language_model, num_best)

        def read(logits):
            if search is None:
                return [self.tokenizer.decode(ids).strip() for ids in ctc_greedy(logits)]
            found = search(logits, num_best or 1, None if num_best is None else self.frame_seconds)
            return found if num_best else [hypotheses[0].text for hypotheses in found]

        self._check_can("transcribe", batch_size, batch_seconds)
        single = not isinstance(audio, (list, tuple))
        recordings = [
            a if isinstance(a, (str, os.PathLike)) else as_waveform(a, self.sample_rate, sample_rate)
            for a in ([audio] if single else audio)
        ]
        found = recognize(
            self,
            recordings,
            read,
            batch_size=batch_size,
            batch_seconds=batch_seconds,
            max_seconds=max_seconds,
            progress=progress,
        )
        if num_best is None:
            space = word_separator(token_texts(self.tokenizer))
            results = [space.join(text for _, text in parts if text) for parts in found]
        else:
            results = [joined_hypotheses(parts, num_best, self.tokenizer) for parts in found]
        return results[0] if single else results

    def stream(
        self,
        sample_rate=None,
        language_model=None,
        step_seconds=0.16,
        context_seconds=2.4,
        endpoint_seconds=1.0,
    ):
        """An ear for a recording that is still going on, such as that of a microphone.

        Where the front end has a fixed gain and fixed statistics (`with_statistics`) and no layer needs the whole
        recording, logits are exactly those of the whole recording and every frame goes through the network once. Others
        see a window of `context_seconds` on both sides, which moves along. Each utterance is searched by itself.

        Args:
            sample_rate: int, of the audio that it will get, in Hz. Default: the model's own.
            language_model: as for `transcribe`.
            step_seconds: float, how often the network runs. Default 0.16.
            context_seconds: float, of the window. Default 2.4.
            endpoint_seconds: float, the pause that ends an utterance; None to end it with the stream only, or after
                half a minute. Default 1.

        Returns:
            `Stream`: call it with an iterable of chunks, or its `accept` with each of them and `finish` at the end.

        Raises:
            ValueError: as `transcribe`; a time is out of range.

        Example:

        >>> recognizer = CTCRecognizer([keras.layers.Dense(8)])
        >>> stream = recognizer.stream()
        >>> results = list(stream(np.zeros((5, 1600))))
        >>> stream.exact, all(result.is_final for result in results[-1:])
        (False, True)
        """
        self._check_can("stream")
        return Stream(
            self, self._search(language_model, None), sample_rate, step_seconds, context_seconds, endpoint_seconds
        )

    def align(self, audio, text, sample_rate=None, batch_size=8):
        """When each word of a known text was said.

        Args:
            audio, sample_rate, batch_size: as for `transcribe`.
            text: str, what is said in the recording; a list of str for a list of recordings.

        Returns:
            List of `Word` with start and end in seconds and the network's confidence; a list of these for a list.

        Raises:
            ValueError: as `transcribe`; a text has characters that the model does not have, or is too long for its
                recording.

        Example:

        >>> recognizer = CTCRecognizer([keras.layers.Dense(8)])
        >>> [word.text for word in recognizer.align(np.zeros(16000), "yes sir")]
        ['yes', 'sir']
        """
        self._check_can("align", batch_size)
        single = not isinstance(audio, (list, tuple))
        recordings = [as_waveform(a, self.sample_rate, sample_rate) for a in ([audio] if single else audio)]
        wanted = [text] if single else list(text)
        if isinstance(text, str) != single or len(wanted) != len(recordings):
            raise ValueError(
                f"`align` takes a text for each recording. Received: {len(recordings)} recordings, {text!r}."
            )
        token_ids = [self.tokenizer.encode(" ".join(t.split())) for t in wanted]
        texts = token_texts(self.tokenizer)
        results = [None] * len(recordings)
        for indices, batch in padded_batches(recordings, self.sample_rate, batch_size):
            for n, logits in zip(indices, np.asarray(self.predict_on_batch(batch)), strict=False):
                results[n] = list(timed_words(real_frames(logits), token_ids[n], texts, self.frame_seconds))
        return results[0] if single else results

    def as_classifier(self, labels=None, num_classes=None, **kwargs):
        """A classifier of recordings on this model's encoder and its weights, for fine-tuning.

        Args:
            labels: sequence of str, the names of the classes, or None.
            num_classes: int, without `labels`.
            **kwargs: further arguments of `SpeechClassifier`.

        Returns:
            `SpeechClassifier`. Its weights are its own: training it leaves this model as it is.

        Example:

        >>> recognizer = CTCRecognizer([keras.layers.Dense(8)])
        >>> recognizer.as_classifier(("no", "yes")).output_shape
        (None, 2)
        """
        encoder = type(self).from_config({**self.get_config(), "include_top": False})
        copy_weights(self, encoder)
        return SpeechClassifier(encoder, labels, num_classes, **kwargs)

    def _search(self, language_model, num_best):
        """The beam search that `transcribe` uses, or None for greedy search."""
        if language_model is None:
            if num_best is None:
                return None
            if num_best == 1:
                return functools.partial(greedy_hypotheses, self.tokenizer)
            return CTCBeamSearch(self.tokenizer)
        if isinstance(language_model, CTCBeamSearch):
            return language_model
        if isinstance(language_model, (str, os.PathLike)):
            return CTCBeamSearch.from_preset(language_model, self.tokenizer)
        return CTCBeamSearch(self.tokenizer, language_model)

    def _check_can(self, method, batch_size=1, batch_seconds=None):
        if self.tokenizer is None or not self.include_top or self.front_end is None:
            raise ValueError(
                f"`{method}` needs a tokenizer, the head and the front end. Received: "
                f"tokenizer={self.tokenizer}, include_top={self.include_top}, front_end={self.front_end}. "
                "Build the model with `tokenizer=...`, include_top=True and a front end."
            )
        if batch_size < 1 or (batch_seconds is not None and not batch_seconds > 0):
            raise ValueError(
                "`batch_size` must be 1 or more, and `batch_seconds` None or above 0. Received: "
                f"batch_size={batch_size}, batch_seconds={batch_seconds}."
            )

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
