"""What a recognizer got right and wrong on a set of recordings, as one page."""

import dataclasses
import io
import os
from pathlib import Path

import numpy as np

from s2s_keras.ops.audio import load_audio
from s2s_keras.reports._page import render
from s2s_keras.reports._scoring import score

_MOST_BYTES = 20 * 2**20  # of audio in a page


@dataclasses.dataclass(frozen=True, slots=True)
class Recognition:
    """What was said in a recording and what was recognized.

    Args:
        reference: str, what was said.
        hypothesis: str, what was recognized.
        name: str, how the page calls the recording. Default "".
        duration: float or None, seconds. Default None.
        speaker: str or None, who speaks. Default None.
        audio: how the recording is heard: str or path of an audio file, float array (S,) in [-1, 1], or a function
            without arguments that gives such an array and is called for the recordings that the page plays. Default
            None.

    Example:

    >>> Recognition("yes sir", "yes", speaker="anna").hypothesis
    'yes'
    """

    reference: str
    hypothesis: str
    name: str = ""
    duration: float | None = None
    speaker: str | None = None
    audio: object = None


def recognition_report(path, recognitions, title="Speech recognition", facts=None, num_playable=20, sample_rate=16000):
    """Writes a page about a recognizer's errors: one HTML file that needs no network and no other file.

    It shows word and character error rate with 95 % confidence intervals, the most frequent substitutions, deletions
    and insertions, word error rate against duration and for each speaker, and every utterance word by word beside its
    reference, the worst first (the 2000 worst, of more). The file is written aside and appears when it is complete.

    Args:
        path: str or path, the file to write.
        recognitions: iterable of `Recognition`.
        title: str, the heading. Default "Speech recognition".
        facts: dict from str to text or number, shown below the heading, such as the name of the model. Default None.
        num_playable: int, how many utterances can be played, the worst ones. Their audio is inside the page as FLAC of
            16 bits, up to 20 MiB of it; a recording that no longer fits is left out. Default 20.
        sample_rate: int, of the audio. Default 16000.

    Returns:
        The path.

    Raises:
        ValueError: there is no recognition, the folder does not exist, or audio cannot be read.

    Example:

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "report.html")
    >>> recognitions = [Recognition("yes sir", "yes", "a.wav", 0.9), Recognition("no", "no", "b.wav", 0.6)]
    >>> "33.33%" in open(recognition_report(path, recognitions), encoding="utf-8").read()
    True
    """
    path = check_report_path(path)
    rows = list(enumerate(map(score, recognitions)))
    if not rows:
        raise ValueError("A report needs one recognition at least. Received none.")
    rows.sort(key=lambda row: (-row[1].words.rate, -row[1].words.edits, row[0]))
    clips = playable_clips([(order, row.recognition.audio) for order, row in rows], num_playable, sample_rate)
    return write_page(path, render(rows, title, facts or {}, clips))


def playable_clips(recordings, num_playable, sample_rate):
    """The bytes of FLAC files of the first recordings, 20 MiB of them at most: dict from key to bytes.

    Args:
        recordings: list of (key, audio as of `Recognition`).
        num_playable: int.
        sample_rate: int.
    """
    clips, size = {}, 0
    for key, audio in [recording for recording in recordings if recording[1] is not None][:num_playable]:
        clip = _flac(audio, sample_rate)
        if size + len(clip) <= _MOST_BYTES:
            clips[key] = clip
            size += len(clip)
    return clips


def write_page(path, page):
    """Writes a page aside and lets it take its place; returns the path."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(page.encode("utf-8", "replace"))  # a lone surrogate is no text
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def check_report_path(path):
    """`path` as a `Path`, if a file can be written there."""
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise ValueError(f"{path}: {reason}; expected a file to write the report to.")
    return path


def _flac(audio, sample_rate):
    import soundfile

    if callable(audio):
        audio = audio()
    elif not isinstance(audio, np.ndarray):
        audio = load_audio(audio, sample_rate)
    samples = np.clip(np.rint(np.asarray(audio, "float64") * 2**15), -(2**15), 2**15 - 1).astype("int16")
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
