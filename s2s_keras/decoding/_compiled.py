"""How functions are compiled here: without the interpreter's lock, and once for all processes."""

from numba import njit


def compiled(function, **options):
    """The compiled function. numba keeps what it compiled beside the source, or in the user's cache; or in memory."""
    try:
        return njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # neither folder can be written
        return njit(nogil=True, **options)(function)


def inner(function):
    """A compiled function that only compiled ones call, which is compiled sooner."""
    return compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)
