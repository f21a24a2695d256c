"""The trunk of residual networks on pictures."""

import keras

from s2s_keras.applications._picture_layers import Conv2D, MaxPooling2D
from s2s_keras.layers import MaskedBatchNormalization

LAYOUTS = ("original", "keras")
MOMENTUM = 0.997
EPSILON = 1.001e-5  # what TensorFlow's fused kernel makes of the original's 1e-5


def residual_trunk(
    blocks,
    filters,
    strides,
    bottleneck=True,
    version=2,
    stem=(64, 7, 2),
    stem_pool=True,
    momentum=MOMENTUM,
    layout="original",
    dtype=None,
):
    """A callable from pictures (B, H, W, C), a Keras tensor, to what lies below the head; the arguments of `ResNet`."""
    if not len(blocks) == len(filters) == len(strides):
        raise ValueError(
            "`blocks`, `filters` and `strides` have one number for each stack. Received: "
            f"blocks={blocks}, filters={filters}, strides={strides}."
        )
    if version not in (1, 2) or layout not in LAYOUTS:
        raise ValueError(
            f'`version` is 1 or 2, `layout` "original" or "keras". Received: version={version!r}, layout={layout!r}.'
        )
    build = _Builder(version, momentum, layout == "keras" and version == 2, dtype)
    plan = _plan(blocks, filters, strides, late=layout == "keras")

    def encode(x):
        x = build.convolution(x, *stem, name="stem", use_bias=build.use_bias)
        x = build.activation(x, "stem") if version == 1 else x
        x = build.pool(x, layout) if stem_pool else x
        for name, width, stride, projected in plan:
            x = build.block(x, width, stride, bottleneck, projected, name)
        return build.activation(x, "final") if version == 2 else x

    return encode


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

    def __init__(self, version, momentum, use_bias, dtype):
        self.momentum = momentum
        self.use_bias = use_bias  # where no normalization follows
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
        return Conv2D(
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
        return MaskedBatchNormalization(self.momentum, EPSILON, name=f"{name}_normalization", **self.common)(x)

    def activation(self, x, name):
        x = self.normalization(x, name)
        return keras.layers.Activation("relu", name=f"{name}_activation", **self.common)(x)

    def pool(self, x, layout):
        padding = "same"
        if layout == "keras":
            padding, x = "valid", keras.layers.ZeroPadding2D(1, name="stem_pool_padding", **self.images)(x)
        return MaxPooling2D(3, 2, padding, name="stem_pool", **self.images)(x)

    def block(self, x, filters, strides, bottleneck, projected, name):
        """Convolutions (filters, kernel size, strides), and the way around them."""
        sizes = ((filters, 3, strides), (filters, 3, 1))
        if bottleneck:
            sizes = ((filters, 1, 1), (filters, 3, strides), (4 * filters, 1, 1))
        shortcut = x
        if self.version == 2:
            x = self.activation(x, f"{name}_0")
        if projected:
            shortcut = self.convolution(x, sizes[-1][0], 1, strides, name=f"{name}_projection", use_bias=self.use_bias)
            if self.version == 1:
                shortcut = self.normalization(shortcut, f"{name}_projection")
        elif strides > 1:
            shortcut = MaxPooling2D(1, strides, name=f"{name}_shortcut", **self.images)(shortcut)
        for n, size in enumerate(sizes):
            last = n == len(sizes) - 1
            x = self.convolution(x, *size, name=f"{name}_{n}", use_bias=last and self.use_bias)
            if self.version == 1:
                x = self.normalization(x, f"{name}_{n}") if last else self.activation(x, f"{name}_{n}")
            elif not last:
                x = self.activation(x, f"{name}_{n + 1}")
        x = keras.layers.Add(name=f"{name}_sum", **self.common)([x, shortcut])
        return x if self.version == 2 else keras.layers.Activation("relu", name=f"{name}_activation", **self.common)(x)
