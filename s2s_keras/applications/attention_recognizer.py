"""What speech recognizers with attention share: an encoder of convolutions, a decoder and the search."""

import functools

import keras

from s2s_keras.applications.application import Application, as_object
from s2s_keras.applications.ctc_recognizer import CTCRecognizer
from s2s_keras.applications.recordings import as_waveform, padded_batches
from s2s_keras.decoding import beam_search
from s2s_keras.layers import (
    AttentionCell,
    BahdanauAttention,
    BlankPadding,
    CoverageAttention,
    JasperBlock,
    LocationAttention,
    LuongAttention,
    MaskTensor,
    RecurrentDecoder,
)
from s2s_keras.ops.activations import clipped_relu

START = 0  # the token before the first: the id of blank, which attention never says; the end is `vocabulary_size`
BEAM_WIDTH = 4
UNLIKELY = -1e8  # the score of a hypothesis that is none

# (filters, kernel size, strides, repeat, dropout): the only configuration of the original.
CONVOLUTIONS = (
    (256, 11, 2, 1, 0.2),
    (256, 11, 1, 7, 0.2),
    (384, 11, 2, 1, 0.2),
    (512, 11, 1, 3, 0.2),
    (768, 11, 1, 4, 0.3),
)
RNN_LAYERS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
ATTENTIONS = {
    "location": LocationAttention,
    "coverage": CoverageAttention,
    "bahdanau": functools.partial(BahdanauAttention, normalize=True),
    "luong": functools.partial(LuongAttention, scale=True),
}


class AttentionRecognizer(Application):
    """Speech recognition token by token: the base of `ListenAttendSpell`, which see for arguments, and of
    `JointCTCAttention`.
    """

    has_ctc = False

    def __init__(
        self,
        blocks=CONVOLUTIONS,
        recurrent_layers=(),
        rnn="lstm",
        hidden_dim=512,
        num_layers=1,
        embedding_dim=256,
        attention="location",
        attention_dim=256,
        dropout=0.2,
        max_positions=1024,
        **kwargs,
    ):
        names = {key: kwargs.pop(key) for key in ("name", "trainable") if key in kwargs}
        dtype, include_top = kwargs.get("dtype"), kwargs.pop("include_top", True)
        blocks, recurrent_layers = _check_blocks(blocks), tuple(recurrent_layers)
        if rnn not in RNN_LAYERS:
            raise ValueError(f"`rnn` must be {' or '.join(map(repr, RNN_LAYERS))}. Received: rnn={rnn!r}.")
        layer = _attention(as_object(attention), hidden_dim if attention == "luong" else attention_dim, dtype)
        encoder = CTCRecognizer(_encoder(blocks, recurrent_layers, rnn, dtype), include_top=False, **kwargs)
        inputs, outputs = dict(encoder.input), encoder.output
        if include_top:
            inputs["decoder_token_ids"] = keras.Input((None,), name="decoder_token_ids", dtype="int32")
            cell = AttentionCell(hidden_dim, layer, num_layers, rnn, attention_dim=hidden_dim, dtype=dtype, name="cell")
            size = encoder.vocabulary_size
            decoder = RecurrentDecoder(
                size + 1, cell, embedding_dim, dropout, max_positions, dtype=dtype, name="decoder"
            )
            decoded = decoder([outputs, inputs["decoder_token_ids"]])
            logits = keras.layers.Dense(size + 1, dtype="float32", name="logits")(decoded)
            if self.has_ctc:
                ctc = keras.layers.Dense(size, dtype="float32", name="ctc_logits")(outputs)
                logits = {"attention": logits, "ctc": BlankPadding(name="blank_padding")(ctc)}
            outputs = logits
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **names)
        self.blocks = blocks
        self.recurrent_layers = recurrent_layers
        self.rnn = rnn
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.embedding_dim = embedding_dim
        self.attention = attention if isinstance(attention, str) else layer
        self.attention_dim = attention_dim
        self.dropout = dropout
        self.max_positions = max_positions
        self.include_top = include_top
        self.vocabulary_size = encoder.vocabulary_size
        self.tokenizer = encoder.tokenizer
        self.front_end = encoder.front_end
        self.num_mel_bins = encoder.num_mel_bins
        self.spec_augment = encoder.spec_augment

    @property
    def sample_rate(self):
        """Samples per second of the audio that the model takes, or None for a model that takes features."""
        return None if self.front_end is None else self.front_end.sample_rate

    @property
    def end_id(self):
        """The token with which attention ends a sentence."""
        return self.vocabulary_size

    def initial_state(self, inputs):
        """The state before the first token.

        Args:
            inputs: dict of "audio" and "audio_lengths", or what else the encoder takes.

        Returns:
            Nested dict of tensors, batch first, for `step` and `s2s_keras.decoding.beam_search`.
        """
        outputs = self._encoder({name: inputs[name] for name in self._encoder.input})
        return self.get_layer("decoder").start(outputs["memory"], outputs["mask"])

    def step(self, token_ids, state):
        """One token in, the logits of the next one out.

        Args:
            token_ids: int (B,); 0 at the first step.
            state: what `initial_state` or the last step returned.

        Returns:
            Tuple of float32 (B, vocabulary_size + 1) and the next state.
        """
        outputs, state = self.get_layer("decoder").step(token_ids, state)
        return self.get_layer("logits")(outputs), state

    def transcribe(self, audio, sample_rate=None, batch_size=8, **search):
        """Text of recordings of any length, by beam search.

        Args:
            audio: a path, an array (S,) of floats, int16 or int32, or a list of either. Files are resampled and mixed.
            sample_rate: int, of arrays, in Hz. Default: the model's own.
            batch_size: int, recordings at a time; they are sorted by length first. The text does not depend on it.
            **search: arguments of `hypotheses`.

        Returns:
            str, or a list of str in the order of `audio`.

        Raises:
            ValueError: if the model has no tokenizer, head or front end, or audio cannot be read.
        """
        single = not isinstance(audio, (list, tuple))
        found = self.hypotheses([audio] if single else audio, sample_rate, batch_size, **search)
        texts = [hypotheses[0][0] for hypotheses in found]
        return texts[0] if single else texts

    def hypotheses(self, audio, sample_rate=None, batch_size=8, beam_width=BEAM_WIDTH, length_penalty=0.0, **search):
        """The most likely texts of recordings.

        Args:
            audio: list of paths or arrays, as for `transcribe`.
            sample_rate: int, of arrays, in Hz. Default: the model's own.
            batch_size: int, recordings at a time.
            beam_width: int, hypotheses that are followed; 1 is greedy search.
            length_penalty: float, see `s2s_keras.decoding.beam_search`.
            **search: what else a subclass offers.

        Returns:
            List of lists of (text, score), best first, up to `beam_width` for each recording.

        Raises:
            ValueError: as `transcribe`.
        """
        if self.tokenizer is None or not self.include_top or self.front_end is None:
            raise ValueError(
                "Recognition needs a tokenizer, the head and the front end. Received: "
                f"tokenizer={self.tokenizer}, include_top={self.include_top}, front_end={self.front_end}. "
                "Build the model with `tokenizer=...`, include_top=True and a front end."
            )
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be 1 or more. Received: batch_size={batch_size}.")
        recordings = [as_waveform(a, self.sample_rate, sample_rate) for a in audio]
        options = {"beam_width": beam_width, "length_penalty": length_penalty, **search}
        key = tuple(sorted(options.items()))
        if key not in self._searchers:
            self._searchers[key] = Searcher(self, **options)
        texts = [None] * len(recordings)
        for indices, batch in padded_batches(recordings, self.sample_rate, batch_size):
            found = self._searchers[key].predict_on_batch(batch)
            for row, n in enumerate(indices):
                rows = zip(found["token_ids"][row], found["lengths"][row], found["scores"][row], strict=True)
                pairs = [(self.tokenizer.decode(ids[:length]).strip(), float(score)) for ids, length, score in rows]
                texts[n] = [pair for k, pair in enumerate(pairs) if k == 0 or pair[1] > UNLIKELY]
        return texts

    def search(self, inputs, **options):
        """`beam_search` over encoded audio, within `Searcher`; `options` are its arguments."""
        outputs = self._encoder(inputs)
        state = self.get_layer("decoder").start(outputs["memory"], outputs["mask"])
        return self._beam_search(self.step, state, outputs["mask"], **options)

    def _beam_search(self, step, state, mask, **options):
        """No more tokens than there are frames, each of several hundredths of a second."""
        max_lengths = keras.ops.sum(keras.ops.cast(mask, "int32"), axis=1)
        limit = keras.ops.shape(mask)[1]
        return beam_search(step, state, max_lengths, limit, START, self.end_id, **options)

    # Cached properties go round the tracking of layers by Keras: what they hold is no part of the model.

    @functools.cached_property
    def _encoder(self):
        """The model from audio to {"memory", "mask"} and, where there is one, the output for "ctc"."""
        memory = self.get_layer("decoder").input[0]
        outputs = {"memory": memory, "mask": MaskTensor(name="mask")(memory)}
        if self.has_ctc:
            outputs["ctc"] = self.get_layer("blank_padding").output
        return keras.Model({k: v for k, v in self.input.items() if k != "decoder_token_ids"}, outputs)

    @functools.cached_property
    def _searchers(self):
        return {}

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        objects = ("tokenizer", "front_end", "spec_augment")
        return {
            **super().get_config(),
            "blocks": self.blocks,
            "recurrent_layers": self.recurrent_layers,
            "rnn": self.rnn,
            "hidden_dim": self.hidden_dim,
            "num_layers": self.num_layers,
            "embedding_dim": self.embedding_dim,
            "attention": self.attention if isinstance(self.attention, str) else serialize(self.attention),
            "attention_dim": self.attention_dim,
            "dropout": self.dropout,
            "max_positions": self.max_positions,
            "vocabulary_size": self.vocabulary_size,
            "include_top": self.include_top,
            "num_mel_bins": self.num_mel_bins,
            **{name: getattr(self, name) and serialize(getattr(self, name)) for name in objects},
        }


class Searcher(keras.Model):
    """A model that is searched, as a model: so it is compiled by whatever the backend compiles with."""

    def __init__(self, model, **options):
        super().__init__()
        self.model = model
        self.options = options

    def call(self, inputs):
        return self.model.search(inputs, **self.options)


def _encoder(blocks, recurrent_layers, rnn, dtype):
    """The function from features to memory."""

    def encode(x):
        for n, (filters, kernel_size, strides, repeat, dropout) in enumerate(blocks):
            options = {"repeat": repeat, "strides": strides, "dropout": dropout, "activation": clipped_relu}
            x = JasperBlock(filters, kernel_size, dtype=dtype, name=f"block_{n}", **options)(x)
        for n, units in enumerate(recurrent_layers):
            layer = RNN_LAYERS[rnn](units, return_sequences=True, dtype=dtype, name=rnn)
            x = keras.layers.Bidirectional(layer, dtype=dtype, name=f"recurrent_{n}")(x)
        return x

    return encode


def _attention(attention, units, dtype):
    if not isinstance(attention, str):
        return attention
    if attention not in ATTENTIONS:
        raise ValueError(
            f"`attention` must be {', '.join(map(repr, ATTENTIONS))} or a layer such as `MonotonicAttention`. "
            f"Received: attention={attention!r}."
        )
    return ATTENTIONS[attention](units, dtype=dtype, name="attention")


def _check_blocks(blocks):
    for block in blocks:
        if len(block) != 5 or not all(isinstance(value, int) for value in block[:4]) or not 0 <= block[4] < 1:
            raise ValueError(
                "`blocks` holds (filters, kernel_size, strides, repeat, dropout) with integers and a dropout rate in "
                f"[0, 1). Received: {block!r}."
            )
    return tuple((*block[:4], float(block[4])) for block in blocks)
