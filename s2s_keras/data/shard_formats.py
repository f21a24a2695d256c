"""What is inside a shard: a tar as webdataset reads it, or records as tf.data reads them. Same input, same bytes."""

import io
import json
import os
import tarfile

_TAR_HEADER = 512  # bytes
_RECORD_HEADER, _RECORD_FOOTER = 12, 4  # length and checksum before, checksum after


class TarShard:
    """Writes `KEY.flac` (or what the recording is) and `KEY.json` with text and duration for each utterance.

    Args:
        path: str, the file to write.
    """

    extension = "tar"

    def __init__(self, path):
        self._file = open(path, "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)

    def add(self, key, suffix, audio, facts):
        """Appends an utterance and returns where in the file its audio begins."""
        self._add(f"{key}.{suffix}", audio)
        start = self._file.tell() - len(audio) - -len(audio) % _TAR_HEADER
        self._add(f"{key}.json", json.dumps(facts, ensure_ascii=False).encode())
        return start

    def _add(self, name, content):
        info = tarfile.TarInfo(name)  # time, owner and group stay 0
        info.size = len(content)
        self._tar.addfile(info, io.BytesIO(content))

    def close(self):
        """Ends the shard and waits until the disk has it."""
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


class TFRecordShard:
    """Writes a `tf.train.Example` for each utterance: bytes `key`, `format`, `audio`, `facts` (JSON), and `text`.

    Args:
        path: str, the file to write.

    Raises:
        ValueError: TensorFlow is not installed.
    """

    extension = "tfrecord"

    def __init__(self, path):
        try:
            import tensorflow as tf
        except ImportError as error:
            raise ValueError(
                'TFRecord shards are written with TensorFlow, which is not installed; install it or use format="tar", '
                "which is read at the same speed."
            ) from error
        self._train = tf.train
        self._path = path
        self._position = 0
        self._writer = tf.io.TFRecordWriter(path)

    def add(self, key, suffix, audio, facts):
        """Appends an utterance and returns where in the file its audio begins."""
        values = {
            "key": key.encode(),
            "format": suffix.encode(),
            "audio": audio,
            "facts": json.dumps(facts, ensure_ascii=False).encode(),
            "text": facts["text"].encode(),
        }
        features = {
            name: self._train.Feature(bytes_list=self._train.BytesList(value=[value])) for name, value in values.items()
        }
        example = self._train.Example(features=self._train.Features(feature=features))
        record = example.SerializeToString(deterministic=True)
        self._writer.write(record)
        start = self._position + _RECORD_HEADER + record.index(audio)  # bytes stand in a record as they are
        self._position += _RECORD_HEADER + len(record) + _RECORD_FOOTER
        return start

    def close(self):
        """Ends the shard and waits until the disk has it."""
        self._writer.close()
        with open(self._path, "rb") as file:
            os.fsync(file.fileno())


FORMATS = {"tar": TarShard, "tfrecord": TFRecordShard}
