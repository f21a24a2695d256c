"""MatchboxNet: QuartzNet's blocks for spoken commands, at 1 % of its size."""

import keras

from s2s_keras.applications.speech_classifier import SpeechClassifier
from s2s_keras.layers import MFCC, JasperBlock

MATCHBOXNET_3 = ((64, 13), (64, 15), (64, 17))


@keras.saving.register_keras_serializable(package="s2s_keras")
class MatchboxNet(SpeechClassifier):
    """A classifier of depthwise-separable convolutions in residual blocks, small enough for a microcontroller.

    Args:
        blocks: tuple of (filters, kernel_size), the residual blocks.
        repeat: int, convolutions per block.
        prologue: (filters, kernel_size).
        epilogue: (filters, kernel_size), dilated by 2.
        head_filters: int, of the last convolution, of kernel size 1.
        block_dropout: float, after every activation of the residual blocks.
        front_end: layer, "mfcc" for an `MFCC` of `num_mel_bins` coefficients in windows of 25 ms, or None.
        num_mel_bins: int, features per frame.
        **kwargs: `labels`, `num_classes`, `include_top`, `dropout`, `spec_augment`, `dtype` of `SpeechClassifier`, and
            `name`.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples}.

    Outputs:
        Logits, float32 (B, num_classes).

    Example:

    >>> MatchboxNet(labels=("no", "yes")).count_params()
    91074

    Reference:
        - [MatchboxNet](https://arxiv.org/abs/2004.08531). Batch normalization and the mean over time count real frames
          only. Its authors report 97.2 % on Speech Commands V2-35 for three blocks of two convolutions of 64 filters.
    """

    def __init__(
        self,
        blocks=MATCHBOXNET_3,
        repeat=2,
        prologue=(128, 11),
        epilogue=(128, 29),
        head_filters=128,
        block_dropout=0.0,
        front_end="mfcc",
        num_mel_bins=64,
        **kwargs,
    ):
        blocks, prologue, epilogue = tuple(tuple(block) for block in blocks), tuple(prologue), tuple(epilogue)
        common = {"normalization": {"momentum": 0.9, "epsilon": 1e-3}, "dtype": kwargs.get("dtype")}
        separable = {**common, "separable": True, "pointwise_residual": True}
        if front_end == "mfcc":
            front_end = MFCC(num_mel_bins, num_mel_bins=num_mel_bins, window_ms=25, name="front_end")

        def encode(x):
            x = JasperBlock(*prologue, name="prologue", **separable)(x)
            for n, block in enumerate(blocks):
                layer = JasperBlock(
                    *block, repeat=repeat, num_residuals=1, dropout=block_dropout, name=f"block_{n}", **separable
                )
                x = layer([x, x])
            x = JasperBlock(*epilogue, dilation_rate=2, name="epilogue_0", **separable)(x)
            return JasperBlock(head_filters, 1, name="epilogue_1", **common)(x)

        super().__init__(encode, front_end=front_end, num_mel_bins=num_mel_bins, **kwargs)
        self.blocks = blocks
        self.repeat = repeat
        self.prologue = prologue
        self.epilogue = epilogue
        self.head_filters = head_filters
        self.block_dropout = block_dropout

    def get_config(self):
        names = ("blocks", "repeat", "prologue", "epilogue", "head_filters", "block_dropout")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="s2s_keras")
class MatchboxNet3x2x64(MatchboxNet):
    """MatchboxNet of 3 blocks of 2 convolutions of 64 filters: 92,766 trainable parameters for 30 classes."""
