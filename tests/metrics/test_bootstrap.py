import itertools
import os

import numpy as np
import pytest

from s2s_keras.metrics import bootstrap_interval

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")


def test_interval_is_that_of_scipy():
    scipy = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 20, 200)
    edits = rng.binomial(lengths, 0.1)

    def rate(edits, lengths, axis):
        return edits.sum(axis=axis) / lengths.sum(axis=axis)

    expected = scipy.bootstrap(
        (edits, lengths), rate, paired=True, vectorized=True, method="percentile", confidence_level=0.9, rng=2
    ).confidence_interval
    assert bootstrap_interval(edits, lengths, confidence=0.9) == pytest.approx(expected, abs=2e-3)


def test_interval_of_three_utterances_is_that_of_all_their_draws():
    edits, lengths = [0, 1, 3], [1, 4, 3]
    draws = list(itertools.product(range(3), repeat=3))
    rates = np.sort([sum(edits[n] for n in draw) / sum(lengths[n] for n in draw) for draw in draws])
    for confidence in (0.5, 0.8):
        ends = np.quantile(rates, [(1 - confidence) / 2, (1 + confidence) / 2], method="inverted_cdf")
        assert bootstrap_interval(edits, lengths, confidence, num_resamples=100_000) == pytest.approx(ends)


def test_interval_does_not_change_from_call_to_call_and_with_the_memory_it_takes(monkeypatch):
    edits, lengths = np.arange(50) % 3, np.arange(50) + 5
    once = bootstrap_interval(edits, lengths)
    assert once == bootstrap_interval(edits, lengths) != bootstrap_interval(edits, lengths, seed=1)
    monkeypatch.setattr("s2s_keras.metrics.bootstrap._MOST_PICKS", 50 * 7)
    assert bootstrap_interval(edits, lengths) == once


def test_interval_of_references_without_words():
    assert bootstrap_interval([0, 0], [0, 0]) == (0.0, 0.0)
    assert bootstrap_interval([2], [0]) == (2.0, 2.0)


@pytest.mark.parametrize("arguments", [([], []), ([1], [1, 2]), ([1], [1], 95)])
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="An interval needs"):
        bootstrap_interval(*arguments)
