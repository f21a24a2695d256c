"""Jasper for spoken commands, as OpenSeq2Seq had it."""

import keras

from s2s_keras.applications.speech_classifier import SpeechClassifier
from s2s_keras.layers import JasperBlock, MelPicture

# (filters, kernel size, strides, dilation rate, repeat, dropout); a repeated block has a residual connection.
JASPER_COMMANDS = (
    (256, 11, 2, 1, 1, 0.2),
    *((256, 11, 1, 1, 3, 0.2),) * 2,
    (384, 13, 2, 1, 1, 0.2),
    *((384, 13, 1, 1, 3, 0.2),) * 2,
    (512, 17, 2, 1, 1, 0.2),
    *((512, 17, 1, 1, 3, 0.2),) * 2,
    *((640, 21, 1, 1, 3, 0.3),) * 2,
    *((768, 25, 1, 1, 3, 0.3),) * 2,
    (896, 29, 1, 2, 1, 0.4),
    (1024, 1, 1, 1, 1, 0.4),
)


@keras.saving.register_keras_serializable(package="s2s_keras")
class JasperCommands(SpeechClassifier):
    """Jasper 10x3 with a classifier on top: 207,337,484 trainable parameters for 12 classes.

    Args:
        blocks: tuple of (filters, kernel_size, strides, dilation_rate, repeat, dropout), one after the other; where
            `repeat` is more than 1 the block has a residual connection.
        front_end: layer, "mel_picture" for a `MelPicture` of `num_mel_bins` frames and filters, or None.
        num_mel_bins: int, features per frame.
        pooling: "flatten", as in the original, which needs a fixed number of frames; or "mean".
        activation: Keras activation.
        **kwargs: `labels`, `num_classes`, `include_top`, `dropout`, `spec_augment`, `dtype` of `SpeechClassifier`, and
            `name`.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples}.

    Outputs:
        Logits, float32 (B, num_classes).

    Example:

    >>> small = JasperCommands(blocks=((8, 3, 2, 1, 1, 0.0), (8, 3, 1, 1, 2, 0.0)), num_mel_bins=16, num_classes=3)
    >>> small.output_shape
    (None, 3)

    Reference: OpenSeq2Seq's speech commands, which report 97.3 % on Speech Commands V1, 96.2 % on V1-12 and 95.1 % on
    V2. Padded frames are zeros there too, and batch normalization counts them.
    """

    def __init__(
        self,
        blocks=JASPER_COMMANDS,
        front_end="mel_picture",
        num_mel_bins=128,
        pooling="flatten",
        activation="relu",
        **kwargs,
    ):
        blocks = tuple(tuple(block) for block in blocks)
        if not all(len(block) == 6 for block in blocks):
            raise ValueError(
                "A block is (filters, kernel_size, strides, dilation_rate, repeat, dropout). "
                f"Received: {next(block for block in blocks if len(block) != 6)!r}."
            )
        if front_end == "mel_picture":
            front_end = MelPicture(num_mel_bins, name="front_end")

        def encode(x):
            for n, (filters, kernel_size, strides, dilation_rate, repeat, dropout) in enumerate(blocks):
                layer = JasperBlock(
                    filters,
                    kernel_size,
                    repeat=repeat,
                    strides=strides,
                    dilation_rate=dilation_rate,
                    dropout=dropout,
                    num_residuals=int(repeat > 1),
                    activation=activation,
                    dtype=kwargs.get("dtype"),
                    name=f"block_{n}",
                )
                x = layer([x, x] if repeat > 1 else x)
            return x

        super().__init__(encode, front_end=front_end, num_mel_bins=num_mel_bins, pooling=pooling, **kwargs)
        self.blocks = blocks
        self.activation = keras.activations.get(activation)

    def get_config(self):
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "blocks": self.blocks, "activation": activation}
