"""Recurrent layers, one on the other."""

import keras
from keras import ops

from s2s_keras.layers.recurrent import GRU, LSTM
from s2s_keras.layers.streaming import NotStreamable, stream_recurrent
from s2s_keras.ops.masks import apply_mask

CELLS = {
    "gru": lambda units, **kwargs: GRU(units, **kwargs),
    "gru_reset_before": lambda units, **kwargs: GRU(units, reset_after=False, **kwargs),
    "lstm": lambda units, **kwargs: LSTM(units, **kwargs),
}
DIRECTIONS = ("forward", "both", "apart")


@keras.saving.register_keras_serializable(package="s2s_keras")
class RecurrentStack(keras.layers.Layer):
    """Recurrent layers in one direction or in both, with dropout between them.

    A layer that runs backwards starts at the last real frame, so padding changes nothing.

    Args:
        units: int, size of the state of one direction.
        num_layers: int.
        cell: "gru", "gru_reset_before" (TensorFlow 1's `GRUCell`: resets the state before the matrix product) or
            "lstm".
        directions: "forward"; "both", where every layer reads both directions of the one below, as cuDNN and Keras
            do; or "apart", where a stack of forward and one of backward layers meet at the top, as
            `bidirectional_dynamic_rnn` of TensorFlow 1 does with a stack of cells.
        dropout: float, rate between layers, not after the last one.

    Call arguments:
        inputs: float (B, T, C).
        training: bool.
        mask: bool (B, T) or None, True at real frames. Padding is on the right.

    Returns:
        float (B, T, units), or (B, T, 2 units) of both directions; zero at padded frames.

    Raises:
        ValueError: if an argument is none of those.

    Example:

    >>> import numpy as np
    >>> tuple(RecurrentStack(8, 2, cell="lstm", directions="both")(np.zeros((1, 5, 3), "float32")).shape)
    (1, 5, 16)

    Reference:
        - [Deep Speech 2](https://arxiv.org/abs/1512.02595), section 3. OpenSeq2Seq's cuDNN path reads padding, too.
    """

    def __init__(self, units, num_layers=1, cell="gru", directions="forward", dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if cell not in CELLS or directions not in DIRECTIONS:
            raise ValueError(
                f"`cell` is one of {', '.join(CELLS)} and `directions` one of {', '.join(DIRECTIONS)}. "
                f"Received: cell={cell!r}, directions={directions!r}."
            )
        if not isinstance(num_layers, int) or num_layers < 1:
            raise ValueError(f"`num_layers` must be a positive integer. Received: num_layers={num_layers!r}.")
        self.units = units
        self.num_layers = num_layers
        self.cell = cell
        self.directions = directions
        self.dropout = dropout
        self.supports_masking = True
        common = {"return_sequences": True, "zero_output_for_mask": True, "dtype": self.dtype_policy}
        layers = range(num_layers)
        self.forwards = [CELLS[cell](units, name=f"forward_{n}", **common) for n in layers]
        self.backwards = [
            CELLS[cell](units, go_backwards=True, name=f"backward_{n}", **common)
            for n in layers
            if directions != "forward"
        ]
        self.dropouts = [keras.layers.Dropout(dropout, dtype=self.dtype_policy) for _ in layers[1:]]

    def build(self, input_shape):
        for n in range(self.num_layers):
            below = input_shape[-1] if n == 0 else self.units * (2 if self.directions == "both" else 1)
            for layer in self._level(n):
                layer.build((*input_shape[:-1], below))

    def _level(self, n):
        return [self.forwards[n]] if self.directions == "forward" else [self.forwards[n], self.backwards[n]]

    def call(self, inputs, training=False, mask=None):
        x = [apply_mask(inputs, mask)]  # one part, or one for each direction
        for n in range(self.num_layers):
            if n > 0:
                x = [self.dropouts[n - 1](part, training=training) for part in x]
            level = self._level(n)
            x = x * (len(level) // len(x))
            x = [layer(part, mask=mask, training=training) for layer, part in zip(level, x, strict=True)]
            if self.directions != "forward":
                x[1] = ops.flip(x[1], axis=1)
            if self.directions == "both":
                x = [ops.concatenate(x, axis=-1)]
        return x[0] if len(x) == 1 else ops.concatenate(x, axis=-1)

    def stream(self, signal, memory):
        """The same for the next frames of an endless sequence: see `s2s_keras.layers.streaming`."""
        if self.directions != "forward":
            raise NotStreamable(
                f"The layer {self.name!r} reads the recording from its end, too. Expected directions='forward', "
                f"received directions={self.directions!r}."
            )
        signal = signal.replace(frames=apply_mask(signal.frames, signal.mask))
        for layer in self.forwards:
            signal = stream_recurrent(layer, signal, memory)
        return signal

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units if self.directions == "forward" else 2 * self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_layers": self.num_layers,
            "cell": self.cell,
            "directions": self.directions,
            "dropout": self.dropout,
        }
