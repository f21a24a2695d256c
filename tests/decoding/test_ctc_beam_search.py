import itertools
import math
import os
from collections import defaultdict

import numpy as np
import pytest

from s2s_keras.decoding import CTCBeamSearch, train_ngram
from s2s_keras.tokenizers import CharacterTokenizer

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")

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


def test_models_of_other_makes_give_the_same(monkeypatch):
    import sys
    import types

    monkeypatch.setitem(sys.modules, "kenlm", types.SimpleNamespace(State=type("State", (), {})))
    model = train_ngram(TEXTS, 3, discount_fallback=FALLBACK)
    logits = np.stack([random_logits(seed, frames=6) for seed in range(3)])
    expected, *others = [
        CTCBeamSearch(TOKENIZER, other, beam_width=2000, **INFINITE)(logits, num_best=50)
        for other in (model, WordModel(model), KenLMModel(model))
    ]
    for other in others:
        for row, expected_row in zip(other, expected, strict=True):
            assert [h.token_ids for h in row] == [h.token_ids for h in expected_row]
            assert [h.score for h in row] == pytest.approx([h.score for h in expected_row], abs=1e-5)


def test_a_word_that_cannot_end_is_never_asked_for():
    """At the end of the second utterance, `b` is no word yet; where the first one had `a`."""
    model = train_ngram(TEXTS, 3, discount_fallback=FALLBACK)
    logits = 20.0 * np.eye(4)[TOKENIZER.encode("ab")][:, None]
    ours, theirs = [
        CTCBeamSearch(TOKENIZER, other, dictionary=["a", "bab"])(logits) for other in (model, WordModel(model))
    ]
    assert [[h.text for h in row] for row in theirs] == [[h.text for h in row] for row in ours] == [["a"], [""]]


def test_words_without_end_do_not_fill_the_beam():
    """Without spaces no word pays; one that the language model cannot have pays as soon as that is certain."""
    model = train_ngram(["a b", "b a"], 2, discount_fallback=FALLBACK)
    path = TOKENIZER.encode("a b a b a b a b")
    logits = np.full((1, 2 * len(path), 4), -3.0, "float32")
    logits[0, 0::2, 0] = 3.0
    logits[0, np.arange(1, 2 * len(path), 2), path] = 3.0
    logits[0, 3::4, 0] = 4.0  # every space is doubtful
    search = CTCBeamSearch(TOKENIZER, model, alpha=1.0, beta=0.0, beam_width=3)
    assert search(logits)[0][0].text == "a b a b a b a b"


def test_equals_tensorflow_without_a_language_model():
    tf = pytest.importorskip("tensorflow")
    logits = np.stack([random_logits(seed, frames=7) for seed in range(3)])
    blank_last = np.roll(logits, -1, axis=-1).transpose(1, 0, 2)
    decoded, scores = tf.nn.ctc_beam_search_decoder(blank_last, [7] * 3, beam_width=4000, top_paths=20)
    found = CTCBeamSearch(beam_width=4000, **INFINITE)(logits, num_best=20)
    for n in range(3):
        paths = [tf.sparse.to_dense(path, default_value=-1).numpy()[n] for path in decoded]
        assert [h.token_ids for h in found[n]] == [tuple((path[path >= 0] + 1).tolist()) for path in paths]
        np.testing.assert_allclose([h.score for h in found[n]], scores[n], atol=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_then_seconds_become_ten_seconds(order):
    """The original's test of its decoders: beam 16, alpha 2, beta 0.5, a model of these two words.

    Known are the scores, and that the model's least unigram is -0.535113. The logits are not, nor the model's order:
    these here give the two readings the acoustic scores that follow. The first decoder adds to them alpha times log10
    probabilities of words, not of the end; the second one also a tenth of the unigram for every letter of a word.
    """
    without, first, second = -1.1842, -4.0845, -4.6196
    model = train_ngram(["ten seconds"], order, discount_fallback=FALLBACK)
    unigrams = [model.score(word, bos=False, eos=False) for word in ("ten", "seconds")]
    assert unigrams == pytest.approx([-0.535113] * 2, abs=1e-6)
    assert second - first == pytest.approx(0.1 * (3 * unigrams[0] + 7 * unigrams[1]), abs=1e-4)
    then, ten = without, first - 2.0 * model.score("ten seconds", eos=False) - 0.5 * 2

    tokenizer = CharacterTokenizer()
    certain = (np.exp(then) + np.exp(ten)) ** (1 / 11)  # of all letters but the h, which alone may be left out
    probabilities = np.full((12, 29), (1.0 - certain) / 27)
    probabilities[np.arange(12), tokenizer.encode("then seconds")] = certain
    probabilities[:, 0] = probabilities[1] = 1e-30
    probabilities[1, tokenizer.encode("h") + [0]] = np.exp([then, ten]) / certain**11
    search = CTCBeamSearch(tokenizer, beam_width=16)
    logits = np.log(probabilities)[None]
    [[found]] = search(logits)
    assert (found.text, found.score) == ("then seconds", pytest.approx(without, abs=1e-5))
    [[found]] = search.replace(language_model=model, alpha=2.0 / LN10, beta=0.5, unknown_score=-1000.0)(logits)
    end = model.full_scores("ten seconds")[-1].log10_probability
    assert (found.text, found.score - 2.0 * end) == ("ten seconds", pytest.approx(first, abs=1e-5))


def test_padded_frames_change_nothing():
    logits = np.random.default_rng(1).normal(size=(1, 20, 4)).astype("float32")
    padding = np.full((1, 7, 4), -1e9, "float32")
    padding[..., 0] = 0.0
    search = CTCBeamSearch(TOKENIZER, train_ngram(TEXTS, 2, discount_fallback=FALLBACK), beam_width=8)
    (alone,), (padded,) = search(logits, 3, 0.02), search(np.concatenate([logits, padding], axis=1), 3, 0.02)
    assert [h.words for h in alone] == [h.words for h in padded]
    assert [h.score for h in alone] == pytest.approx([h.score for h in padded], abs=1e-9)


def test_memory_does_not_bound_the_length():
    """Nodes are forgotten and, where that is not enough, doubled: neither changes what is found."""
    logits = np.random.default_rng(2).normal(size=(1, 600, 5)).astype("float32")
    search = CTCBeamSearch(beam_width=40, **INFINITE)
    expected = search(logits, num_best=5)[0]
    from s2s_keras.decoding import _ctc_beam_decoder

    sizes = []

    def tiny(vocabulary_size, beam_width, level, new=_ctc_beam_decoder.new_state):
        sizes.append(80)
        return new(vocabulary_size, beam_width, level, num_nodes=80)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_ctc_beam_decoder, "new_state", tiny)
        assert CTCBeamSearch(beam_width=40, **INFINITE)(logits, num_best=5)[0] == expected
    assert sizes == [80]


def test_a_smaller_beam_finds_no_better_text():
    logits = np.random.default_rng(3).normal(size=(1, 40, 8)).astype("float32") * 2
    scores = [CTCBeamSearch(beam_width=width, **INFINITE)(logits)[0][0].score for width in (1, 2, 8, 64, 512)]
    assert scores == sorted(scores)


def test_replaced_numbers_equal_a_new_search():
    model = train_ngram(TEXTS, 2, discount_fallback=FALLBACK)
    logits = random_logits(4, frames=30)[None]
    search = CTCBeamSearch(TOKENIZER, model, alpha=0.2, beta=0.1, beam_width=16)
    search(logits)
    assert search.replace(alpha=0.9, beta=2.0)(logits) == CTCBeamSearch(TOKENIZER, model, 0.9, 2.0, 16)(logits)
    assert search.replace(hot_words=["ba"])(logits) == CTCBeamSearch(
        TOKENIZER, model, 0.2, 0.1, 16, hot_words={"ba": 10.0}
    )(logits)


class Pieces:
    """A tokenizer of word pieces."""

    pieces = ["▁a", "b", "▁ab", "▁"]
    vocabulary_size = 5

    def decode(self, token_ids):
        return "".join(self.pieces[n - 1] for n in token_ids).replace("▁", " ").strip()


def test_words_of_word_pieces():
    model = train_ngram(TEXTS, 2, discount_fallback=FALLBACK)
    logits = random_logits(5, frames=5, vocabulary=5)
    arguments = {"tokenizer": Pieces(), "language_model": model, "alpha": 0.6, "beta": 0.4, "unknown_score": -1.0}
    readings, best = all_readings(logits), {}
    for tokens, acoustic in readings.items():
        text = " ".join(Pieces().decode(tokens).split())
        unknown = sum(not model.word_id(word) for word in text.split())
        score = acoustic + 0.6 * LN10 * model.score(text) + 0.4 * len(text.split()) - unknown
        best[text] = max(best.get(text, -np.inf), score)
    found = {h.text: h.score for h in search_all(logits, **arguments).values()}
    assert found == pytest.approx(best, abs=1e-6)


def test_a_preset_has_its_weights_and_a_file_has_none(tmp_path):
    train_ngram(TEXTS, 2, discount_fallback=FALLBACK).save(tmp_path / "model.ngram")
    assert CTCBeamSearch.from_preset(tmp_path / "model.ngram", TOKENIZER, beta=3.0).beta == 3.0
    with pytest.raises(ValueError, match="card.json"):
        CTCBeamSearch.from_preset(tmp_path, TOKENIZER)
    (tmp_path / "card.json").write_text('{"alpha": 0.25, "beta": 1.5}')
    search = CTCBeamSearch.from_preset(tmp_path, TOKENIZER, beam_width=7)
    assert (search.alpha, search.beta, search.beam_width, search.language_model.order) == (0.25, 1.5, 7, 2)
    with pytest.raises(ValueError, match="one of: an4"):
        CTCBeamSearch.from_preset("an5", TOKENIZER)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"beam_width": 0}, "beam_width=0"),
        ({"alpha": -1.0}, "alpha=-1.0"),
        ({"token_cutoff": 0.0}, "token_cutoff=0.0"),
        ({"tokenizer": None, "dictionary": ["a"]}, "need a tokenizer"),
        ({"dictionary": "words"}, "dictionary='words'"),
        ({"language_model": "an4"}, "NGramLanguageModel"),
        ({"hot_words": ["c"]}, "'c'"),
    ],
)
def test_refuses_arguments(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        CTCBeamSearch(**{"tokenizer": TOKENIZER, **arguments})(np.zeros((1, 2, 4)))


@pytest.mark.parametrize(
    "logits, num_best, message",
    [
        (np.zeros((2, 4)), 1, r"logits\[None\]"),
        (np.full((1, 2, 4), np.nan), 1, "NaN"),
        (np.zeros((1, 2, 5)), 1, "4 tokens, the logits 5"),
        (np.zeros((1, 2, 4)), 0, "num_best=0"),
    ],
)
def test_refuses_logits(logits, num_best, message):
    with pytest.raises(ValueError, match=message):
        CTCBeamSearch(TOKENIZER)(logits, num_best)
