"""Recurrent cells that look at a memory."""

import keras
from keras import ops

RNN_CELLS = {
    "lstm": keras.layers.LSTMCell,
    "gru": lambda *args, **kwargs: keras.layers.GRUCell(*args, reset_after=False, **kwargs),
}


@keras.saving.register_keras_serializable(package="s2s_keras")
class AttentionCell(keras.layers.Layer):
    """A step of a decoder: recurrent cells, then attention with their output as the query.

    The first cell's input is the step's input and what the last step returned. Use it within `RecurrentDecoder`, or
    step by step as in the example.

    Args:
        hidden_dim: int, channels of each cell.
        attention: `StepAttention`.
        num_layers: int, cells.
        rnn: "lstm" or "gru".
        attention_dim: int, channels to which [cell output, context] is projected, or None to return the context alone.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of float (B, E), the state and what `prepare` returned.
        training: bool.

    Returns:
        Tuple of float (B, attention_dim or C), and the next state, a dict of tensors; its "alignment" is the step's.

    Raises:
        ValueError: if `rnn` is none of these.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.layers import BahdanauAttention
    >>> cell = AttentionCell(8, BahdanauAttention(4), attention_dim=6)
    >>> memory = cell.prepare(np.ones((2, 5, 3), "float32"))
    >>> output, state = cell([np.ones((2, 7), "float32"), cell.initial_state(memory), memory])
    >>> tuple(output.shape), tuple(state["alignment"].shape)
    ((2, 6), (2, 5))

    Reference:
        TensorFlow 1's `AttentionWrapper`, with the output of the attention and with a zero state to begin with, as
        OpenSeq2Seq used it. Its dropout of the cells' outputs is left to the layers around.
    """

    def __init__(self, hidden_dim, attention, num_layers=1, rnn="lstm", attention_dim=None, **kwargs):
        super().__init__(autocast=False, **kwargs)  # alignments stay float32
        if rnn not in RNN_CELLS:
            raise ValueError(f"`rnn` must be {' or '.join(map(repr, RNN_CELLS))}. Received: rnn={rnn!r}.")
        self.hidden_dim = hidden_dim
        self.attention = keras.saving.deserialize_keras_object(attention) if isinstance(attention, dict) else attention
        self.num_layers = num_layers
        self.rnn = rnn
        self.attention_dim = attention_dim
        dtype = self.dtype_policy
        self.cells = [RNN_CELLS[rnn](hidden_dim, dtype=dtype, name=f"cell_{n}") for n in range(num_layers)]
        if attention_dim is not None:
            self.attention_layer = keras.layers.Dense(
                attention_dim, use_bias=False, dtype=dtype, name="attention_layer"
            )

    def prepare(self, memory, mask=None):
        """What the attention makes of the memory, once; see `StepAttention.prepare`."""
        return self.attention.prepare(memory, mask)

    def output_dim(self, memory_dim):
        """Channels that a step returns."""
        return self.attention_dim or memory_dim

    def initial_state(self, memory):
        """The state before the first step: a dict of tensors, zeros but for what the attention begins with."""
        batch_size, memory_dim = ops.shape(memory["values"])[0], memory["values"].shape[-1]

        def zeros(channels):
            return ops.zeros((batch_size, channels), self.compute_dtype)

        return {
            "cells": [[zeros(self.hidden_dim) for _ in _sizes(cell)] for cell in self.cells],
            "output": zeros(self.output_dim(memory_dim)),
            "attention": self.attention.initial_state(memory),
            "alignment": ops.zeros_like(memory["mask"], dtype="float32"),
        }

    def build(self, input_shape):
        """Takes the shapes of the input, the state and the prepared memory; of the latter "values" is enough."""
        (batch_size, input_dim), _, memory_shape = input_shape
        memory_dim = memory_shape["values"][-1]
        for n, cell in enumerate(self.cells):
            cell.build((batch_size, self._cell_input_dim(n, input_dim, memory_dim)))
        if not self.attention.built:
            self.attention.build([(batch_size, self.hidden_dim), None, memory_shape])
        if self.attention_dim is not None:
            self.attention_layer.build((batch_size, self.hidden_dim + memory_dim))

    def _cell_input_dim(self, n, input_dim, memory_dim):
        return self.hidden_dim if n else input_dim + self.output_dim(memory_dim)

    def call(self, inputs, training=False):
        x, state, memory = inputs
        x = ops.concatenate([ops.cast(x, self.compute_dtype), state["output"]], axis=-1)
        cells = []
        for cell, before in zip(self.cells, state["cells"], strict=True):
            x, after = cell(x, before, training=training)
            cells.append(list(after))
        context, alignment, attention = self.attention([x, state["attention"], memory], training=training)
        output = context
        if self.attention_dim is not None:
            output = self.attention_layer(ops.concatenate([x, context], axis=-1))
        return output, {"cells": cells, "output": output, "attention": attention, "alignment": alignment}

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "attention": keras.saving.serialize_keras_object(self.attention),
            "num_layers": self.num_layers,
            "rnn": self.rnn,
            "attention_dim": self.attention_dim,
        }


def _sizes(cell):
    return cell.state_size if isinstance(cell.state_size, (list, tuple)) else [cell.state_size]
