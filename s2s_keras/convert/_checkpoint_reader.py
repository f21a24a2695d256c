"""Checkpoints of TensorFlow 1: names and values, with errors that say which file they mean."""

import os
from collections.abc import Mapping
from pathlib import Path


def open_variables(variables):
    """The names that there are, and the function that reads one of them.

    Args:
        variables: mapping from names to arrays, a TensorFlow checkpoint reader, or the path of a checkpoint.

    Returns:
        Keys of the names, and a callable from a name to an array.

    Raises:
        ValueError: the checkpoint cannot be read.
        TypeError: `variables` is something else.
        ImportError: a path is given and TensorFlow is not installed.
    """
    if isinstance(variables, (str, os.PathLike)):
        try:
            import tensorflow as tf
        except ImportError as error:
            raise ImportError(
                f"Reading the checkpoint {os.fspath(variables)!r} needs TensorFlow: pip install tensorflow. Without "
                "it, pass the variables as a mapping from names to arrays."
            ) from error
        variables = _Checkpoint(os.fspath(variables), tf.train.load_checkpoint)
    if hasattr(variables, "get_variable_to_shape_map"):
        return variables.get_variable_to_shape_map().keys(), variables.get_tensor
    if isinstance(variables, Mapping):
        return variables.keys(), variables.__getitem__
    raise TypeError(
        "`variables` must be a mapping from checkpoint names to arrays, a TensorFlow checkpoint reader or the path of "
        f"a checkpoint. Received: {type(variables).__name__}."
    )


class _Checkpoint:
    """A reader of TensorFlow whose errors say which file they mean."""

    def __init__(self, path, load):
        self.path = path
        self.reader = self._attempt(load, path)

    def get_variable_to_shape_map(self):
        return self._attempt(self.reader.get_variable_to_shape_map)

    def get_tensor(self, name):
        return self._attempt(self.reader.get_tensor, name)

    def _attempt(self, function, *args):
        try:
            return function(*args)
        except Exception as error:  # TensorFlow raises errors of many kinds here, IndexError among them
            reason = str(error).strip().split("\n")[0]
            raise ValueError(
                f"The checkpoint {self.path!r} cannot be read; is one of its files missing or cut short? "
                f"{type(error).__name__}: {reason}"
            ) from error


def check_exists(checkpoint):
    """Before a large network is built."""
    if isinstance(checkpoint, (str, os.PathLike)):
        path = Path(checkpoint)
        if not path.is_dir() and not path.with_name(path.name + ".index").is_file():
            raise ValueError(
                f"{os.fspath(checkpoint)!r} is no checkpoint of TensorFlow 1: there is no file {path.name}.index. Give "
                "the name without .index, .meta or .data, or the folder."
            )
