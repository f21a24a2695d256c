"""The decoder step of Google's translation system."""

import keras
from keras import ops

from s2s_keras.layers.attention_cell import AttentionCell


@keras.saving.register_keras_serializable(package="s2s_keras")
class GNMTCell(AttentionCell):
    """A step of a decoder whose first recurrent cell attends, and whose other cells all see what it found.

    The output of the first cell is the query; every cell above gets the context beside the output of the cell below.

    Args:
        hidden_dim: int, channels of each cell.
        attention: `StepAttention`; normalized `BahdanauAttention` in the paper's successors.
        num_layers: int, cells.
        rnn: "lstm" or "gru".
        current_context: bool. False gives the cells above the context of the step before.
        residual_from: int, the first of the cells, counted from 0, whose output is added to its input; None for none.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of float (B, E), the state and what `prepare` returned.
        training: bool.

    Returns:
        Tuple of float (B, hidden_dim), the output of the last cell, and the next state, a dict of tensors.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.layers import BahdanauAttention
    >>> cell = GNMTCell(8, BahdanauAttention(4, normalize=True), num_layers=3, residual_from=2)
    >>> memory = cell.prepare(np.ones((2, 5, 3), "float32"))
    >>> output, state = cell([np.ones((2, 7), "float32"), cell.initial_state(memory), memory])
    >>> tuple(output.shape), tuple(state["context"].shape)
    ((2, 8), (2, 3))

    Reference:
        - [Google's neural machine translation system](https://arxiv.org/abs/1609.08144), section 3, with
          `current_context=False`; the other is "gnmt_v2" of TensorFlow's NMT tutorial and of OpenSeq2Seq.
    """

    def __init__(
        self, hidden_dim, attention, num_layers=2, rnn="lstm", current_context=True, residual_from=None, **kwargs
    ):
        super().__init__(hidden_dim, attention, num_layers, rnn, **kwargs)
        self.current_context = current_context
        self.residual_from = residual_from

    def output_dim(self, memory_dim):
        return self.hidden_dim

    def _cell_input_dim(self, n, input_dim, memory_dim):
        return (self.hidden_dim if n else input_dim) + memory_dim

    def initial_state(self, memory):
        state = super().initial_state(memory)
        return {**state, "context": ops.zeros_like(memory["values"][:, 0])}

    def call(self, inputs, training=False):
        x, state, memory = inputs
        context, cells = state["context"], []
        x = ops.cast(x, self.compute_dtype)
        for n, (cell, before) in enumerate(zip(self.cells, state["cells"], strict=True)):
            y, after = cell(ops.concatenate([x, context], axis=-1), before, training=training)
            cells.append(list(after))
            if n == 0:
                found, alignment, attention = self.attention([y, state["attention"], memory], training=training)
                context = found if self.current_context else context
            residual = self.residual_from is not None and n >= self.residual_from
            x = x + y if residual else y
        state = {"cells": cells, "output": x, "context": found, "attention": attention, "alignment": alignment}
        return x, state

    def get_config(self):
        config = super().get_config()
        del config["attention_dim"]
        return {**config, "current_context": self.current_context, "residual_from": self.residual_from}
