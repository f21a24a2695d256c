"""Attention that stays where it is or moves on by one."""

import keras
from keras import ops

from s2s_keras.layers.step_attention import StepAttention


@keras.saving.register_keras_serializable(package="s2s_keras")
class ForwardAttention(StepAttention):
    """Forward attention: another attention's weights times the probability to be there by staying or moving on by one.

    Use it where input and output run in the same order, as text and speech do: a step cannot leap over a frame of the
    memory or go back, which is what makes a synthesizer skip words and repeat them.

    Args:
        attention: `LocationAttention`, `BahdanauAttention` or the like, that gives the weights.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of query, float (B, Q); state, a dict of "alignment", float32 (B, T), and "inner", the state of
            `attention`; and what `prepare` returned.

    Returns:
        Tuple of context, float (B, C); alignment, float32 (B, T), sums to one; and the next state.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.layers import BahdanauAttention
    >>> attention = ForwardAttention(BahdanauAttention(4))
    >>> memory = attention.prepare(np.ones((1, 3, 2), "float32"))
    >>> query, state = np.ones((1, 5), "float32"), attention.initial_state(memory)
    >>> for _ in range(2):  # every weight is the same: one of four ways leads to the third frame
    ...     context, alignment, state = attention([query, state, memory])
    >>> ops.convert_to_numpy(alignment).round(4).tolist()
    [[0.25, 0.5, 0.25]]

    Reference:
        - [Forward attention in sequence-to-sequence acoustic modeling](https://arxiv.org/abs/1807.06736), algorithm 1,
          without the transition agent.
    """

    def __init__(self, attention, **kwargs):
        kwargs.setdefault("dtype", getattr(attention, "dtype_policy", None))
        super().__init__(None, **kwargs)
        self.attention = keras.saving.deserialize_keras_object(attention) if isinstance(attention, dict) else attention

    def prepare(self, memory, mask=None):
        return self.attention.prepare(memory, mask)

    def initial_state(self, memory):
        """The state before the first step: it is at the first frame."""
        zeros = super().initial_state(memory)
        first = ops.concatenate([ops.ones_like(zeros[:, :1]), zeros[:, 1:]], axis=1)
        return {"alignment": first, "inner": self.attention.initial_state(memory)}

    def build(self, input_shape):
        if not self.attention.built:
            self.attention.build(input_shape)

    def scores(self, query, state, memory):
        return self.attention.scores(query, state["inner"], memory)

    def alignment(self, scores, state, memory, training):
        before = state["alignment"]
        reached = before + ops.pad(before, [[0, 0], [1, 0]])[:, :-1]
        weights = super().alignment(scores, state, memory, training) * reached + 1e-8 * reached
        weights = ops.where(memory["mask"], weights, 0.0)
        return weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), 1e-20)

    def next_state(self, state, alignment):
        return {"alignment": alignment, "inner": self.attention.next_state(state["inner"], alignment)}

    def get_config(self):
        config = super().get_config()
        del config["units"]
        return {**config, "attention": keras.saving.serialize_keras_object(self.attention)}
