"""What every model from text to mel spectrograms shares."""

import functools
import typing

import keras
import numpy as np

from s2s_keras.applications.application import Application, as_object
from s2s_keras.applications.griffin_lim import GriffinLim
from s2s_keras.layers import MaskTensor
from s2s_keras.ops.masks import sequence_mask

CHUNK = 32  # steps of the decoder between two looks at whether all sentences have ended
TOKEN_BUCKET = 16  # token ids are padded to a multiple of it, for backends that compile every shape
FRAME_BUCKET = 64
FRAMES_PER_TOKEN = 10  # no sentence is longer: the original's limit
PAUSE = 0.15  # seconds of silence between two sentences
STOP = 0.5  # the probability from which speech has ended


class SpokenText(typing.NamedTuple):
    """What a synthesizer makes of a text before a vocoder makes it heard.

    Args:
        mel: float32 array (T, num_mel_bins).
        alignment: float32 array (steps, tokens), where attention looked.
        stop: float32 array (T,), the probability that speech has ended.
        token_ids: list of int, what was spoken.
        magnitude: float32 array (T, magnitude_bins), or None of a model without it.

    Example:

    >>> SpokenText(np.zeros((3, 80)), np.zeros((3, 2)), np.zeros(3), [1, 2]).magnitude is None
    True
    """

    mel: np.ndarray
    alignment: np.ndarray
    stop: np.ndarray
    token_ids: list
    magnitude: np.ndarray | None = None


class SpeechSynthesizer(Application):
    """The base of what speaks: an encoder of tokens, a decoder of frames, and what corrects its frames.

    A subclass has the layers "encoder", the last one that knows nothing but the text, and "decoder".

    Args:
        inputs: dict of Keras tensors, "token_ids" among them.
        outputs: dict of Keras tensors, "mel_postnet" among them.
        tokenizer: object with `encode(text)` to a list of int and `vocabulary_size`, or None.
        front_end: `MelSpectrogram`, the layer that made the spectrograms, or None.
        vocoder: str or None, the preset of the vocoder that goes with the model.
        **kwargs: `name`, `trainable` and `dtype`.
    """

    def __init__(self, inputs, outputs, tokenizer, front_end, vocoder, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.tokenizer = tokenizer
        self.front_end = front_end
        self.vocoder = vocoder
        self._stages = Stages(self)

    @property
    def sample_rate(self):
        """Samples per second of the audio, or None of a model without a front end."""
        return None if self.front_end is None else self.front_end.sample_rate

    @property
    def reduction_factor(self):
        """Frames that the decoder makes in a step."""
        return self.get_layer("decoder").reduction_factor

    def synthesize(self, text, vocoder=None, speed=1.0, seed=0, batch_size=8, **style):
        """Speech of a text of any length.

        A long text is spoken sentence by sentence.

        Args:
            text: str, or a list of str.
            vocoder: a vocoder with `vocode(mel)`, the name of its preset, or "griffin_lim". Default: the model's own,
                or "griffin_lim" if it has none.
            speed: float, how many times faster than the model speaks.
            seed: int, of the dropout that stays on: another one, another way to say it.
            batch_size: int, sentences at a time. What is said does not depend on it.
            **style: what a subclass offers.

        Returns:
            Tuple of float32 array (S,), or a list of such, and the sample rate in Hz.

        Raises:
            TypeError: `text` is neither.
            ValueError: there is nothing to say or a character that cannot be said, the model has no tokenizer or front
                end, an argument is out of its range, or attention got lost and the speech did not end.
        """
        if not isinstance(text, (str, list, tuple)) or not all(isinstance(one, str) for one in text):
            raise TypeError(f"`text` is a str or a list of str. Received: {text!r}.")
        texts = [text] if isinstance(text, str) else list(text)
        if not 0.25 <= speed <= 4.0:
            raise ValueError(f"`speed` must be from 0.25 to 4. Received: speed={speed}.")
        vocoder = self._stages.vocoder(vocoder or self.vocoder)
        parts = [self._sentences(text) for text in texts]
        spoken = iter(self.spectrograms([part for some in parts for part in some], seed, batch_size, **style))
        mels = [[stretch(next(spoken).mel, speed) for _ in some] for some in parts]
        heard = iter(vocoder.vocode([mel for some in mels for mel in some]))
        pause = np.zeros(round(PAUSE * self.sample_rate), "float32")
        audio = [np.concatenate([part for _ in some for part in (next(heard), pause)][:-1]) for some in mels]
        return (audio[0] if isinstance(text, str) else audio), self.sample_rate

    def spectrograms(self, texts, seed=0, batch_size=8, **style):
        """Mel spectrograms of sentences, with the alignments that made them.

        Args:
            texts: list of str, sentences.
            seed: int, of the dropout that stays on.
            batch_size: int, sentences at a time; they are sorted by length first.
            **style: what a subclass offers.

        Returns:
            List of `SpokenText`.

        Raises:
            ValueError: as `synthesize`.
        """
        if self.tokenizer is None:
            raise ValueError("A text needs a tokenizer. Build the model with `tokenizer=...`.")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be 1 or more. Received: batch_size={batch_size}.")
        token_ids = [self.tokenizer.encode(text) for text in texts]
        for text, ids in zip(texts, token_ids, strict=True):
            if not ids:
                raise ValueError(f"There is nothing to say. Received: {text!r}.")
        order = sorted(range(len(texts)), key=lambda n: len(token_ids[n]))
        spoken = [None] * len(texts)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            found = self.speak([token_ids[n] for n in rows], self.conditions(len(rows), **style), seed)
            for n, speech in zip(rows, found, strict=True):
                if speech is None:
                    limit = self.most_frames(len(token_ids[n]))
                    raise ValueError(
                        f"Attention got lost: the speech did not end within {limit} frames. Received: {texts[n]!r}. "
                        "Try another `seed`, or write it as other or shorter sentences."
                    )
                spoken[n] = speech
        return spoken

    def export(self, filepath, format="onnx", int8=False, calibration=None, vocoder=None):
        """Write the model and its vocoder to a folder that speaks without this package and without Keras.

        `python FOLDER/speak.py TEXT --output FILE.wav` needs NumPy and onnxruntime or TensorFlow. Its `Speaker` says
        what `synthesize` says with the same seed. The networks are "start" (token ids to the decoder's first state),
        "steps" (state and what is drawn at random to the next frames and state), "correct" (the frames behind the
        postnet) and "vocoder"; all are float32 and take any batch size and length. TensorFlow exports.

        Args:
            filepath: path of the folder. What was exported there before is replaced.
            format: "onnx", a file for each network, or "tf_saved_model", one with an endpoint for each.
            int8, calibration: of other models.
            vocoder: as of `synthesize`; one that is one network: a `Vocos`, its preset, or "griffin_lim".

        Raises:
            ValueError: the backend or an argument does not fit, or the model has no front end.
            ImportError: a package is missing: `pip install "s2s_keras[export]"`.
        """
        from s2s_keras.applications import _export_speech  # which builds on this module

        vocoder = self._stages.vocoder(vocoder or self.vocoder)
        _export_speech.export(self, filepath, format, int8, calibration, vocoder)

    def _sentences(self, text):
        split = getattr(self.tokenizer, "sentences", None)
        return [text] if split is None else split(text)

    def speak(self, token_ids, conditions=None, seed=0):
        """Mel spectrograms of token ids, in one batch.

        Args:
            token_ids: list of lists of int.
            conditions: dict of arrays, what `conditions` returned for so many sentences.
            seed: int, of the dropout that stays on.

        Returns:
            List of `SpokenText`, or None where the speech did not end.
        """
        longest = max(map(len, token_ids))
        padded = np.zeros((len(token_ids), -(-longest // TOKEN_BUCKET) * TOKEN_BUCKET), "int32")
        for row, ids in zip(padded, token_ids, strict=True):
            row[: len(ids)] = ids
        limits = np.array([self.most_frames(len(ids)) for ids in token_ids])
        state = self._stages.start.predict_on_batch({"token_ids": padded, **(conditions or {})})
        rng, chunks = np.random.default_rng(seed), []
        lengths = np.full(len(padded), -1)
        frames = 0
        while np.any((lengths < 0) & (limits > frames)):
            outputs, state = self._stages.steps.predict_on_batch({"state": state, "drawn": self.draw(CHUNK, rng)})
            ended = outputs["stop"] > np.log(STOP / (1.0 - STOP))
            first = np.where(ended.any(axis=1), frames + ended.argmax(axis=1), -1)
            lengths = np.where(lengths < 0, first, lengths)
            frames += ended.shape[1]
            chunks.append(outputs)
        outputs = {name: np.concatenate([chunk[name] for chunk in chunks], axis=1) for name in chunks[0]}
        lengths = np.where((lengths < 0) | (lengths > limits), 0, np.maximum(lengths, 1))
        made = {name: x for name, x in outputs.items() if name not in ("stop", "alignment")}
        finished = {**made, **self._finish(outputs["mel"], lengths)}
        spoken = []
        for n, (ids, length) in enumerate(zip(token_ids, lengths, strict=True)):
            parts = {name: x[n, :length] for name, x in finished.items()}
            parts["alignment"] = outputs["alignment"][n, : -(-length // self.reduction_factor), : len(ids)]
            stop = _sigmoid(outputs["stop"][n, :length])
            spoken.append(SpokenText(stop=stop, token_ids=ids, **parts) if length else None)
        return spoken

    def _finish(self, mel, lengths):
        """The corrected "mel" and, of a model that has it, the "magnitude" of a batch of the decoder's frames."""
        longest = -(-max(int(lengths.max()), 1) // FRAME_BUCKET) * FRAME_BUCKET
        mel = np.pad(mel, [(0, 0), (0, max(longest - mel.shape[1], 0)), (0, 0)])[:, :longest]
        return self._stages.finish.predict_on_batch({"mel": mel, "lengths": lengths.astype("int32")})

    def most_frames(self, num_tokens):
        """The frames after which speech of so many tokens counts as lost."""
        return FRAMES_PER_TOKEN * num_tokens

    @property
    def step_dropout(self):
        """The rate that is dropped in the decoder's steps, in inference too."""
        return self.get_layer("decoder").prenet.dropout

    def draw(self, num_steps, rng):
        """What `steps` need at random, (num_steps, 1, ...): the dropout of a prenet that stays on, or zeros."""
        if not self.step_dropout:
            return np.zeros((num_steps, 1, 1), "float32")
        return self.get_layer("decoder").prenet.draw((num_steps, 1), rng)

    def conditions(self, count):
        """What the decoder is told besides the text: a dict of arrays for `count` sentences. A subclass takes more."""
        return {}

    def conditioned(self, memory, inputs):
        """The encoded text with what else the decoder is told."""
        return memory

    def initial_state(self, inputs):
        """The state before the first frame.

        Args:
            inputs: dict of "token_ids", int (B, U), 0 where there is none, and what `conditions` returned.

        Returns:
            Nested dict of tensors, batch first, for `steps`.
        """
        encoded = self._stages.encoder({"token_ids": inputs["token_ids"]})
        return self.get_layer("decoder").start(self.conditioned(encoded["memory"], inputs), encoded["mask"])

    def steps(self, state, drawn):
        """The next steps of the decoder, see `TacotronDecoder.steps`."""
        return self.get_layer("decoder").steps(state, drawn)

    def correct(self, mel, mask):
        """The outputs behind the decoder.

        Args:
            mel: float (B, T, num_mel_bins), the decoder's frames.
            mask: bool (B, T), True at real ones.

        Returns:
            Dict of "mel" and, of a model that has it, "magnitude".
        """
        raise NotImplementedError(f"{type(self).__name__} must define correct(mel, mask).")

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        objects = ("tokenizer", "front_end")
        return {
            **super().get_config(),
            "vocoder": self.vocoder,
            **{name: getattr(self, name) and serialize(getattr(self, name)) for name in objects},
        }


class Stages:
    """The parts of a synthesizer that run after one another, each compiled by whatever the backend compiles with.

    A plain object: what it holds is the model's own, and none of it is saved with the model.
    """

    def __init__(self, model):
        self.model = model
        self._vocoders = {}

    def vocoder(self, name):
        """What `as_vocoder` makes of a vocoder or its name, made once for each name."""
        if self.model.front_end is None:
            raise ValueError("To be heard, a spectrogram needs the front end it was made with. Pass `front_end=...`.")
        if name is not None and not isinstance(name, str):
            return as_vocoder(name, self.model.front_end)
        if name not in self._vocoders:
            self._vocoders[name] = as_vocoder(name, self.model.front_end)
        return self._vocoders[name]

    @functools.cached_property
    def encoder(self):
        """The model from tokens to {"memory", "mask"}."""
        memory = self.model.get_layer("encoder").output
        outputs = {"memory": memory, "mask": MaskTensor(name="mask")(memory)}
        return keras.Model({"token_ids": self.model.input["token_ids"]}, outputs)

    @functools.cached_property
    def start(self):
        return Stage(self.model, self.model.initial_state)

    @functools.cached_property
    def steps(self):
        return Stage(self.model, lambda inputs: self.model.steps(inputs["state"], inputs["drawn"]))

    @functools.cached_property
    def finish(self):
        def correct(inputs):
            return self.model.correct(inputs["mel"], sequence_mask(inputs["lengths"], inputs["mel"]))

        return Stage(self.model, correct)


class Stage(keras.Model):
    """A function of a model as a model."""

    def __init__(self, model, function):
        super().__init__()
        self.model = model
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def synthesizer_parts(tokenizer, front_end, vocabulary_size, num_mel_bins):
    """The objects behind the arguments, and the sizes that they settle: tokenizer, front end, vocabulary, mel bins.

    Raises:
        ValueError: sizes contradict each other.
    """
    tokenizer, front_end = as_object(tokenizer), as_object(front_end)
    if tokenizer is not None and vocabulary_size not in (None, tokenizer.vocabulary_size):
        raise ValueError(
            f"The tokenizer has {tokenizer.vocabulary_size} token ids. Received: vocabulary_size={vocabulary_size}. "
            "Leave it out, or pass another tokenizer."
        )
    if front_end is not None:
        num_mel_bins = front_end.num_features
    return tokenizer, front_end, getattr(tokenizer, "vocabulary_size", vocabulary_size), num_mel_bins


def join_spoken(spoken):
    """Several `SpokenText` as one, for a picture of them: one after the other.

    Args:
        spoken: list of `SpokenText`.

    Returns:
        `SpokenText` without a magnitude.

    Example:

    >>> half = SpokenText(np.zeros((3, 80)), np.ones((3, 2)), np.zeros(3), [1, 2])
    >>> join_spoken([half, half]).alignment.astype(int).tolist()[2:4]
    [[1, 1, 0, 0], [0, 0, 1, 1]]
    """
    mel, stop = (np.concatenate([getattr(one, name) for one in spoken]) for name in ("mel", "stop"))
    alignment = np.zeros(np.sum([one.alignment.shape for one in spoken], axis=0), "float32")
    step = token = 0
    for one in spoken:
        steps, tokens = one.alignment.shape
        alignment[step : step + steps, token : token + tokens] = one.alignment
        step, token = step + steps, token + tokens
    return SpokenText(mel, alignment, stop, [n for one in spoken for n in one.token_ids])


def as_vocoder(vocoder, front_end):
    """The vocoder that a name stands for, or itself.

    Args:
        vocoder: a vocoder with `vocode(mel)`, the name of its preset, "griffin_lim", or None for that.
        front_end: `MelSpectrogram` whose spectrograms it is to speak.

    Raises:
        ValueError: if it was made for other spectrograms.
    """
    if vocoder in (None, "griffin_lim"):
        return GriffinLim(front_end)
    vocoder = Application.from_preset(vocoder) if isinstance(vocoder, str) else vocoder
    if not hasattr(vocoder, "vocode"):
        raise ValueError(
            f"A vocoder has `vocode(mel)`, such as Vocos, WaveNet or GriffinLim. Received: {type(vocoder).__name__}."
        )
    facts = ("sample_rate", "hop_length", "num_mel_bins")
    expected, found = ([getattr(x, name) for name in facts] for x in (front_end, vocoder))
    if expected != found:
        raise ValueError(
            f"The vocoder was made for other spectrograms. Expected {', '.join(facts)} of {expected}, received {found}."
        )
    return vocoder


def stretch(mel, speed):
    """A spectrogram (T, F) that takes 1 / speed of the time, by linear interpolation between frames."""
    if speed == 1.0:
        return mel
    places = np.linspace(0.0, len(mel) - 1.0, max(round(len(mel) / speed), 1))
    before = np.floor(places).astype(int)
    after, share = np.minimum(before + 1, len(mel) - 1), (places - before)[:, None]
    return ((1.0 - share) * mel[before] + share * mel[after]).astype(mel.dtype)


def _sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))
