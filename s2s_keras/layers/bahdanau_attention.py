"""Additive attention."""

import keras
from keras import ops

from s2s_keras.layers.step_attention import StepAttention


@keras.saving.register_keras_serializable(package="s2s_keras")
class BahdanauAttention(StepAttention):
    """Additive attention: v . tanh(W query + M memory).

    Args:
        units: int, channels in which query and memory are compared.
        normalize: bool. v is g v / |v| with a learned gain g, and a learned offset is added before the tanh.
        use_bias: bool. The learned offset without the normalization.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of query, float (B, Q); state, float32 (B, T); and what `prepare` returned.

    Returns:
        Tuple of context, float (B, C); alignment, float32 (B, T); and the next state, which is the alignment.

    Example:

    >>> import numpy as np
    >>> attention = BahdanauAttention(4)
    >>> memory = attention.prepare(np.ones((1, 3, 2), "float32"), mask=np.array([[True, True, False]]))
    >>> query = np.ones((1, 5), "float32")
    >>> context, alignment, state = attention([query, attention.initial_state(memory), memory])
    >>> ops.convert_to_numpy(context).tolist(), ops.convert_to_numpy(alignment).tolist()
    ([[1.0, 1.0]], [[0.5, 0.5, 0.0]])

    Reference:
        - [Neural machine translation by jointly learning to align and translate](https://arxiv.org/abs/1409.0473);
          weight normalization as in [Salimans and Kingma](https://arxiv.org/abs/1602.07868). Numbers are those of
          TensorFlow 1's `BahdanauAttention`.
    """

    def __init__(self, units, normalize=False, use_bias=False, **kwargs):
        super().__init__(units, **kwargs)
        self.normalize = normalize
        self.use_bias = use_bias
        self.query_layer = self._dense("query_layer")

    def build_scores(self, query_shape):
        self.query_layer.build(query_shape)
        self.v = self.add_weight((self.units,), "glorot_uniform", name="attention_v")
        if self.normalize:
            gain = keras.initializers.Constant(self.units**-0.5)
            self.gain = self.add_weight((), gain, name="attention_g")
        if self.normalize or self.use_bias:
            self.offset = self.add_weight((self.units,), "zeros", name="attention_b")

    def scores(self, query, state, memory):
        return self.compare(memory["keys"] + self.query_layer(query)[:, None])

    def compare(self, x):
        """Scores (B, T) of the sums (B, T, units) of projected query and memory."""
        v = ops.cast(self.v, "float32")
        if self.normalize:
            v = v * ops.cast(self.gain, "float32") * ops.rsqrt(ops.sum(ops.square(v)))
        if self.normalize or self.use_bias:
            x = x + ops.cast(self.offset, self.compute_dtype)
        return ops.matmul(ops.tanh(x), ops.cast(v, self.compute_dtype)[:, None])[..., 0]

    def get_config(self):
        return {**super().get_config(), "normalize": self.normalize, "use_bias": self.use_bias}
