import gzip
import itertools
import json
import os
from pathlib import Path

import numba
import numpy as np
import pytest

from s2s_keras.decoding import NGramLanguageModel, train_ngram

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
FIXTURES = Path(__file__).with_name("fixtures")
KENLM = json.loads((FIXTURES / "kenlm_scores.json").read_text())
FORMATS = ("arpa", "gzip", "trie", "compact", "exact")


def as_format(name, form, folder):
    """The path of a fixture in one of FORMATS."""
    arpa, path = FIXTURES / f"{name}.arpa", folder / f"{name}.{form}"
    if form in ("arpa", "trie"):
        return FIXTURES / f"{name}.{form}"
    if form == "gzip":
        path.write_bytes(gzip.compress(arpa.read_bytes()))
    else:
        NGramLanguageModel.load(arpa).save(path, exact=form == "exact")
    return path


class Brute:
    """Back-off by its definition, over the lines of an ARPA file."""

    def __init__(self, path):
        self.probabilities, self.backoffs, self.order = {}, {}, 0
        for line in Path(path).read_text().splitlines():
            fields = line.split("\t")
            if line.endswith("-grams:"):
                self.order = int(line[1:].split("-")[0])
            elif len(fields) > 1:
                ngram = tuple(fields[1].split(" "))
                self.probabilities[ngram] = float(fields[0])
                self.backoffs[ngram] = float(fields[2]) if len(fields) > 2 else 0.0
        self.probabilities.setdefault(("<unk>",), -100.0)

    def score(self, context, word):
        """(log10 probability, length of the n-gram that was found)."""
        context = tuple(context)[max(0, len(context) - self.order + 1) :]
        if (*context, word) in self.probabilities:
            return self.probabilities[*context, word], len(context) + 1
        if not context:
            return self.score((), "<unk>")
        probability, length = self.score(context[1:], word)
        return self.backoffs.get(context, 0.0) + probability, length


def random_arpa(path, seed, order=4, words=("a", "b", "c")):
    """Random n-grams; each has its context, not always its suffix, as in models that SRILM pruned."""
    random = np.random.default_rng(seed)
    levels = [[(word,) for word in ("<s>", "</s>", "<unk>", *words)]]
    for _ in range(order - 1):
        longer = [(*ngram, word) for ngram in levels[-1] if ngram[-1] != "</s>" for word in ("</s>", *words)]
        levels.append([ngram for ngram in longer if random.random() < 0.4])
    with open(path, "w") as file:
        file.write("\\data\\\n" + "".join(f"ngram {n}={len(level)}\n" for n, level in enumerate(levels, 1)))
        for n, level in enumerate(levels, 1):
            file.write(f"\n\\{n}-grams:\n")
            for i in random.permutation(len(level)):
                backoff = f"\t{random.normal() / 2:.6f}" if n < order and random.random() < 0.7 else ""
                file.write(f"{-3 * random.random():.6f}\t{' '.join(level[i])}{backoff}\n")
        file.write("\n\\end\\\n")
    return path


@pytest.mark.parametrize("name, form", list(itertools.product(KENLM, FORMATS)))
def test_scores_equal_kenlm_s(name, form, tmp_path):
    model = NGramLanguageModel.load(as_format(name, form, tmp_path))
    tolerance = 1e-6 if form != "compact" else 2e-4
    for row in KENLM[name]:
        scores = model.full_scores(row["text"])
        assert [list(score[1:]) for score in scores] == [score[1:] for score in row["scores"]]
        np.testing.assert_allclose([s[0] for s in scores], [s[0] for s in row["scores"]], rtol=0, atol=tolerance)
        assert abs(model.score(row["text"]) - row["score"]) < 10 * tolerance
        assert abs(model.score(row["text"], bos=False, eos=False) - row["inside"]) < 10 * tolerance


@pytest.mark.parametrize("seed, order", [(0, 4), (1, 4), (2, 3), (3, 2), (4, 1)])
def test_every_state_scores_as_the_definition_says(seed, order, tmp_path):
    from s2s_keras.decoding._ngram_kernel import advance

    path = random_arpa(tmp_path / "random.arpa", seed, order)
    model, brute = NGramLanguageModel.load(path), Brute(path)
    starts = [((), model.empty_state)]
    if order > 1:  # an ARPA file of order 1 gives <s> no context to be
        starts.append((("<s>",), model.begin_state))
    words = ("a", "b", "c", "zebra", "</s>")
    for start, first_state in starts:
        states = {start: first_state}
        for length in range(5):
            for context in [context for context in states if len(context) == length + len(start)]:
                for word in words:
                    probability, state = advance(model.tables, states[context], model.word_id(word))
                    known = [w if w in model.vocabulary else "<unk>" for w in context]
                    assert abs(probability - brute.score(known, word)[0]) < 1e-5, (context, word)
                    states[*context, word] = state
    if order > 1:
        assert len(set(states.values())) < len(states) / 10  # contexts that do not differ share a state


@pytest.mark.parametrize("seed", range(3))
def test_lengths_as_the_definition_says(seed, tmp_path):
    path = random_arpa(tmp_path / "random.arpa", seed)
    model, brute = NGramLanguageModel.load(path), Brute(path)
    words = np.random.default_rng(seed).choice(["a", "b", "c"], 200).tolist()
    lengths = [score.ngram_length for score in model.full_scores(" ".join(words), eos=False)]
    assert lengths == [brute.score(["<s>", *words[:i]], word)[1] for i, word in enumerate(words)]


def test_backoff_arithmetic():
    model = NGramLanguageModel.load(FIXTURES / "gaps.arpa")  # its values are sums of powers of 2, exact in float32
    # b after <s> a is there; d after <s> a b too. zebra: the back-offs of a b d, of b d, which is none, and of d.
    assert [s.log10_probability for s in model.full_scores("a b d zebra", eos=False)] == [
        -0.25,
        -0.1875,
        -0.28125,
        -0.03125 - 100,
    ]


def test_compiled_code_takes_the_tables():
    from s2s_keras.decoding._ngram_kernel import advance

    @numba.njit(nogil=True)
    def walk(tables, state, word_ids):
        total = 0.0
        for word_id in word_ids:
            probability, state = advance(tables, state, word_id)
            total += probability
        return total, state

    model = NGramLanguageModel.load(FIXTURES / "tiny.arpa")
    words = ["the", "cat", "zebra", "sat", "</s>"]
    total, state = walk(model.tables, model.begin_state, np.array([model.word_id(word) for word in words]))
    assert type(state) is int
    assert total == pytest.approx(model.score("the cat zebra sat"), abs=1e-12)


def test_one_compiled_version_serves_every_file(tmp_path):
    kinds = set()
    for form in FORMATS:
        tables = NGramLanguageModel.load(as_format("tiny", form, tmp_path)).tables
        kinds.add(numba.typeof(tables))
    kinds.add(numba.typeof(train_ngram(["a b"], 2, discount_fallback=(0.5, 1, 1.5)).tables))
    assert len(kinds) == 1


def test_words():
    model = NGramLanguageModel.load(FIXTURES / "tiny.arpa")
    assert model.words[0] == "<unk>" and model.word_id("zebra") == 0
    assert [model.words[model.word_id(word)] for word in ("naïve", "</s>")] == ["naïve", "</s>"]
    assert model.end_id == model.word_id("</s>")
    assert (model.order, model.counts) == (3, [12, 20, 20])


def test_perplexity_counts_unknown_words_as_kenlm_s_query_does():
    model = NGramLanguageModel.load(FIXTURES / "tiny.arpa")
    texts = [row["text"] for row in KENLM["tiny"]]
    scores = np.array([score for row in KENLM["tiny"] for score in row["scores"]])
    result = model.perplexity(iter(texts))
    assert (result.num_tokens, result.num_unknown) == (len(scores), int(scores[:, 2].sum()))
    assert result.including_unknown == pytest.approx(10 ** -scores[:, 0].mean(), rel=1e-5)
    assert result.excluding_unknown == pytest.approx(10 ** -scores[scores[:, 2] == 0, 0].mean(), rel=1e-5)
    with pytest.raises(TypeError, match="one text"):
        model.perplexity("the cat")
    with pytest.raises(ValueError, match="at least one text"):
        model.perplexity([])


def test_white_space_other_than_spaces_and_tabs_is_part_of_words():
    model = train_ngram(["a\u00a0b c", "c\td\r\n"], 2, discount_fallback=(0.5, 1, 1.5))
    assert set(model.words) == {"<unk>", "<s>", "</s>", "a\u00a0b", "c", "d"}
    assert model.full_scores(" c  d ") == model.full_scores("c d")


def test_states_merge_where_nothing_longer_is_known():
    from s2s_keras.decoding._ngram_kernel import advance

    model = NGramLanguageModel.load(FIXTURES / "tiny.arpa")
    state = model.begin_state
    for word in ("the", "dog", "zebra"):
        _, state = advance(model.tables, state, model.word_id(word))
    assert state == model.empty_state


def test_compiles_where_nothing_can_be_written(monkeypatch):
    from s2s_keras.decoding import _compiled

    def njit(nogil, cache=False):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")  # what numba says
        return numba.njit(nogil=nogil)

    monkeypatch.setattr(_compiled, "njit", njit)
    assert _compiled.compiled(lambda x: x + 1)(1) == 2
