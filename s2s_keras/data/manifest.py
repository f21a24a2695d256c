"""Lists of utterances: NeMo's JSON lines and OpenSeq2Seq's CSV."""

import csv
import dataclasses
import json
import os

from s2s_keras.data.files import written_aside

_JSON_KEYS = ("audio_filepath", "text")
_CSV_KEYS = ("wav_filename", "transcript")
_FOREVER = 1e9  # seconds


class UtteranceError(ValueError):
    """One utterance that cannot be used, with the place in the manifest it came from.

    Args:
        reason: str, a short name that reports count by, e.g. "missing file".
        where: str, "FILE, line N", or the audio file where there is no manifest.
        message: str, what is wrong and how to mend it.

    Example:

    >>> print(UtteranceError("empty text", "train.jsonl, line 3", "'text' is empty."))
    train.jsonl, line 3: 'text' is empty.
    """

    def __init__(self, reason, where, message):
        super().__init__(f"{where}: {message}")
        self.reason = reason
        self.where = where


@dataclasses.dataclass(frozen=True, slots=True)
class Utterance:
    """One recording, or a part of one, and what is said in it.

    Args:
        audio: str, path of the audio file.
        text: str, the transcript.
        duration: float or None, seconds; None means to the end of the file.
        offset: float or None, second at which the utterance starts; None means the file holds this utterance only.
        manifest: str or None, the manifest it came from.
        line: int or None, its line there, from 1.
        label: object, the class of a recording of noise or of a command ("label" of a JSON line). Default None.
        byte_offset: int or None, where in `audio`, then a shard of many recordings, the bytes of this one begin; None
            means that the file is one recording. Default None.
        num_bytes: int or None, how many bytes of the shard are this recording. Default None.
        speaker: str or None, who speaks. Default None.

    Example:

    >>> Utterance("a.wav", "yes", manifest="train.jsonl", line=3).where
    'train.jsonl, line 3'
    """

    audio: str
    text: str
    duration: float | None = None
    offset: float | None = None
    manifest: str | None = None
    line: int | None = None
    label: object = None
    byte_offset: int | None = None
    num_bytes: int | None = None
    speaker: str | None = None

    @property
    def where(self):
        """What error messages begin with: "MANIFEST, line N", or the audio file where there is no manifest."""
        return self.audio if self.manifest is None else f"{self.manifest}, line {self.line}"


def load_manifest(path, on_bad=None):
    """Reads a manifest: which audio files there are and what is said in them.

    Two formats are told apart by the file's first line. NeMo's JSON lines, one object per line with `audio_filepath`
    and `text`, and if wished `duration` and `offset` in seconds, a `speaker` and a `label`; `byte_offset` and
    `num_bytes` where the file is a shard of many recordings (see `write_shards`); other keys are ignored. OpenSeq2Seq's
    CSV with the header `wav_filename,wav_filesize,transcript`. Relative audio paths start at the manifest's folder.

    Args:
        path: str or path-like, the manifest.
        on_bad: callable or None. None raises at the first line that cannot be used; a callable receives the
            `UtteranceError` of each such line and reading goes on. Default None.

    Returns:
        List of `Utterance`, in the order of the file.

    Raises:
        UtteranceError: (a `ValueError`) a line does not parse, lacks a key, or names an audio file that is not there.
        ValueError: the manifest does not exist or holds no utterance.

    Example:

    >>> import json, os, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> open(os.path.join(folder, "yes.wav"), "wb").close()
    >>> path = os.path.join(folder, "train.jsonl")
    >>> with open(path, "w") as file:
    ...     _ = file.write(json.dumps({"audio_filepath": "yes.wav", "duration": 1.0, "text": "yes"}))
    >>> [(u.text, u.duration, u.line) for u in load_manifest(path)]
    [('yes', 1.0, 1)]

    Reference: NVIDIA NeMo's manifests; OpenSeq2Seq's `Speech2TextDataLayer` (its CSV holds no duration: it is read from
    the audio file when needed, and `wav_filesize` is ignored).
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise ValueError(f"{path}: no such manifest; expected a file of JSON lines or CSV.")
    utterances = []
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            first = next((line for line in file if line.strip()), "")
            file.seek(0)
            is_csv = not first.lstrip().startswith("{") and "wav_filename" in first
            rows = _csv_rows(file, path) if is_csv else _json_rows(file, path)
            sizes = {}  # of the audio files; the utterances of a shard share its path
            for row in rows:
                try:
                    utterances.append(_utterance(row, path, sizes))
                except UtteranceError as error:
                    if on_bad is None:
                        raise
                    on_bad(error)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: the manifest is not UTF-8 text ({error}).") from error
    if not utterances and on_bad is None:
        raise ValueError(f"{path}: the manifest holds no utterance.")
    return utterances


def write_manifest(path, utterances):
    """Writes a manifest of JSON lines, which `load_manifest` reads.

    Args:
        path: str or path-like, the file; its folder must exist. Paths of audio are written relative to it.
        utterances: sequence of `Utterance`, such as a corpus's reader returns.

    Returns:
        str, the path.

    Example:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> open(os.path.join(folder, "yes.wav"), "wb").close()
    >>> path = write_manifest(os.path.join(folder, "train.jsonl"), [Utterance(os.path.join(folder, "yes.wav"), "yes")])
    >>> open(path).read()
    '{"audio_filepath": "yes.wav", "text": "yes"}\\n'
    """
    path = os.fspath(path)
    names = ("text", "duration", "offset", "label", "byte_offset", "num_bytes", "speaker")
    with written_aside(path) as file:
        for utterance in utterances:
            row = {"audio_filepath": os.path.relpath(utterance.audio, os.path.dirname(path) or ".")}
            row |= {name: value for name in names if (value := getattr(utterance, name)) is not None}
            file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
    return path


def _json_rows(file, path):
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:  # ValueError: no JSON, or a number of thousands of digits
            message = f"neither a JSON object ({error}) nor part of a CSV file with the header wav_filename,..."
            row = UtteranceError("bad line", f"{path}, line {line}", message)
        else:
            if not isinstance(row, dict):
                message = f"expected a JSON object, got {text.strip()[:60]!r}."
                row = UtteranceError("bad line", f"{path}, line {line}", message)
        yield line, row, _JSON_KEYS


def _csv_rows(file, path):
    header = None
    for line, text in enumerate(file, 1):  # a line each, so that a quote left open costs one utterance
        if not text.strip():
            continue
        try:
            (values,) = csv.reader([text.rstrip("\r\n")], strict=True, skipinitialspace=True)
        except csv.Error as error:
            message = f"the line is not CSV ({error}); is a quote left open?"
            row = UtteranceError("bad line", f"{path}, line {line}", message)
        else:
            if header is None:
                header = values
                continue
            row = dict(zip(header, values, strict=False))
            if len(values) != len(header):
                message = f"the number of fields differs from the header's {len(header)}; quote fields with commas."
                row = UtteranceError("bad line", f"{path}, line {line}", message)
        yield line, row, _CSV_KEYS


def _utterance(row, path, sizes):
    line, row, (audio_key, text_key) = row
    where = f"{path}, line {line}"
    if isinstance(row, UtteranceError):
        raise row
    for key in (audio_key, text_key):
        if not isinstance(row.get(key), str):
            raise UtteranceError("bad line", where, f"expected text at the key {key!r}, got {_shown(row)}.")
    duration, offset = row.get("duration"), row.get("offset")
    if duration is not None and not (_is_number(duration) and duration > 0):
        raise UtteranceError("bad line", where, f"'duration' must be seconds above 0, got {duration!r}.")
    if offset is not None and not (_is_number(offset) and offset >= 0):
        raise UtteranceError("bad line", where, f"'offset' must be seconds, 0 or above, got {offset!r}.")
    speaker = None if row.get("speaker") in (None, "") else str(row["speaker"])
    part = row.get("byte_offset"), row.get("num_bytes")
    audio = row[audio_key]
    if audio not in sizes:
        found = os.path.join(os.path.dirname(path), audio)
        if not os.path.isfile(found):
            raise UtteranceError("missing file", where, f"the audio file {found} does not exist.")
        if part == (None, None):
            return Utterance(found, row[text_key], duration, offset, path, line, row.get("label"), speaker=speaker)
        sizes[audio] = (found, os.path.getsize(found))
    found, size = sizes[audio]
    if part != (None, None):
        if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in part):
            raise UtteranceError("bad line", where, f"'byte_offset' and 'num_bytes' must be whole numbers, got {part}.")
        if sum(part) > size:
            message = f"{found}{_named(row)} is cut off: it ends at byte {size}, the recording at {sum(part)}."
            raise UtteranceError("damaged shard", where, message)
    return Utterance(found, row[text_key], duration, offset, path, line, row.get("label"), *part, speaker)


def _named(row):
    return f", {row['key']}," if isinstance(row.get("key"), str) else ""


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _FOREVER  # NaN is not


def _shown(row):
    text = json.dumps(row)
    return text if len(text) <= 200 else f"{text[:200]}..."
