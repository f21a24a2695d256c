"""Whether a graph is being made for a runtime that knows only the common operations."""

import contextlib
import contextvars

_portable = contextvars.ContextVar("portable", default=False)


@contextlib.contextmanager
def portable_operations():
    """What is traced inside uses operations that ONNX and LiteRT have: slower ones, with the same results.

    Example:

    >>> with portable_operations():
    ...     is_portable()
    True
    >>> is_portable()
    False
    """
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def is_portable():
    """Whether it is inside `portable_operations`."""
    return _portable.get()
