"""ResNet: residual networks for pictures, as the original had them, and small ones."""

import keras

from s2s_keras.applications._residual import residual_trunk
from s2s_keras.applications.image_classifier import ImageClassifier
from s2s_keras.applications.speech_classifier import SpeechClassifier
from s2s_keras.layers import MelPicture

FILTERS = (64, 128, 256, 512)


@keras.saving.register_keras_serializable(package="s2s_keras")
class ResNet(ImageClassifier):
    """A residual network for pictures.

    Args:
        blocks: tuple of int, the number of residual blocks of each stack.
        filters: tuple of int, filters of each stack, a quarter of its output channels with `bottleneck`.
        strides: tuple of int, by which the first block of each stack shrinks the picture.
        bottleneck: bool. A block is a convolution of size 1, one of size 3 and one of size 1; or two of size 3.
        version: 2 or 1: normalization and activation before each convolution, or after it.
        stem: (filters, kernel_size, strides) of the first convolution.
        stem_pool: bool, whether max pooling halves its output. False for small pictures.
        momentum: float, of batch normalization; less than the original's for a training of few steps.
        layout: "original", or "keras" for that of `keras.applications`: the last block of a stack strides, not the
            first of the next, which has less to compute; convolutions that no normalization follows have biases.
        **kwargs: `labels`, `num_classes`, `include_top`, `image_shape`, `mean`, `deviation`, `pooling`, `dropout`,
            `mirror`, `shift` and `dtype` of `ImageClassifier`, and `name`.

    Inputs:
        Pixels from 0 to 255, (B, height, width, channels).

    Outputs:
        Logits, float32 (B, num_classes).

    Raises:
        ValueError: `blocks`, `filters` and `strides` differ in length, or `version` is neither 1 nor 2.

    Example:

    >>> model = ResNet((1, 1), (8, 16), (1, 2), bottleneck=False, stem=(8, 3, 1), stem_pool=False, num_classes=10)
    >>> model.output_shape
    (None, 10)

    Reference:
        - [Deep residual learning](https://arxiv.org/abs/1512.03385), [identity mappings](https://arxiv.org/abs/1603.05027).
          As in the original, strided convolutions pad by a fixed amount, a bottleneck strides in its convolution of
          size 3, and the first block of every stack has a projection.
    """

    def __init__(
        self,
        blocks=(3, 4, 6, 3),
        filters=FILTERS,
        strides=(1, 2, 2, 2),
        bottleneck=True,
        version=2,
        stem=(64, 7, 2),
        stem_pool=True,
        momentum=0.997,
        layout="original",
        **kwargs,
    ):
        blocks, filters, strides, stem = tuple(blocks), tuple(filters), tuple(strides), tuple(stem)
        encode = residual_trunk(
            blocks, filters, strides, bottleneck, version, stem, stem_pool, momentum, layout, kwargs.get("dtype")
        )
        super().__init__(encode, **kwargs)
        self.blocks = blocks
        self.filters = filters
        self.strides = strides
        self.bottleneck = bottleneck
        self.version = version
        self.stem = stem
        self.stem_pool = stem_pool
        self.momentum = momentum
        self.layout = layout

    def get_config(self):
        return {
            **super().get_config(),
            "blocks": self.blocks,
            "filters": self.filters,
            "strides": self.strides,
            "bottleneck": self.bottleneck,
            "version": self.version,
            "stem": self.stem,
            "stem_pool": self.stem_pool,
            "momentum": self.momentum,
            "layout": self.layout,
        }


@keras.saving.register_keras_serializable(package="s2s_keras")
class ResNet18(ResNet):
    """ResNet of 18 layers: 11,691,816 parameters with 1000 classes."""

    def __init__(self, blocks=(2, 2, 2, 2), bottleneck=False, **kwargs):
        super().__init__(blocks=blocks, bottleneck=bottleneck, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class ResNet34(ResNet):
    """ResNet of 34 layers: 21,799,976 parameters with 1000 classes."""

    def __init__(self, blocks=(3, 4, 6, 3), bottleneck=False, **kwargs):
        super().__init__(blocks=blocks, bottleneck=bottleneck, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class ResNet50(ResNet):
    """ResNet of 50 layers: 25,549,352 parameters with 1000 classes."""

    def __init__(self, blocks=(3, 4, 6, 3), **kwargs):
        super().__init__(blocks=blocks, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class ResNet101(ResNet):
    """ResNet of 101 layers: 44,541,480 parameters with 1000 classes."""

    def __init__(self, blocks=(3, 4, 23, 3), **kwargs):
        super().__init__(blocks=blocks, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class ResNet152(ResNet):
    """ResNet of 152 layers: 60,185,128 parameters with 1000 classes."""

    def __init__(self, blocks=(3, 8, 36, 3), **kwargs):
        super().__init__(blocks=blocks, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class ResNet200(ResNet):
    """ResNet of 200 layers: 64,666,152 parameters with 1000 classes."""

    def __init__(self, blocks=(3, 24, 36, 3), **kwargs):
        super().__init__(blocks=blocks, **kwargs)


@keras.saving.register_keras_serializable(package="s2s_keras")
class ResNet50Commands(SpeechClassifier):
    """ResNet-50 on a picture of a spoken command: 23,518,668 parameters with 12 classes.

    Args:
        blocks, filters, strides, stem: as in `ResNet`.
        front_end: layer, or "mel_picture" for a `MelPicture` of `num_mel_bins` frames and filters.
        num_mel_bins: int, frames and filters of the picture.
        **kwargs: `labels`, `num_classes`, `include_top`, `dropout` and `dtype` of `SpeechClassifier`, and `name`.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples}.

    Outputs:
        Logits, float32 (B, num_classes).

    Example:

    >>> small = ResNet50Commands((1,), (4,), (1,), stem=(4, 3, 2), num_mel_bins=16, num_classes=3)
    >>> small.output_shape
    (None, 3)

    Reference: OpenSeq2Seq's speech commands, which report 97.3 % on Speech Commands V1, 96.6 % on V1-12 and 95.9 % on
    V2 with this network.
    """

    def __init__(
        self,
        blocks=(3, 4, 6, 3),
        filters=FILTERS,
        strides=(1, 2, 2, 2),
        stem=(64, 7, 2),
        front_end="mel_picture",
        num_mel_bins=120,
        **kwargs,
    ):
        blocks, filters, strides, stem = tuple(blocks), tuple(filters), tuple(strides), tuple(stem)
        if front_end == "mel_picture":
            front_end = MelPicture(num_mel_bins, name="front_end")
        trunk = residual_trunk(blocks, filters, strides, stem=stem, dtype=kwargs.get("dtype"))

        def encode(x):
            return trunk(keras.layers.Reshape((*x.shape[1:], 1), dtype=kwargs.get("dtype"), name="channel")(x))

        super().__init__(encode, front_end=front_end, num_mel_bins=num_mel_bins, **kwargs)
        self.blocks = blocks
        self.filters = filters
        self.strides = strides
        self.stem = stem

    def get_config(self):
        return {
            **super().get_config(),
            "blocks": self.blocks,
            "filters": self.filters,
            "strides": self.strides,
            "stem": self.stem,
        }
