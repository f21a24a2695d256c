import collections
import os
from pathlib import Path

import numpy as np
import pytest

from s2s_keras.decoding import NGramLanguageModel, train_ngram

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
FIXTURES = Path(__file__).with_name("fixtures")
FALLBACK = (0.5, 1.0, 1.5)


class Slow:
    """Modified Kneser-Ney after Heafield et al. 2013, section 3, with dictionaries; one probability at a time."""

    def __init__(self, texts, order, prune=None, fallback=FALLBACK):
        self.order, prune = order, prune or [0] * order
        occurrences = collections.Counter()  # of n-grams of all orders
        for text in texts:
            words = ["<s>", *text.split(), "</s>"]
            for n in range(1, order + 1):
                occurrences.update(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        occurrences.pop(("<s>",))
        before = collections.defaultdict(set)  # distinct words before an n-gram
        for ngram in occurrences:
            before[ngram[1:]].add(ngram[0])
        self.adjusted = {
            ngram: count if len(ngram) == order or ngram[0] == "<s>" else len(before[ngram])
            for ngram, count in occurrences.items()
        }
        self.discounts = [self._discounts(n, fallback) for n in range(1, order + 1)]
        self.kept = {g for g in self.adjusted if occurrences[g] > prune[len(g) - 1] or g == ("</s>",)}
        self.after = collections.defaultdict(list)
        for ngram in self.adjusted:
            self.after[ngram[:-1]].append(ngram)
        self.uniform = 1 / (1 + sum(len(ngram) == 1 for ngram in self.kept))  # with <unk>

    def _discounts(self, n, fallback):
        seen = collections.Counter(count for ngram, count in self.adjusted.items() if len(ngram) == n)
        if not (seen[1] and seen[2] and seen[3]):
            return fallback
        share = seen[1] / (seen[1] + 2 * seen[2])
        found = tuple(k - (k + 1) * share * seen[k + 1] / seen[k] for k in (1, 2, 3))
        return found if all(0 <= d <= k for k, d in enumerate(found, 1)) else fallback

    def _discount(self, ngram):
        return self.discounts[len(ngram) - 1][min(self.adjusted[ngram], 3) - 1]

    def backoff(self, context):
        ngrams = self.after.get(context)
        if not ngrams:
            return 1.0
        freed = sum(self._discount(g) if g in self.kept else self.adjusted[g] for g in ngrams)
        return freed / sum(self.adjusted[g] for g in ngrams)

    def probability(self, context, word):
        context = tuple(context)[max(0, len(context) - self.order + 1) :]
        ngram = (*context, word)
        shorter = self.probability(context[1:], word) if context else self.uniform
        if ngram in self.kept:
            total = sum(self.adjusted[g] for g in self.after[context])
            return (self.adjusted[ngram] - self._discount(ngram)) / total + self.backoff(context) * shorter
        return self.backoff(context) * shorter


def random_texts(seed, sentences=60):
    random = np.random.default_rng(seed)
    return [" ".join(f"w{i}" for i in random.zipf(1.5, random.integers(0, 9)) % 20) for _ in range(sentences)]


def assert_sums_to_one(model, context):
    words = [word for word in model.words if word != "<s>"]
    texts = [" ".join((*context, "" if word == "</s>" else word)) for word in words]
    scores = [
        model.full_scores(text, eos=word == "</s>")[-1].log10_probability
        for text, word in zip(texts, words, strict=True)
    ]
    assert np.sum(10.0 ** np.array(scores)) == pytest.approx(1, abs=2e-6), context


def test_by_hand():
    from s2s_keras.decoding._ngram_tables import values

    # a follows <s> and a; </s> follows a and b; b follows a: adjusted counts 2, 2, 1 of 5. Discounts 1, 1, 0.5.
    # Half of the mass is free, for <unk>, </s>, a and b alike: 1/8 each.
    model = train_ngram(["a a", "a b"], 2, discount_fallback=FALLBACK)
    p = {"a": 1 / 5 + 1 / 8, "</s>": 1 / 5 + 1 / 8, "b": 0.5 / 5 + 1 / 8, "<unk>": 1 / 8}
    for word, probability in p.items():
        number = 1 + model.word_id(word)
        assert 10.0 ** values(model.tables)[0][number] == pytest.approx(probability, rel=1e-6)
    # After a: a, b and </s>, once each, so that each gives 0.5 of 3. After <s>: a, twice, which gives 1 of 2.
    expected = [(2 - 1) / 2 + 0.5 * p["a"], 0.5 / 3 + 0.5 * p["b"], 0.5 / 1 + 0.5 * p["</s>"]]
    scores = model.full_scores("a b")
    assert [10**score.log10_probability for score in scores] == pytest.approx(expected, rel=1e-6)
    assert 10 ** model.full_scores("a c")[1].log10_probability == pytest.approx(0.5 / 8, rel=1e-6)


def test_discounts_by_hand():
    # Order 1: four words seen once, two twice, one three times: share 4 / 8, D1 = 1 - 2/2 * 2/4, D2 = 2 - 3/2 * 1/2 ...
    from s2s_keras.decoding.ngram_training import _discounts

    assert _discounts(np.array([0, 1, 1, 1, 1, 2, 2, 3, 9]), 1, None).tolist() == [0, 0.5, 1.25, 3.0]


@pytest.mark.parametrize("name, prune", [("tiny", ()), ("tiny_pruned", (0, 1))])
def test_equals_lmplz(name, prune):
    with open(FIXTURES / "tiny.txt") as file:
        model = train_ngram(file, 3, prune, FALLBACK)
    expected = NGramLanguageModel.load(FIXTURES / f"{name}.arpa")
    assert model.words == expected.words and model.counts == expected.counts
    for field, value in model.tables._asdict().items():
        np.testing.assert_allclose(value, getattr(expected.tables, field), rtol=0, atol=1e-6, err_msg=field)


@pytest.mark.parametrize(
    "seed, order, prune", [(0, 3, None), (1, 4, None), (2, 3, [0, 1, 2]), (3, 2, [1, 1]), (4, 1, None)]
)
def test_equals_the_slow_one(seed, order, prune):
    texts = random_texts(seed)
    model, slow = train_ngram(texts, order, prune or (), FALLBACK), Slow(texts, order, prune)
    assert sum(model.counts) == len(slow.kept) + 2  # <s>, <unk>
    for text in [*texts[:10], *random_texts(seed + 100, 10), "w1 zebra w2"]:
        words = [*text.split(), "</s>"]
        for i, score in enumerate(model.full_scores(text)):
            expected = np.log10(slow.probability(("<s>", *words[:i]), words[i]))
            assert score.log10_probability == pytest.approx(expected, abs=1e-5), (text, i)


@pytest.mark.parametrize("order, prune", [(3, ()), (3, (0, 1)), (2, (1, 1)), (4, ())])
def test_probabilities_of_every_context_sum_to_one(order, prune):
    model = train_ngram(random_texts(0), order, prune, FALLBACK)
    words = [word for word in model.words if word not in ("<s>", "</s>")]
    for context in [(), *((word,) for word in words), *zip(words, words[1:], strict=False), ("w1", "w1", "w1")]:
        assert_sums_to_one(model, context)


def test_characters_and_subwords():
    texts = [" ".join("the cat sat".replace(" ", "|")), " ".join("the mat".replace(" ", "|"))]
    model = train_ngram(texts, 5, discount_fallback=FALLBACK)
    assert model.score(texts[0]) > model.score(" ".join(reversed(texts[0].split())))
    model = train_ngram(["▁the ▁c at", "▁the ▁m at"], 3, discount_fallback=FALLBACK)
    assert model.full_scores("▁the ▁m at")[2].ngram_length == 3


def test_iterables_are_read_once():
    texts = random_texts(0)
    first, second = train_ngram(iter(texts), 3, (), FALLBACK), train_ngram(texts, 3, (), FALLBACK)
    assert first.words == second.words
    for one, other in zip(first.tables, second.tables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_texts_shorter_than_the_order(tmp_path):
    model = train_ngram(["a", "b"], 5, discount_fallback=FALLBACK)
    assert model.counts == [5, 4, 2, 0, 0]
    for write in (model.save, model.write_arpa):
        write(tmp_path / "model")
        assert NGramLanguageModel.load(tmp_path / "model").score("a") == pytest.approx(model.score("a"), abs=1e-4)


@pytest.mark.parametrize(
    "texts, arguments, message",
    [
        (["a b"], {}, "discounts of order 1 cannot be estimated: 3, 0, 0, 0 1-grams"),
        (["a b"], {"discount_fallback": (0.5, 1)}, "three numbers"),
        (["a b"], {"discount_fallback": (1.5, 1, 1)}, "three numbers"),
        (["a <s> b"], {}, "Text 1: 'a <s> b'"),
        (["", " "], {}, "no word"),
        (["a b"], {"order": 0}, "order is the length"),
        (["a b"], {"order": 2, "prune": (1, 0)}, "do not fall"),
        (["a b"], {"order": 2, "prune": (0, 0, 1)}, "at most 2"),
    ],
)
def test_errors(texts, arguments, message):
    with pytest.raises(ValueError, match=message):
        train_ngram(texts, **arguments)
    with pytest.raises(TypeError, match="one text"):
        train_ngram("a b")


def test_reserved_words_can_be_skipped():
    skipped = train_ngram(["a <unk> b <s>"], 2, discount_fallback=FALLBACK, skip_symbols=True)
    assert skipped.full_scores("a b") == train_ngram(["a b"], 2, discount_fallback=FALLBACK).full_scores("a b")


def test_wikitext(shared):
    """lmplz -o 3 on the first 10,000 lines (KenLM 0.3.0), and what its query says about the first 1,000 test lines."""

    def lines(name, count):
        with open(shared / "data" / "lm_wikitext2" / name, encoding="utf-8", newline="\n") as file:
            return [line.replace("<unk>", "_unk_") for _, line in zip(range(count), file, strict=False)]

    model = train_ngram(lines("train.txt", 10_000), 3)
    result = model.perplexity(lines("test.txt", 1_000))
    assert model.counts == [23774, 226860, 425150]
    assert (result.num_tokens, result.num_unknown) == (59766, 681)
    assert result.including_unknown == pytest.approx(306.3003, rel=1e-4)
    assert result.excluding_unknown == pytest.approx(281.2608, rel=1e-4)
