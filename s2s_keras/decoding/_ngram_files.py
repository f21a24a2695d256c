"""The compact file of an n-gram model: a header of JSON, then the arrays as they lie in memory."""

import contextlib
import json
import os
import struct

import numpy as np

from s2s_keras.decoding._ngram_tables import INTEGERS, REALS, Tables

MAGIC = b"s2slm\x00\r\n"
_VERSION = 1
_PREFIX = struct.Struct("<8sII")  # magic, version, bytes of the JSON that follows
_ALIGNMENT = 64
_DTYPES = {
    "starts": "<i8",
    "longs": "<u4",
    "children": "<i8",
    "shorts": "<u2",
    "floats": "<f4",
    "vocabulary": "u1",  # the words in UTF-8, a newline between two
}


def write(path, tables, words):
    """Writes the file; an interrupted write leaves nothing behind."""
    arrays = {name: getattr(tables, name) for name in _DTYPES if name != "vocabulary"}
    arrays["vocabulary"] = np.frombuffer("\n".join(words).encode(), "uint8")
    sizes = {name: len(array) for name, array in arrays.items()}
    numbers = {name: getattr(tables, name) for name in INTEGERS + REALS}
    header = json.dumps({"sizes": sizes, "numbers": numbers}).encode()
    with written_aside(path) as aside, open(aside, "wb") as file:
        file.write(_PREFIX.pack(MAGIC, _VERSION, len(header)) + header)
        for name, array in arrays.items():
            file.write(bytes(-file.tell() % _ALIGNMENT))
            np.ascontiguousarray(array, _DTYPES[name]).tofile(file)


def read(path):
    """(tables, words): the arrays are mapped, so that what is not asked for is not read.

    A file is trusted when header, length and the tables' shapes agree; its values are not read for that.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        prefix = file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size or not prefix.startswith(MAGIC):
            raise ValueError(f"{path}: not a compact n-gram model of s2s_keras, or cut off after {len(prefix)} bytes.")
        _, version, length = _PREFIX.unpack(prefix)
        if version != _VERSION:
            raise ValueError(f"{path}: version {version} of the compact format; this s2s_keras reads {_VERSION}.")
        header = file.read(length)
    try:
        header = json.loads(header)
        sizes = header["sizes"]
        numbers = {name: int(header["numbers"][name]) for name in INTEGERS}
        numbers |= {name: float(header["numbers"][name]) for name in REALS}
        offsets, end = {}, _PREFIX.size + length
        for name, dtype in _DTYPES.items():
            offsets[name] = end + -end % _ALIGNMENT
            end = offsets[name] + sizes[name] * np.dtype(dtype).itemsize
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: the header is damaged ({error!r}).") from error
    if size != end:
        raise ValueError(f"{path}: cut off or damaged: {size} bytes instead of {end}. Copy or make the file again.")
    mapped = np.memmap(path, "u1", "c")  # copy on write: compiled code has one version for writable arrays
    arrays = {
        name: np.asarray(mapped[offset : offset + sizes[name] * np.dtype(_DTYPES[name]).itemsize]).view(_DTYPES[name])
        for name, offset in offsets.items()
    }
    words = arrays.pop("vocabulary").tobytes().decode().split("\n")
    tables = Tables(**arrays, **numbers)
    if not _is_consistent(tables, words):
        raise ValueError(f"{path}: damaged: the tables' sizes do not agree. Copy or make the file again.")
    return tables, words


def _is_consistent(tables, words):
    starts, bigrams = tables.starts.tolist(), tables.num_words + 1
    later = max(tables.num_contexts - bigrams, 0)
    deltas = later + 1 if len(starts) > 3 else 0
    codes = tables.num_contexts - tables.num_exact_contexts + tables.num_nodes - tables.num_exact_nodes
    exact = (tables.num_exact_contexts, tables.num_exact_nodes)
    return (
        starts == sorted(starts)
        and starts[:2] == [0, 1]
        and starts[2:3] == [bigrams]
        and starts[-2:] == [tables.num_contexts, tables.num_nodes]
        and exact in ((min(bigrams, tables.num_contexts), bigrams), (tables.num_contexts, tables.num_nodes))
        and len(words) == tables.num_words
        and len(tables.longs) == tables.num_nodes + later
        and len(tables.shorts) == deltas + codes
        and len(tables.floats) == sum(exact)
        and 0 <= tables.child_shift < 64
        and (not deltas or len(tables.children) == bigrams + 1 + -(-deltas // (1 << tables.child_shift)))
    )


@contextlib.contextmanager
def written_aside(path):
    """A path in the same folder, which becomes `path` when the block ends well and vanishes when it does not."""
    folder, name = os.path.split(os.path.abspath(os.fspath(path)))
    if not os.path.isdir(folder):
        raise ValueError(f"{path}: the folder {folder} does not exist; make it first.")
    aside = os.path.join(folder, f".writing-{os.getpid()}-{name}")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(aside)
