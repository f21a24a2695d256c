"""ResNet: residual networks for pictures, as the original had them, and small ones."""

import keras

from s2s_keras.applications.image_classifier import ImageClassifier
from s2s_keras.layers import MaskedBatchNormalization

FILTERS = (64, 128, 256, 512)
LAYOUTS = ("original", "keras")
MOMENTUM = 0.997
EPSILON = 1.001e-5  # what TensorFlow's fused kernel makes of the original's 1e-5


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
        layout: "original", or "keras" for that of `keras.applications`: the last block of a stack strides, not the
            first of the next, which has less to compute; the first convolution has a bias, max pooling zeros around.
        **kwargs: `labels`, `num_classes`, `include_top`, `image_shape`, `mean`, `deviation`, `pooling`, `dropout` and
            `dtype` of `ImageClassifier`, and `name`.

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
        layout="original",
        **kwargs,
    ):
        blocks, filters, strides, stem = tuple(blocks), tuple(filters), tuple(strides), tuple(stem)
        if not len(blocks) == len(filters) == len(strides):
            raise ValueError(
                "`blocks`, `filters` and `strides` have one number for each stack. Received: "
                f"blocks={blocks}, filters={filters}, strides={strides}."
            )
        if version not in (1, 2) or layout not in LAYOUTS:
            raise ValueError(
                '`version` is 1 or 2, `layout` "original" or "keras". Received: '
                f"version={version!r}, layout={layout!r}."
            )
        build = _Builder(version, kwargs.get("dtype"))
        plan = _plan(blocks, filters, strides, late=layout == "keras")

        def encode(x):
            x = build.convolution(x, *stem, name="stem", use_bias=layout == "keras")
            x = build.activation(x, "stem") if version == 1 else x
            x = build.pool(x, layout) if stem_pool else x
            for name, width, stride, projected in plan:
                x = build.block(x, width, stride, bottleneck, projected, name)
            return build.activation(x, "final") if version == 2 else x

        super().__init__(encode, **kwargs)
        self.blocks = blocks
        self.filters = filters
        self.strides = strides
        self.bottleneck = bottleneck
        self.version = version
        self.stem = stem
        self.stem_pool = stem_pool
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
            "layout": self.layout,
        }


def _plan(blocks, filters, strides, late):
    """(name, filters, strides, whether there is a projection) of every block; `late`: who strides is the one before."""
    plan = []
    for n, (count, width, stride) in enumerate(zip(blocks, filters, strides, strict=True)):
        for m in range(count):
            entering = stride if m == 0 and not (late and n) else 1
            leaving = strides[n + 1] if late and m == count - 1 and n + 1 < len(strides) else 1
            plan.append((f"stack_{n}_block_{m}", width, entering * leaving, m == 0))
    return plan


class _Builder:
    """Layers of a residual network, named after what they belong to."""

    def __init__(self, version, dtype):
        self.version = version
        self.common = {"dtype": dtype}
        self.images = {"dtype": dtype, "data_format": "channels_last"}

    def convolution(self, x, filters, kernel_size, strides=1, name=None, use_bias=False):
        padding = "same"
        if strides > 1:  # by a fixed amount: "same" would depend on the size of the picture
            padding, before = "valid", (kernel_size - 1) // 2
            sides = (before, kernel_size - 1 - before)
            if kernel_size > 1:
                x = keras.layers.ZeroPadding2D((sides, sides), name=f"{name}_padding", **self.images)(x)
        return keras.layers.Conv2D(
            filters,
            kernel_size,
            strides,
            padding,
            use_bias=use_bias,
            kernel_initializer="he_normal",
            name=f"{name}_convolution",
            **self.images,
        )(x)

    def normalization(self, x, name):
        return MaskedBatchNormalization(MOMENTUM, EPSILON, name=f"{name}_normalization", **self.common)(x)

    def activation(self, x, name):
        x = self.normalization(x, name)
        return keras.layers.Activation("relu", name=f"{name}_activation", **self.common)(x)

    def pool(self, x, layout):
        padding = "same"
        if layout == "keras":
            padding, x = "valid", keras.layers.ZeroPadding2D(1, name="stem_pool_padding", **self.images)(x)
        return keras.layers.MaxPooling2D(3, 2, padding, name="stem_pool", **self.images)(x)

    def block(self, x, filters, strides, bottleneck, projected, name):
        """Convolutions (filters, kernel size, strides), and the way around them."""
        sizes = ((filters, 3, strides), (filters, 3, 1))
        if bottleneck:
            sizes = ((filters, 1, 1), (filters, 3, strides), (4 * filters, 1, 1))
        shortcut = x
        if self.version == 2:
            x = self.activation(x, f"{name}_0")
        if projected:
            shortcut = self.convolution(x, sizes[-1][0], 1, strides, name=f"{name}_projection")
            if self.version == 1:
                shortcut = self.normalization(shortcut, f"{name}_projection")
        elif strides > 1:
            shortcut = keras.layers.MaxPooling2D(1, strides, name=f"{name}_shortcut", **self.images)(shortcut)
        for n, size in enumerate(sizes):
            x = self.convolution(x, *size, name=f"{name}_{n}")
            last = n == len(sizes) - 1
            if self.version == 1:
                x = self.normalization(x, f"{name}_{n}") if last else self.activation(x, f"{name}_{n}")
            elif not last:
                x = self.activation(x, f"{name}_{n + 1}")
        x = keras.layers.Add(name=f"{name}_sum", **self.common)([x, shortcut])
        return x if self.version == 2 else keras.layers.Activation("relu", name=f"{name}_activation", **self.common)(x)


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
