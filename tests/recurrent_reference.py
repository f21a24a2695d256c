"""Recurrent decoders of the original toolkit: its variables in the layers of this package."""

import numpy as np


def load_cell(cell, scope, variables, memory_kernel):
    """Weights of an `AttentionCell` or `GNMTCell` from below the scope of the original's wrapper."""
    names = {name.removeprefix(scope): value for name, value in variables.items() if name.startswith(scope)}
    for n, layer in enumerate(cell.cells):
        kinds = ("lstm_cell/", "gru_cell/")
        load_recurrent(layer, {k: v for k, v in names.items() if f"cell_{n}" in k and any(kind in k for kind in kinds)})
    if getattr(cell, "attention_dim", None):
        cell.attention_layer.kernel.assign(names["attention_layer/kernel"])
    load_attention(cell.attention, names, memory_kernel)


def load_recurrent(cell, variables):
    """A cell from the variables of TensorFlow 1's, whose gates are i, j, f, o; r, u and a candidate."""
    named = {"/".join(name.split("/")[-2:]): value for name, value in variables.items()}
    hidden_dim = cell.units
    if len(cell.state_size if isinstance(cell.state_size, list) else [0]) == 2:
        ((kernel, bias),) = [
            (value, named[name.replace("kernel", "bias")]) for name, value in named.items() if name.endswith("kernel")
        ]
        i, j, f, o = np.split(np.concatenate([kernel, bias[None]]), 4, axis=-1)
        f = f + np.r_[np.zeros(len(f) - 1), 1.0][:, None]  # its forget bias is added at run time
        joined = np.concatenate([i, f, j, o], axis=-1)
    else:
        gates = np.concatenate([named["gates/kernel"], named["gates/bias"][None]])
        reset, update = np.split(gates, 2, axis=-1)
        candidate = np.concatenate([named["candidate/kernel"], named["candidate/bias"][None]])
        joined = np.concatenate([update, reset, candidate], axis=-1)
    cell.set_weights([joined[: -hidden_dim - 1], joined[-hidden_dim - 1 : -1], joined[-1]])


def load_attention(attention, variables, memory_kernel):
    """An attention mechanism from its variables, found by the ends of their names."""
    places = {
        "query_layer/kernel": lambda: attention.query_layer.kernel,
        "attention_v": lambda: attention.v,
        "attention_b": lambda: attention.offset,
        "attention_g": lambda: attention.gain,
        "location_conv/kernel": lambda: attention.location_conv.kernel,
        "location_conv/bias": lambda: attention.location_conv.bias,
        "location_dense/kernel": lambda: getattr(attention, "coverage_kernel", None),
        "location_attention_vbeta": lambda: attention.fertility_v,
    }
    attention.memory_layer.kernel.assign(memory_kernel.reshape(attention.memory_layer.kernel.shape))
    for name, place in places.items():
        for value in [value for key, value in variables.items() if key.endswith(name)]:
            weight = place() if place() is not None else attention.location_layer.kernel
            weight.assign(value.reshape(weight.shape))
