import itertools

import numpy as np
import pytest
from keras import ops

from s2s_keras.decoding import ctc_greedy


def one_hot(paths, vocabulary=5):
    return np.eye(vocabulary, dtype="float32")[np.array(paths)]


@pytest.mark.parametrize(
    "path, token_ids, frames",
    [
        ([0, 0, 0], [], []),
        ([1, 1, 1], [1], [0]),
        ([1, 0, 1], [1, 1], [0, 2]),
        ([0, 2, 2], [2], [1]),
        ([1, 2, 1], [1, 2, 1], [0, 1, 2]),
        ([3, 3, 0], [3], [0]),
    ],
)
def test_merges_repeats_then_drops_blanks(path, token_ids, frames):
    assert ctc_greedy(one_hot([path])) == [token_ids]
    assert ctc_greedy(one_hot([path]), return_frames=True) == ([token_ids], [frames])


@pytest.mark.parametrize("seed", range(5))
def test_equals_a_plain_loop(seed):
    random = np.random.default_rng(seed)
    logits = random.normal(size=random.integers(1, 20, 3) + [0, 0, 1]).astype("float32")
    token_ids, frames = ctc_greedy(ops.convert_to_tensor(logits), return_frames=True)
    for row, path in enumerate(logits.argmax(-1)):
        starts = [next(run) for _, run in itertools.groupby(enumerate(path), key=lambda pair: pair[1])]
        assert token_ids[row] == [token for _, token in starts if token]
        assert frames[row] == [frame for frame, token in starts if token]


def test_padded_frames_add_nothing():
    logits = np.random.default_rng(0).normal(size=(3, 7, 4)).astype("float32")
    padding = np.full((3, 5, 4), -1e9, "float32")
    padding[..., 0] = 0.0
    assert ctc_greedy(np.concatenate([logits, padding], axis=1), True) == ctc_greedy(logits, True)


def test_utterances_without_tokens_keep_their_place():
    assert ctc_greedy(one_hot([[0, 0], [1, 0], [0, 0], [2, 2], [0, 0], [0, 0]])) == [[], [1], [], [2], [], []]


def test_result_is_plain_python():
    token_ids, frames = ctc_greedy(one_hot([[1, 0, 2]]), return_frames=True)
    assert {type(value) for value in token_ids[0] + frames[0]} == {int}


def test_a_single_utterance_without_a_batch_is_refused():
    with pytest.raises(ValueError, match=r"logits\[None\]"):
        ctc_greedy(np.zeros((7, 4), "float32"))
