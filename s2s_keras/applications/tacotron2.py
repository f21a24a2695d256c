"""Tacotron 2: text to mel spectrograms."""

import keras
import numpy as np
from keras import ops

from s2s_keras.applications.application import as_object
from s2s_keras.applications.recordings import as_waveform
from s2s_keras.applications.speech_input import check_keywords
from s2s_keras.applications.speech_synthesizer import SpeechSynthesizer, synthesizer_parts
from s2s_keras.layers import (
    Conditioning,
    DynamicConvolutionAttention,
    FeatureInput,
    ForwardAttention,
    LocationAttention,
    MaskedBatchNormalization,
    MaskedConv1D,
    MaskedSum,
    Prenet,
    RecurrentStack,
    StyleEncoder,
    TacotronCell,
    TacotronDecoder,
)
from s2s_keras.ops.sharpening import sharpen

VOCABULARY_SIZE = 94  # OpenSeq2Seq's characters
ENCODER_LAYERS, POSTNET_LAYERS = 3, 5
KERNEL_SIZE = 5
BATCH_NORM_EPSILON = 1e-5
MAGNITUDE_FILTERS = (256, 512)
SPEAKER_DIM = 64
MOST_FRAMES = 1000  # NVIDIA's limit
ATTENTIONS = ("location", "forward", "dynamic_convolution")

# What the two published implementations do differently. OpenSeq2Seq's location convolution sees the sum of alignments.
FLAVOURS = {
    "open_seq2seq": {
        "query": "last",
        "stop_from": "mel",
        "prenet_bias": True,
        "conv_bias": False,
        "location": {"filters": 32, "kernel_size": 32, "use_bias": True},
    },
    "nvidia": {
        "query": "first",
        "stop_from": "state",
        "prenet_bias": False,
        "conv_bias": True,
        "location": {"filters": 32, "kernel_size": 31, "cumulative": "both", "location_bias": False},
    },
}


@keras.saving.register_keras_serializable(package="s2s_keras")
class Tacotron2(SpeechSynthesizer):
    """Tacotron 2: a mel spectrogram from text, frame by frame, with attention that knows where it has been.

    Args:
        vocabulary_size: int, token ids, padding (0) included. Default: the tokenizer's, or OpenSeq2Seq's 94.
        embedding_dim: int, channels of a token.
        encoder_filters: int, channels of the encoder's convolutions.
        encoder_dim: int, even, channels of both directions of the encoder's LSTM.
        prenet_dim: int, channels of the two layers through which the decoder sees the last frame.
        decoder_dim: int, channels of each of the decoder's two LSTM cells.
        attention: "location", "forward" (that, but it only stays or moves on by one token), "dynamic_convolution" (it
            moves relative to where it was; for long texts and for few recordings), or a `StepAttention`.
        attention_dim: int, channels in which attention compares.
        postnet_filters: int, channels of the convolutions that correct the spectrogram.
        magnitude_bins: int, bins of a linear spectrogram that is predicted too (the original's "both" has 513), or
            None.
        reduction_factor: int, frames in a step of the decoder: 2 or 3 align sooner and are faster.
        flavour: "open_seq2seq" or "nvidia", whose details differ: which cell attention follows, what tells the end, and
            biases.
        dropout: float, rate dropped in the encoder, the postnet and, in inference too, the prenet.
        zoneout: float, of the decoder's cells.
        frame_dropout: float, the share of the right frames that the decoder is not given in training; a fifth to a
            third makes it look at the text sooner.
        scheduled_sampling: float, the share of the steps of training that see the decoder's own frame.
        num_speakers: int, voices: then there is an input "speaker_ids", int (B,). 0 for one voice.
        style_encoder: `StyleEncoder`, to speak in the style of a recording, or None.
        guided_attention: float, weight of a loss that keeps attention near the diagonal, added in training; 0 for none.
        held_attention: bool, whether there is an input "held", float (B, ceil(T / reduction_factor), U), 1 at tokens
            that a step may look at: the decoder then learns from the right part of the text before attention finds it.
        contrast: float, how many times further from its mean over time each bin of synthesized spectrograms is taken.
            Trained on little, a model says the average of what it might say, too smooth: 1.3 to 1.9 gives peaks back.
        num_mel_bins: int, channels of a frame.
        tokenizer, front_end, vocoder: see `SpeechSynthesizer`.
        dtype: dtype policy. Spectrograms and the end of speech are float32 under every policy.
        **kwargs: `name` and `trainable`.

    Inputs:
        Dict of "token_ids", int (B, U), 0 where there is none; "mel", float (B, T, num_mel_bins), the right frames; and
        "mel_lengths", int (B,).

    Outputs:
        Dict of "mel" and "mel_postnet", float32 (B, T, num_mel_bins), "stop", float32 (B, T), logits of whether speech
        has ended, "alignment", float32 (B, ceil(T / reduction_factor), U), and with `magnitude_bins` "magnitude",
        float32 (B, T, magnitude_bins). All carry a Keras mask, so that a plain loss is the mean over real frames, and
        are zero at padded frames.

    Raises:
        ValueError: if an argument is none of these.

    Example:

    >>> model = Tacotron2(30, embedding_dim=8, encoder_filters=8, encoder_dim=8, prenet_dim=4, decoder_dim=8,
    ...                   attention_dim=4, postnet_filters=4, num_mel_bins=6, reduction_factor=2)
    >>> import numpy as np
    >>> inputs = {"token_ids": np.array([[1, 5, 2]]), "mel": np.zeros((1, 7, 6)), "mel_lengths": np.array([7])}
    >>> tuple(model(inputs)["mel_postnet"].shape)
    (1, 7, 6)

    Trained with:
        `compile(Adam(1e-3), {"mel": "mse", "mel_postnet": "mse", "stop": StopTokenCrossEntropy()})`, and "magnitude".

    Reference:
        - [Natural TTS synthesis by conditioning WaveNet on mel spectrogram predictions](
          https://arxiv.org/abs/1712.05884). Batch normalization counts real frames only and reverses real tokens only;
          the original counted padding, and its momentum of 0.1 (TensorFlow's) is 0.9 here. NVIDIA's network has
          28,193,153 parameters in PyTorch, whose LSTM has a second bias: 10,240 less here. Contrast is the
          idea of [global variance](https://doi.org/10.1093/ietisy/e90-d.5.816).
    """

    def __init__(
        self,
        vocabulary_size=None,
        embedding_dim=512,
        encoder_filters=512,
        encoder_dim=512,
        prenet_dim=256,
        decoder_dim=1024,
        attention="location",
        attention_dim=128,
        postnet_filters=512,
        magnitude_bins=None,
        reduction_factor=1,
        flavour="open_seq2seq",
        dropout=0.5,
        zoneout=0.0,
        frame_dropout=0.0,
        scheduled_sampling=0.0,
        num_speakers=0,
        style_encoder=None,
        guided_attention=0.0,
        held_attention=False,
        contrast=1.0,
        num_mel_bins=80,
        tokenizer=None,
        front_end=None,
        vocoder=None,
        dtype=None,
        **kwargs,
    ):
        if flavour not in FLAVOURS:
            raise ValueError(f"`flavour` must be {' or '.join(map(repr, FLAVOURS))}. Received: flavour={flavour!r}.")
        check_keywords(self, kwargs)
        attention, style_encoder, rules = as_object(attention), as_object(style_encoder), FLAVOURS[flavour]
        parts = synthesizer_parts(tokenizer, front_end, vocabulary_size, num_mel_bins)
        tokenizer, front_end, vocabulary_size, num_mel_bins = parts
        vocabulary_size = vocabulary_size or VOCABULARY_SIZE
        inputs = {
            "token_ids": keras.Input((None,), name="token_ids", dtype="int32"),
            "mel": keras.Input((None, num_mel_bins), name="mel"),
            "mel_lengths": keras.Input((), name="mel_lengths", dtype="int32"),
        }
        target = FeatureInput(dtype="float32", name="target")([inputs["mel"], inputs["mel_lengths"]])

        def convolve(x, filters, name, activation, dropout, kernel_size=KERNEL_SIZE):
            x = MaskedConv1D(filters, kernel_size, use_bias=rules["conv_bias"], dtype=dtype, name=f"{name}_conv")(x)
            x = MaskedBatchNormalization(epsilon=BATCH_NORM_EPSILON, dtype=dtype, name=f"{name}_norm")(x)
            x = keras.layers.Activation(activation, dtype=dtype, name=f"{name}_activation")(x)
            return keras.layers.Dropout(dropout, dtype=dtype, name=f"{name}_dropout")(x)

        embedding = keras.layers.Embedding(
            vocabulary_size, embedding_dim, mask_zero=True, dtype=dtype, name="embedding"
        )
        x = embedding(inputs["token_ids"])
        for n in range(ENCODER_LAYERS):
            x = convolve(x, encoder_filters, f"encoder_{n}", "relu", dropout)
        lstm = RecurrentStack(encoder_dim // 2, cell="lstm", directions="both", dtype=dtype, name="encoder")
        memory = lstm(x)
        conditions = []
        if num_speakers:
            inputs["speaker_ids"] = keras.Input((), name="speaker_ids", dtype="int32")
            speakers = keras.layers.Embedding(num_speakers, SPEAKER_DIM, dtype=dtype, name="speakers")
            conditions.append(speakers(inputs["speaker_ids"]))
        if style_encoder is not None:
            conditions.append(style_encoder(target))
        if conditions:
            memory = Conditioning(dtype=dtype, name="conditioning")([memory, *conditions])

        layer = _attention(attention, attention_dim, rules["location"], dtype)
        cell = TacotronCell(decoder_dim, layer, query=rules["query"], zoneout=zoneout, dtype=dtype, name="cell")
        prenet = Prenet(prenet_dim, dropout=dropout, use_bias=rules["prenet_bias"], dtype=dtype, name="prenet")
        options = {
            "frame_dropout": frame_dropout,
            "scheduled_sampling": scheduled_sampling,
            "guided_attention": guided_attention,
            "dtype": dtype,
        }
        stop = rules["stop_from"]
        decoder = TacotronDecoder(num_mel_bins, cell, prenet, reduction_factor, stop, name="decoder", **options)
        held = []
        if held_attention:
            inputs["held"] = keras.Input((None, None), name="held")
            held.append(inputs["held"])
        decoded = decoder([memory, target, *held])

        x = decoded["mel"]
        for n in range(POSTNET_LAYERS):
            last = n == POSTNET_LAYERS - 1
            filters, activation = (num_mel_bins, "linear") if last else (postnet_filters, "tanh")
            x = convolve(x, filters, f"postnet_{n}", activation, dropout)
        mel = MaskedSum(name="mel_postnet")([decoded["mel"], x])
        outputs = {
            "mel": decoded["mel"],
            "mel_postnet": mel,
            "stop": decoded["stop"],
            "alignment": decoded["alignment"],
        }
        if magnitude_bins:
            x = mel
            for n, filters in enumerate(MAGNITUDE_FILTERS):
                x = convolve(x, filters, f"magnitude_{n}", "relu", 0.0, kernel_size=4)
            x = keras.layers.Activation("exponential", dtype="float32", name="magnitude_exponential")(x)
            x = MaskedConv1D(magnitude_bins, 1, dtype="float32", name="magnitude_conv")(x)
            outputs["magnitude"] = MaskedSum(name="magnitude")(x)
        super().__init__(inputs, outputs, tokenizer, front_end, vocoder, dtype=dtype, **kwargs)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.encoder_filters = encoder_filters
        self.encoder_dim = encoder_dim
        self.prenet_dim = prenet_dim
        self.decoder_dim = decoder_dim
        self.attention = attention if isinstance(attention, str) else layer
        self.attention_dim = attention_dim
        self.postnet_filters = postnet_filters
        self.magnitude_bins = magnitude_bins
        self.flavour = flavour
        self.dropout = dropout
        self.zoneout = zoneout
        self.frame_dropout = frame_dropout
        self.scheduled_sampling = scheduled_sampling
        self.num_speakers = num_speakers
        self.style_encoder = style_encoder
        self.guided_attention = guided_attention
        self.held_attention = held_attention
        self.contrast = contrast
        self.num_mel_bins = num_mel_bins

    def conditions(self, count, style=None, speaker=None):
        """What the decoder is told besides the text, as inputs of `initial_state`.

        Args:
            count: int, sentences.
            style: a path or float array (S,) at the model's sample rate, a recording whose style to speak in; or float
                array (num_tokens,), weights of the style tokens. Default: all tokens alike.
            speaker: int, the voice. Default: the first.

        Returns:
            Dict of arrays.

        Raises:
            ValueError: the model has no styles or voices, or not this one.
        """
        found = {}
        if (style is not None and self.style_encoder is None) or (speaker is not None and not self.num_speakers):
            raise ValueError(
                f"The model has {'no ' if self.style_encoder is None else ''}styles and {self.num_speakers} voices to "
                f"choose from. Received: style={style!r}, speaker={speaker!r}."
            )
        if self.num_speakers:
            if not 0 <= (speaker or 0) < self.num_speakers:
                raise ValueError(f"Speakers are 0 to {self.num_speakers - 1}. Received: speaker={speaker}.")
            found["speaker_ids"] = np.full(count, speaker or 0, "int32")
        if self.style_encoder is not None:
            found["style"] = np.repeat(self._style(style), count, axis=0)
        return found

    def _style(self, style):
        """The style of a recording or of weights of the tokens, float (1, style_dim)."""
        num_tokens = self.style_encoder.num_tokens
        if style is None:
            style = np.full(num_tokens, 1.0 / num_tokens)
        if np.shape(style) == (num_tokens,):
            return ops.convert_to_numpy(self.style_encoder.style_of(style))
        audio = as_waveform(style, self.sample_rate, self.sample_rate)[None]
        mel = self.front_end([audio, np.array([audio.shape[1]], "int32")])
        return ops.convert_to_numpy(self.style_encoder(mel))

    def conditioned(self, memory, inputs):
        conditions = []
        if self.num_speakers:
            conditions.append(self.get_layer("speakers")(inputs["speaker_ids"]))
        if self.style_encoder is not None:
            conditions.append(inputs["style"])
        return self.get_layer("conditioning")([memory, *conditions]) if conditions else memory

    def correct(self, mel, mask):
        x = self._convolve(mel, mask, [f"postnet_{n}" for n in range(POSTNET_LAYERS)])
        mel = self.get_layer("mel_postnet")([mel, x], mask=[mask, mask])
        outputs = {"mel": mel if self.contrast == 1.0 else sharpen(mel, mask, self.contrast)}
        if self.magnitude_bins:
            x = self._convolve(mel, mask, [f"magnitude_{n}" for n in range(len(MAGNITUDE_FILTERS))])
            x = self.get_layer("magnitude_conv")(self.get_layer("magnitude_exponential")(x), mask=mask)
            outputs["magnitude"] = self.get_layer("magnitude")(x, mask=mask)
        return outputs

    def _convolve(self, x, mask, names):
        for name in names:
            x = self.get_layer(f"{name}_conv")(x, mask=mask)  # a Keras mask, which goes on from there
            x = self.get_layer(f"{name}_activation")(self.get_layer(f"{name}_norm")(x))
        return x

    def get_config(self):
        names = (
            "vocabulary_size",
            "embedding_dim",
            "encoder_filters",
            "encoder_dim",
            "prenet_dim",
            "decoder_dim",
            "attention_dim",
            "postnet_filters",
            "magnitude_bins",
            "reduction_factor",
            "flavour",
            "dropout",
            "zoneout",
            "frame_dropout",
            "scheduled_sampling",
            "num_speakers",
            "guided_attention",
            "held_attention",
            "contrast",
            "num_mel_bins",
        )
        attention, serialize = self.attention, keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "attention": attention if isinstance(attention, str) else serialize(attention),
            "style_encoder": self.style_encoder and serialize(self.style_encoder),
        }


@keras.saving.register_keras_serializable(package="s2s_keras")
class Tacotron2GST(Tacotron2):
    """Tacotron 2 that speaks in the style of a recording, or of a mixture of style tokens.

    Args:
        style_encoder: `StyleEncoder`, or None for the original's.
        **kwargs: arguments of `Tacotron2`.

    Example:

    >>> from s2s_keras.layers import StyleEncoder
    >>> encoder = StyleEncoder(filters=(4,), rnn_dim=4, num_tokens=3, style_dim=8, num_heads=2)
    >>> model = Tacotron2GST(encoder, encoder_filters=8, encoder_dim=8, decoder_dim=8, postnet_filters=8)
    >>> sorted(model.input)
    ['mel', 'mel_lengths', 'token_ids']

    Reference:
        - [Style tokens](https://arxiv.org/abs/1803.09017). In training the style is that of the right spectrogram.
    """

    def __init__(self, style_encoder=None, **kwargs):
        if style_encoder is None:
            style_encoder = StyleEncoder(train_tokens=False, dtype=kwargs.get("dtype"), name="style_encoder")
        super().__init__(style_encoder=style_encoder, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class Tacotron2NVIDIA(Tacotron2):
    """Tacotron 2 as NVIDIA published it for PyTorch: 148 characters, zoneout left out, 80 mel bins at 22,050 Hz.

    Args:
        vocabulary_size: int.
        flavour: str.
        **kwargs: arguments of `Tacotron2`.

    Example:

    >>> Tacotron2NVIDIA(decoder_dim=8, encoder_dim=8, postnet_filters=8).flavour
    'nvidia'
    """

    def __init__(self, vocabulary_size=148, flavour="nvidia", **kwargs):
        super().__init__(vocabulary_size, flavour=flavour, **kwargs)

    def most_frames(self, num_tokens):
        """The original's limit for every text, or ten for each token of a long one."""
        return max(MOST_FRAMES, super().most_frames(num_tokens))


def _attention(attention, units, location, dtype):
    options = {"dtype": dtype, "name": "attention"}
    if attention == "location":
        return LocationAttention(units, **location, **options)
    if attention == "forward":
        return ForwardAttention(LocationAttention(units, **location, dtype=dtype), **options)
    if attention == "dynamic_convolution":
        return DynamicConvolutionAttention(units, **options)
    if isinstance(attention, str):
        raise ValueError(
            f"`attention` must be {', '.join(map(repr, ATTENTIONS))} or a `StepAttention`. "
            f"Received: attention={attention!r}."
        )
    return attention
