"""Where the bytes of an utterance are: a file of its own, or a range of a shard."""

import collections
import contextlib
import itertools
import json
import os
import threading

from s2s_keras.ops.audio import AudioBytes

_OPEN_SHARDS = 64


class AudioFiles:
    """Finds the recording of an utterance; shards stay open, the last used ones, as opening costs more than reading.

    Threads may share it: a read says where it begins, so that none moves another's place.

    Example:

    >>> import os, tempfile
    >>> from s2s_keras.data import Utterance
    >>> path = os.path.join(tempfile.mkdtemp(), "shard.tar")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(b"....RIFF....")
    >>> AudioFiles()(Utterance(path, "yes", byte_offset=4, num_bytes=4)).getvalue()
    b'RIFF'
    """

    def __init__(self):
        self._open = collections.OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, utterance):
        """Path of the file, or `AudioBytes` of its part of a shard; raises ValueError where the shard is damaged."""
        if utterance.byte_offset is None:
            return utterance.audio
        shard = self._shard(utterance.audio)
        content = os.pread(shard.number, utterance.num_bytes, utterance.byte_offset)
        name = _Member(utterance)
        if len(content) < utterance.num_bytes:
            raise ValueError(f"{name}: the shard is cut off, {len(content)} of {utterance.num_bytes} bytes are there.")
        return AudioBytes(content, name)

    def _shard(self, path):
        with self._lock:
            if path not in self._open:
                self._open[path] = _Descriptor(path)
            self._open.move_to_end(path)
            while len(self._open) > _OPEN_SHARDS:
                self._open.popitem(last=False)
            return self._open[path]


class _Descriptor:
    """An open file that is closed when the last thread has done with it."""

    def __init__(self, path):
        self.number = None
        try:
            self.number = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise ValueError(f"{path}: the shard cannot be opened ({error.strerror}).") from error

    def __del__(self):
        if self.number is not None:
            os.close(self.number)


class _Member:
    """How messages name a recording in a shard: looked up only when a message needs it, as that reads the manifest."""

    def __init__(self, utterance):
        self.utterance = utterance

    def __str__(self):
        return f"{self.utterance.audio}, {self._key()}"

    def _key(self):
        first, end = self.utterance.byte_offset, self.utterance.byte_offset + self.utterance.num_bytes
        where = f"bytes {first} to {end}"
        try:
            with open(self.utterance.manifest, encoding="utf-8-sig") as file:
                line = next(itertools.islice(file, self.utterance.line - 1, None))
            return f"{json.loads(line)['key']} ({where})"
        except (OSError, TypeError, KeyError, ValueError, StopIteration):
            return where


@contextlib.contextmanager
def written_aside(path):
    """A binary file that has its name only when it is whole."""
    with open(path + ".partial", "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".partial", path)
