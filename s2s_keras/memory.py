"""How a process gets its memory."""

import ctypes

# Parameters of mallopt(3), with what they become: one heap for all threads, nothing that is mapped alone, nothing given
# back below 2 GB, and 128 MB more than asked for whenever the heap grows.
_SETTINGS = {-8: 1, -3: 2**30, -1: 2**31 - 1, -2: 2**27}


def keep_memory():
    """Lets the process keep what it frees, instead of giving it back and asking for it anew in each step of a training.

    Every page that comes from the system is cleared first: a step of ResNet-50 with four pictures asks XLA for 550 MB,
    which takes 0.25 of its 1.74 s (benchmarks/README.md, ResNet-50). Called before a backend is imported it is worth
    most: threads that have a heap of their own keep it. On systems without glibc nothing changes.

    Returns:
        bool, whether the C library has taken all settings.

    Example:

    >>> keep_memory() in (True, False)
    True
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all([mallopt(parameter, value) == 1 for parameter, value in _SETTINGS.items()])
