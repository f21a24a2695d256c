"""N-gram language models."""

import functools
import os
from typing import NamedTuple

import numpy as np

from s2s_keras.decoding import _arpa, _kenlm, _ngram_files, _ngram_tables

_SPACES = str.maketrans("\t\n\r\0", "    ")


class WordScore(NamedTuple):
    """The score of one word.

    Args:
        log10_probability: float, given the words before it, back-off included.
        ngram_length: int, length of the longest n-gram of the model that ends with it.
        is_unknown: bool, whether the model does not have the word.

    Example:

    >>> WordScore(-0.25, 2, False).ngram_length
    2
    """

    log10_probability: float
    ngram_length: int
    is_unknown: bool


class Perplexity(NamedTuple):
    """How well a model predicts texts: 10 to the power of minus the mean log10 probability of a word or text's end.

    Args:
        including_unknown: float, over all words.
        excluding_unknown: float, words that the model does not have left out.
        num_tokens: int, words, and one end of each text.
        num_unknown: int, words among them that the model does not have.

    Example:

    >>> Perplexity(12.5, 10.0, 100, 2).excluding_unknown
    10.0
    """

    including_unknown: float
    excluding_unknown: float
    num_tokens: int
    num_unknown: int


class NGramLanguageModel:
    """An n-gram language model with back-off: how likely a word is after the words before it.

    Words are what spaces separate; a model of characters or subwords is one of texts with spaces between these. Load
    one with `load`, or make one with `train_ngram`. All scores are logarithms to base 10.

    A state, an int, stands for all that matters of the words before. The compiled search in this package walks from
    state to state with `tables`; `begin_state` is the one at the start of a text, `empty_state` knows no words.

    Args:
        tables: the n-grams as arrays; what `load` and `train_ngram` make.
        words: list of str, the words by id; 0 is the unknown word `<unk>`.

    Example:

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "tiny.arpa")
    >>> with open(path, "w") as file:
    ...     _ = file.write('''\\\\data\\\\
    ... ngram 1=4
    ... ngram 2=2
    ...
    ... \\\\1-grams:
    ... -1.0 <unk>
    ... -99 <s> -0.5
    ... -0.5 </s>
    ... -0.25 yes -0.125
    ...
    ... \\\\2-grams:
    ... -0.125 <s> yes
    ... -0.25 yes </s>
    ...
    ... \\\\end\\\\
    ... ''')
    >>> model = NGramLanguageModel.load(path)
    >>> model.order, model.score("yes"), model.score("yes yes")
    (2, -0.375, -0.75)
    >>> model.full_scores("no")[0]
    WordScore(log10_probability=-1.5, ngram_length=1, is_unknown=True)

    Reference: Katz, Estimation of probabilities from sparse data, 1987, for back-off; KenLM (Heafield 2011), which has
    the same scores. This model is a trie with links to shorter contexts, which a file holds as it lies in memory.
    """

    def __init__(self, tables, words):
        self.tables = tables
        self.words = words
        self.begin_id = words.index(_arpa.BEGIN)
        self.end_id = words.index(_arpa.END)
        self.empty_state = 0
        self.begin_state = 1 + self.begin_id if self.order > 1 else 0

    @classmethod
    def load(cls, path):
        """The model in a file; what kind of file it is is read in the file.

        Args:
            path: str or path-like: an ARPA file, plain or packed with gzip; a KenLM binary of type trie, neither
                quantized nor compressed; or what `save` wrote, which is mapped into memory and so is there at once.

        Returns:
            `NGramLanguageModel`.

        Raises:
            ValueError: the file is none of these, damaged or cut off.
        """
        path = os.fspath(path)
        if not os.path.isfile(path):
            raise ValueError(f"{path}: no such file; expected an n-gram model.")
        with open(path, "rb") as file:
            first = file.read(len(_kenlm.MAGIC))
        if first.startswith(_ngram_files.MAGIC):
            return cls(*_ngram_files.read(path))
        if first.startswith(_kenlm.MAGIC):
            return cls(*_kenlm.read(path))
        if not first.startswith(b"\x1f\x8b") and b"\0" in first:
            raise ValueError(
                f"{path}: not an n-gram model; expected ARPA, plain or .gz, a KenLM trie or `save`'s file."
            )
        return cls(*_arpa.read(path))

    def save(self, path, exact=False):
        """Writes the compact file, which `load` maps into memory.

        Args:
            path: str or path-like.
            exact: bool, whether to keep all values as they are, in float32. Otherwise those of n-grams longer than one
                word take 16 bits, rounded by at most `rounding_error`. Default False.
        """
        _ngram_files.write(path, self.tables if exact else _ngram_tables.compact(self.tables), self.words)

    def write_arpa(self, path):
        """Writes an ARPA file, packed with gzip where the name ends in .gz."""
        _arpa.write(path, self.tables, self.words)

    @property
    def order(self):
        """int: the length of the longest n-grams."""
        return len(self.tables.starts) - 2

    @property
    def counts(self):
        """List of int: how many n-grams there are, for each length from 1."""
        return np.diff(self.tables.starts)[1:].tolist()

    @property
    def rounding_error(self):
        """(float, float): by how much `save` rounds log10 probabilities and back-offs of n-grams beyond the first."""
        tables = _ngram_tables.compact(self.tables)
        return tables.probability_step / 2, tables.backoff_step / 2

    @functools.cached_property
    def vocabulary(self):
        """dict from word to id."""
        return {word: number for number, word in enumerate(self.words)}

    def word_id(self, word):
        """The id of a word; 0 if the model does not have it."""
        return self.vocabulary.get(word, 0)

    def score(self, text, bos=True, eos=True):
        """log10 probability of a text.

        Args:
            text: str, words with spaces between them.
            bos: bool, whether the text starts a sentence, not just anywhere. Default True.
            eos: bool, whether it ends one, which counts as a word. Default True.

        Returns:
            float.
        """
        return float(self._scores(self._ids(text, eos), bos)[0].sum())

    def full_scores(self, text, bos=True, eos=True):
        """Scores word by word.

        Args:
            text, bos, eos: as for `score`.

        Returns:
            List of `WordScore`, the last one for the end of the sentence if `eos`.
        """
        ids = self._ids(text, eos)
        probabilities, lengths = self._scores(ids, bos)
        return list(map(WordScore, probabilities.tolist(), lengths.tolist(), (ids == 0).tolist()))

    def perplexity(self, texts):
        """How well the model predicts texts.

        Args:
            texts: iterable of str, each scored from beginning to end.

        Returns:
            `Perplexity`.

        Raises:
            ValueError: there is no text.
        """
        from s2s_keras.decoding import _ngram_kernel

        ids = [self._ids(text, True) for text in as_texts(texts)]
        if not ids:
            raise ValueError("Perplexity needs at least one text. Received: none.")
        ids = np.concatenate(ids)
        scores = np.zeros(len(ids))
        _ngram_kernel.score_sentences(self.tables, self.begin_state, ids, self.end_id, scores)
        known = ids != 0
        return Perplexity(
            float(10 ** -scores.mean()), float(10 ** -scores[known].mean()), len(ids), int(np.sum(~known))
        )

    def _ids(self, text, eos):
        get = self.vocabulary.get
        ids = [get(word, 0) for word in split_words(text)]
        return np.array(ids + [self.end_id] if eos else ids, "int64")

    def _scores(self, ids, bos):
        from s2s_keras.decoding import _ngram_kernel  # numba takes a second to import

        probabilities, lengths = np.zeros(len(ids)), np.zeros(len(ids), "int64")
        state = self.begin_state if bos else self.empty_state
        _ngram_kernel.score_words(self.tables, state, ids, probabilities, lengths)
        return probabilities, lengths


def split_words(text):
    """The words of a text: what spaces, tabs and line ends separate; other white space of Unicode is part of a word."""
    words = text.translate(_SPACES).split(" ")
    return words if "" not in words else [word for word in words if word]


def as_texts(texts):
    """`texts`, unless it is a single one, which would be taken for texts of one character."""
    if isinstance(texts, str):
        raise TypeError(f"Expected an iterable of texts, such as a list. Received one text: {texts[:60]!r}")
    return texts
