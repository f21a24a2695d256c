import os
import resource
import subprocess
import sys
import textwrap

import pytest

from s2s_keras.memory import keep_memory

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has these settings")


def faults(kept):
    """Pages that a process gets from the system while it takes and frees 50 MB ten times."""
    program = f"""
        import ctypes, resource, threading
        from s2s_keras.memory import keep_memory
        {"assert keep_memory()" if kept else ""}
        libc = ctypes.CDLL(None)
        libc.prctl(41, 1, 0, 0, 0)  # no huge pages, which some systems give by themselves
        libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
        def take():
            for _ in range(10):
                block = libc.malloc(ctypes.c_size_t(50_000_000))
                ctypes.memset(block, 1, 50_000_000)
                libc.free(block)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return int(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)


def test_memory_that_was_freed_is_kept():
    pages = 50_000_000 / resource.getpagesize()
    assert faults(kept=False) > 9 * pages
    assert faults(kept=True) < 2 * pages


def test_without_the_c_library_s_settings_nothing_changes(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_memory()
