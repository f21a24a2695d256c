"""Jasper: convolutions with residual connections, trained with CTC."""

import keras

from s2s_keras.applications.ctc_recognizer import CTCRecognizer
from s2s_keras.layers import JasperBlock

DENSE_RESIDUAL, PLAIN_RESIDUAL = "dense", "plain"

# (filters, kernel size, dropout): table 1 of the paper; each row of the table is one block here.
JASPER_5 = ((256, 11, 0.2), (384, 13, 0.2), (512, 17, 0.2), (640, 21, 0.3), (768, 25, 0.3))
JASPER_10 = tuple(block for block in JASPER_5 for _ in range(2))
JASPER_MINI = tuple((filters, kernel_size, 0.0) for filters, kernel_size in
                    [(256, 11), (256, 11), (256, 13), (256, 13), (512, 17), (512, 17), (512, 21), (512, 21),
                     (512, 25), (512, 25)])  # fmt: skip


@keras.saving.register_keras_serializable(package="s2s_keras")
class Jasper(CTCRecognizer):
    """A CTC recognizer of 1-D convolutions in residual blocks.

    Args:
        blocks: tuple of (filters, kernel_size, dropout), the residual blocks.
        repeat: int or tuple of int, convolutions per block.
        prologue: (filters, kernel_size, dropout), or a tuple of them. Each halves the frame rate.
        epilogue: tuple of (filters, kernel_size, dropout). The first is dilated by `epilogue_dilation`.
        epilogue_dilation: int.
        residual: "dense" (every block adds the inputs of all blocks so far), "plain" (its own input) or None.
        separable: bool, depthwise-separable convolutions everywhere.
        drop_block: float, the probability that a training step drops the convolutions of a block.
        activation: Keras activation; `s2s_keras.ops.activations.clipped_relu` in the SGD recipes of the original.
        normalization: "batch", "layer", "instance", None, or a dict of `MaskedBatchNormalization` arguments.
        symmetric_padding: bool. The convolutions that stride have as many zero frames in front of the first frame as
            kernel taps before the middle one, as in NeMo, instead of one less.
        causal: bool. No convolution looks ahead: for streaming. Has no use for `symmetric_padding`.
        **kwargs: `vocabulary_size`, `tokenizer`, `include_top`, `front_end`, `num_mel_bins`, `spec_augment`, `dtype` of
            `CTCRecognizer`, and `name`.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples}; features with `front_end=None`.

    Outputs:
        Logits, float32 (B, T', V); T' = ceil(T / 2) for one prologue block.

    Example:

    >>> model = Jasper(blocks=((16, 5, 0.0),), repeat=1, prologue=(16, 5, 0.0), epilogue=((16, 1, 0.0),))
    >>> model.output_shape
    (None, None, 29)

    Reference:
        - [Jasper: An End-to-End Convolutional Neural Acoustic Model](https://arxiv.org/abs/1904.03288). Batch
          normalization counts real frames only, in training too; blank is token 0 instead of the last.
    """

    def __init__(
        self,
        blocks=JASPER_10,
        repeat=5,
        prologue=(256, 11, 0.2),
        epilogue=((896, 29, 0.4), (1024, 1, 0.4)),
        epilogue_dilation=2,
        residual=DENSE_RESIDUAL,
        separable=False,
        drop_block=0.0,
        activation="relu",
        normalization="batch",
        symmetric_padding=False,
        causal=False,
        **kwargs,
    ):
        blocks = check_blocks("blocks", blocks)
        repeats = (repeat,) * len(blocks) if isinstance(repeat, int) else tuple(repeat)
        if len(repeats) != len(blocks) or min(repeats, default=1) < 1:
            raise ValueError(
                f"`repeat` is one positive integer, or one for each of the {len(blocks)} blocks. Received: {repeat!r}."
            )
        if residual not in (DENSE_RESIDUAL, PLAIN_RESIDUAL, None):
            raise ValueError(f'`residual` must be "dense", "plain" or None. Received: residual={residual!r}.')
        prologue = check_blocks("prologue", prologue)
        epilogue = check_blocks("epilogue", epilogue)
        common = {
            "separable": separable,
            "activation": activation,
            "normalization": normalization,
            "causal": causal,
            "dtype": kwargs.get("dtype"),
        }

        def encode(x):
            for n, block in enumerate(prologue):
                padding = block[1] // 2 if symmetric_padding and not causal else None
                name = f"prologue_{n}"
                x = JasperBlock(*block[:2], strides=2, dropout=block[2], left_padding=padding, name=name, **common)(x)
            earlier = []
            for n, (filters, kernel_size, dropout) in enumerate(blocks):
                earlier = {DENSE_RESIDUAL: [*earlier, x], PLAIN_RESIDUAL: [x], None: []}[residual]
                layer = JasperBlock(
                    filters,
                    kernel_size,
                    repeat=repeats[n],
                    dropout=dropout,
                    num_residuals=len(earlier),
                    drop_block=drop_block,
                    name=f"block_{n}",
                    **common,
                )
                x = layer([x, *earlier] if earlier else x)
            for n, (filters, kernel_size, dropout) in enumerate(epilogue):
                dilation_rate = epilogue_dilation if n == 0 else 1
                name = f"epilogue_{n}"
                x = JasperBlock(
                    filters, kernel_size, dilation_rate=dilation_rate, dropout=dropout, name=name, **common
                )(x)
            return x

        super().__init__(encode, **kwargs)
        self.blocks = blocks
        self.repeat = repeat
        self.prologue = prologue
        self.epilogue = epilogue
        self.epilogue_dilation = epilogue_dilation
        self.residual = residual
        self.separable = separable
        self.drop_block = drop_block
        self.activation = keras.activations.get(activation)
        self.normalization = normalization
        self.symmetric_padding = symmetric_padding
        self.causal = causal

    def get_config(self):
        return {
            **super().get_config(),
            "blocks": self.blocks,
            "repeat": self.repeat,
            "prologue": self.prologue,
            "epilogue": self.epilogue,
            "epilogue_dilation": self.epilogue_dilation,
            "residual": self.residual,
            "separable": self.separable,
            "drop_block": self.drop_block,
            "activation": keras.activations.serialize(self.activation),
            "normalization": self.normalization,
            "symmetric_padding": self.symmetric_padding,
            "causal": self.causal,
        }


def check_blocks(name, blocks):
    """Blocks as a tuple of (filters, kernel_size, dropout); a single one is wrapped."""
    blocks = tuple(blocks)
    if len(blocks) == 3 and all(isinstance(value, (int, float)) for value in blocks):
        blocks = (blocks,)
    for block in blocks:
        if len(block) != 3 or not isinstance(block[0], int) or not isinstance(block[1], int) or not 0 <= block[2] < 1:
            raise ValueError(
                f"`{name}` holds (filters, kernel_size, dropout) with integers and a dropout rate in [0, 1). "
                f"Received: {block!r}."
            )
    return tuple((filters, kernel_size, float(dropout)) for filters, kernel_size, dropout in blocks)


@keras.saving.register_keras_serializable(package="s2s_keras")
class Jasper10x5(Jasper):
    """Jasper of 10 blocks of 5 convolutions: 332,632,349 parameters; 322,286,877 with `residual="plain"`.

    LibriSpeech WER published for it, greedy: 3.61 dev-clean, 11.36 dev-other, 3.77 test-clean, 11.08 test-other.
    """

    def __init__(self, blocks=JASPER_10, repeat=5, residual=DENSE_RESIDUAL, **kwargs):
        super().__init__(blocks=blocks, repeat=repeat, residual=residual, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class Jasper10x3(Jasper):
    """Jasper of 10 blocks of 3 convolutions: 200,500,509 parameters; 210,845,981 with `residual="dense"`."""

    def __init__(self, blocks=JASPER_10, repeat=3, residual=PLAIN_RESIDUAL, **kwargs):
        super().__init__(blocks=blocks, repeat=repeat, residual=residual, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class Jasper5x3(Jasper):
    """Jasper of 5 blocks of 3 convolutions: 107,681,053 parameters."""

    def __init__(self, blocks=JASPER_5, repeat=3, residual=PLAIN_RESIDUAL, **kwargs):
        super().__init__(blocks=blocks, repeat=repeat, residual=residual, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class JasperMini(Jasper):
    """The separable Jasper that the original made for small devices: 8,192,733 parameters."""

    def __init__(
        self,
        blocks=JASPER_MINI,
        repeat=3,
        prologue=(256, 11, 0.0),
        epilogue=((512, 29, 0.0), (1024, 1, 0.0)),
        residual=PLAIN_RESIDUAL,
        separable=True,
        **kwargs,
    ):
        super().__init__(
            blocks=blocks,
            repeat=repeat,
            prologue=prologue,
            epilogue=epilogue,
            residual=residual,
            separable=separable,
            **kwargs,
        )
