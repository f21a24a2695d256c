"""Decoding a memory token by token."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="s2s_keras")
class RecurrentDecoder(keras.layers.Layer):
    """A recurrent decoder with attention, in training over whole sequences, in inference step by step.

    In training it is given the right tokens (teacher forcing): what comes out at a position depends on the tokens up to
    it. `start` and `step` are the same computation one token at a time.

    Args:
        vocabulary_size: int, token ids that go in.
        cell: `AttentionCell` or `GNMTCell`.
        embedding_dim: int, channels of a token.
        dropout: float, the rate dropped of embeddings and outputs.
        max_positions: int, how many positions of tokens and of memory have an embedding of their own, which is added;
            all later ones share the last. 0 for none.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of memory, float (B, T, C), and token ids, int (B, U).
        training: bool.
        mask: list of the memory's mask, bool (B, T) or None, and anything.

    Returns:
        float (B, U, D), the outputs of the cell.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.layers import AttentionCell, BahdanauAttention
    >>> decoder = RecurrentDecoder(10, AttentionCell(8, BahdanauAttention(4)), embedding_dim=6)
    >>> memory, token_ids = np.ones((1, 5, 3), "float32"), np.array([[0, 4, 2]])
    >>> outputs = decoder([memory, token_ids])
    >>> state = decoder.start(memory)
    >>> for token in token_ids.T:
    ...     output, state = decoder.step(token, state)
    >>> bool(ops.all(ops.abs(output - outputs[:, -1]) < 1e-6))
    True

    Reference:
        OpenSeq2Seq's `ListenAttendSpellDecoder` and `RNNDecoderWithAttention`, whose dropout is within the cells. Its
        beam search leaves the embeddings of positions out; here all ways to decode are the same computation.
    """

    def __init__(self, vocabulary_size, cell, embedding_dim, dropout=0.0, max_positions=0, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.cell = keras.saving.deserialize_keras_object(cell) if isinstance(cell, dict) else cell
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.max_positions = max_positions
        self.supports_masking = True
        dtype = self.dtype_policy
        self.embedding = keras.layers.Embedding(vocabulary_size, embedding_dim, dtype=dtype, name="embedding")
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype, name="dropout")

    def build(self, input_shape):
        memory_shape, _ = input_shape
        self.embedding.build(None)
        if not self.cell.built:  # by its config
            self.cell.build([(None, self.embedding_dim), None, {"values": tuple(memory_shape)}])
        if self.max_positions:
            for name, channels in {"memory": memory_shape[-1], "token": self.embedding_dim}.items():
                options = {"dtype": self.dtype_policy, "name": f"{name}_positions"}
                layer = keras.layers.Embedding(self.max_positions, channels, **options)
                layer.build(None)
                setattr(self, f"{name}_positions", layer)

    def start(self, memory, mask=None):
        """The state before the first token.

        Args:
            memory: float (B, T, C).
            mask: bool (B, T) or None, True at real frames.

        Returns:
            Dict of tensors, batch first: "memory", which no step changes, "cell", and "position", int (B,).
        """
        if not self.built:
            self.build([tuple(memory.shape), (None, None)])
        memory = ops.cast(memory, self.compute_dtype)
        position = ops.cast(ops.zeros_like(memory[:, 0, 0]), "int32")
        if self.max_positions:
            memory = memory + self.memory_positions(self._positions(memory[..., 0]))
        memory = self.cell.prepare(memory, mask)
        return {"memory": memory, "cell": self.cell.initial_state(memory), "position": position}

    def step(self, token_ids, state):
        """One token in, one output out.

        Args:
            token_ids: int (B,).
            state: what `start` or the last step returned.

        Returns:
            Tuple of float (B, D) and the next state.
        """
        x = self.embedding(token_ids)
        if self.max_positions:
            x = x + self.token_positions(ops.minimum(state["position"], self.max_positions - 1))
        output, cell = self.cell([x, state["cell"], state["memory"]])
        return output, {**state, "cell": cell, "position": state["position"] + 1}

    def call(self, inputs, training=False, mask=None):
        return self._unroll(inputs, training, mask)["output"]

    def alignments(self, inputs, mask=None):
        """Where the decoder looked when it was given these tokens: float32 (B, U, T). Arguments as in a call."""
        return self._unroll(inputs, False, mask)["alignment"]

    def _unroll(self, inputs, training, mask):
        memory, token_ids = inputs
        state = self.start(memory, mask[0] if isinstance(mask, (list, tuple)) else mask)
        x = self.embedding(token_ids)
        if self.max_positions:
            x = x + self.token_positions(self._positions(token_ids))
        x = self.dropout_layer(x, training=training)

        inputs = {"x": ops.moveaxis(x, 1, 0)}
        noise = self.cell.attention.draw_noise(state["memory"], ops.shape(x)[1]) if training else None
        if noise is not None:
            inputs["noise"] = noise

        def step(carry, inputs):
            drawn = {name: value for name, value in inputs.items() if name != "x"}
            _, carry = self.cell([inputs["x"], carry, {**state["memory"], **drawn}], training=training)
            return carry, carry  # TensorFlow's scan takes nothing else

        _, states = ops.scan(step, state["cell"], inputs)
        outputs = {name: ops.moveaxis(states[name], 0, 1) for name in ("output", "alignment")}
        return {**outputs, "output": self.dropout_layer(outputs["output"], training=training)}

    def _positions(self, reference):
        """0, 1, 2, ... for every row of a tensor (B, N), up to the last that has an embedding."""
        ones = ops.cast(ops.ones_like(reference), "int32")
        return ops.minimum(ops.cumsum(ones, axis=1), self.max_positions) - 1

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        memory_shape, token_shape = input_shape
        return (*token_shape, self.cell.output_dim(memory_shape[-1]))

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "cell": keras.saving.serialize_keras_object(self.cell),
            "embedding_dim": self.embedding_dim,
            "dropout": self.dropout,
            "max_positions": self.max_positions,
        }
