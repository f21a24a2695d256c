"""A convolution that looks at a text."""

import keras
from keras import ops

from s2s_keras.layers.residual_conv1d import ResidualConv1D
from s2s_keras.layers.step_attention import IMPOSSIBLE

NORM_EPSILON = 1e-6


@keras.saving.register_keras_serializable(package="s2s_keras")
class CentaurBlock(keras.layers.Layer):
    """A causal convolution, attention with one head over a memory, and a dense layer, each added to its input.

    Args:
        units: int, channels.
        kernel_size: int, frames of the convolution.
        conv_dropout: float, rate dropped behind the convolution in training.
        dropout: float, rate dropped of alignments and behind attention and the dense layer in training.
        window: int, in inference step by step: how many tokens are looked at, from where the last step looked most.
            Attention then never goes back and skips little. None for all.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of x, float (B, S, units), and what `prepare` returned; or of the next x, float (B, units), that,
            and the state.
        training: bool.
        mask: list whose first is bool (B, S) or None, True at real steps.

    Returns:
        Tuple of float (B, S, units) and alignments, float32 (B, S, U); or of float (B, units), float32 (B, U) and the
        next state.

    Example:

    >>> import numpy as np
    >>> block = CentaurBlock(8, kernel_size=3)
    >>> block.build([(1, None, 8), {"values": (1, None, 4)}])
    >>> memory, x = block.prepare(np.ones((1, 5, 4), "float32")), np.ones((1, 6, 8), "float32")
    >>> y, alignment = block([x, memory])
    >>> tuple(y.shape), tuple(alignment.shape)
    ((1, 6, 8), (1, 6, 5))

    Reference: OpenSeq2Seq's Centaur; its dense layer has no activation.
    """

    def __init__(self, units, kernel_size=5, conv_dropout=0.5, dropout=0.1, window=None, **kwargs):
        super().__init__(autocast=False, **kwargs)  # alignments stay float32
        if window is not None and (not isinstance(window, int) or window < 1):
            raise ValueError(f"`window` must be 1 or more tokens, or None. Received: window={window!r}.")
        self.units = units
        self.kernel_size = kernel_size
        self.conv_dropout = conv_dropout
        self.dropout = dropout
        self.window = window
        self.supports_masking = True
        options = {"dtype": self.dtype_policy}
        self.convolution = ResidualConv1D(kernel_size, True, conv_dropout, name="convolution", **options)
        names = ("query", "key", "value", "output")
        dense = [keras.layers.Dense(units, use_bias=False, name=name, **options) for name in names]
        self.query_layer, self.key_layer, self.value_layer, self.output_layer = dense
        self.attention_norm, self.dense_norm = (
            keras.layers.LayerNormalization(epsilon=NORM_EPSILON, name=name, **options)
            for name in ("attention_norm", "dense_norm")
        )
        self.dense_layer = keras.layers.Dense(units, name="dense", **options)
        self.dropout_layer = keras.layers.Dropout(dropout, **options)

    def build(self, input_shape):
        """Takes the shapes of x and of the memory; of the latter "values" is enough."""
        memory_shape = input_shape[1]["values"]
        own = (self.convolution, self.query_layer, self.output_layer, self.dense_layer)
        for layer in (*own, self.attention_norm, self.dense_norm):
            layer.build((None, None, self.units))
        for layer in (self.key_layer, self.value_layer):
            layer.build(memory_shape)

    def prepare(self, memory, mask=None):
        """What attention makes of the memory, once.

        Args:
            memory: float (B, U, C).
            mask: bool (B, U) or None, True at what is real.

        Returns:
            Dict of "keys" and "values", float (B, U, units), and "mask".
        """
        mask = ops.ones_like(memory[..., 0], dtype="bool") if mask is None else mask
        return {"keys": self.key_layer(memory), "values": self.value_layer(memory), "mask": mask}

    def initial_state(self, memory):
        """The state before the first step: the "cache" of the convolution and the "place" that was looked at."""
        batch_size = ops.shape(memory["mask"])[0]
        cache = self.convolution.initial_cache(batch_size, self.units)
        return {"cache": cache, "place": ops.zeros((batch_size, 1), "int32")}

    def call(self, inputs, training=False, mask=None):
        x, memory, *state = inputs
        if not state:
            mask = mask[0] if isinstance(mask, (list, tuple)) else None
            x = self.convolution(x, training=training, mask=mask)
            return self._look(x, memory, memory["mask"][:, None], training)
        (state,) = state
        x, cache = self.convolution([x, state["cache"]])
        allowed = memory["mask"]
        if self.window is not None:
            tokens = ops.cumsum(ops.ones_like(allowed, "int32"), axis=1) - 1
            allowed = allowed & (tokens >= state["place"]) & (tokens < state["place"] + self.window)
        x, alignment = self._look(x[:, None], memory, allowed[:, None], training)
        _, place = ops.top_k(alignment[:, 0], 1)  # `argmax` has operations that ONNX does not have
        return x[:, 0], alignment[:, 0], {"cache": cache, "place": ops.cast(place, "int32")}

    def _look(self, x, memory, allowed, training):
        query = self.query_layer(self.attention_norm(x)) * self.units**-0.5
        scores = ops.cast(ops.matmul(query, ops.swapaxes(memory["keys"], 1, 2)), "float32")
        alignment = ops.softmax(ops.where(allowed, scores, IMPOSSIBLE), axis=-1)
        alignment = ops.where(allowed, alignment, 0.0)
        weights = self.dropout_layer(ops.cast(alignment, self.compute_dtype), training=training)
        y = self.output_layer(ops.matmul(weights, memory["values"]))
        x = x + self.dropout_layer(y, training=training)
        return x + self.dropout_layer(self.dense_layer(self.dense_norm(x)), training=training), alignment

    def compute_mask(self, inputs, mask=None):
        return None

    def get_config(self):
        names = ("units", "kernel_size", "conv_dropout", "dropout", "window")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
