"""How something is said, as a vector."""

import keras
from keras import ops

from s2s_keras.layers.masked_batch_normalization import MaskedBatchNormalization
from s2s_keras.layers.masked_conv2d import MaskedConv2D
from s2s_keras.layers.recurrent import GRU
from s2s_keras.ops.masks import apply_mask

REFERENCE_DIM = 128


@keras.saving.register_keras_serializable(package="s2s_keras")
class StyleEncoder(keras.layers.Layer):
    """Global style tokens: the style of a recording as a mixture of vectors that stand for styles.

    Args:
        filters: tuple of int, channels of each 3 x 3 convolution with stride 2.
        rnn_dim: int, channels of the GRU that reads their output.
        num_tokens: int, vectors of styles.
        style_dim: int, channels of the style and of each token, divisible by `num_heads`.
        num_heads: int, mixtures that are made beside each other.
        train_tokens: bool. False leaves the tokens at random, as the original did.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: float (B, T, F), mel spectrograms.
        training: bool.
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float (B, style_dim).

    Raises:
        ValueError: if `style_dim` is not divisible by `num_heads`.

    Example:

    >>> import numpy as np
    >>> encoder = StyleEncoder(filters=(4, 4), rnn_dim=4, num_tokens=3, style_dim=8, num_heads=2)
    >>> tuple(encoder(np.zeros((2, 9, 8), "float32")).shape), tuple(encoder.style_of([1.0, 0.0, 0.0]).shape)
    ((2, 8), (1, 8))

    Reference:
        - [Style tokens](https://arxiv.org/abs/1803.09017). The attention is OpenSeq2Seq's: additive, with one vector
          for all heads.
    """

    def __init__(
        self,
        filters=(32, 32, 64, 64, 128, 128),
        rnn_dim=128,
        num_tokens=32,
        style_dim=512,
        num_heads=8,
        train_tokens=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if style_dim % num_heads:
            raise ValueError(f"{num_heads} heads share `style_dim` evenly. Received: style_dim={style_dim}.")
        self.filters = tuple(filters)
        self.rnn_dim = rnn_dim
        self.num_tokens = num_tokens
        self.style_dim = style_dim
        self.num_heads = num_heads
        self.train_tokens = train_tokens
        self.supports_masking = True
        dtype = self.dtype_policy
        self.convolutions = [
            MaskedConv2D(channels, (3, 3), (2, 2), dtype=dtype, name=f"conv_{n}") for n, channels in enumerate(filters)
        ]
        self.normalizations = [
            MaskedBatchNormalization(epsilon=1e-5, dtype=dtype, name=f"norm_{n}") for n in range(len(self.filters))
        ]
        self.rnn = GRU(rnn_dim, reset_after=False, dtype=dtype, name="rnn")
        self.reference_layer = keras.layers.Dense(REFERENCE_DIM, "tanh", dtype=dtype, name="reference")
        self.query_layer, self.key_layer, self.value_layer, self.output_layer = (
            keras.layers.Dense(style_dim, use_bias=False, dtype=dtype, name=name)
            for name in ("query", "key", "value", "output")
        )

    def build(self, input_shape):
        shape = (*input_shape, 1)
        for convolution, normalization in zip(self.convolutions, self.normalizations, strict=True):
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
            normalization.build(shape)
        self.rnn.build((None, None, shape[2] * shape[3]))
        self.reference_layer.build((None, self.rnn_dim))
        self.query_layer.build((None, REFERENCE_DIM))
        for layer in (self.key_layer, self.value_layer, self.output_layer):
            layer.build((None, None, self.style_dim))
        uniform = keras.initializers.RandomUniform(-1.0, 1.0)
        options = {"trainable": self.train_tokens, "name": "tokens"}
        self.tokens = self.add_weight((self.num_tokens, self.style_dim), uniform, **options)
        self.attention_v = self.add_weight((self.style_dim // self.num_heads,), "glorot_uniform", name="attention_v")

    def call(self, inputs, training=False, mask=None):
        x = ops.expand_dims(apply_mask(ops.cast(inputs, self.compute_dtype), mask), -1)
        for convolution, normalization in zip(self.convolutions, self.normalizations, strict=True):
            x = convolution(x, mask=mask)
            mask = convolution.compute_mask(x, mask)
            x = ops.relu(normalization(x, training=training, mask=mask))
        x = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[2] * x.shape[3]))
        reference = self.reference_layer(self.rnn(x, mask=mask, training=training))
        query = self._heads(self.query_layer(reference)[:, None])
        key = self._heads(self.key_layer(ops.tanh(self.tokens))[None])
        scores = ops.sum(ops.tanh(ops.cast(self.attention_v, self.compute_dtype) * ops.tanh(key + query)), axis=-1)
        return self._mixed(ops.softmax(ops.cast(scores, "float32"), axis=1))

    def style_of(self, weights):
        """The style of given weights of the tokens.

        Args:
            weights: float (num_tokens,), for all heads.

        Returns:
            float (1, style_dim).
        """
        weights = ops.convert_to_tensor(weights, "float32")
        if tuple(weights.shape) != (self.num_tokens,):
            raise ValueError(
                f"There is one weight for each of {self.num_tokens} tokens. Received: shape {tuple(weights.shape)}."
            )
        return self._mixed(ops.tile(weights[None, :, None], (1, 1, self.num_heads)))

    def _heads(self, x):
        """(B, N, style_dim) to (B, N, heads, style_dim / heads)."""
        return ops.reshape(x, (*ops.shape(x)[:2], self.num_heads, self.style_dim // self.num_heads))

    def _mixed(self, weights):
        """The style of weights, float32 (B, num_tokens, num_heads)."""
        value = self._heads(self.value_layer(ops.tanh(self.tokens))[None])
        mixed = ops.sum(ops.cast(weights, self.compute_dtype)[..., None] * value, axis=1)
        return self.output_layer(ops.reshape(mixed, (-1, self.style_dim)))

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.style_dim)

    def get_config(self):
        names = ("filters", "rnn_dim", "num_tokens", "style_dim", "num_heads", "train_tokens")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
