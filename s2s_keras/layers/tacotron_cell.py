"""A step of a synthesizer's decoder."""

import keras
from keras import ops

from s2s_keras.layers.recurrent import Float32Orthogonal

QUERIES = ("first", "last")


@keras.saving.register_keras_serializable(package="s2s_keras")
class TacotronCell(keras.layers.Layer):
    """LSTM cells around an attention, whose context goes into the first cell, and out beside the last cell's output.

    Args:
        hidden_dim: int, channels of each cell.
        attention: `StepAttention`.
        num_layers: int, cells.
        query: "first": attention looks with the output of the first cell, and the next one gets its context too, as in
            the paper; "last": it looks with the output of the last one, as in OpenSeq2Seq.
        dropout: float, rate dropped of the cells' outputs in training.
        zoneout: float, the share of the states that stay as they were, at random in training and on average in
            inference.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of float (B, E), the state and what `prepare` returned; the latter with what `draw` returned.
        training: bool.

    Returns:
        Tuple of float (B, hidden_dim + C), and the next state, a dict of tensors; its "alignment" is the step's.

    Raises:
        ValueError: if `query` is none of these.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.layers import LocationAttention
    >>> cell = TacotronCell(8, LocationAttention(4, filters=2, kernel_size=3))
    >>> memory = cell.prepare(np.ones((2, 5, 3), "float32"))
    >>> output, state = cell([np.ones((2, 7), "float32"), cell.initial_state(memory), memory])
    >>> tuple(output.shape), tuple(state["alignment"].shape)
    ((2, 11), (2, 5))

    Reference:
        - [Tacotron 2](https://arxiv.org/abs/1712.05884), section 2.2; [zoneout](https://arxiv.org/abs/1606.01305).
    """

    def __init__(self, hidden_dim, attention, num_layers=2, query="first", dropout=0.0, zoneout=0.0, **kwargs):
        super().__init__(autocast=False, **kwargs)  # alignments stay float32
        if query not in QUERIES:
            raise ValueError(f"`query` must be {' or '.join(map(repr, QUERIES))}. Received: query={query!r}.")
        self.hidden_dim = hidden_dim
        self.attention = keras.saving.deserialize_keras_object(attention) if isinstance(attention, dict) else attention
        self.num_layers = num_layers
        self.query = query
        self.dropout = dropout
        self.zoneout = zoneout
        self.seed_generator = keras.random.SeedGenerator() if dropout or zoneout else None
        options = {"recurrent_initializer": Float32Orthogonal(), "dtype": self.dtype_policy}
        self.cells = [keras.layers.LSTMCell(hidden_dim, name=f"cell_{n}", **options) for n in range(num_layers)]

    def prepare(self, memory, mask=None):
        """What the attention makes of the memory, once; see `StepAttention.prepare`."""
        return self.attention.prepare(memory, mask)

    def initial_state(self, memory):
        """The state before the first step: zeros but for what the attention begins with."""
        values = memory["values"]
        zeros = ops.zeros((ops.shape(values)[0], self.hidden_dim), self.compute_dtype)
        return {
            "cells": [[zeros, zeros] for _ in self.cells],
            "context": ops.zeros_like(values[:, 0]),
            "attention": self.attention.initial_state(memory),
            "alignment": ops.zeros_like(memory["mask"], dtype="float32"),
        }

    def draw(self, memory, num_steps, training):
        """What training needs at random, for all steps before their loop: a dict of tensors (num_steps, B, ...)."""
        drawn = {}
        if not training:
            return drawn
        noise = self.attention.draw_noise(memory, num_steps)
        if noise is not None:
            drawn["noise"] = noise
        shape = (num_steps, ops.shape(memory["values"])[0], self.num_layers, self.hidden_dim)
        for name, rate, count in (("dropped", self.dropout, 1), ("kept", self.zoneout, 2)):
            if rate:
                uniform = keras.random.uniform((*shape, count), dtype="float32", seed=self.seed_generator)
                drawn[name] = ops.cast(uniform < rate, self.compute_dtype)
        return drawn

    def build(self, input_shape):
        """Takes the shapes of the input, the state and the prepared memory; of the latter "values" is enough."""
        (batch_size, input_dim), _, memory_shape = input_shape
        memory_dim = memory_shape["values"][-1]
        later = self.hidden_dim + (memory_dim if self.query == "first" else 0)
        for n, cell in enumerate(self.cells):
            cell.build((batch_size, later if n else input_dim + memory_dim))
        if not self.attention.built:
            self.attention.build([(batch_size, self.hidden_dim), None, memory_shape])

    def output_dim(self, memory_dim):
        """Channels that a step returns."""
        return self.hidden_dim + memory_dim

    def call(self, inputs, training=False):
        x, state, memory = inputs
        x = ops.concatenate([ops.cast(x, self.compute_dtype), state["context"]], axis=-1)
        looking = 0 if self.query == "first" else self.num_layers - 1
        cells = []
        for n, (cell, before) in enumerate(zip(self.cells, state["cells"], strict=True)):
            x, after = cell(x, before)
            after = [
                self._zone_out(a, b, memory, n, part) for part, (a, b) in enumerate(zip(before, after, strict=True))
            ]
            x = after[0]
            if training and self.dropout:
                x = x * (1.0 - memory["dropped"][:, n, :, 0]) / (1.0 - self.dropout)
            cells.append(after)
            if n == looking:
                context, alignment, attention = self.attention([x, state["attention"], memory], training=training)
                x = ops.concatenate([x, context], axis=-1) if n + 1 < self.num_layers else x
        output = ops.concatenate([x, context], axis=-1)
        return output, {"cells": cells, "context": context, "attention": attention, "alignment": alignment}

    def _zone_out(self, before, after, memory, layer, part):
        if not self.zoneout:
            return after
        kept = memory["kept"][:, layer, :, part] if "kept" in memory else self.zoneout
        return kept * before + (1.0 - kept) * after

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "attention": keras.saving.serialize_keras_object(self.attention),
            "num_layers": self.num_layers,
            "query": self.query,
            "dropout": self.dropout,
            "zoneout": self.zoneout,
        }
