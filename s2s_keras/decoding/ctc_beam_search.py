"""CTC prefix beam search with language models, dictionaries and hot words."""

import functools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from keras import ops

from s2s_keras.decoding._word_models import END, as_word_model
from s2s_keras.decoding.hypothesis import token_texts
from s2s_keras.decoding.ngram import NGramLanguageModel
from s2s_keras.presets import language_model_path, list_language_models

HOT_WORD_WEIGHT = 10.0
LANGUAGE_MODEL = "language model"


class CTCBeamSearch:
    """Finds the most likely texts of CTC logits, if wished with a language model, a dictionary and hot words.

    Prefixes of the text grow frame by frame, and the `beam_width` best ones stay. The probability of a prefix is that
    of all paths that read as it, summed exactly; a text's score is

        log P(text | audio) + alpha * log P(text, end | language model) + beta * number of words
            + unknown_score * number of unknown words + weights of the hot words in it

    with natural logs. A language model over words is asked when a word ends. One over tokens (characters or word
    pieces) is asked for each token; it is known by words that begin with "▁", which is how it writes a space: then
    `beta` and `unknown_score` count tokens. Utterances are searched side by side, each in a thread of its own.

    Args:
        tokenizer: object with `decode` and `vocabulary_size`, such as a recognizer's. None searches token ids, without
            texts, words and all that follows here.
        language_model: an `NGramLanguageModel`; a `kenlm.Model` or any object with `begin() -> state` and
            `advance(state, word) -> (log10 probability, state)`, where "</s>" ends a text and `word in model` may tell
            unknown words (these are slower, as Python is asked, and tell them at their end only, so that a narrow beam
            may find something else); or None.
        alpha: float, weight of the language model's natural log. Toolkits that add its log10 to natural logs, as
            OpenSeq2Seq did, have alphas 2.3 times as large for the same search.
        beta: float, for each word; without language model and dictionary there are no words.
        beam_width: int, prefixes that stay.
        token_cutoff: float, tokens below exp(-token_cutoff) extend no prefix in that frame; math.inf for none.
        beam_cutoff: float, prefixes that score lower than the best by more are dropped; math.inf for none.
        dictionary: iterable of str, the only words there are (hot words are added); "language model" for those it
            knows; or None, any word.
        hot_words: list of phrases of one or more words that are more likely here, or dict of phrase to weight (of a
            list: 10). A part of one earns its share of the weight while it lasts.
        unknown_score: float, for each word that the language model does not have.

    Call arguments:
        logits: float (B, T, V), array or tensor of any backend, blank first. Padded frames say blank with certainty, as
            every recognizer's do.
        num_best: int, hypotheses of each utterance. Default 1.
        frame_seconds: float or None, from one frame to the next (a recognizer's `frame_seconds`), for words with times.

    Returns:
        List of B lists of `Hypothesis`, the best first; texts differ. There may be fewer than `num_best`.

    Raises:
        ValueError, TypeError: an argument is out of range, logits are not (B, T, V) or not numbers.

    Example:

    >>> from s2s_keras.tokenizers import CharacterTokenizer
    >>> search = CTCBeamSearch(CharacterTokenizer("ab "), beam_width=4)
    >>> logits = np.log(1e-9 + np.array([[[0.4, 0.6, 0.0, 0.0], [0.4, 0.6, 0.0, 0.0]]]))
    >>> [[best]] = search(logits)
    >>> best.text, round(float(np.exp(best.score)), 2)
    ('a', 0.84)

    Reference: Hannun et al., First-pass large vocabulary continuous speech recognition using bi-directional recurrent
    DNNs, 2014. Unlike OpenSeq2Seq's decoders, whose score is that of Baidu's library, this sums in natural logs, scores
    the end of the text, needs no compiler, and its cut-offs never take the frames of a token that is there already.
    """

    def __init__(
        self,
        tokenizer=None,
        language_model=None,
        alpha=0.5,
        beta=1.0,
        beam_width=128,
        token_cutoff=10.0,
        beam_cutoff=20.0,
        dictionary=None,
        hot_words=None,
        unknown_score=-10.0,
    ):
        if beam_width < 1 or alpha < 0 or token_cutoff <= 0 or beam_cutoff <= 0:
            raise ValueError(
                "Beam search needs beam_width >= 1, alpha >= 0 and cut-offs above 0. Received: "
                f"beam_width={beam_width}, alpha={alpha}, token_cutoff={token_cutoff}, beam_cutoff={beam_cutoff}."
            )
        if tokenizer is None and (language_model is not None or dictionary is not None or hot_words):
            raise ValueError("A language model, a dictionary and hot words need a tokenizer. Received: tokenizer=None.")
        if isinstance(dictionary, str) and (dictionary != LANGUAGE_MODEL or not hasattr(language_model, "words")):
            raise ValueError(
                f'`dictionary` is a list of words, None, or "{LANGUAGE_MODEL}" with an NGramLanguageModel. Received: '
                f"dictionary={dictionary!r}, language_model={language_model!r}."
            )
        self.tokenizer = tokenizer
        self.language_model = language_model
        self.alpha = alpha
        self.beta = beta
        self.beam_width = beam_width
        self.token_cutoff = token_cutoff
        self.beam_cutoff = beam_cutoff
        self.dictionary = dictionary if dictionary is None or isinstance(dictionary, str) else tuple(dictionary)
        self.hot_words = hot_words if isinstance(hot_words, dict) else dict.fromkeys(hot_words or (), HOT_WORD_WEIGHT)
        self.unknown_score = unknown_score
        compiled = language_model is None or isinstance(language_model, NGramLanguageModel)
        self._word_model = None if compiled else as_word_model(language_model)

    @classmethod
    def from_preset(cls, source, tokenizer, **arguments):
        """A search with a language model that was stored.

        Args:
            source: str or path: the name of a language model that ships (`presets.list_language_models`), with the
                weights that suit it; a folder like those, with `card.json` and `model.ngram`; or a file that
                `NGramLanguageModel.load` reads.
            tokenizer: as of the constructor.
            **arguments: the constructor's, which win over the card's.

        Raises:
            ValueError: there is no such language model, or it is damaged.

        Example:

        >>> from s2s_keras.tokenizers import CharacterTokenizer
        >>> CTCBeamSearch.from_preset("an4", CharacterTokenizer()).language_model.order
        3
        """
        path = language_model_path(source) or Path(source)
        weights = {}
        if path.is_dir():
            try:
                card = json.loads((path / "card.json").read_text(encoding="utf-8"))
                weights = {key: card[key] for key in ("alpha", "beta")}
            except (OSError, ValueError, KeyError) as error:
                raise ValueError(
                    f"{path}: not the folder of a language model, its card.json fails: {error!r}."
                ) from error
            path = path / "model.ngram"
        if not path.is_file():
            names = ", ".join(card["name"] for card in list_language_models())
            raise ValueError(
                f"There is no language model {str(source)!r}: expected a file, a folder or one of: {names}."
            )
        return cls(tokenizer, NGramLanguageModel.load(path), **{**weights, **arguments})

    def replace(self, **changes):
        """The same search with other arguments; what it knows of words is kept where they do not change it."""
        names = ("tokenizer", "language_model", "dictionary", "hot_words", "unknown_score")
        numbers = ("alpha", "beta", "beam_width", "token_cutoff", "beam_cutoff")
        search = type(self)(**{**{name: getattr(self, name) for name in (*names, *numbers)}, **changes})
        if not set(changes) - {*numbers, "unknown_score"}:
            search._rules = self._rules
        return search

    @functools.cached_property
    def texts(self):
        """List of str, the text of every token, blank first; None without a tokenizer."""
        return None if self.tokenizer is None else token_texts(self.tokenizer)

    @functools.cached_property
    def _rules(self):
        from s2s_keras.decoding._ctc_beam_rules import make_rules

        dictionary = self.dictionary
        if dictionary == LANGUAGE_MODEL:
            dictionary = [word for word in self.language_model.words if word not in ("<unk>", "<s>", END)]
        return make_rules(self.texts, self._word_model or self.language_model, dictionary, self.hot_words)

    @functools.lru_cache(maxsize=1)  # noqa: B019
    def _decoder(self, vocabulary_size):
        from s2s_keras.decoding._ctc_beam_decoder import BeamDecoder  # numba takes a second to import
        from s2s_keras.decoding._ctc_beam_rules import make_rules

        rules = make_rules([""] * vocabulary_size) if self.texts is None else self._rules
        compiled = self._word_model is None
        return BeamDecoder(rules, self, self.texts, self.language_model if compiled else self._word_model, compiled)

    def __call__(self, logits, num_best=1, frame_seconds=None):
        logits = np.asarray(ops.convert_to_numpy(logits), "float32")
        if logits.ndim != 3 or logits.shape[2] < 2 or np.isnan(logits).any():
            raise ValueError(
                "Beam search expects logits of shape (batch, frames, vocabulary) without NaN; for one utterance pass "
                f"`logits[None]`. Received: shape {logits.shape}."
            )
        if self.texts is not None and len(self.texts) != logits.shape[2]:
            raise ValueError(
                f"The tokenizer has {len(self.texts)} tokens, the logits {logits.shape[2]}. Expected as many."
            )
        if num_best < 1:
            raise ValueError(f"`num_best` must be 1 or more. Received: num_best={num_best}.")
        decoder = self._decoder(logits.shape[2])
        rows = [np.ascontiguousarray(row) for row in logits]
        if self._word_model is not None or len(rows) < 2:
            return [decoder(row, num_best, frame_seconds) for row in rows]
        with ThreadPoolExecutor(min(len(rows), _num_cores())) as pool:
            return list(pool.map(lambda row: decoder(row, num_best, frame_seconds), rows))


def _num_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
