"""ResNet: residual networks for pictures, as the original had them, and small ones."""

import keras

from s2s_keras.applications.image_classifier import ImageClassifier

IMAGENET_MEAN = (123.68, 116.78, 103.94)
FILTERS = (64, 128, 256, 512)
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
        **kwargs,
    ):
        blocks, filters, strides, stem = tuple(blocks), tuple(filters), tuple(strides), tuple(stem)
        if not len(blocks) == len(filters) == len(strides):
            raise ValueError(
                "`blocks`, `filters` and `strides` have one number for each stack. Received: "
                f"blocks={blocks}, filters={filters}, strides={strides}."
            )
        if version not in (1, 2):
            raise ValueError(f"`version` is 1 or 2. Received: version={version!r}.")
        kwargs = {"mean": IMAGENET_MEAN, "image_shape": (224, 224, 3), **kwargs}
        if tuple(kwargs["image_shape"])[-1] != 3 and kwargs["mean"] == IMAGENET_MEAN:
            kwargs["mean"] = 127.5
        build = _Builder(kwargs.get("dtype"))

        def encode(x):
            x = build.convolution(x, *stem, name="stem")
            x = build.activation(x, "stem") if version == 1 else x
            if stem_pool:
                x = build.pool(x)
            block = build.bottleneck if bottleneck else build.basic
            for n, (count, width, stride) in enumerate(zip(blocks, filters, strides, strict=True)):
                for m in range(count):
                    name = f"stack_{n}_block_{m}"
                    x = block(x, width, stride if m == 0 else 1, version, projected=m == 0, name=name)
            return build.activation(x, "final") if version == 2 else x

        super().__init__(encode, **kwargs)
        self.blocks = blocks
        self.filters = filters
        self.strides = strides
        self.bottleneck = bottleneck
        self.version = version
        self.stem = stem
        self.stem_pool = stem_pool

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
        }


class _Builder:
    """Layers of a residual network, named after what they belong to."""

    def __init__(self, dtype):
        self.common = {"dtype": dtype}

    def convolution(self, x, filters, kernel_size, strides=1, name=None):
        padding = "same"
        if strides > 1:  # by a fixed amount: TensorFlow's "same" depends on the size of the picture
            before = (kernel_size - 1) // 2
            sides = (before, kernel_size - 1 - before)
            if kernel_size > 1:
                x = keras.layers.ZeroPadding2D(
                    (sides, sides), data_format="channels_last", name=f"{name}_padding", **self.common
                )(x)
            padding = "valid"
        return keras.layers.Conv2D(
            filters,
            kernel_size,
            strides,
            padding,
            use_bias=False,
            data_format="channels_last",
            kernel_initializer="he_normal",
            name=f"{name}_convolution",
            **self.common,
        )(x)

    def normalization(self, x, name):
        return keras.layers.BatchNormalization(
            momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}_normalization", **self.common
        )(x)

    def activation(self, x, name):
        x = self.normalization(x, name)
        return keras.layers.Activation("relu", name=f"{name}_activation", **self.common)(x)

    def pool(self, x):
        return keras.layers.MaxPooling2D(3, 2, "same", data_format="channels_last", name="stem_pool", **self.common)(x)

    def basic(self, x, filters, strides, version, projected, name):
        return self._block(x, ((filters, 3, strides), (filters, 3, 1)), version, projected, name)

    def bottleneck(self, x, filters, strides, version, projected, name):
        sizes = ((filters, 1, 1), (filters, 3, strides), (4 * filters, 1, 1))
        return self._block(x, sizes, version, projected, name)

    def _block(self, x, sizes, version, projected, name):
        strides, channels = max(size[2] for size in sizes), sizes[-1][0]
        shortcut = x
        if version == 2:
            x = self.activation(x, f"{name}_0")
        if projected:
            shortcut = self.convolution(x, channels, 1, strides, name=f"{name}_projection")
            if version == 1:
                shortcut = self.normalization(shortcut, f"{name}_projection")
        for n, (filters, kernel_size, stride) in enumerate(sizes):
            last = n == len(sizes) - 1
            x = self.convolution(x, filters, kernel_size, stride, name=f"{name}_{n}")
            if version == 1:
                x = self.normalization(x, f"{name}_{n}") if last else self.activation(x, f"{name}_{n}")
            elif not last:
                x = self.activation(x, f"{name}_{n + 1}")
        x = keras.layers.Add(name=f"{name}_sum", **self.common)([x, shortcut])
        if version == 1:
            x = keras.layers.Activation("relu", name=f"{name}_activation", **self.common)(x)
        return x
