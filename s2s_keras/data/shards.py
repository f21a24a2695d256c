"""A corpus of many small files as a few large ones, for disks and networks that are slow to open files."""

import concurrent.futures
import contextlib
import hashlib
import io
import itertools
import json
import os
import re

from s2s_keras.data.checking import AudioReader
from s2s_keras.data.files import written_aside
from s2s_keras.data.manifest import UtteranceError, load_manifest
from s2s_keras.data.shard_formats import FORMATS

_CUT_BYTES = 32_000  # a second, at most, of a part that is written as FLAC, for deciding where a shard ends
_WIDE = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")


def write_shards(
    manifest,
    folder,
    format="tar",
    *,
    shard_megabytes=256,
    verify="header",
    num_threads=None,
    on_bad=None,
    on_shard=None,
):
    """Packs the recordings of a manifest into shards, and writes a manifest of the shards.

    The new manifest, `FOLDER/NAME.jsonl` for `NAME.jsonl` or `NAME.csv`, says where in which shard each recording is;
    `speech_dataset` and `load_manifest` take it like any other, on every backend and without TensorFlow. Order and text
    stay. Recordings are copied as they are; a part of a file (an `offset` in the manifest) becomes FLAC, which is as
    exact. Same input, same bytes. Files appear whole, under another name until then, and what an interrupted run has
    finished is not written again.

    Args:
        manifest: path of a manifest, see `load_manifest`.
        folder: path of the folder to write to; it is made if need be.
        format: "tar", as webdataset reads it (`KEY.flac` beside `KEY.json`), or "tfrecord", `tf.train.Example`s for
            tf.data, which only writing needs TensorFlow for. Default "tar".
        shard_megabytes: float, 10^6 bytes after which a shard ends. Default 256.
        verify: "header" reads every file's header, "audio" decodes every file once. Default "header".
        num_threads: int or None, shards that are written at a time. Default None: as many as CPU cores, up to 8.
        on_bad: callable or None. None raises at the first utterance that cannot be used; a callable receives the
            `UtteranceError` of each, which is left out. Default None.
        on_shard: callable or None, receives (done, total) after each shard. Default None.

    Returns:
        str, path of the new manifest.

    Raises:
        UtteranceError: an utterance cannot be used and `on_bad` is None.
        ValueError: an argument is wrong, nothing is left, or the new manifest would replace the given one.

    Example:

    >>> import os, tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> folder = tempfile.mkdtemp()
    >>> soundfile.write(os.path.join(folder, "yes.wav"), np.zeros(8000), 16000)
    >>> manifest = os.path.join(folder, "train.jsonl")
    >>> with open(manifest, "w") as file:
    ...     _ = file.write('{"audio_filepath": "yes.wav", "text": "yes"}\\n')
    >>> path = write_shards(manifest, os.path.join(folder, "shards"))
    >>> sorted(os.listdir(os.path.join(folder, "shards")))
    ['train-000000.tar', 'train-000000.tar.json', 'train.jsonl']
    >>> load_manifest(path)[0].duration
    0.5
    """
    manifest, folder = os.fspath(manifest), os.fspath(folder)
    name = os.path.splitext(os.path.basename(manifest))[0]
    path = os.path.join(folder, f"{name}.jsonl")
    if format not in FORMATS or verify not in ("header", "audio") or not shard_megabytes > 0:
        raise ValueError(
            'Expected format "tar" or "tfrecord", verify "header" or "audio", and shard_megabytes above 0. '
            f"Received: format={format!r}, verify={verify!r}, shard_megabytes={shard_megabytes}."
        )
    if os.path.realpath(path) == os.path.realpath(manifest):
        raise ValueError(f"{path}: the manifest of the shards would replace the manifest given; use another folder.")
    os.makedirs(folder, exist_ok=True)
    num_threads = num_threads or min(os.cpu_count() or 1, 8)
    with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
        items = _measured(load_manifest(manifest, on_bad), pool, verify, on_bad)
        shards = _cut(items, shard_megabytes * 1e6, os.path.join(folder, f"{name}-%06d.{FORMATS[format].extension}"))
        if not shards:
            raise ValueError(f"{manifest}: no utterance is left to write.")
        jobs = [pool.submit(_write, shard, items, format) for shard, items in shards]
        try:
            for done, job in enumerate(jobs, 1):
                for where, reason, message in job.result():
                    _report(UtteranceError(reason, where, message), on_bad)
                if on_shard is not None:
                    on_shard(done, len(jobs))
        finally:
            for job in jobs:
                job.cancel()
    _remove_stale(folder, name, [shard for shard, _ in shards])
    with written_aside(path) as file:
        for shard, _ in shards:
            for row in _facts(shard)["rows"]:
                file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
    return path


def _report(error, on_bad):
    if on_bad is None:
        raise error
    on_bad(error)


def _measured(utterances, pool, verify, on_bad):
    """(position in the manifest, utterance, seconds, bytes) of the good ones."""
    reader = AudioReader()

    def measure(utterance):
        try:
            seconds = reader.duration(utterance)
            if verify == "audio":
                reader(utterance)
            return seconds
        except UtteranceError as error:
            return error

    items, position = [], itertools.count()
    utterances = iter(utterances)
    while chunk := list(itertools.islice(utterances, 1024)):
        for utterance, seconds in zip(chunk, pool.map(measure, chunk), strict=True):
            number = next(position)
            if isinstance(seconds, UtteranceError):
                _report(seconds, on_bad)
                continue
            size = utterance.num_bytes or os.path.getsize(utterance.audio)
            items.append((number, utterance, seconds, size))
    return items


def _cut(items, shard_bytes, pattern):
    """[(path, items of the shard)], cut where a shard has its size."""
    shards, filled = [], shard_bytes
    for item in items:
        if filled >= shard_bytes:
            shards.append((pattern % len(shards), []))
            filled = 0
        shards[-1][1].append(item)
        _, utterance, seconds, size = item
        filled += size if utterance.offset is None else seconds * _CUT_BYTES
    return shards


def _write(path, items, format):
    """Writes a shard, unless it is there, and beside it what is in it: that it is complete. Returns the bad ones."""
    fingerprint = _fingerprint(items, format)
    facts = _facts(path)
    size = os.path.getsize(path) if os.path.isfile(path) else None
    if facts and facts["fingerprint"] == fingerprint and facts["size"] == size:
        return facts["bad"]
    with contextlib.suppress(FileNotFoundError):
        os.remove(path + ".json")
    reader, rows, bad = AudioReader(), [], []
    partial = path + ".partial"
    shard = FORMATS[format](partial)
    for number, utterance, seconds, _ in items:
        try:
            audio, suffix = _content(reader, utterance)
        except UtteranceError as error:
            bad.append((error.where, error.reason, str(error).removeprefix(f"{error.where}: ")))
            continue
        stem = re.sub("[^A-Za-z0-9_-]+", "-", os.path.splitext(os.path.basename(utterance.audio))[0])
        key = f"{number:09d}_{stem[:60]}"
        row = {"text": utterance.text, "duration": round(seconds, 6)}
        if utterance.label is not None:
            row["label"] = utterance.label
        if utterance.speaker is not None:
            row["speaker"] = utterance.speaker
        start = shard.add(key, suffix, audio, row)
        row |= {"key": key, "byte_offset": start, "num_bytes": len(audio)}
        rows.append({"audio_filepath": os.path.basename(path), **row})
    shard.close()
    os.replace(partial, path)
    facts = {"fingerprint": fingerprint, "size": os.path.getsize(path), "rows": rows, "bad": bad}
    with written_aside(path + ".json") as file:
        file.write(json.dumps(facts, ensure_ascii=False).encode())
    return bad


def _content(reader, utterance):
    """Bytes of the recording and the suffix of its format."""
    import soundfile

    try:
        source = reader.files(utterance)
        if utterance.offset is None:
            if not isinstance(source, str):
                return source.getvalue(), soundfile.info(source).format.lower()
            with open(source, "rb") as file:
                return file.read(), os.path.splitext(source)[1][1:].lower()
        with soundfile.SoundFile(source) as file:
            start = round(utterance.offset * file.samplerate)
            frames = file.frames - start
            if utterance.duration is not None:
                frames = min(frames, round(utterance.duration * file.samplerate))
            wide = file.subtype in _WIDE
            file.seek(start)
            samples = file.read(frames, dtype="int32" if wide else "int16", always_2d=True)
            if len(samples) < frames:
                raise ValueError(f"{source}: the file is cut off, {len(samples)} of {frames} samples could be read.")
            part = io.BytesIO()
            soundfile.write(part, samples, file.samplerate, "PCM_24" if wide else "PCM_16", format="FLAC")
            return part.getvalue(), "flac"
    except (ValueError, OSError, soundfile.LibsndfileError) as error:
        raise UtteranceError("unreadable audio", utterance.where, f"{utterance.audio}: {error}") from error


def _fingerprint(items, format):
    """Of all that decides what a shard holds; a changed file has another time."""
    digest = hashlib.sha256(format.encode())
    for number, u, seconds, size in items:
        changed = os.stat(u.audio).st_mtime_ns
        fields = (number, u.audio, u.text, u.offset, u.duration, u.label, u.speaker, u.byte_offset)
        digest.update(json.dumps((*fields, seconds, size, changed)).encode())
    return digest.hexdigest()


def _facts(path):
    try:
        with open(path + ".json", encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def _remove_stale(folder, name, shards):
    """Shards that an earlier run with other settings left: a pattern over the folder would find them."""
    kept = set(map(os.path.basename, shards))
    for file in os.listdir(folder):
        match = re.fullmatch(rf"({re.escape(name)}-\d{{6}}\.({'|'.join(FORMATS)}))\.json", file)
        if match and match[1] not in kept:
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(folder, match[1]))
            os.remove(os.path.join(folder, file))
