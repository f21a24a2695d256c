"""Attention that knows how much it has looked at a frame."""

import keras
from keras import ops

from s2s_keras.layers.bahdanau_attention import BahdanauAttention


@keras.saving.register_keras_serializable(package="s2s_keras")
class CoverageAttention(BahdanauAttention):
    """Additive attention with coverage: v . tanh(W query + M memory + u fertility(query) sum of earlier alignments).

    Args:
        units: int, channels in which query, memory and coverage are compared.
        normalize: bool, as in `BahdanauAttention`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of query, float (B, Q); state, float32 (B, T); and what `prepare` returned.

    Returns:
        Tuple of context, float (B, C); alignment, float32 (B, T); and the next state, float32 (B, T), the sum of all
        alignments.

    Example:

    >>> import numpy as np
    >>> attention = CoverageAttention(4)
    >>> memory = attention.prepare(np.ones((1, 5, 2), "float32"))
    >>> query, state = np.ones((1, 3), "float32"), attention.initial_state(memory)
    >>> context, alignment, state = attention([query, state, memory])
    >>> bool(ops.all(state == alignment))
    True

    Reference:
        - [Modeling coverage for neural machine translation](https://arxiv.org/abs/1601.04811), which divides by the
          fertility where this multiplies, as OpenSeq2Seq's "zhaopeng" does. That sums the fertility over the batch;
          here other utterances change nothing.
    """

    def build_scores(self, query_shape):
        super().build_scores(query_shape)
        self.fertility_v = self.add_weight((query_shape[-1],), "glorot_uniform", name="fertility_v")
        self.coverage_kernel = self.add_weight((1, self.units), "glorot_uniform", name="coverage_kernel")

    def fertility(self, query):
        """How many looks a frame of the memory is good for, float32 (B, 1)."""
        products = ops.cast(query, "float32") * ops.cast(self.fertility_v, "float32")
        return ops.sigmoid(ops.sum(products, axis=-1, keepdims=True))

    def scores(self, query, state, memory):
        coverage = ops.cast(self.fertility(query) * state, self.compute_dtype)
        coverage = coverage[..., None] * ops.cast(self.coverage_kernel, self.compute_dtype)
        return self.compare(memory["keys"] + self.query_layer(query)[:, None] + coverage)

    def next_state(self, state, alignment):
        return state + alignment
