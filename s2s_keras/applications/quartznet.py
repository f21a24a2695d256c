"""QuartzNet: Jasper's blocks with depthwise-separable convolutions and few parameters."""

import keras

from s2s_keras.applications.ctc_recognizer import CTCRecognizer
from s2s_keras.layers import JasperBlock

# (filters, kernel size): table 1 of the paper.
QUARTZNET_5 = ((256, 33), (256, 39), (512, 51), (512, 63), (512, 75))
QUARTZNET_10 = tuple(block for block in QUARTZNET_5 for _ in range(2))
QUARTZNET_15 = tuple(block for block in QUARTZNET_5 for _ in range(3))


@keras.saving.register_keras_serializable(package="s2s_keras")
class QuartzNet(CTCRecognizer):
    """A CTC recognizer of depthwise-separable convolutions in residual blocks.

    Args:
        blocks: tuple of (filters, kernel_size), the residual blocks.
        repeat: int, convolutions per block.
        prologue: (filters, kernel_size), or a tuple of them. Each halves the frame rate.
        epilogue: (filters, kernel_size), the last separable block, dilated by 2.
        head_filters: int, of the ordinary convolution of kernel size 1 before the logits.
        residual: "separable", as OpenSeq2Seq built it: projections are separable and the epilogue has one too; or
            "pointwise", as in NeMo: ordinary projections, none on the epilogue.
        dropout: float, after every activation.
        drop_block: float, the probability that a training step drops the convolutions of a block.
        activation: Keras activation.
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

    >>> model = QuartzNet(blocks=((16, 5),), repeat=2, prologue=(16, 5), epilogue=(16, 5), head_filters=16)
    >>> model.output_shape
    (None, None, 29)

    Reference:
        - [QuartzNet](https://arxiv.org/abs/1910.10261). Batch normalization counts real frames only; blank is token 0.
    """

    def __init__(
        self,
        blocks=QUARTZNET_15,
        repeat=5,
        prologue=(256, 33),
        epilogue=(512, 87),
        head_filters=1024,
        residual="separable",
        dropout=0.0,
        drop_block=0.0,
        activation="relu",
        normalization="batch",
        symmetric_padding=False,
        causal=False,
        **kwargs,
    ):
        if residual not in ("separable", "pointwise"):
            raise ValueError(f'`residual` must be "separable" or "pointwise". Received: residual={residual!r}.')
        blocks = tuple(tuple(block) for block in blocks)
        prologue = (tuple(prologue),) if isinstance(prologue[0], int) else tuple(tuple(block) for block in prologue)
        epilogue = tuple(epilogue)
        separable = residual == "separable"
        common = {
            "activation": activation,
            "normalization": normalization,
            "dropout": dropout,
            "causal": causal,
            "dtype": kwargs.get("dtype"),
        }
        projected = {**common, "separable": True, "pointwise_residual": not separable}

        def encode(x):
            for n, block in enumerate(prologue):
                padding = block[1] // 2 if symmetric_padding and not causal else None
                x = JasperBlock(*block, strides=2, left_padding=padding, name=f"prologue_{n}", **projected)(x)
            for n, block in enumerate(blocks):
                layer = JasperBlock(
                    *block, repeat=repeat, num_residuals=1, drop_block=drop_block, name=f"block_{n}", **projected
                )
                x = layer([x, x])
            layer = JasperBlock(
                *epilogue, dilation_rate=2, num_residuals=int(separable), name="epilogue_0", **projected
            )
            x = layer([x, x] if separable else x)
            return JasperBlock(head_filters, 1, name="epilogue_1", **common)(x)

        super().__init__(encode, **kwargs)
        self.blocks = blocks
        self.repeat = repeat
        self.prologue = prologue
        self.epilogue = epilogue
        self.head_filters = head_filters
        self.residual = residual
        self.dropout = dropout
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
            "head_filters": self.head_filters,
            "residual": self.residual,
            "dropout": self.dropout,
            "drop_block": self.drop_block,
            "activation": keras.activations.serialize(self.activation),
            "normalization": self.normalization,
            "symmetric_padding": self.symmetric_padding,
            "causal": self.causal,
        }


@keras.saving.register_keras_serializable(package="s2s_keras")
class QuartzNet15x5(QuartzNet):
    """QuartzNet of 15 blocks of 5: 19,193,949 parameters; 18,924,381 with `residual="pointwise"`, as in the paper."""

    def __init__(self, blocks=QUARTZNET_15, repeat=5, **kwargs):
        super().__init__(blocks=blocks, repeat=repeat, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class QuartzNet10x5(QuartzNet):
    """QuartzNet of 10 blocks of 5: 12,818,781 parameters with `residual="pointwise"`, as in the paper."""

    def __init__(self, blocks=QUARTZNET_10, repeat=5, **kwargs):
        super().__init__(blocks=blocks, repeat=repeat, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class QuartzNet5x5(QuartzNet):
    """QuartzNet of 5 blocks of 5: 6,713,181 parameters with `residual="pointwise"`, as in the paper."""

    def __init__(self, blocks=QUARTZNET_5, repeat=5, **kwargs):
        super().__init__(blocks=blocks, repeat=repeat, **kwargs)
