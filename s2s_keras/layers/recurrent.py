"""Keras' LSTM and GRU with faster loops."""

import importlib

import keras
from keras import ops

from s2s_keras.ops.exporting import export_format
from s2s_keras.ops.masks import apply_mask


@keras.saving.register_keras_serializable(package="s2s_keras")
class Float32Orthogonal(keras.initializers.Orthogonal):
    """Keras' initializer, computed in float32: JAX cannot decompose a matrix of half precision."""

    def __call__(self, shape, dtype=None):
        return ops.cast(super().__call__(shape, dtype="float32"), dtype or keras.config.floatx())


@keras.saving.register_keras_serializable(package="s2s_keras")
class LSTM(keras.layers.LSTM):
    """`keras.layers.LSTM`, faster: the same arguments, weights and numbers.

    The projection of the input and the gradients of the weights are computed for all frames at once, and on PyTorch the
    whole layer is PyTorch's own kernel. On a GPU cuDNN does it on TensorFlow and PyTorch. Layers with another
    activation, dropout of the state or unrolling run as they do in Keras.

    Args:
        units: int, size of the state.
        **kwargs: as in `keras.layers.LSTM`: `return_sequences`, `return_state`, `go_backwards`, `use_bias`, `dropout`,
            initializers and so on.

    Call arguments:
        sequences: float (B, T, D).
        initial_state: list of float (B, units), hidden and cell state; zeros by default.
        mask: bool (B, T) or None, True at real frames. Padding is on the right; masked frames leave the state alone.
        training: bool.

    Returns:
        float (B, units), the last state, or (B, T, units) with `return_sequences=True`: zero at padded frames; with
        `return_state=True` the states after the last real frame as well.

    Example:

    >>> import numpy as np
    >>> tuple(LSTM(8, return_sequences=True)(np.zeros((2, 5, 3), "float32")).shape)
    (2, 5, 8)

    Reference:
        - [Long short-term memory](https://www.bioinf.jku.at/publications/older/2604.pdf). `keras.layers.LSTM` repeats
          the last real output at padded frames.
    """

    def __init__(self, units, **kwargs):
        super().__init__(units, **{"recurrent_initializer": Float32Orthogonal(), **kwargs})

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Keras' hook for the loop over time: last output, all outputs and the last states."""
        return _run(self, "lstm", super().inner_loop, sequences, initial_state, mask, training)


@keras.saving.register_keras_serializable(package="s2s_keras")
class GRU(keras.layers.GRU):
    """`keras.layers.GRU`, faster: the same arguments, weights and numbers.

    See `LSTM`. With `reset_after=False`, the cell of TensorFlow 1's `GRUCell`, it runs as it does in Keras.

    Args:
        units: int, size of the state.
        **kwargs: as in `keras.layers.GRU`.

    Call arguments:
        sequences: float (B, T, D).
        initial_state: float (B, units) or a list of it; zeros by default.
        mask: bool (B, T) or None, True at real frames. Masked frames leave the state alone.
        training: bool.

    Returns:
        float (B, units), the last state, or (B, T, units) with `return_sequences=True`: zero at padded frames; with
        `return_state=True` the state after the last real frame as well.

    Example:

    >>> import numpy as np
    >>> tuple(GRU(8)(np.zeros((2, 5, 3), "float32")).shape)
    (2, 8)

    Reference:
        - [Learning phrase representations](https://arxiv.org/abs/1406.1078), section 2.3, version 1 (the reset gate
          after the matrix product, as in cuDNN).
    """

    def __init__(self, units, **kwargs):
        super().__init__(units, **{"recurrent_initializer": Float32Orthogonal(), **kwargs})

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Keras' hook for the loop over time: last output, all outputs and the last state."""
        return _run(self, "gru", super().inner_loop, sequences, initial_state, mask, training)


def _run(layer, kind, keras_loop, sequences, initial_state, mask, training):
    states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
    mask = mask[0] if isinstance(mask, (list, tuple)) else mask
    standard = _is_standard(layer)
    if _has_cudnn(layer) or not (standard or export_format() == "litert"):  # LiteRT cannot run Keras' own loop
        last, outputs, states = keras_loop(sequences, initial_state, mask, training=training)
        if layer.return_sequences and mask is not None:
            outputs = apply_mask(outputs, ops.flip(mask, axis=1) if layer.go_backwards else mask)
        return last, outputs, states
    if training and layer.dropout:
        sequences = sequences * layer.cell.get_dropout_mask(sequences[:, 0, :])[:, None]
    x = ops.transpose(apply_mask(sequences, mask), (1, 0, 2))
    mask = None if mask is None else ops.expand_dims(ops.transpose(ops.cast(mask, "bool")), -1)
    if layer.go_backwards:
        x = ops.flip(x, axis=0)
        mask = None if mask is None else ops.flip(mask, axis=0)
    cell = layer.cell
    if standard:
        weights = [ops.convert_to_tensor(w) for w in (cell.kernel, cell.recurrent_kernel)]
        weights.append(None if cell.bias is None else ops.convert_to_tensor(cell.bias))
    else:
        kind, weights = "any_cell", [cell]
    outputs, states = getattr(_kernels(), kind)(x, mask, states, *weights)
    if not layer.return_sequences:
        return states[0], states[0][:, None], states
    if mask is not None:
        outputs = ops.where(mask, outputs, ops.zeros((), outputs.dtype))
    return states[0], ops.transpose(outputs, (1, 0, 2)), states


def _kernels():
    name = "_recurrent_torch" if keras.backend.backend() == "torch" else "_recurrent"
    return importlib.import_module(f"s2s_keras.layers.{name}")


def _is_standard(layer):
    """Whether the layer computes what the kernels do."""
    functions = (layer.activation, layer.recurrent_activation)
    standard = functions == (keras.activations.tanh, keras.activations.sigmoid)
    return standard and not layer.recurrent_dropout and not layer.unroll and getattr(layer, "reset_after", True)


def _has_cudnn(layer):
    """Whether Keras calls cuDNN on TensorFlow, where it says so by refusing compilation."""
    if export_format() is not None:  # what is exported runs without a GPU, too
        return False
    return keras.backend.backend() == "tensorflow" and layer.use_cudnn in (True, "auto") and not layer.supports_jit
