import itertools
import math
from collections import defaultdict

import numpy as np
import pytest

from s2s_keras.decoding import CTCBeamSearch, train_ngram
from s2s_keras.tokenizers import CharacterTokenizer

INFINITE = {"token_cutoff": math.inf, "beam_cutoff": math.inf}
FALLBACK = (0.5, 1.0, 1.5)
LN10 = math.log(10)
TOKENIZER = CharacterTokenizer(" ab")
TEXTS = ["a b", "ab a", "a a b", "b", "ba ab"]


def log_softmax(logits):
    logits = np.asarray(logits, "float64")
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def all_readings(logits):
    """log probability of every token sequence, by adding up all paths."""
    log_probs, totals = log_softmax(logits), defaultdict(lambda: -np.inf)
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        tokens = tuple(token for token, _ in itertools.groupby(path) if token)
        totals[tokens] = np.logaddexp(totals[tokens], log_probs[range(len(logits)), path].sum())
    return dict(totals)


def random_logits(seed, frames=5, vocabulary=4, scale=1.5):
    return (scale * np.random.default_rng(seed).normal(size=(frames, vocabulary))).astype("float32")


def search_all(logits, **arguments):
    """{token ids: hypothesis} of a search without limits."""
    found = CTCBeamSearch(**{"beam_width": 2000, **INFINITE, **arguments})(logits[None], num_best=10000)[0]
    return {hypothesis.token_ids: hypothesis for hypothesis in found}


@pytest.mark.parametrize("seed", range(4))
def test_every_prefix_has_the_probability_of_all_its_paths(seed):
    logits = random_logits(seed)
    found, expected = search_all(logits), all_readings(logits)
    assert found.keys() == expected.keys()
    for tokens, hypothesis in found.items():
        assert hypothesis.score == hypothesis.acoustic_score == pytest.approx(expected[tokens], abs=1e-9)
    scores = [hypothesis.score for hypothesis in found.values()]
    assert scores == sorted(scores, reverse=True)


def best_of_each_text(scores):
    """{text: score}: of token ids that differ in spaces alone, a search returns the best."""
    best = {}
    for tokens, score in scores.items():
        text = " ".join(TOKENIZER.decode(tokens).split())
        best[text] = max(best.get(text, -np.inf), score)
    return best


def check(logits, score_of_text, possible=lambda text: True, **arguments):
    """Scores of a search without limits are acoustic ones and `score_of_text`, for exactly the possible texts."""
    readings = all_readings(logits)
    expected = best_of_each_text(
        {k: v + score_of_text(" ".join(TOKENIZER.decode(k).split())) for k, v in readings.items()}
    )
    expected = {text: score for text, score in expected.items() if possible(text)}
    found = {h.text: h for h in search_all(logits, tokenizer=TOKENIZER, **arguments).values()}
    assert found.keys() == expected.keys()
    for text, hypothesis in found.items():
        assert hypothesis.score == pytest.approx(expected[text], abs=1e-6), text
    return found


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_words_of_an_ngram_model(order, seed):
    model = train_ngram(TEXTS, order, discount_fallback=FALLBACK)

    def score(text):
        unknown = sum(not model.word_id(word) for word in text.split())
        return 0.7 * LN10 * model.score(text) + 0.9 * len(text.split()) - 3.0 * unknown

    arguments = {"language_model": model, "alpha": 0.7, "beta": 0.9, "unknown_score": -3.0}
    found = check(random_logits(seed), score, **arguments)
    for text, hypothesis in found.items():
        assert hypothesis.language_model_score == pytest.approx(LN10 * model.score(text), abs=1e-6)


def test_tokens_of_an_ngram_model():
    model = train_ngram([" ".join(text.replace(" ", "▁")) for text in TEXTS], 3, discount_fallback=FALLBACK)
    logits, readings = random_logits(7), None
    readings = all_readings(logits)
    found = search_all(logits, tokenizer=TOKENIZER, language_model=model, alpha=0.7, beta=0.3)
    for tokens, hypothesis in found.items():
        spelled = " ".join(TOKENIZER.decode(tokens).replace(" ", "▁"))
        expected = readings[tokens] + 0.7 * LN10 * model.score(spelled) + 0.3 * len(tokens)
        assert hypothesis.score == pytest.approx(expected, abs=1e-6)
    assert len(found) > 50


def test_words_of_a_dictionary_are_all_there_are():
    words = {"a", "ab", "ba"}
    check(
        random_logits(1),
        lambda text: 0.4 * len(text.split()),
        possible=lambda text: set(text.split()) <= words,
        dictionary=words,
        beta=0.4,
    )


def test_dictionary_of_the_language_model():
    model = train_ngram(["a b", "ab a"], 2, discount_fallback=FALLBACK)
    check(
        random_logits(2),
        lambda text: 0.5 * LN10 * model.score(text),
        possible=lambda text: set(text.split()) <= {"a", "b", "ab"},
        language_model=model,
        dictionary="language model",
        beta=0.0,
    )


def test_hot_words_add_their_weight_wherever_they_are_whole_words():
    weights = {"ab": 2.0, "a b": 1.5, "b": -1.0}

    def score(text):
        padded = f" {text} ".replace(" ", "  ")
        return sum(weight * padded.count(f" {phrase.replace(' ', '  ')} ") for phrase, weight in weights.items())

    check(random_logits(3, frames=6), score, hot_words=weights)


class WordModel:
    """The n-gram model behind the protocol of other makes."""

    def __init__(self, model):
        self.model = model

    def begin(self):
        return ()

    def advance(self, state, word):
        scores = self.model.full_scores(
            " ".join([*state, word]) if word != "</s>" else " ".join(state), eos=word == "</s>"
        )
        return scores[-1].log10_probability, (*state, word)

    def __contains__(self, word):
        return self.model.word_id(word) > 0


class KenLMModel:
    """The interface of `kenlm.Model`, as far as a search needs it."""

    def __init__(self, model):
        self.model = WordModel(model)

    def BeginSentenceWrite(self, state):
        state.words = ()

    def BaseScore(self, state, word, after):
        score, after.words = self.model.advance(state.words, word)
        return score

    def __contains__(self, word):
        return word in self.model


@pytest.mark.parametrize("limits", [INFINITE, {"beam_width": 5}])
def test_models_of_other_makes_give_the_same(limits, monkeypatch):
    import sys
    import types

    model = train_ngram(TEXTS, 3, discount_fallback=FALLBACK)
    logits = np.stack([random_logits(seed, frames=12) for seed in range(3)])
    state = type("State", (), {})
    monkeypatch.setitem(sys.modules, "kenlm", types.SimpleNamespace(State=state))
    results = [
        CTCBeamSearch(TOKENIZER, other, **{"beam_width": 300, **limits})(logits, num_best=5)
        for other in (model, WordModel(model), KenLMModel(model))
    ]
    for other in results[1:]:
        for row, expected in zip(other, results[0], strict=True):
            assert [h.token_ids for h in row] == [h.token_ids for h in expected]
            assert [h.score for h in row] == pytest.approx([h.score for h in expected], abs=1e-5)
