"""Multiplicative attention."""

import keras
from keras import ops

from s2s_keras.layers.step_attention import StepAttention


@keras.saving.register_keras_serializable(package="s2s_keras")
class LuongAttention(StepAttention):
    """Multiplicative attention: query . M memory.

    Args:
        units: int, channels of the query, to which the memory is projected.
        scale: bool, whether scores are multiplied by a learned scalar.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of query, float (B, units); state, float32 (B, T); and what `prepare` returned.

    Returns:
        Tuple of context, float (B, C); alignment, float32 (B, T); and the next state, which is the alignment.

    Raises:
        ValueError: if the query does not have `units` channels.

    Example:

    >>> import numpy as np
    >>> attention = LuongAttention(4, scale=True)
    >>> memory = attention.prepare(np.ones((1, 2, 3), "float32"))
    >>> query = np.zeros((1, 4), "float32")
    >>> context, alignment, state = attention([query, attention.initial_state(memory), memory])
    >>> ops.convert_to_numpy(alignment).tolist()
    [[0.5, 0.5]]

    Reference:
        - [Effective approaches to attention-based neural machine translation](https://arxiv.org/abs/1508.04025),
          section 3.1, "general". Numbers are those of TensorFlow 1's `LuongAttention`.
    """

    def __init__(self, units, scale=False, **kwargs):
        super().__init__(units, **kwargs)
        self.scale = scale

    def build_scores(self, query_shape):
        if query_shape[-1] != self.units:
            raise ValueError(
                f"The query must have the {self.units} channels to which the memory is projected. Received: "
                f"{query_shape[-1]} channels. Pass units={query_shape[-1]}."
            )
        if self.scale:
            self.gain = self.add_weight((), "ones", name="attention_g")

    def scores(self, query, state, memory):
        scores = ops.matmul(memory["keys"], query[..., None])[..., 0]
        return scores * ops.cast(self.gain, self.compute_dtype) if self.scale else scores

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}
