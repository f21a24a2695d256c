"""CifarNV: a plain convolutional network for small pictures."""

import keras

from s2s_keras.applications._picture_layers import Conv2D, MaxPooling2D
from s2s_keras.applications.image_classifier import ImageClassifier
from s2s_keras.layers import MaskedBatchNormalization


@keras.saving.register_keras_serializable(package="s2s_keras")
class CifarNV(ImageClassifier):
    """Three stacks of convolutions for pictures of CIFAR-10: 2,617,994 parameters with 10 classes.

    Args:
        filters: tuple of int: of all but the last, stacks of three convolutions of size 3, the third with batch
            normalization, then max pooling; of the last, a convolution of size 3 and one of size 1.
        image_shape: (height, width, channels) of the pictures. The original cut 28 x 28 pixels out of 36 x 36.
        **kwargs: `labels`, `num_classes`, `include_top`, `mean`, `deviation`, `pooling`, `dropout`, `mirror`, `shift`
            and `dtype` of `ImageClassifier`, and `name`.

    Inputs:
        Pixels from 0 to 255, (B, height, width, channels).

    Outputs:
        Logits, float32 (B, num_classes).

    Example:

    >>> CifarNV((16, 24), num_classes=10, image_shape=(12, 12, 3)).output_shape
    (None, 10)

    Reference:
        OpenSeq2Seq's configuration cifar-nv. It standardized every picture by its own mean and deviation before the
        network: `s2s_keras.data.Standardize` does so, with `mean=0.0, deviation=1.0` here.
    """

    def __init__(self, filters=(128, 256, 320), image_shape=(28, 28, 3), **kwargs):
        filters, dtype = tuple(filters), kwargs.get("dtype")
        common = {"padding": "same", "data_format": "channels_last", "dtype": dtype}

        def encode(x):
            for n, width in enumerate(filters[:-1]):
                for m in range(2):
                    name = f"stack_{n}_convolution_{m}"
                    x = Conv2D(width, 3, activation="relu", name=name, **common)(x)
                x = Conv2D(width, 3, use_bias=False, name=f"stack_{n}_convolution_2", **common)(x)
                x = MaskedBatchNormalization(0.9, 1e-4, dtype=dtype, name=f"stack_{n}_normalization")(x)
                x = keras.layers.Activation("relu", dtype=dtype, name=f"stack_{n}_activation")(x)
                x = MaxPooling2D(3, 2, name=f"stack_{n}_pool", **common)(x)
            for m, size in enumerate((3, 1)):
                name = f"stack_{len(filters) - 1}_convolution_{m}"
                x = Conv2D(filters[-1], size, activation="relu", name=name, **common)(x)
            return x

        super().__init__(encode, image_shape=image_shape, **kwargs)
        self.filters = filters

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}
