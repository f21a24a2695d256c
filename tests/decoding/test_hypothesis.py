import os

import numpy as np
import pytest

from s2s_keras.decoding import Word, ctc_greedy
from s2s_keras.decoding.hypothesis import greedy_hypotheses, timed_words
from s2s_keras.tokenizers import CharacterTokenizer

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")

TOKENIZER = CharacterTokenizer(" ab")
TEXTS = ["", " ", "a", "b"]


def logits_of(path, certainty=9.0):
    return certainty * np.eye(4)[path]


def test_words_begin_and_end_with_their_tokens():
    words = timed_words(logits_of([0, 2, 2, 3, 0, 1, 0, 2, 0]), [2, 3, 1, 2], TEXTS, 0.1)
    assert [(word.text, round(word.start, 9), round(word.end, 9)) for word in words] == [
        ("ab", 0.1, 0.4),
        ("a", 0.7, 0.8),
    ]


def test_spaces_around_make_no_words():
    assert timed_words(logits_of([1, 0, 1]), [1, 1], TEXTS, 0.1) == ()


def test_confidence_is_the_geometric_mean_of_the_tokens():
    logits = np.log([[0.1, 0.1, 0.7, 0.1], [0.05, 0.05, 0.8, 0.1], [0.2, 0.2, 0.2, 0.4]])
    (word,) = timed_words(logits, [2, 3], TEXTS, 1.0)
    assert word.confidence == pytest.approx((0.8 * 0.4) ** 0.5)


def test_greedy_hypotheses_are_the_best_paths():
    logits = np.random.default_rng(0).normal(size=(2, 9, 4))
    found = greedy_hypotheses(TOKENIZER, logits, frame_seconds=0.5)
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    for row, ids, [hypothesis] in zip(log_probs, ctc_greedy(logits), found, strict=True):
        assert hypothesis.token_ids == tuple(ids)
        assert hypothesis.text == TOKENIZER.decode(ids).strip()
        assert hypothesis.score == hypothesis.acoustic_score == pytest.approx(row.max(-1).sum())
        assert [word.text for word in hypothesis.words] == hypothesis.text.split()
        assert all(isinstance(word, Word) and 0.0 <= word.confidence <= 1.0 for word in hypothesis.words)
