"""The bottleneck through which a decoder sees its own past."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="s2s_keras")
class Prenet(keras.layers.Layer):
    """Dense layers with ReLU and dropout that stays on in inference, between a decoder's last output and its next step.

    The dropout keeps a decoder from copying the last frame. It is drawn outside, by `draw`, so that a step of a loop
    draws nothing, and in inference it is the same for all rows of a batch: what is said does not depend on the batch.

    Args:
        units: int, channels of each layer.
        num_layers: int.
        dropout: float in [0, 1), rate dropped, in training and in inference.
        use_bias: bool.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: float (..., C), or a list of it and what `draw` returned for these positions.

    Returns:
        float (..., units).

    Raises:
        ValueError: if `dropout` is out of its range.

    Example:

    >>> import numpy as np
    >>> prenet = Prenet(8, dropout=0.5)
    >>> y = prenet([np.ones((2, 5, 4), "float32"), prenet.draw((1, 5))])
    >>> tuple(y.shape), bool(ops.all(y[0] == y[1]))
    ((2, 5, 8), True)

    Reference:
        - [Tacotron 2](https://arxiv.org/abs/1712.05884), section 2.2.
    """

    def __init__(self, units=256, num_layers=2, dropout=0.5, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}.")
        self.units = units
        self.num_layers = num_layers
        self.dropout = dropout
        self.use_bias = use_bias
        self.seed_generator = keras.random.SeedGenerator() if dropout else None
        options = {"activation": "relu", "use_bias": use_bias, "dtype": self.dtype_policy}
        self.layers = [keras.layers.Dense(units, name=f"dense_{n}", **options) for n in range(num_layers)]

    def build(self, input_shape):
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        for layer in self.layers:
            layer.build(shape)
            shape = (*shape[:-1], self.units)

    def draw(self, shape, rng=None):
        """What is multiplied with the outputs of the layers: 0 or 1 / (1 - dropout), or None without dropout.

        Args:
            shape: tuple of int, positions; 1 where positions share what is dropped.
            rng: `numpy.random.Generator`, for numbers that are the same on every backend. Default: the layer's own.

        Returns:
            float (*shape, num_layers * units), or None.
        """
        if not self.dropout:
            return None
        shape = (*shape, self.num_layers * self.units)
        if rng is not None:
            return (rng.random(shape, "float32") >= self.dropout).astype("float32") / (1.0 - self.dropout)
        drawn = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        return ops.cast(drawn >= self.dropout, self.compute_dtype) / (1.0 - self.dropout)

    def call(self, inputs):
        x, drawn = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        for n, layer in enumerate(self.layers):
            x = layer(x)
            if drawn is not None:
                x = x * ops.cast(drawn, self.compute_dtype)[..., n * self.units : (n + 1) * self.units]
        return x

    def compute_output_shape(self, input_shape):
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        return (*shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_layers": self.num_layers,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
        }
