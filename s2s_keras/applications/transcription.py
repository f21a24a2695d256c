"""From recordings of any length to what was said in them, in bounded memory."""

import dataclasses
import heapq
import itertools
import os

import numpy as np

from s2s_keras.applications.recordings import padded_batches
from s2s_keras.decoding import Hypothesis
from s2s_keras.decoding.hypothesis import token_texts
from s2s_keras.layers.blank_padding import IMPOSSIBLE
from s2s_keras.ops.audio import audio_blocks, audio_info
from s2s_keras.ops.pauses import split_at_pauses

POOL_SECONDS = 900.0  # of audio that is sorted by length at a time
PAUSE_SECONDS = 0.4  # without a letter: no word has such a hole


@dataclasses.dataclass(slots=True, eq=False)
class Part:
    """A part of a recording on its way: its audio, then its logits.

    Args:
        recording: int, which one.
        start: int, its first sample.
        audio: float32 (S,); None when there are logits.
        overlaps: bool, whether it begins before the end of the part before it.
        seconds: float, what is done with it: its own length and that of the pause before it.
        logits: float32 (T, V), of real frames.
    """

    recording: int
    start: int
    audio: np.ndarray | None
    overlaps: bool
    seconds: float
    logits: np.ndarray | None = None


def recognize(model, recordings, read, *, batch_size=8, batch_seconds=None, max_seconds=30.0, progress=None):
    """What `read` makes of the logits of each part of each recording.

    Args:
        model: `CTCRecognizer`.
        recordings: list of paths and of float arrays at the model's sample rate.
        read: callable from logits (B, T, V) to a sequence of B results.
        batch_size, batch_seconds: as of `padded_batches`.
        max_seconds: float, longest part.
        progress: callable that is told how many seconds of audio are done; or None.

    Returns:
        List with, for each recording, a list of (second at which the part begins, result), in order.
    """
    results = [[] for _ in recordings]
    frame, texts = round(model.frame_seconds * model.sample_rate), token_texts(model.tokenizer)
    done, waiting = 0.0, []

    def finish(parts):
        parts = sorted(parts, key=lambda part: len(part.logits))
        for first in range(0, len(parts), batch_size):
            group = parts[first : first + batch_size]
            for part, result in zip(group, read(_padded([part.logits for part in group])), strict=True):
                results[part.recording].append((part.start / model.sample_rate, result))

    for pool in _pools(_parts(recordings, model.sample_rate, max_seconds, frame)):
        waveforms = [part.audio for part in pool]
        for indices, batch in padded_batches(waveforms, model.sample_rate, batch_size, batch_seconds):
            for n, logits in zip(indices, np.asarray(model.predict_on_batch(batch)), strict=False):
                pool[n].logits, pool[n].audio = logits[logits[:, 1:].max(axis=1) > IMPOSSIBLE], None
                done += pool[n].seconds
            if progress is not None:
                progress(done)
        pool = [*waiting, *pool]
        for left, right in itertools.pairwise(pool):
            if right.overlaps:
                _divide(left, right, frame, texts)
        finish(pool[:-1])
        waiting = pool[-1:]  # the next part may overlap it
    finish(waiting)
    return [sorted(found, key=lambda pair: pair[0]) for found in results]


def joined_hypotheses(parts, num_best, tokenizer):
    """The most likely readings of a recording from those of its parts.

    Args:
        parts: list of (second at which the part begins, list of `Hypothesis`).
        num_best: int.
        tokenizer: that of the recognizer.

    Returns:
        List of `Hypothesis`: scores are sums, words follow one another.
    """
    if len(parts) == 1 and parts[0][0] == 0:
        return parts[0][1]
    best = [Hypothesis("", (), 0.0, 0.0)]
    for n, (start, hypotheses) in enumerate(parts):
        pairs = itertools.product(best, [moved(hypothesis, start) for hypothesis in hypotheses])
        pairs = heapq.nlargest(num_best, pairs, key=lambda pair: pair[0].score + pair[1].score)
        best = [right if n == 0 else _joined(left, right) for left, right in pairs]
    return [dataclasses.replace(h, token_ids=tuple(tokenizer.encode(h.text))) for h in best]


def moved(hypothesis, seconds):
    """A hypothesis whose words were said so much later."""
    words = (dataclasses.replace(w, start=w.start + seconds, end=w.end + seconds) for w in hypothesis.words)
    return dataclasses.replace(hypothesis, words=tuple(words))


def _joined(left, right):
    asked = left.language_model_score is not None
    return Hypothesis(
        text=f"{left.text} {right.text}".strip(),
        token_ids=(),
        score=left.score + right.score,
        acoustic_score=left.acoustic_score + right.acoustic_score,
        language_model_score=left.language_model_score + right.language_model_score if asked else None,
        words=(*left.words, *right.words),
    )


def _parts(recordings, sample_rate, max_seconds, frame):
    """The parts of all recordings, one after another."""
    for recording in recordings:
        if isinstance(recording, (str, os.PathLike)):
            audio_info(recording)  # a missing file is told before work begins
    for n, recording in enumerate(recordings):
        is_file = isinstance(recording, (str, os.PathLike))
        blocks = audio_blocks(recording, sample_rate) if is_file else [recording]
        end = 0
        for piece in split_at_pauses(blocks, sample_rate, max_seconds, grid=frame):
            until = piece.start + len(piece.audio)
            yield Part(n, piece.start, piece.audio, piece.overlaps, (until - end) / sample_rate)
            end = until


def _pools(parts):
    """Lists of parts of `POOL_SECONDS` together."""
    pool, seconds = [], 0.0
    for part in parts:
        pool.append(part)
        seconds += part.seconds
        if seconds >= POOL_SECONDS:
            yield pool
            pool, seconds = [], 0.0
    if pool:
        yield pool


def _padded(rows):
    """Logits of several parts as one array (B, T, V); frames behind them say blank with certainty."""
    logits = np.full((len(rows), max(1, *map(len, rows)), rows[0].shape[1]), IMPOSSIBLE, "float32")
    logits[:, :, 0] = 0.0
    for n, row in enumerate(rows):
        logits[n, : len(row)] = row
    return logits


def _divide(left, right, frame, texts):
    """Gives each frame that two parts share to one of them, so that no word is lost, doubled or torn."""
    offset = (right.start - left.start) // frame
    cut = gap_between_words(left.logits[offset:], right.logits[: len(left.logits) - offset], texts)
    left.logits = left.logits[: offset + cut]
    right.logits, right.start = right.logits[cut:], right.start + cut * frame


def gap_between_words(left, right, texts):
    """The frame at which to go from one reading of the same frames to another.

    Args:
        left: float (T, V), logits of a network that knows what comes before.
        right: float (T, V), of one that knows what comes after.
        texts: list of str, of each token, blank first; one that begins with a space begins a word.

    Returns:
        int, the middle of the longest gap between words that both agree on, at least a quarter of T from the ends;
        where there is none, the frame at which both are surest of blank.
    """
    paths = np.stack([left[: len(right)].argmax(axis=1), right[: len(left)].argmax(axis=1)])
    total = paths.shape[1]
    empty = np.array([not text.strip() for text in texts])[paths].all(axis=0)
    begins = np.array([text.startswith(" ") for text in texts])[paths].any(axis=0)
    empty[: total // 4] = empty[total - total // 4 :] = False
    edges = np.flatnonzero(np.diff(empty, prepend=False, append=False)).reshape(-1, 2)
    gaps = [(start, end) for start, end in edges.tolist() if begins[start : end + 1].any()]
    if gaps:
        start, end = max(gaps, key=lambda gap: gap[1] - gap[0])
        return (start + end) // 2
    highest = [x - x.max(axis=1, keepdims=True) for x in (left[:total], right[:total])]
    blank = [x[:, 0] - np.log(np.exp(x).sum(axis=1)) for x in highest]
    inner = slice(total // 4, total - total // 4)
    return total // 4 + int(np.argmax((blank[0] + blank[1])[inner]))
