"""Finds the utterances a model could not learn from, before training starts."""

import collections
import concurrent.futures
import dataclasses
import itertools
import logging
import os

import numpy as np

from s2s_keras.data.files import AudioFiles
from s2s_keras.data.manifest import UtteranceError
from s2s_keras.ops.audio import audio_info, load_audio

_DURATION_TOLERANCE = 0.25  # seconds a manifest's duration may be off (rounding, MP3 headers), plus 1 %


class Example:
    """An utterance that passed all checks: its `utterance`, `labels` (int32 array) and `duration` in seconds.

    There are millions of them in a large corpus: labels are kept as bytes, as few as their largest one needs.

    Args:
        utterance: `Utterance`.
        labels: sequence of int, token ids of the transcript.
        duration: float, seconds.

    Example:

    >>> from s2s_keras.data import Utterance
    >>> Example(Utterance("a.wav", "yes"), [26, 6, 20], 0.5).labels
    array([26,  6, 20], dtype=int32)
    """

    __slots__ = ("utterance", "duration", "_labels", "_itemsize")

    def __init__(self, utterance, labels, duration):
        labels = np.asarray(labels)
        packed = labels.astype(np.min_scalar_type(int(labels.max(initial=0))))
        self.utterance = utterance
        self.duration = duration
        self._labels = packed.tobytes()
        self._itemsize = packed.itemsize

    @property
    def labels(self):
        return np.frombuffer(self._labels, f"uint{8 * self._itemsize}").astype("int32")

    @property
    def num_labels(self):
        return len(self._labels) // self._itemsize


class SkipReport:
    """Counts what was left out and why.

    Args:
        noun: str, what is counted. Default "utterance".

    Example:

    >>> report = SkipReport()
    >>> report.add(UtteranceError("empty text", "train.jsonl, line 3", "the text is empty."))
    >>> report.counts, report.summary()
    ({'empty text': 1}, 'Skipped 1 utterance: 1 empty text (train.jsonl, line 3).')
    """

    def __init__(self, noun="utterance"):
        self.noun = noun
        self.errors = []

    def add(self, error):
        """Counts one `UtteranceError`."""
        self.errors.append(error)

    @property
    def counts(self):
        return dict(collections.Counter(error.reason for error in self.errors))

    def summary(self):
        """One line: how many for each reason, with the place of the first of each."""
        if not self.errors:
            return f"Skipped no {self.noun}."
        first = {error.reason: error.where for error in reversed(self.errors)}
        parts = [f"{n} {reason} ({first[reason]}{', ...' if n > 1 else ''})" for reason, n in self.counts.items()]
        return f"Skipped {len(self.errors)} {self.noun}{'s' * (len(self.errors) > 1)}: {'; '.join(parts)}."

    def log(self):
        """Sends the summary to the log, as a warning, where anything was skipped."""
        if self.errors:
            logging.getLogger("s2s_keras").warning(self.summary())


class AudioReader:
    """Reads the audio of an utterance, once if it is to stay in memory.

    Args:
        sample_rate: int, samples per second. Default 16000.
        resample: bool, whether files of other rates are converted or refused. Default True.
        cache: bool, whether decoded audio stays in memory (64 KB per second of 16 kHz audio). Default False.

    Example:

    >>> AudioReader(cache=True).sample_rate
    16000
    """

    def __init__(self, sample_rate=16000, resample=True, cache=False):
        self.sample_rate = sample_rate
        self.resample = resample
        self.cache = {} if cache else None
        self.files = AudioFiles()

    def __call__(self, utterance):
        """Returns float32 (samples,); raises `UtteranceError` where the file cannot be read."""
        key = (utterance.audio, utterance.byte_offset, utterance.offset, utterance.duration)
        if self.cache is not None and key in self.cache:
            return self.cache[key]
        offset, duration = (0.0, None) if utterance.offset is None else (utterance.offset, utterance.duration)
        try:
            audio = load_audio(self.files(utterance), self.sample_rate, offset, duration, resample=self.resample)
        except ValueError as error:
            raise UtteranceError("unreadable audio", utterance.where, str(error)) from error
        if self.cache is not None:
            self.cache[key] = audio
        return audio

    def duration(self, utterance):
        """Seconds of the utterance, from the file's header; raises `UtteranceError` where that is not possible."""
        try:
            rate, samples, _ = audio_info(self.files(utterance))
        except ValueError as error:
            raise UtteranceError("unreadable audio", utterance.where, str(error)) from error
        if rate != self.sample_rate and not self.resample:
            raise UtteranceError(
                "wrong sample rate",
                utterance.where,
                f"{utterance.audio} has {rate} Hz where {self.sample_rate} Hz is expected; convert it or set "
                "resample=True.",
            )
        seconds = samples / rate
        rest = seconds - (utterance.offset or 0.0)
        expected = rest if utterance.duration is None else utterance.duration
        tolerance = _DURATION_TOLERANCE + 0.01 * expected
        too_long = utterance.offset is None and rest - expected > tolerance
        if samples == 0 or rest <= 0 or expected - rest > tolerance or too_long:
            raise UtteranceError(
                "wrong duration" if samples else "unreadable audio",
                utterance.where,
                f"{utterance.audio} lasts {seconds:.3f} s, the manifest says offset {utterance.offset} and duration "
                f"{utterance.duration}; mend the manifest, or give an offset (0 will do) where only a part is meant.",
            )
        return rest if utterance.offset is None else min(expected, rest)


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a model accepts.

    Args:
        min_duration: float, seconds. Default 0.
        max_duration: float or None, seconds. Default None, no limit.
        frames_per_second: float or None, output frames of the model per second of audio; labels that need more frames
            than there are (CTC needs one per label and one between equal neighbours) are refused. Default None.
        allow_empty: bool, whether a text may be empty, as that of a recording without speech. Default False.
    """

    min_duration: float = 0.0
    max_duration: float | None = None
    frames_per_second: float | None = None
    allow_empty: bool = False


def encode_labels(utterance, tokenizer, normalize=None, allow_empty=False):
    """Token ids of the transcript, or an `UtteranceError` that says why there are none."""
    text = utterance.text if normalize is None else normalize(utterance.text)
    try:
        labels = np.asarray(tokenizer.encode(text) if text.strip() else [], "int32")
    except ValueError as error:
        raise UtteranceError("unknown label", utterance.where, str(error)) from error
    if not len(labels):
        if allow_empty:
            return labels
        message = f"the text is empty ({utterance.text!r}); write what is said or drop the line."
        raise UtteranceError("empty text", utterance.where, message)
    if labels.min() < 1 or labels.max() >= tokenizer.vocabulary_size:
        raise UtteranceError(
            "unknown label",
            utterance.where,
            f"labels must lie in 1..{tokenizer.vocabulary_size - 1} (0 is the blank), the text {text!r} gives "
            f"{sorted(set(labels.tolist()))}.",
        )
    return labels


def check_duration(utterance, seconds, labels, limits):
    """Raises an `UtteranceError` where the utterance is outside the limits."""
    lasts = f"{utterance.audio} lasts {seconds:.3f} s"
    if seconds < limits.min_duration:
        raise UtteranceError("too short", utterance.where, f"{lasts}, min_duration is {limits.min_duration} s.")
    if limits.max_duration is not None and seconds > limits.max_duration:
        raise UtteranceError("too long", utterance.where, f"{lasts}, max_duration is {limits.max_duration} s.")
    if limits.frames_per_second is not None:
        frames = int(seconds * limits.frames_per_second)
        needed = len(labels) + int(np.count_nonzero(labels[1:] == labels[:-1]))
        if needed > frames:
            raise UtteranceError(
                "too many labels",
                utterance.where,
                f"the text needs {needed} output frames, {lasts}, which gives {frames}; check that text and audio "
                "belong together, or use a model with a smaller stride.",
            )


def check_utterances(utterances, tokenizer, reader, limits, *, normalize=None, verify="header", on_bad=None):
    """Turns utterances into examples and finds the ones that cannot be used.

    Args:
        utterances: sequence of `Utterance`.
        tokenizer: has `encode(text)` and `vocabulary_size`.
        reader: `AudioReader`.
        limits: `Limits`.
        normalize: callable or None, applied to the text before it is encoded. Default None.
        verify: str. "header" opens every file and reads its header, which `write_shards` has done for what is in a
            shard; "audio" decodes every file once; "manifest" believes the manifest's durations. Default "header".
        on_bad: callable or None, receives each `UtteranceError`; None raises the first. Default None.

    Returns:
        List of `Example`, in the order given.

    Raises:
        UtteranceError: an utterance cannot be used and `on_bad` is None.
    """

    def trusted(utterance):  # `write_shards` has read the header of what is in a shard
        believed = verify == "manifest" or (verify == "header" and utterance.byte_offset is not None)
        return believed and utterance.duration is not None

    def check(utterance):
        try:
            labels = encode_labels(utterance, tokenizer, normalize, limits.allow_empty)
            seconds = utterance.duration if trusted(utterance) else reader.duration(utterance)
            check_duration(utterance, seconds, labels, limits)
            if verify == "audio":
                reader(utterance)
            return Example(utterance, labels, seconds)
        except UtteranceError as error:
            return error

    return examples_of(check, utterances, on_bad, inline=trusted)


def examples_of(check, utterances, on_bad=None, inline=lambda utterance: False):
    """The examples that a check makes of utterances, in their order, by threads.

    Args:
        check: callable, from an `Utterance` to an `Example` or to the `UtteranceError` that says why there is none.
        utterances: sequence of `Utterance`.
        on_bad: callable or None, receives each `UtteranceError`; None raises the first. Default None.
        inline: callable, whether the check of an utterance reads no file: threads then cost more than they save.

    Returns:
        List of `Example`.
    """
    examples = []
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        utterances = iter(utterances)
        while chunk := list(itertools.islice(utterances, 256)):
            for result in (map if all(map(inline, chunk)) else pool.map)(check, chunk):
                if isinstance(result, Example):
                    examples.append(result)
                elif on_bad is None:
                    raise result
                else:
                    on_bad(result)
    return examples
