import itertools

import numpy as np
import pytest

from s2s_keras.decoding import ctc_alignment, ctc_greedy


def brute_force(logits, labels):
    """The best path that reads as `labels`, of all paths, as the frames of each label."""
    best, score = None, -np.inf
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        runs = [(token, list(run)) for token, run in itertools.groupby(enumerate(path), key=lambda pair: pair[1])]
        spans = [[run[0][0], run[-1][0] + 1] for token, run in runs if token]
        total = logits[range(len(logits)), path].sum()
        if [token for token, _ in runs if token] == list(labels) and total > score:
            best, score = spans, total
    return best


@pytest.mark.parametrize("labels", [[1], [1, 2], [2, 2], [1, 2, 1], [1, 1, 2], [2, 1, 2, 1]])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_best_of_all_paths(labels, seed):
    logits = np.random.default_rng(seed).normal(size=(6, 3))
    assert ctc_alignment(logits, labels).tolist() == brute_force(logits, labels)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_greedy_search_on_its_own_text(seed):
    logits = np.random.default_rng(seed).normal(size=(1, 40, 6))
    ids, starts = ctc_greedy(logits, return_frames=True)
    assert ctc_alignment(logits[0], ids[0])[:, 0].tolist() == starts[0]


def test_no_labels_have_no_frames():
    assert ctc_alignment(np.zeros((4, 3)), []).shape == (0, 2)


def test_as_many_frames_as_labels():
    assert ctc_alignment(np.zeros((3, 4)), [1, 2, 3]).tolist() == [[0, 1], [1, 2], [2, 3]]


@pytest.mark.parametrize(
    "logits, labels, message",
    [
        (np.zeros((2, 3)), [1, 1], "at least 3 frames"),
        (np.zeros((2, 3)), [3], r"\[1, 2\]"),
        (np.zeros((2, 3)), [0], "0 is blank"),
        (np.zeros((1, 2, 3)), [1], "one utterance"),
    ],
)
def test_refuses(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        ctc_alignment(logits, labels)
