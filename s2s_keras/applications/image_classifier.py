"""Classes of pictures."""

import keras
import numpy as np
from keras import ops

from s2s_keras.applications.application import Application, as_object
from s2s_keras.applications.classifier import Classifier, softmax
from s2s_keras.applications.pictures import as_picture
from s2s_keras.applications.speech_input import apply_encoder, check_keywords

POOLINGS = ("mean", "flatten")


@keras.saving.register_keras_serializable(package="s2s_keras")
class ImageClassifier(Classifier):
    """A classifier of pictures: the base of ResNet and the like.

    The first layer normalizes pixels, so that the model, an exported one too, takes them as files have them. By itself
    it makes a classifier of any layers.

    Args:
        encoder: list of layers, applied one after the other: (B, H, W, C) -> (B, H', W', C'); or a model with
            `include_top=False`, which brings `image_shape`, `mean` and `deviation`. A subclass may give a callable
            that makes a Keras tensor of another; its own config then says how.
        labels: sequence of str, the names of the classes in the order of the logits, or None.
        num_classes: int, without `labels`.
        include_top: bool. False gives the encoder: its output is (B, H', W', C').
        image_shape: (height, width, channels) of the pictures; 1 channel is gray, 3 are red, green and blue.
        mean: float or sequence of one float per channel, subtracted from the pixels, which are from 0 to 255.
        deviation: float or sequence likewise, by which they are divided then.
        pooling: "mean" over the picture, or "flatten".
        dropout: float, rate below the logits.
        mirror: bool. True for pictures whose mirror images, left for right, are as good: outside training the logits
            are the mean over both, for twice the work. An encoder without a head sees the picture alone.
        shift: int, pixels. Above 0 that mean is also over the picture moved by up to so many, black coming in, for
            (2 `shift` + 1) ** 2 times the work.
        dtype: dtype policy. Normalization, pooling and logits are float32 under every policy.
        **kwargs: `name` and `trainable`.

    Inputs:
        Pixels from 0 to 255, (B, height, width, channels), floats or uint8.

    Outputs:
        Logits, float32 (B, num_classes): train with `SparseCategoricalCrossentropy(from_logits=True)`.

    Raises:
        ValueError: `image_shape` is not one, or `mean`, `deviation`, `pooling` or `shift` does not fit.

    Example:

    >>> convolution = keras.layers.Conv2D(4, 3, activation="relu")
    >>> model = ImageClassifier([convolution], labels=("cat", "dog"), image_shape=(8, 8, 1))
    >>> model.output_shape
    (None, 2)
    """

    def __init__(
        self,
        encoder,
        labels=None,
        num_classes=None,
        include_top=True,
        image_shape=(224, 224, 3),
        mean=127.5,
        deviation=127.5,
        pooling="mean",
        dropout=0.0,
        mirror=False,
        shift=0,
        dtype=None,
        **kwargs,
    ):
        check_keywords(self, kwargs)
        if not isinstance(shift, int) or shift < 0:
            raise ValueError(f"`shift` is a number of pixels, 0 or more. Received: shift={shift!r}.")
        if pooling not in POOLINGS:
            raise ValueError(f'`pooling` is "mean" or "flatten". Received: pooling={pooling!r}.')
        if not callable(encoder) or isinstance(encoder, dict):
            encoder = as_object(encoder)
            encoder = encoder if isinstance(encoder, Application) else [as_object(layer) for layer in encoder]
        if is_model := isinstance(encoder, Application):
            image_shape, mean, deviation = encoder.image_shape, encoder.mean, encoder.deviation
        image_shape = _check_shape(image_shape)
        mean, deviation = (
            _per_channel(n, v, image_shape[-1]) for n, v in {"mean": mean, "deviation": deviation}.items()
        )
        if not np.all(np.asarray(deviation) > 0.0):
            raise ValueError(f"`deviation` divides the pixels: it is positive. Received: deviation={deviation!r}.")
        inputs = x = keras.Input(image_shape, name="image", dtype="float32")
        views = (1 + bool(mirror)) * (2 * shift + 1) ** 2 if include_top else 1
        if views > 1:
            x = _Views(mirror, shift, dtype="float32", name="views")(x)
        if not is_model:
            scale = (1.0 / np.asarray(deviation)).tolist()
            offset = (-np.asarray(mean) / np.asarray(deviation)).tolist()
            x = keras.layers.Rescaling(scale, offset, dtype="float32", name="normalization")(x)
        encoded = apply_encoder(encoder, x)

        def pool(x):
            layer = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pooling", data_format="channels_last")
            if pooling == "flatten":
                layer = keras.layers.Flatten(dtype=dtype, name="pooling", data_format="channels_last")
            return _MeanOverViews(views, dtype="float32", name="mean_over_views")(layer(x)) if views > 1 else layer(x)

        super().__init__(inputs, encoded, pool, labels, num_classes, include_top, dropout, dtype=dtype, **kwargs)
        if type(self) is ImageClassifier:
            self.encoder = encoder
        self.image_shape = image_shape
        self.mean = mean
        self.deviation = deviation
        self.pooling = pooling
        self.mirror = mirror
        self.shift = shift

    def classify(self, image, batch_size=32, top_k=None):
        """The class of pictures.

        A picture of another size is scaled until it covers `image_shape` and cut to its middle; colours become gray, or
        gray colours, where the model wants so.

        Args:
            image: a path, an array (H, W), (H, W, 1) or (H, W, 3) of pixels from 0 to 255, uint8 or floats, or a list
                of either. An array (N, H, W, C) is a list, too.
            batch_size: int, pictures at a time. The answer does not depend on it.
            top_k: int or None. A number gives a list of so many `Classification`, the most likely first.

        Returns:
            `Classification` (label, probability), or a list of `top_k` of them; a list of either, in the order of
            `image`, if that is a list.

        Raises:
            ValueError: the model has no head, a picture cannot be read, or an array is none.

        Example:

        >>> model = ImageClassifier([keras.layers.Conv2D(4, 3)], labels=("cat", "dog"), image_shape=(8, 8, 1))
        >>> label, probability = model.classify(np.zeros((10, 12), "uint8"))
        >>> label in ("cat", "dog"), 0.5 <= probability <= 1.0
        (True, True)
        """
        single = not isinstance(image, (list, tuple)) and getattr(image, "ndim", 0) != 4
        found = self.best_classes(self.probabilities([image] if single else image, batch_size), top_k)
        return found[0] if single else found

    def probabilities(self, images, batch_size=32):
        """The probability of every class.

        Args:
            images: list of paths and arrays, as for `classify`.
            batch_size: int, as for `classify`.

        Returns:
            float64 (number of pictures, num_classes).

        Raises:
            ValueError: as `classify`.
        """
        if not self.include_top:
            raise ValueError(
                f"To classify a model needs the head. Received: include_top={self.include_top}. Build the model with "
                "include_top=True."
            )
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be 1 or more. Received: batch_size={batch_size}.")
        logits = np.zeros((len(images), self.num_classes), "float32")
        rows = min(batch_size, len(images))
        for start in range(0, len(images), batch_size):
            chunk = [as_picture(picture, self.image_shape) for picture in images[start : start + batch_size]]
            batch = np.zeros((rows, *self.image_shape), "float32")  # always full: one compiled shape
            batch[: len(chunk)] = chunk
            logits[start : start + len(chunk)] = np.asarray(self.predict_on_batch(batch))[: len(chunk)]
        return softmax(logits)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        own = {}
        if type(self) is ImageClassifier:
            is_model = isinstance(self.encoder, Application)
            own = {"encoder": serialize(self.encoder) if is_model else list(map(serialize, self.encoder))}
        return {
            **super().get_config(),
            **own,
            "image_shape": self.image_shape,
            "mean": self.mean,
            "deviation": self.deviation,
            "pooling": self.pooling,
            "mirror": self.mirror,
            "shift": self.shift,
        }


class _Views(keras.layers.Layer):
    """Pictures (B, H, W, C); outside training all of them moved and mirrored in every way, one way after the other."""

    def __init__(self, mirror, shift, **kwargs):
        super().__init__(**kwargs)
        self.mirror = mirror
        self.shift = shift

    def call(self, images, training=False):
        if training:
            return images
        views, (height, width) = [images], images.shape[1:3]
        if self.shift:
            around, steps = [self.shift, self.shift], range(2 * self.shift + 1)
            padded = ops.pad(images, [[0, 0], around, around, [0, 0]])
            views = [padded[:, down : down + height, right : right + width] for down in steps for right in steps]
        if self.mirror:
            views += [ops.flip(view, axis=2) for view in views]
        return ops.concatenate(views, axis=0)

    def compute_output_shape(self, input_shape):
        return (None, *input_shape[1:])


class _MeanOverViews(keras.layers.Layer):
    """Features (B, C); outside training those of all views, (views * B, C), become their mean (B, C).

    The logits are linear in the features: theirs is the mean, too.
    """

    def __init__(self, views, **kwargs):
        super().__init__(**kwargs)
        self.views = views

    def call(self, features, training=False):
        if training:
            return features
        return ops.mean(ops.reshape(features, (self.views, -1, features.shape[-1])), axis=0)

    def compute_output_shape(self, input_shape):
        return (None, *input_shape[1:])


def _check_shape(image_shape):
    shape = tuple(image_shape)
    if len(shape) != 3 or not all(isinstance(size, int) and size > 0 for size in shape):
        raise ValueError(
            f"`image_shape` is (height, width, channels), positive integers. Received: image_shape={image_shape!r}."
        )
    return shape


def _per_channel(name, value, channels):
    """A float, or a tuple of one per channel."""
    if np.ndim(value) == 0:
        return float(value)
    if np.shape(value) != (channels,):
        raise ValueError(
            f"`{name}` is a number, or one for each of the {channels} channels of `image_shape`. "
            f"Received: {name}={value!r}."
        )
    return tuple(float(number) for number in value)
