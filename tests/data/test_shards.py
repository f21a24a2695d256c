import contextlib
import importlib.util
import json
import os
import tarfile

import numpy as np
import pytest
import soundfile

from s2s_keras.data import UtteranceError, load_manifest, speech_dataset, write_shards
from s2s_keras.ops.audio import load_audio

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")

DURATIONS = [0.3, 0.5, 0.2, 0.4, 0.25, 0.35]
TEXTS = ["a", "b", "ü", "d", "e", "f"]
needs_tensorflow = pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow not installed")
FORMATS = ["tar", pytest.param("tfrecord", marks=needs_tensorflow)]


@pytest.fixture
def corpus(write_corpus, tmp_path):
    """A manifest of six files and, on line 7, of 0.1 s out of the first."""
    path = write_corpus(DURATIONS, TEXTS)
    with open(path, "a") as file:
        row = {
            "audio_filepath": "train.jsonl-0.wav",
            "offset": 0.1,
            "duration": 0.1,
            "text": "part",
            "label": "x",
            "speaker": "ann",
        }
        file.write(json.dumps(row) + "\n")
    return path


def content(folder):
    return {name: (folder / name).read_bytes() for name in sorted(os.listdir(folder)) if not name.endswith(".json")}


@pytest.mark.parametrize("format", FORMATS)
def test_shards_read_as_the_files_do(corpus, tmp_path, format):
    path = write_shards(corpus, tmp_path / "out", format, shard_megabytes=0.03, num_threads=2)
    names = sorted(os.listdir(tmp_path / "out"))
    assert sum(name.endswith(f".{format}") for name in names) == 3 and os.path.basename(path) == "train.jsonl"
    files, packed = load_manifest(corpus), load_manifest(path)
    assert [(u.text, u.label, u.speaker) for u in packed] == [(u.text, u.label, u.speaker) for u in files]
    assert [u.duration for u in packed] == pytest.approx([*DURATIONS, 0.1])
    assert all(u.offset is None and u.byte_offset for u in packed)
    reader = speech_dataset(path, AnyText(), 2).reader
    for file, part in zip(files, packed, strict=True):
        span = {} if file.offset is None else {"offset": file.offset, "duration": file.duration}
        np.testing.assert_array_equal(reader(part), load_audio(file.audio, **span))
        if file.offset is None:  # copied as it is
            with open(part.audio, "rb") as shard, open(file.audio, "rb") as original:
                shard.seek(part.byte_offset)
                assert shard.read(part.num_bytes) == original.read()


class AnyText:
    vocabulary_size = 300

    def encode(self, text):
        return [min(ord(c), 299) for c in text]


@pytest.mark.parametrize("threads", [0, 3])
def test_batches_from_shards_equal_batches_from_files(corpus, tmp_path, threads):
    path = write_shards(corpus, tmp_path / "out", shard_megabytes=0.03)
    options = {"batch_size": 2, "shuffle": True, "num_threads": threads}
    from_files, from_shards = (speech_dataset(m, AnyText(), **options) for m in (corpus, path))
    from_files.start_at(1, 2)
    from_shards.start_at(1, 2)
    for (x, y), (x2, y2) in zip(from_files, from_shards, strict=True):
        np.testing.assert_array_equal(x["audio"], x2["audio"])
        np.testing.assert_array_equal(y, y2)
    window = speech_dataset(path, AnyText(), shuffle_window=1, **options)
    assert sorted(t for k in range(len(window)) for t in texts(window, k)) == sorted([*TEXTS, "part"])


def texts(dataset, index):
    return [utterance.text for utterance in dataset.batch_utterances(0, index)]


def test_tar_is_what_webdataset_reads(corpus, tmp_path):
    write_shards(corpus, tmp_path / "out")
    with tarfile.open(tmp_path / "out/train-000000.tar") as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
        assert {(member.mtime, member.uid, member.gid) for member in tar.getmembers()} == {(0, 0, 0)}
    assert list(members)[:2] == ["000000000_train-jsonl-0.wav", "000000000_train-jsonl-0.json"]
    assert all(name.split(".")[0].startswith(f"{n // 2:09d}") for n, name in enumerate(members))
    assert json.loads(members["000000002_train-jsonl-2.json"]) == {"text": "ü", "duration": 0.2}
    assert json.loads(members["000000006_train-jsonl-0.json"]) == {
        "text": "part",
        "duration": 0.1,
        "label": "x",
        "speaker": "ann",
    }
    assert members["000000006_train-jsonl-0.flac"][:4] == b"fLaC"


@needs_tensorflow
def test_records_are_what_tf_data_reads(corpus, tmp_path):
    import tensorflow as tf

    write_shards(corpus, tmp_path / "out", "tfrecord")
    spec = {name: tf.io.FixedLenFeature((), tf.string) for name in ("key", "text", "format", "audio")}
    records = tf.data.TFRecordDataset(str(tmp_path / "out/train-000000.tfrecord"))
    rows = [tf.io.parse_single_example(record, spec) for record in records]
    assert [row["text"].numpy().decode() for row in rows] == [*TEXTS, "part"]
    audio, rate = tf.audio.decode_wav(rows[1]["audio"])
    assert rows[1]["format"].numpy() == b"wav" and rate == 16000 and audio.shape == (8000, 1)


@pytest.mark.parametrize("format", FORMATS)
def test_an_interrupted_run_goes_on_and_ends_in_the_same_bytes(corpus, tmp_path, format):
    out, again = tmp_path / "out", tmp_path / "again"
    options = {"format": format, "shard_megabytes": 0.03, "num_threads": 1}
    write_shards(corpus, out, **options)

    def stop(done, total):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(corpus, again, on_shard=stop, **options)
    assert "train.jsonl" not in os.listdir(again)
    (again / f"train-000002.{format}.partial").write_bytes(b"half")  # killed in the middle of it
    with contextlib.suppress(FileNotFoundError):
        os.remove(again / f"train-000002.{format}.json")
    first = (again / f"train-000000.{format}").stat()
    write_shards(corpus, again, **options)
    assert (again / f"train-000000.{format}").stat().st_ino == first.st_ino
    assert content(again) == content(out)


def test_what_changed_is_written_again_and_what_is_left_over_goes(corpus, tmp_path):
    out = tmp_path / "out"
    write_shards(corpus, out, shard_megabytes=0.03)
    kept = (out / "train-000000.tar").stat().st_ino
    soundfile.write(tmp_path / "train.jsonl-4.wav", np.full(4000, 0.5), 16000)
    path = write_shards(corpus, out, shard_megabytes=0.03)
    assert (out / "train-000000.tar").stat().st_ino == kept
    reader = speech_dataset(path, AnyText()).reader
    np.testing.assert_allclose(reader(load_manifest(path)[4]), 0.5, atol=1e-4)
    write_shards(corpus, out)
    assert sorted(os.listdir(out)) == ["train-000000.tar", "train-000000.tar.json", "train.jsonl"]


def test_bad_utterances_are_errors_or_are_reported(corpus, tmp_path):
    (tmp_path / "train.jsonl-1.wav").write_text("no audio")
    os.remove(tmp_path / "train.jsonl-5.wav")
    for line in (2, 6):
        with pytest.raises(UtteranceError, match=f"line {line}: " if line == 6 else "line [26]: "):
            write_shards(corpus, tmp_path / "out")
    bad = []
    path = write_shards(corpus, tmp_path / "out", on_bad=bad.append)
    assert sorted((e.reason, e.where[-6:]) for e in bad) == [("missing file", "line 6"), ("unreadable audio", "line 2")]
    assert [u.text for u in load_manifest(path)] == ["a", "ü", "d", "e", "part"]


def test_a_part_that_cannot_be_decoded_is_reported_by_every_run(corpus, tmp_path):
    soundfile.write(tmp_path / "cut.flac", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    data = (tmp_path / "cut.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(data[: len(data) // 2])
    with open(corpus, "a") as file:
        file.write('{"audio_filepath": "cut.flac", "offset": 0.0, "duration": 0.9, "text": "cut"}\n')
    with pytest.raises(UtteranceError, match="line 8: .*cut.flac"):
        write_shards(corpus, tmp_path / "out")
    for _ in range(2):
        bad = []
        path = write_shards(corpus, tmp_path / "out", on_bad=bad.append)
        assert [(e.reason, e.where[-6:]) for e in bad] == [("unreadable audio", "line 8")]
        assert len(load_manifest(path)) == 7


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_shard_is_named_with_the_key(corpus, tmp_path, format):
    path = write_shards(corpus, tmp_path / "out", format)
    dataset = speech_dataset(path, AnyText(), 1, verify="manifest")
    last = load_manifest(path)[-1]
    os.truncate(last.audio, last.byte_offset + 10)
    message = rf"train-000000\.{format}, 000000006_train-jsonl-0"
    with pytest.raises(UtteranceError, match=message):
        list(dataset)
    with pytest.raises(UtteranceError, match=message) as error:
        load_manifest(path)
    assert error.value.reason == "damaged shard"
    os.remove(last.audio)
    with pytest.raises(UtteranceError, match="missing file|does not exist"):
        load_manifest(path)


def test_shards_of_shards(corpus, tmp_path):
    path = write_shards(corpus, tmp_path / "out", shard_megabytes=0.03)
    again = write_shards(path, tmp_path / "again")
    one, two = speech_dataset(path, AnyText(), 7), speech_dataset(again, AnyText(), 7)
    np.testing.assert_array_equal(one.batch(0, 0)[0]["audio"], two.batch(0, 0)[0]["audio"])
    with pytest.raises(ValueError, match="use another folder"):
        write_shards(again, tmp_path / "again")


@pytest.mark.parametrize("change", [{"format": "zip"}, {"verify": "no"}, {"shard_megabytes": 0}])
def test_arguments_out_of_range(corpus, tmp_path, change):
    with pytest.raises(ValueError, match=str(list(change.values())[0])):
        write_shards(corpus, tmp_path / "out", **change)


@pytest.mark.parametrize("row", [{"byte_offset": -1, "num_bytes": 4}, {"byte_offset": 1}, {"num_bytes": 1.5}])
def test_ranges_that_make_no_sense(tmp_path, row):
    (tmp_path / "a.tar").write_bytes(b"0" * 100)
    (tmp_path / "m.jsonl").write_text(json.dumps({"audio_filepath": "a.tar", "text": "a", **row}))
    with pytest.raises(UtteranceError, match="must be whole numbers"):
        load_manifest(tmp_path / "m.jsonl")


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_records_without_tensorflow(corpus, tmp_path):
    with pytest.raises(ValueError, match='use format="tar"'):
        write_shards(corpus, tmp_path / "out", "tfrecord")
