"""Which format a graph is being made for: some know only the common operations."""

import contextlib
import contextvars

_format = contextvars.ContextVar("format", default=None)


@contextlib.contextmanager
def exporting(format):
    """What is traced inside may ask `export_format` what it is traced for.

    Args:
        format: str, as `keras.Model.export` names it: "tf_saved_model", "onnx" or "litert".

    Example:

    >>> with exporting("onnx"):
    ...     export_format(), is_portable()
    ('onnx', True)
    >>> export_format(), is_portable()
    (None, False)
    """
    token = _format.set(format)
    try:
        yield
    finally:
        _format.reset(token)


def export_format():
    """The format that is being exported to, or None."""
    return _format.get()


def is_portable():
    """Whether only operations that ONNX and LiteRT have may be used: no Fourier transform, for example."""
    return _format.get() in ("onnx", "litert")
