"""Centaur: text to spectrograms by convolutions."""

import keras

from s2s_keras.applications.speech_input import check_keywords
from s2s_keras.applications.speech_synthesizer import SpeechSynthesizer, synthesizer_parts
from s2s_keras.layers import CentaurBlock, CentaurDecoder, FeatureInput, MaskedSum, Prenet, ResidualConv1D

VOCABULARY_SIZE = 94  # OpenSeq2Seq's characters
BLOCK_CONV_DROPOUT = 0.5  # the original's, whatever the rates of other convolutions


@keras.saving.register_keras_serializable(package="s2s_keras")
class Centaur(SpeechSynthesizer):
    """Centaur: spectrograms from text by convolutions and attention, without recurrence; trained on all frames at once.

    Args:
        vocabulary_size: int, token ids, padding (0) included. Default: the tokenizer's, or OpenSeq2Seq's 94.
        encoder_dim: int, even, channels of a token.
        encoder_layers: int, convolutions over the text.
        decoder_dim: int, even, channels of the decoder.
        num_blocks: int, blocks of the decoder that look at the text.
        num_convolutions: int, convolutions in front of the mel spectrogram, and as many in front of the magnitudes.
        magnitude_bins: int, bins of a linear spectrogram that is read and predicted too (the original's 513), or None.
        reduction_factor: int, frames in a step of the decoder.
        window: int, tokens from where the last step looked, at which a forced block may look in inference.
        forced_blocks: tuple of int, which blocks these are. Default: every other, from the second.
        dropout: float, rate dropped in convolutions and attention; in the prenet and the convolutions of the blocks it
            is 0.5, or 0 where this is 0. Nothing is dropped in inference.
        num_mel_bins: int, channels of a frame.
        tokenizer, front_end, vocoder: see `SpeechSynthesizer`.
        dtype: dtype policy. Spectrograms and the end of speech are float32 under every policy.
        **kwargs: `name` and `trainable`.

    Inputs:
        Dict of "token_ids", int (B, U), 0 where there is none; "mel", float (B, T, num_mel_bins), the right frames;
        "mel_lengths", int (B,); and with `magnitude_bins` "magnitude", float (B, T, magnitude_bins), the right ones.

    Outputs:
        Dict of "mel", float32 (B, T, num_mel_bins), and "mel_postnet", which is the same; "stop", float32 (B, T),
        logits of whether speech has ended; and with `magnitude_bins` "magnitude", float32 (B, T, magnitude_bins), on
        the scale of the input. All carry a Keras mask and are zero at padded frames.

    Raises:
        ValueError: if an argument is none of these.

    Example:

    >>> model = Centaur(30, encoder_dim=8, decoder_dim=8, num_blocks=2, num_convolutions=1, num_mel_bins=6)
    >>> import numpy as np
    >>> inputs = {"token_ids": np.array([[1, 5, 2]]), "mel": np.zeros((1, 7, 6)), "mel_lengths": np.array([7])}
    >>> tuple(model(inputs)["mel"].shape)
    (1, 7, 6)

    Trained with:
        `compile(NovoGrad(0.02), {"mel": "mae", "stop": StopTokenCrossEntropy()})`, and "magnitude".

    Reference: OpenSeq2Seq's Centaur, of which there is no paper. Batch normalization counts real frames only here.
    """

    step_dropout = 0.0  # nothing is dropped in inference

    def __init__(
        self,
        vocabulary_size=None,
        encoder_dim=256,
        encoder_layers=4,
        decoder_dim=512,
        num_blocks=4,
        num_convolutions=4,
        magnitude_bins=None,
        reduction_factor=2,
        window=4,
        forced_blocks=None,
        dropout=0.1,
        num_mel_bins=80,
        tokenizer=None,
        front_end=None,
        vocoder=None,
        dtype=None,
        **kwargs,
    ):
        check_keywords(self, kwargs)
        parts = synthesizer_parts(tokenizer, front_end, vocabulary_size, num_mel_bins)
        tokenizer, front_end, vocabulary_size, num_mel_bins = parts
        vocabulary_size = vocabulary_size or VOCABULARY_SIZE
        forced_blocks = list(range(1, num_blocks, 2) if forced_blocks is None else forced_blocks)
        inputs = {
            "token_ids": keras.Input((None,), name="token_ids", dtype="int32"),
            "mel": keras.Input((None, num_mel_bins), name="mel"),
            "mel_lengths": keras.Input((), name="mel_lengths", dtype="int32"),
        }
        frames = inputs["mel"]
        if magnitude_bins:
            inputs["magnitude"] = keras.Input((None, magnitude_bins), name="magnitude")
            join = keras.layers.Concatenate(dtype="float32", name="frames")
            frames = join([frames, inputs["magnitude"]])
        target = FeatureInput(dtype="float32", name="target")([frames, inputs["mel_lengths"]])

        options = {"dtype": dtype}
        scale = keras.initializers.RandomNormal(stddev=encoder_dim**-0.5)
        embedding = keras.layers.Embedding(
            vocabulary_size, encoder_dim, scale, mask_zero=True, name="embedding", **options
        )
        x = embedding(inputs["token_ids"])
        x = keras.layers.Rescaling(encoder_dim**0.5, name="embedding_scale", **options)(x)
        for n in range(encoder_layers):
            x = ResidualConv1D(3, dropout=dropout, name=f"encoder_{n}", **options)(x)
        memory = keras.layers.Dense(encoder_dim, use_bias=False, name="encoder", **options)(x)

        more = BLOCK_CONV_DROPOUT if dropout else 0.0
        blocks = [
            CentaurBlock(
                decoder_dim,
                conv_dropout=more,
                dropout=dropout,
                window=window if n in forced_blocks else None,
                name=f"block_{n}",
                **options,
            )
            for n in range(num_blocks)
        ]
        prenet = Prenet(decoder_dim, dropout=more, name="prenet", **options)
        decoder = CentaurDecoder(
            num_mel_bins,
            blocks,
            prenet,
            magnitude_bins or 0,
            num_convolutions,
            reduction_factor=reduction_factor,
            dropout=dropout,
            name="decoder",
            **options,
        )
        decoded = decoder([memory, target])
        outputs = {name: decoded[name] for name in ("mel", "stop", *(["magnitude"] if magnitude_bins else []))}
        outputs["mel_postnet"] = MaskedSum(name="mel_postnet")(decoded["mel"])
        super().__init__(inputs, outputs, tokenizer, front_end, vocoder, dtype=dtype, **kwargs)
        self.vocabulary_size = vocabulary_size
        self.encoder_dim = encoder_dim
        self.encoder_layers = encoder_layers
        self.decoder_dim = decoder_dim
        self.num_blocks = num_blocks
        self.num_convolutions = num_convolutions
        self.magnitude_bins = magnitude_bins
        self.window = window
        self.forced_blocks = forced_blocks
        self.dropout = dropout
        self.num_mel_bins = num_mel_bins

    def correct(self, mel, mask):
        return {"mel": self.get_layer("mel_postnet")(mel, mask=mask)}

    def get_config(self):
        names = (
            "vocabulary_size",
            "encoder_dim",
            "encoder_layers",
            "decoder_dim",
            "num_blocks",
            "num_convolutions",
            "magnitude_bins",
            "reduction_factor",
            "window",
            "dropout",
            "num_mel_bins",
        )
        config = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **config, "forced_blocks": list(self.forced_blocks)}
