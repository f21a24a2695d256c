"""Classes of recordings: spoken commands, digits and the like."""

import os

import keras
import numpy as np

from s2s_keras.applications.application import Application, as_object
from s2s_keras.applications.classifier import Classifier, softmax
from s2s_keras.applications.keyword_spotting import KeywordSpotter
from s2s_keras.applications.recordings import as_waveform, padded_batches
from s2s_keras.applications.speech_input import (
    apply_encoder,
    as_front_end,
    audio_inputs,
    check_keywords,
    speech_input,
)

POOLINGS = ("mean", "flatten")


@keras.saving.register_keras_serializable(package="s2s_keras")
class SpeechClassifier(Classifier):
    """A classifier of recordings: the base of MatchboxNet, BC-ResNet and the like.

    By itself it makes a classifier of any layers, or of the encoder of any recognizer: `CTCRecognizer.as_classifier` is
    that in one call.

    Args:
        encoder: list of layers, applied one after the other: (B, T, F) -> (B, T', C); or a model with
            `include_top=False`, which brings its own front end. A subclass may give a callable that makes a Keras
            tensor of another; its own config then says how.
        labels: sequence of str, the names of the classes in the order of the logits, or None.
        num_classes: int, without `labels`.
        include_top: bool. False gives the encoder: its output is (B, T', C) with a Keras mask.
        pooling: "mean" of the real frames, or "flatten" for a front end that makes a fixed number of frames.
        dropout: float, rate below the logits.
        front_end: layer from [audio, audio_lengths] to features; "log_mel" for a `LogMelSpectrogram` of
            `num_mel_bins`; None for a model that takes {"features", "feature_lengths"} instead of audio.
        num_mel_bins: int, features per frame.
        spec_augment: layer applied to the features, such as `SpecAugment`, or None.
        dtype: dtype policy. Front end, pooling and logits are float32 under every policy.
        **kwargs: `name` and `trainable`.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples}.

    Outputs:
        Logits, float32 (B, num_classes): train with `SparseCategoricalCrossentropy(from_logits=True)`.

    Example:

    >>> model = SpeechClassifier([keras.layers.GRU(4, return_sequences=True)], labels=("no", "yes"))
    >>> model.output_shape
    (None, 2)
    """

    def __init__(
        self,
        encoder,
        labels=None,
        num_classes=None,
        include_top=True,
        pooling="mean",
        dropout=0.0,
        front_end="log_mel",
        num_mel_bins=64,
        spec_augment=None,
        dtype=None,
        **kwargs,
    ):
        check_keywords(self, kwargs)
        if pooling not in POOLINGS:
            raise ValueError(f'`pooling` is "mean" or "flatten". Received: pooling={pooling!r}.')
        if not callable(encoder) or isinstance(encoder, dict):
            encoder = as_object(encoder)
            encoder = encoder if isinstance(encoder, Application) else [as_object(layer) for layer in encoder]
        if isinstance(encoder, Application):
            dtype = keras.dtype_policies.get(dtype or encoder.dtype_policy)
            if encoder.dtype_policy != dtype:
                encoder = encoder.copy(dtype=dtype)
            front_end, inputs = encoder.front_end, audio_inputs()
            encoded = encoder(inputs)
        else:
            front_end, spec_augment = as_front_end(front_end, num_mel_bins), as_object(spec_augment)
            num_mel_bins = getattr(front_end, "num_features", num_mel_bins)
            inputs, features = speech_input(front_end, num_mel_bins, spec_augment, dtype)
            encoded = apply_encoder(encoder, features)

        def pool(x):
            if pooling == "flatten":
                return keras.layers.Flatten(dtype=dtype, name="pooling")(x)
            pool = keras.layers.GlobalAveragePooling2D if len(x.shape) == 4 else keras.layers.GlobalAveragePooling1D
            return pool(dtype="float32", name="pooling")(x)

        super().__init__(inputs, encoded, pool, labels, num_classes, include_top, dropout, dtype=dtype, **kwargs)
        if type(self) is SpeechClassifier:
            self.encoder = encoder
        self.pooling = pooling
        self.front_end = front_end
        self.num_mel_bins = num_mel_bins
        self.spec_augment = spec_augment

    @property
    def sample_rate(self):
        """Samples per second of the audio that the model takes, or None for a model that takes features."""
        return None if self.front_end is None else self.front_end.sample_rate

    def classify(self, audio, sample_rate=None, batch_size=32, top_k=None):
        """The class of recordings.

        Args:
            audio: a path, an array (S,) of floats, int16 or int32, or a list of either. Files are resampled and mixed.
            sample_rate: int, of arrays, in Hz. Default: the model's own.
            batch_size: int, recordings at a time. The answer does not depend on it.
            top_k: int or None. A number gives a list of so many `Classification`, the most likely first.

        Returns:
            `Classification` (label, probability), or a list of `top_k` of them; a list of either, in the order of
            `audio`, if that is a list.

        Raises:
            ValueError: the model has no head or front end, or a recording cannot be read or is empty.

        Example:

        >>> model = SpeechClassifier([keras.layers.Dense(4)], labels=("no", "yes"))
        >>> label, probability = model.classify(np.zeros(1600))
        >>> label in ("no", "yes"), 0.5 <= probability <= 1.0
        (True, True)
        """
        single = not isinstance(audio, (list, tuple))
        probabilities = self.probabilities([audio] if single else audio, sample_rate, batch_size)
        found = self.best_classes(probabilities, top_k)
        return found[0] if single else found

    def probabilities(self, recordings, sample_rate=None, batch_size=32):
        """The probability of every class.

        Args:
            recordings: list of paths and arrays, as for `classify`.
            sample_rate, batch_size: as for `classify`.

        Returns:
            float64 (number of recordings, num_classes).

        Raises:
            ValueError: as `classify`.
        """
        self.check_can("classify")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be 1 or more. Received: batch_size={batch_size}.")
        waveforms = []
        for item in recordings:
            waveforms.append(as_waveform(item, self.sample_rate, sample_rate))
            if not len(waveforms[-1]):
                name = f"{item}: " if isinstance(item, (str, os.PathLike)) else ""
                raise ValueError(f"{name}The recording holds no sample, so it has no class. Leave it out.")
        logits = np.zeros((len(waveforms), self.num_classes), "float32")
        for indices, batch in padded_batches(waveforms, self.sample_rate, batch_size):
            logits[indices] = np.asarray(self.predict_on_batch(batch))[: len(indices)]
        return softmax(logits)

    def spotter(self, threshold=0.8, **kwargs):
        """An ear for keywords in a sound that is still going on, such as that of a microphone.

        Args:
            threshold: float, the smoothed probability at which a keyword counts as heard; or a dict from label to
                float: other keywords are not listened for. Classes named `_silence_` and `_unknown_` are no keywords.
            **kwargs: `window_seconds`, `step_seconds`, `smoothing_seconds`, `pause_seconds`, `sample_rate` of
                `KeywordSpotter`.

        Returns:
            `KeywordSpotter`: call it with an iterable of chunks, or its `accept` with each of them and `finish` at the
            end.

        Example:

        >>> model = SpeechClassifier([keras.layers.Dense(4)], labels=("no", "yes"))
        >>> spotter = model.spotter(threshold={"yes": 0.99})
        >>> list(spotter(np.zeros((5, 1600))))
        []
        """
        return KeywordSpotter(self, threshold, **kwargs)

    def check_can(self, task):
        """Raises a `ValueError` unless the model has its head and takes audio."""
        if not self.include_top or self.front_end is None:
            raise ValueError(
                f"To {task} a model needs the head and the front end. Received: include_top={self.include_top}, "
                f"front_end={self.front_end}. Build the model with include_top=True and a front end."
            )

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        own = {}
        if type(self) is SpeechClassifier:
            is_model = isinstance(self.encoder, Application)
            own = {"encoder": serialize(self.encoder) if is_model else list(map(serialize, self.encoder))}
        return {
            **super().get_config(),
            **own,
            "pooling": self.pooling,
            "front_end": None if self.front_end is None else serialize(self.front_end),
            "num_mel_bins": self.num_mel_bins,
            "spec_augment": None if self.spec_augment is None else serialize(self.spec_augment),
        }
