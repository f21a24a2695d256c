"""AlexNet: five convolutions and three dense layers."""

import keras

from s2s_keras.applications._picture_layers import Conv2D, MaxPooling2D
from s2s_keras.applications.image_classifier import ImageClassifier

# (filters, kernel_size, strides, padding, whether max pooling follows)
ONE_WEIRD_TRICK = (
    (64, 11, 4, "valid", True),
    (192, 5, 1, "same", True),
    (384, 3, 1, "same", False),
    (256, 3, 1, "same", False),
    (256, 3, 1, "same", True),
)


@keras.saving.register_keras_serializable(package="s2s_keras")
class AlexNet(ImageClassifier):
    """The first large convolutional network, in its form for one GPU: 61,100,840 parameters with 1000 classes.

    Args:
        convolutions: tuple of (filters, kernel_size, strides, padding, pool): the convolutions, each with a ReLU and,
            where `pool` is true, max pooling of 3 by 2.
        hidden_dims: tuple of int, units of the dense layers below the logits.
        dropout: float, rate after each of these layers.
        image_shape: (height, width, channels) of the pictures.
        **kwargs: `labels`, `num_classes`, `include_top`, `mean`, `deviation`, `mirror`, `shift` and `dtype` of
            `ImageClassifier`, and `name`.

    Inputs:
        Pixels from 0 to 255, (B, height, width, channels).

    Outputs:
        Logits, float32 (B, num_classes). Without the head, (B, 4096) of the last dense layer.

    Example:

    >>> small = (16, 5, 2, "valid", True), (24, 3, 1, "same", False)
    >>> AlexNet(small, hidden_dims=(32,), num_classes=10, image_shape=(32, 32, 3)).output_shape
    (None, 10)

    Reference:
        - [One weird trick](https://arxiv.org/abs/1404.5997). As in the original, pictures have 227 x 227 pixels.
    """

    def __init__(
        self,
        convolutions=ONE_WEIRD_TRICK,
        hidden_dims=(4096, 4096),
        dropout=0.5,
        image_shape=(227, 227, 3),
        **kwargs,
    ):
        convolutions, hidden_dims = tuple(tuple(each) for each in convolutions), tuple(hidden_dims)
        dtype = kwargs.get("dtype")
        common = {"data_format": "channels_last", "dtype": dtype}

        def encode(x):
            for n, (filters, kernel_size, strides, padding, pool) in enumerate(convolutions):
                layer = Conv2D(
                    filters, kernel_size, strides, padding, activation="relu", name=f"convolution_{n}", **common
                )
                x = layer(x)
                x = MaxPooling2D(3, 2, name=f"pool_{n}", **common)(x) if pool else x
            x = keras.layers.Flatten(name="flatten", **common)(x)
            for n, units in enumerate(hidden_dims):
                x = keras.layers.Dropout(dropout, dtype=dtype, name=f"dropout_{n}")(x) if n else x
                x = keras.layers.Dense(units, activation="relu", dtype=dtype, name=f"dense_{n}")(x)
            return x

        super().__init__(encode, pooling="flatten", dropout=dropout, image_shape=image_shape, **kwargs)
        self.convolutions = convolutions
        self.hidden_dims = hidden_dims

    def get_config(self):
        config = {**super().get_config(), "convolutions": self.convolutions, "hidden_dims": self.hidden_dims}
        config.pop("pooling")
        return config
