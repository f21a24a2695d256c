"""Wav2Letter+: a plain stack of convolutions, trained with CTC."""

import keras

from s2s_keras.applications.ctc_recognizer import CTCRecognizer
from s2s_keras.layers import JasperBlock
from s2s_keras.ops.activations import clipped_relu

# (filters, kernel size, repeat, strides, dilation rate, dropout): the tables of the original's documentation.
WAV2LETTER_PLUS = (
    (256, 11, 1, 2, 1, 0.2),
    (256, 11, 3, 1, 1, 0.2),
    (384, 13, 3, 1, 1, 0.2),
    (512, 17, 3, 1, 1, 0.2),
    (640, 21, 3, 1, 1, 0.3),
    (768, 25, 3, 1, 1, 0.3),
    (896, 29, 1, 1, 2, 0.4),
    (1024, 1, 1, 1, 1, 0.4),
)
WAV2LETTER_LARGE = (*WAV2LETTER_PLUS[1:6], (896, 29, 1, 1, 1, 0.4), WAV2LETTER_PLUS[7])


@keras.saving.register_keras_serializable(package="s2s_keras")
class Wav2Letter(CTCRecognizer):
    """A CTC recognizer of 1-D convolutions, one after another, without residual connections.

    The smallest thing that works: nothing but convolution, normalization, activation and dropout.

    Args:
        blocks: tuple of (filters, kernel_size, repeat, strides, dilation_rate, dropout). The stride is that of the
            first of a block's `repeat` convolutions.
        activation: Keras activation.
        normalization: "batch", "layer", "instance", None, or a dict of `MaskedBatchNormalization` arguments.
        causal: bool. No convolution looks ahead: for streaming.
        **kwargs: `vocabulary_size`, `tokenizer`, `include_top`, `front_end`, `num_mel_bins`, `spec_augment`, `dtype` of
            `CTCRecognizer`, and `name`.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples}; features with `front_end=None`.

    Outputs:
        Logits, float32 (B, T', V); T' = T divided by all strides, rounded up.

    Raises:
        ValueError: if a block is not six numbers, or strides and is dilated at once.

    Example:

    >>> Wav2Letter(blocks=((16, 5, 2, 2, 1, 0.0), (16, 1, 1, 1, 1, 0.0))).output_shape
    (None, None, 29)

    Reference:
        - [Wav2Letter](https://arxiv.org/abs/1609.03193), [Letter-based speech recognition with gated convnets](
          https://arxiv.org/abs/1712.09444) (Wav2Letter+ is OpenSeq2Seq's, with clipped ReLU instead of gates). Here
          padded frames are masked, so a batch gives what each utterance gives alone; blank is token 0.
    """

    def __init__(self, blocks=WAV2LETTER_PLUS, activation=clipped_relu, normalization="batch", causal=False, **kwargs):
        blocks = _check_blocks(blocks)
        common = {
            "activation": activation,
            "normalization": normalization,
            "causal": causal,
            "dtype": kwargs.get("dtype"),
        }

        def encode(x):
            for n, (filters, kernel_size, repeat, strides, dilation_rate, dropout) in enumerate(blocks):
                x = JasperBlock(
                    filters,
                    kernel_size,
                    repeat=repeat,
                    strides=strides,
                    dilation_rate=dilation_rate,
                    dropout=dropout,
                    name=f"block_{n}",
                    **common,
                )(x)
            return x

        super().__init__(encode, **kwargs)
        self.blocks = blocks
        self.activation = keras.activations.get(activation)
        self.normalization = normalization
        self.causal = causal

    def get_config(self):
        return {
            **super().get_config(),
            "blocks": self.blocks,
            "activation": keras.activations.serialize(self.activation),
            "normalization": self.normalization,
            "causal": self.causal,
        }


def _check_blocks(blocks):
    for block in blocks:
        if (
            len(block) != 6
            or not all(isinstance(size, int) and size > 0 for size in block[:5])
            or not 0 <= block[5] < 1
        ):
            raise ValueError(
                "A block is (filters, kernel_size, repeat, strides, dilation_rate, dropout): five positive integers "
                f"and a dropout rate in [0, 1). Received: {block!r}."
            )
    return tuple((*block[:5], float(block[5])) for block in blocks)


@keras.saving.register_keras_serializable(package="s2s_keras")
class Wav2LetterPlus(Wav2Letter):
    """Wav2Letter+, which halves the frame rate and dilates its last wide convolution: 106,496,285 parameters.

    LibriSpeech WER published for it, greedy: 6.67 dev-clean, 18.67 dev-other, 6.58 test-clean, 19.61 test-other.
    """

    def __init__(self, blocks=WAV2LETTER_PLUS, **kwargs):
        super().__init__(blocks=blocks, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class Wav2LetterLarge(Wav2Letter):
    """The original's Wav2Letter, a logit for every frame of features: 105,774,877 parameters."""

    def __init__(self, blocks=WAV2LETTER_LARGE, **kwargs):
        super().__init__(blocks=blocks, **kwargs)
