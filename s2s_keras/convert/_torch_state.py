"""State dicts that PyTorch saved, and loading them into weights here."""

import numpy as np

COUNTER = ".num_batches_tracked"
NORMALIZATION = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
SHOWN = 8  # names per kind of problem in an error


def read_state(file, complaint):
    """The tensors of a state dict, bare or in the "state_dict" of a checkpoint; nothing in the file is executed.

    Args:
        file: path or binary file.
        complaint: str, the sentence with which an error begins.

    Returns:
        dict, name without "module." -> float32 array.

    Raises:
        ValueError: if PyTorch does not read it as tensors by name.
        ImportError: if PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError("Reading weights that PyTorch saved needs PyTorch: pip install torch.") from error
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        state = {name.removeprefix("module."): value.float().numpy() for name, value in state.items()}
    except Exception as error:  # torch raises what the damaged bytes happen to cause
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"{complaint} {type(error).__name__}: {reason}") from error
    return {name: value for name, value in state.items() if not name.endswith(COUNTER)}


def assign(table, values, left_over, complaint):
    """Assign values to weights: everything is checked before the first weight changes.

    Args:
        table: dict, name -> weight. What belongs to the same weight is added up.
        values: dict, name -> array, laid out as the weight.
        left_over: list of str, names without a place in the model.
        complaint: str, the sentence with which an error begins.

    Raises:
        ValueError: if a value is missing, left over, of another shape or not finite; the message names them.
    """
    problems = {
        "missing": [name for name in table if name not in values],
        "of another shape": [
            f"{name} {value.shape}, in the model {tuple(table[name].shape)}"
            for name, value in values.items()
            if value.shape != tuple(table[name].shape)
        ],
        "not finite": [name for name, value in values.items() if not np.all(np.isfinite(value))],
        "without a place in the model": left_over,
    }
    if any(problems.values()):
        lists = [f"{len(n)} {what}: {', '.join(n[:SHOWN])}." for what, n in problems.items() if n]
        raise ValueError(f"{complaint} {' '.join(lists)}")
    sums = {}
    for name, value in values.items():
        weight = table[name]
        _, before = sums.get(id(weight), (weight, 0.0))
        sums[id(weight)] = weight, before + value
    for weight, value in sums.values():
        weight.assign(value)


def normalization_table(scope, layer):
    """The weights of a batch normalization by the names of PyTorch."""
    return {scope + there: getattr(layer, here) for there, here in NORMALIZATION.items()}
