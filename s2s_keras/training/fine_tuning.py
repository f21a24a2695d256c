"""Training a part of a network, or holding it back: freezing, low-rank updates, L2."""

import difflib
import re

import keras

from s2s_keras.applications.application import path_below


def freeze(model, pattern):
    """Takes weights out of training; call it before `compile`.

    A layer all of whose weights are frozen is frozen as such (`layer.trainable = False`): its batch normalization uses
    the moving statistics in training, too, and leaves them as they are, so that a frozen block computes what it
    computed before. `layer.trainable = True` undoes it.

    Args:
        model: `keras.Model`, built.
        pattern: str, regular expression. A weight is frozen whose path below the model it matches from the start:
            "prologue" for "prologue_0/convolution_0/kernel", ".*gamma" for a name at the end.

    Returns:
        List of str, paths of the weights that were frozen.

    Raises:
        ValueError: no trainable weight matches.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(2)])
    >>> freeze(model, "first")
    ['first/kernel', 'first/bias']
    >>> len(model.trainable_weights)
    2

    Reference: OpenSeq2Seq's `freeze_variables_regex`, which goes on updating the moving statistics of frozen blocks.
    """
    paths = _matching(model, pattern)
    for weight in paths.values():
        weight.trainable = False
    for layer in _layers(model):
        own = layer.trainable_variables if not _inside(layer) else [...]
        if layer.weights and not own:
            layer.trainable = False
    return list(paths)


def add_l2(model, factor, gamma=True, pattern=".*"):
    """Adds `factor * sum(w**2)` of every kernel, and every scale of a normalization, to the loss; not of biases.

    It is added to Keras' own list of losses, so `fit` minimizes it and its logs contain it. Weights that are not
    trained take no part. A saved model does not remember it: call it again after loading.

    Args:
        model: `keras.Model`, built.
        factor: float, the original's `scale` divided by two.
        gamma: bool, whether the scales of normalizations (gamma) take part. Defaults to `True`.
        pattern: str, regular expression; only weights whose path below the model it matches from the start take part.
            Defaults to ".*".

    Returns:
        List of str, paths of the weights that take part.

    Raises:
        ValueError: no weight takes part.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="dense")])
    >>> add_l2(model, 0.5), len(model.losses)
    (['dense/kernel'], 1)

    Reference: OpenSeq2Seq's `l2_regularizer`, which halves the squares. It leaves out the kernels of residual
    projections: `pattern=r"(?!.*/projection_\\d)"`.
    """
    names = ("kernel", "gamma") if gamma else ("kernel",)
    paths = {path: w for path, w in _matching(model, pattern).items() if path.endswith(names)}
    if not paths:
        raise ValueError(
            f"None of the weights that match {pattern!r} is a {' or a '.join(names)}. Expected a model with kernels; "
            f"received one with {', '.join(_matching(model, pattern))}."
        )
    for weight in paths.values():
        weight.regularizer = keras.regularizers.L2(factor)
    return list(paths)


def enable_lora(model, rank, pattern=".*", alpha=None):
    """Freezes a model and gives its layers trainable updates of low rank (LoRA); call it before `compile`.

    What is trained, and what the optimizer remembers, becomes a few per cent of the network. Saving weights or a preset
    merges the updates into the kernels: what is loaded again is an ordinary network. Loading into a model with updates
    starts them anew, so load first.

    Args:
        model: `keras.Model`, built.
        rank: int, of the updates; 4 to 16 is usual.
        pattern: str, regular expression; layers whose path below the model it matches from the start get an update, if
            they can: Keras' `Dense`, `EinsumDense`, `Embedding`, `Conv1D` and its like, and `MaskedConv1D`. Defaults to
            ".*".
        alpha: float, an update counts `alpha / rank` times. Defaults to `rank`.

    Returns:
        List of str, paths of the layers with an update.

    Raises:
        ValueError: no layer that can have an update matches, or the model has updates already.

    Example:

    >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, name="first"), keras.layers.Dense(2)])
    >>> enable_lora(model, rank=4, pattern="first")
    ['first']
    >>> [weight.name for weight in model.trainable_weights]
    ['lora_kernel_a', 'lora_kernel_b']

    Reference: Hu et al., 2021, "LoRA", https://arxiv.org/abs/2106.09685; Keras' `enable_lora` of a layer.
    """
    able = {
        path_below(model, layer.weights[0]).rpartition("/")[0]: layer
        for layer in _layers(model)
        if hasattr(layer, "enable_lora") and layer.weights and not _inside(layer)
    }
    chosen = {path: layer for path, layer in able.items() if re.match(pattern, path)}
    if not chosen:
        raise ValueError(f"No layer that can have a low-rank update matches {pattern!r}. {_close(pattern, able)}")
    freeze(model, ".*")
    for layer in chosen.values():
        layer.trainable = True  # the layer, whose weights are frozen again
        for weight in layer.weights:
            weight.trainable = False
        layer.enable_lora(rank, **({} if alpha is None else {"lora_alpha": alpha}))
        for weight in layer.weights:  # Keras leaves the bias to be trained
            weight.trainable = "lora_" in weight.name
    return list(chosen)


def _matching(model, pattern):
    """{path: trainable weight} of the paths that a pattern matches."""
    weights = {path_below(model, weight): weight for weight in model.trainable_weights}
    matching = {path: weight for path, weight in weights.items() if re.match(pattern, path)}
    if not matching:
        raise ValueError(
            f"No trainable weight of {model.name!r} has a path that {pattern!r} matches from its start. "
            f"{_close(pattern, weights)}"
        )
    return matching


def _close(pattern, paths):
    close = difflib.get_close_matches(re.sub(r"[^\w/]", "", pattern), paths, n=5, cutoff=0.3) or list(paths)[:5]
    return f"Close paths: {', '.join(close) or 'none'}. To match within a path begin with '.*'."


def _inside(layer):
    """The layers that a layer holds, by attribute or in lists."""
    found = {}
    for value in [*vars(layer).values(), getattr(layer, "layers", ())]:
        values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
        found.update({id(v): v for v in values if isinstance(v, keras.layers.Layer) and v is not layer})
    return list(found.values())


def _layers(model):
    """A model and all layers within it."""
    found, waiting = {}, [model]
    while waiting:
        layer = waiting.pop(0)
        if id(layer) not in found:
            found[id(layer)] = layer
            waiting += _inside(layer)
    return list(found.values())
