import os

import numpy as np
import pytest

from s2s_keras.decoding import CTCBeamSearch, Hypothesis, rescore, train_ngram, tune, tune_rescoring
from s2s_keras.tokenizers import CharacterTokenizer

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")

NBEST = [
    [Hypothesis("a b", (), -1.0, -1.0), Hypothesis("a", (), -1.5, -1.5)],
    [Hypothesis("a", (), -0.5, -0.5), Hypothesis("b", (), -3.0, -3.0)],
]
VALUES = {"a b": -4.0, "a": -2.0, "b": -1.0}


def test_scores_are_log_linear_and_every_text_is_asked_for_once():
    asked = []

    def model(texts):
        asked.extend(texts)
        return np.array([VALUES[text] for text in texts])

    first, second = rescore(NBEST, model, weight=0.5, beta=0.25)
    assert sorted(asked) == sorted(VALUES)
    assert [(h.text, h.score) for h in first] == [("a", -2.25), ("a b", -2.5)]
    assert [(h.text, h.score) for h in second] == [("a", -1.25), ("b", -3.25)]
    assert first[0].acoustic_score == -1.5


def test_weight_zero_changes_nothing():
    assert rescore(NBEST, lambda texts: [0.0] * len(texts), weight=0.0) == NBEST


def test_a_model_with_too_few_values():
    with pytest.raises(ValueError, match="1 values for 3 texts"):
        rescore(NBEST, lambda texts: [0.0])


def test_tuned_weights_of_rescoring():
    trials = tune_rescoring(NBEST, lambda texts: [VALUES[t] for t in texts], ["a", "b"], (0.0, 0.5, 4.0), (0.0,))
    assert trials[0][:2] == (4.0, 0.0) and trials[0].wer == 0.0
    assert [trial.wer for trial in trials] == sorted(trial.wer for trial in trials)


@pytest.fixture(scope="module")
def search():
    model = train_ngram(["a b", "ab a", "b"], 2, discount_fallback=(0.5, 1.0, 1.5))
    return CTCBeamSearch(CharacterTokenizer(" ab"), model, beam_width=8)


def test_grid_and_random_tuning_measure_what_a_search_finds(search):
    logits = np.random.default_rng(0).normal(size=(4, 12, 4)).astype("float32")
    references = [hypotheses[0].text for hypotheses in search.replace(alpha=0.3, beta=2.0)(logits)]
    grid = tune(search, [logits[:1], logits[1:]], references, alphas=(0.0, 0.3, 3.0), betas=(-2.0, 2.0))
    assert grid[0].wer == 0.0 and (0.3, 2.0, 0.0) in grid and len(grid) == 6
    assert grid[-1].wer > 0.0
    drawn = tune(search, logits, references, (0.1, 0.2), (1.0, 3.0), num_random=3, seed=1)
    assert drawn == tune(search, logits, references, (0.1, 0.2), (1.0, 3.0), num_random=3, seed=1)
    assert all(0.1 <= t.alpha <= 0.2 and 1.0 <= t.beta <= 3.0 for t in drawn) and len(set(drawn)) == 3


def test_tuning_refuses_another_number_of_references(search):
    with pytest.raises(ValueError, match="1 utterances and 2 references"):
        tune(search, np.zeros((1, 3, 4)), ["a", "b"])
