"""Starting from the weights of another network, as far as they fit."""

import os
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import ops

from s2s_keras.applications.application import copy_weights, path_below
from s2s_keras.training.inference import load_model

WEIGHTS = "model.weights.h5"


def transfer_weights(source, model, verbose=True):
    """Copies every weight that has the same path and shape, and says for each what became of it.

    The optimizer is not touched: the schedule of the learning rate, and its warm-up, begin anew. `freeze` what was
    copied, or train all of it at a lower rate.

    Args:
        source: name, folder or handle of a preset; folder or recipe of a run, which stands for its best checkpoint; a
            checkpoint's folder or any ".weights.h5" file; a ".keras" file; or a `keras.Model`.
        model: `keras.Model` to copy to, built.
        verbose: bool, whether to print a line for every weight. Defaults to `True`.

    Returns:
        Dict of lists of str: "copied"; "shape differs"; "missing", not in the source; "left over", not in the model.
        A ".weights.h5" file does not name its weights but their places in the network, which must be of the same
        classes: there "missing" contains those of another shape, and "left over" stays empty.

    Raises:
        ValueError: nothing fits, or there is no such source.

    Example:

    >>> def build(classes):
    ...     layers = [keras.layers.Dense(3, name="encoder"), keras.layers.Dense(classes, name="logits")]
    ...     return keras.Sequential([keras.Input((2,)), *layers])
    >>> report = transfer_weights(build(4), build(5))
    copied: encoder/kernel (2, 3)
    copied: encoder/bias (3,)
    shape differs: logits/kernel (3, 5), source (3, 4)
    shape differs: logits/bias (5,), source (4,)

    Reference: OpenSeq2Seq's `load_model`, which copies an optimizer's moments, too.
    """
    network = source if isinstance(source, keras.Model) else None
    if network is None and (file := _weights_file(source)) is not None:
        report = _copy_file(file, model)
    else:
        report = copy_weights(network or _load(source), model)
    if not report["copied"]:
        raise ValueError(
            f"No weight of {source!r} has the path and shape of a weight of {model.name!r}. Expected a network of the "
            f"same family. Received: {', '.join((report['left over'] or report['missing'])[:5])} ..."
        )
    if verbose:
        print("\n".join(f"{what}: {weight}" for what, weights in report.items() for weight in weights), flush=True)
    return report


def _weights_file(source):
    path = Path(os.fspath(source))
    if path.is_dir() and not (path / "config.json").is_file():
        path = path / WEIGHTS
    return path if path.name.endswith(".weights.h5") and path.is_file() else None


def _load(source):
    if os.fspath(source).endswith(".keras"):
        return keras.saving.load_model(source, compile=False)
    return load_model(source)


def _copy_file(file, model):
    """As `copy_weights`. The file is loaded into a network of NaN; what stays NaN is not in the file."""
    network = type(model).from_config(model.get_config())  # not compiled: an optimizer in the file is left there
    for weight in network.weights:
        weight.assign(np.full(weight.shape, np.nan, "float32"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what does not fit, which is reported
        network.load_weights(file, skip_mismatch=True)
    report = {"copied": [], "shape differs": [], "missing": [], "left over": []}
    for value, weight in zip(network.weights, model.weights, strict=True):
        missing = bool(ops.any(ops.isnan(value)))
        if not missing:
            weight.assign(value)
        report["missing" if missing else "copied"].append(f"{path_below(model, weight)} {tuple(weight.shape)}")
    return report
