"""How TensorFlow 1 stores recurrent cells, and where their numbers are in Keras' layers."""

import numpy as np
from keras import ops

CUDNN_SCOPES = {"gru": "cudnn_gru/", "lstm": "cudnn_lstm/"}
FORWARD_SCOPE, BOTH_SCOPE = "rnn/multi_rnn_cell/", "stack_bidirectional_rnn/"
FORGET_BIAS = 1.0  # that BasicLSTMCell adds when it runs


class Part:
    """A variable of the original whose numbers are spread over weights here.

    Args:
        shape: tuple of int, of the variable.
        pieces: list of (weight, place in it, place in the variable).
        cleared: list of (weight, place in it) that the original has no numbers for: zero.
        offset: array that broadcasts to the variable, added when it is loaded.
    """

    trainable = True

    def __init__(self, shape, pieces, cleared=(), offset=0.0):
        self.shape = shape
        self.pieces = pieces
        self.cleared = cleared
        self.offset = offset

    def assign(self, value):
        """Loads the variable of the original."""
        value = value + self.offset
        for weight, place, source in self.pieces:
            _set(weight, place, value[source])
        for weight, place in self.cleared:
            _set(weight, place, 0.0)

    def __array__(self, dtype=None, copy=None):
        value = np.zeros(self.shape, "float32")
        for weight, place, source in self.pieces:
            value[source] = ops.convert_to_numpy(weight)[place]
        value = value - self.offset
        return value if dtype is None else value.astype(dtype)


def _set(weight, place, value):
    array = np.array(ops.convert_to_numpy(weight))
    array[place] = value
    weight.assign(array)


def recurrent_parts(stack, names=()):
    """The variables of a `RecurrentStack` by the name that they have in a checkpoint, below the encoder's scope.

    The original has other names for the same network, with and without cuDNN: `names` says which.

    Args:
        stack: a built `RecurrentStack`.
        names: names of the checkpoint, if there is one.

    Returns:
        dict, name -> `Part`.
    """
    kind = "lstm" if stack.cell == "lstm" else "gru"
    with_cudnn = any(CUDNN_SCOPES[kind] in name for name in names) or (not names and stack.cell != "gru_reset_before")
    scope = CUDNN_SCOPES[kind] if with_cudnn and stack.directions != "apart" else ""
    if stack.cell == "lstm":
        with_cudnn = with_cudnn and stack.directions != "apart" or any("cudnn_compatible_lstm_cell" in n for n in names)
        cell = "cudnn_compatible_lstm_cell/" if with_cudnn else "basic_lstm_cell/"
    else:
        cell = "gru_cell/" if stack.cell == "gru_reset_before" else "cudnn_compatible_gru_cell/"
    parts = {}
    for n in range(stack.num_layers):
        layers = {"fw": stack.forwards[n], **({"bw": stack.backwards[n]} if stack.backwards else {})}
        for direction, layer in layers.items():
            where = {
                "forward": f"{FORWARD_SCOPE}cell_{n}/",
                "both": f"{BOTH_SCOPE}cell_{n}/bidirectional_rnn/{direction}/",
                "apart": f"bidirectional_rnn/{direction}/multi_rnn_cell/cell_{n}/",
            }[stack.directions]
            cells = {"gru": _cudnn_gru, "gru_reset_before": gru_parts, "lstm": lstm_parts}
            offset = FORGET_BIAS if cell == "basic_lstm_cell/" else 0.0
            for name, part in cells[stack.cell](layer.cell, offset).items():
                parts[f"{scope}{where}{cell}{name}"] = part
    return parts


def _columns(units, n):
    return slice(n * units, (n + 1) * units)


def _joint(cell, gates):
    """Pieces of a kernel of input and state on top of each other: `gates` maps gates there to gates here."""
    inputs, units = cell.kernel.shape[0], cell.units
    pieces = []
    for there, here in gates.items():
        here, there = np.s_[:, _columns(units, here)], _columns(units, there)
        pieces.append((cell.kernel, here, np.s_[:inputs, there]))
        pieces.append((cell.recurrent_kernel, here, np.s_[inputs:, there]))
    return pieces


def lstm_parts(cell, forget_bias):
    """Gates: input, candidate, forget, output there; input, forget, candidate, output here."""
    gates, units = {0: 0, 1: 2, 2: 1, 3: 3}, cell.units
    rows = cell.kernel.shape[0] + units
    offset = np.zeros(4 * units, "float32")
    offset[_columns(units, 2)] = forget_bias
    bias = [(cell.bias, _columns(units, here), _columns(units, there)) for there, here in gates.items()]
    return {
        "kernel": Part((rows, 4 * units), _joint(cell, gates)),
        "bias": Part((4 * units,), bias, offset=offset),
    }


def gru_parts(cell, _):
    """Gates: reset, update there; update, reset, candidate here. The candidate has a kernel of its own there."""
    units = cell.units
    rows = cell.kernel.shape[0] + units
    bias = [(cell.bias, _columns(units, here), _columns(units, there)) for there, here in {0: 1, 1: 0}.items()]
    return {
        "gates/kernel": Part((rows, 2 * units), _joint(cell, {0: 1, 1: 0})),
        "gates/bias": Part((2 * units,), bias),
        "candidate/kernel": Part((rows, units), _joint(cell, {0: 2})),
        "candidate/bias": Part((units,), [(cell.bias, _columns(units, 2), np.s_[:])]),
    }


def _cudnn_gru(cell, _):
    """As `_gru`, but the candidate's kernels for input and state are apart, and so are its biases."""
    inputs, units = cell.kernel.shape[0], cell.units
    last = _columns(units, 2)
    bias = [(cell.bias, (0, _columns(units, here)), _columns(units, there)) for there, here in {0: 1, 1: 0}.items()]
    return {
        "gates/kernel": Part((inputs + units, 2 * units), _joint(cell, {0: 1, 1: 0})),
        "gates/bias": Part((2 * units,), bias, cleared=[(cell.bias, (1, slice(0, 2 * units)))]),
        "candidate/input_projection/kernel": Part((inputs, units), [(cell.kernel, np.s_[:, last], np.s_[:])]),
        "candidate/input_projection/bias": Part((units,), [(cell.bias, (0, last), np.s_[:])]),
        "candidate/hidden_projection/kernel": Part((units, units), [(cell.recurrent_kernel, np.s_[:, last], np.s_[:])]),
        "candidate/hidden_projection/bias": Part((units,), [(cell.bias, (1, last), np.s_[:])]),
    }
