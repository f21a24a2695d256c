"""How functions are compiled here: without the interpreter's lock, and once for all processes."""

from numba import njit


def compiled(function):
    """The compiled function. numba keeps what it compiled beside the source, or in the user's cache; or in memory."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither folder can be written
        return njit(nogil=True)(function)
