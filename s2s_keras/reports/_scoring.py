"""Recognized texts word by word beside the references, and what they add up to."""

import collections
from typing import NamedTuple

import numpy as np

from s2s_keras.metrics import ErrorRate, bootstrap_interval, character_error_rate, word_error_rate

RIGHT, SUBSTITUTED, DELETED, INSERTED = "right", "substituted", "deleted", "inserted"
ARROW = "\N{RIGHTWARDS ARROW}"
_FEWEST = 10  # utterances, below which an interval of a group says nothing
_MOST_BINS = 6


class Pair(NamedTuple):
    """A reference word and what was recognized in its place; "" where there is none."""

    kind: str
    reference: str
    hypothesis: str

    @property
    def edit(self):
        return f"{self.reference}{ARROW}{self.hypothesis}"  # no word holds white space, which is put between edits


class Scored(NamedTuple):
    """A recognition with its alignment, a list of `Pair`, and its error rates."""

    recognition: object
    pairs: list
    words: ErrorRate
    characters: ErrorRate


class Group(NamedTuple):
    """Utterances that have something in common."""

    name: object
    utterances: int
    words: ErrorRate
    interval: tuple | None
    characters: ErrorRate


class Confusion(NamedTuple):
    """An edit that occurred `count` times, `total` being how often the word stands in the references (0: inserted)."""

    pair: Pair
    count: int
    total: int


def align(reference, hypothesis):
    """The words of two texts side by side with the fewest edits: list of `Pair`."""
    from rapidfuzz.distance import Levenshtein

    reference, hypothesis = reference.split(), hypothesis.split()
    pairs = []
    for tag, start, end, other_start, other_end in Levenshtein.opcodes(reference, hypothesis):
        ours, theirs = reference[start:end], hypothesis[other_start:other_end]
        if tag == "delete":
            pairs += [Pair(DELETED, word, "") for word in ours]
        elif tag == "insert":
            pairs += [Pair(INSERTED, "", word) for word in theirs]
        else:
            kind = RIGHT if tag == "equal" else SUBSTITUTED
            pairs += [Pair(kind, *words) for words in zip(ours, theirs, strict=True)]
    return pairs


def score(recognition):
    texts = recognition.reference, recognition.hypothesis
    return Scored(recognition, align(*texts), word_error_rate(*texts), character_error_rate(*texts))


def total(scores):
    """The sum of some `ErrorRate`."""
    return ErrorRate(*map(sum, zip(*scores, strict=True)))


def interval(scores):
    """The confidence interval of the sum of some `ErrorRate`, one for each utterance; None where there is no error."""
    edits = [score.edits for score in scores]
    return bootstrap_interval(edits, [score.reference_length for score in scores]) if any(edits) else None


def group(name, rows):
    words = [row.words for row in rows]
    trusted = interval(words) if len(rows) >= _FEWEST else None
    return Group(name, len(rows), total(words), trusted, total(row.characters for row in rows))


def confusions(rows, kind):
    """The edits of a kind, the most frequent ones first: list of `Confusion`."""
    totals = collections.Counter(pair.reference for row in rows for pair in row.pairs if pair.reference)
    counts = collections.Counter(pair for row in rows for pair in row.pairs if pair.kind == kind)
    order = sorted(counts, key=lambda pair: (-counts[pair], pair))
    return [Confusion(pair, counts[pair], totals[pair.reference]) for pair in order]


def by_speaker(rows, most):
    """A `Group` for each speaker, the worst first, and the number of speakers; empty where none is known."""
    speakers = collections.defaultdict(list)
    for row in rows:
        if row.recognition.speaker is not None:
            speakers[row.recognition.speaker].append(row)
    worst = sorted(speakers, key=lambda name: (-total(row.words for row in speakers[name]).rate, str(name)))
    return [group(name, speakers[name]) for name in worst[:most]], len(speakers)


def by_duration(rows):
    """A `Group` for each range (shortest, longest) of seconds, with about as many utterances in each."""
    rows = [row for row in rows if row.recognition.duration is not None]
    if not rows:
        return []
    durations = np.array([row.recognition.duration for row in rows])
    num_bins = min(_MOST_BINS, max(1, len(rows) // _FEWEST))
    edges = np.unique(np.quantile(durations, np.linspace(0, 1, num_bins + 1)))[1:-1]
    bins = np.digitize(durations, edges)
    groups = []
    for number in np.unique(bins):
        inside = np.flatnonzero(bins == number)
        seconds = float(durations[inside].min()), float(durations[inside].max())
        groups.append(group(seconds, [rows[n] for n in inside]))
    return groups
