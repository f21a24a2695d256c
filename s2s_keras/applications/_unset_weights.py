"""Networks whose weights are about to be loaded."""

import contextlib
import threading

import keras
import numpy as np

_ONE_THREAD = threading.RLock()  # of two that overlapped, the later would put the wrapper of the other back
_RANDOM = ("RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Orthogonal")


@contextlib.contextmanager
def unset_weights():
    """Random weights that this thread makes inside are zeros: they will be loaded.

    JAX compiles a program for every shape of random weights, which takes longer than all the rest of loading a preset.
    """
    thread = threading.get_ident()

    def zeros_here(draw):
        def call(self, shape, dtype=None, **options):
            if threading.get_ident() != thread:
                return draw(self, shape, dtype, **options)
            return np.zeros(shape, keras.backend.standardize_dtype(dtype))

        return call

    classes = [getattr(keras.initializers, name) for name in _RANDOM]
    with _ONE_THREAD:
        draws = [one.__call__ for one in classes]
        try:
            for one, draw in zip(classes, draws, strict=True):
                one.__call__ = zeros_here(draw)
            yield
        finally:
            for one, draw in zip(classes, draws, strict=True):
                one.__call__ = draw
