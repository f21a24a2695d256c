"""Word and character error rates: of texts, and of the outputs of a CTC network during `fit` and `evaluate`."""

from typing import NamedTuple

import keras
from keras import ops

from s2s_keras.metrics.edit_distance import edit_distance, greedy_tokens, number_words, pack, strip


class ErrorRate(NamedTuple):
    """An error rate and the counts it is made of.

    Args:
        substitutions: int, reference tokens that were replaced.
        insertions: int, tokens of the hypothesis that the reference lacks.
        deletions: int, reference tokens that the hypothesis lacks.
        reference_length: int, reference tokens in all. A token is a word or a character.
    """

    substitutions: int
    insertions: int
    deletions: int
    reference_length: int

    @property
    def edits(self):
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self):
        return self.edits / max(self.reference_length, 1)


def word_error_rate(references, hypotheses):
    """Counts the words that differ between reference and recognized texts.

    Words are what `str.split()` gives. Counts are summed over all pairs before they are divided, as the field reports
    it: a long utterance weighs more than a short one. Texts are compared as they are; change case and punctuation
    beforehand.

    Args:
        references: string or list of strings, what was said.
        hypotheses: string or list of strings, what was recognized, in the same order.

    Returns:
        `ErrorRate` with `rate`, `edits`, `substitutions`, `insertions`, `deletions` and `reference_length`, the
        number of reference words. References without any word give `rate` 0.0 if nothing was recognized, else the
        number of insertions.

    Raises:
        ValueError: the two lists differ in length.
        TypeError: a text is not a string.

    Example:

    >>> score = word_error_rate(["yes go to", "stop"], ["yes two", "stop"])
    >>> score.rate, score.edits, score.deletions, score.reference_length
    (0.5, 2, 1, 4)
    """
    return _count(references, hypotheses, str.split)


def character_error_rate(references, hypotheses):
    """Counts the characters that differ between reference and recognized texts.

    White space around a text is dropped; a space within counts as a character. Otherwise as `word_error_rate`.

    Args:
        references: string or list of strings, what was said.
        hypotheses: string or list of strings, what was recognized, in the same order.

    Returns:
        `ErrorRate`; its `reference_length` is the number of reference characters.

    Raises:
        ValueError: the two lists differ in length.
        TypeError: a text is not a string.

    Example:

    >>> character_error_rate("stop", " stoop ").rate
    0.25
    """
    return _count(references, hypotheses, str.strip)


def _count(references, hypotheses, split):
    from rapidfuzz.distance import Levenshtein

    references = [references] if isinstance(references, str) else list(references)
    hypotheses = [hypotheses] if isinstance(hypotheses, str) else list(hypotheses)
    if len(references) != len(hypotheses):
        raise ValueError(
            "An error rate compares one hypothesis with each reference. "
            f"Received: {len(references)} references and {len(hypotheses)} hypotheses"
        )
    counts = {"replace": 0, "insert": 0, "delete": 0}
    reference_length = 0
    for index, pair in enumerate(zip(references, hypotheses, strict=True)):
        if not all(isinstance(text, str) for text in pair):
            raise TypeError(f"An error rate compares strings. Received at position {index}: {pair!r}")
        reference, hypothesis = (split(text) for text in pair)
        reference_length += len(reference)
        for operation in Levenshtein.editops(reference, hypothesis):
            counts[operation.tag] += 1
    return ErrorRate(counts["replace"], counts["insert"], counts["delete"], reference_length)


class GreedyErrorRate(keras.metrics.Metric):
    """What word and character error rate share; not a metric by itself."""

    def __init__(self, tokenizer, name, **kwargs):
        super().__init__(name=name, **kwargs)
        self.tokenizer = tokenizer
        self.space = _space(tokenizer)
        self.edits = self.add_variable(shape=(), initializer="zeros", dtype="int", name="edits")
        self.reference_length = self.add_variable(shape=(), initializer="zeros", dtype="int", name="reference_length")

    def count(self, y_true, y_pred):
        """Edits and reference length of every utterance, both int32 (B,)."""
        labels = ops.cast(y_true, "int32")
        reference, hypothesis = self._split(pack(labels, labels != 0), greedy_tokens(y_pred))
        return edit_distance(reference, hypothesis), reference[1]

    def update_state(self, y_true, y_pred, sample_weight=None):
        edits, lengths = self.count(y_true, y_pred)
        if sample_weight is not None:
            counted = ops.cast(ops.reshape(sample_weight, (-1,)) != 0, "int32")
            edits, lengths = edits * counted, lengths * counted
        self.edits.assign_add(ops.cast(ops.sum(edits), self.edits.dtype))
        self.reference_length.assign_add(ops.cast(ops.sum(lengths), self.reference_length.dtype))

    def result(self):
        return ops.cast(self.edits, "float32") / ops.cast(ops.maximum(self.reference_length, 1), "float32")

    def get_config(self):
        return {**super().get_config(), "tokenizer": keras.saving.serialize_keras_object(self.tokenizer)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "tokenizer": keras.saving.deserialize_keras_object(config["tokenizer"])})


@keras.saving.register_keras_serializable(package="s2s_keras")
class WordErrorRate(GreedyErrorRate):
    """The share of words a CTC network gets wrong, by greedy search, while it is trained and evaluated.

    Exact: substitutions, insertions and deletions are summed over batches before they are divided by the number of
    reference words, and words are compared letter by letter inside the compiled graph. `word_error_rate` of the
    decoded texts gives the same number. References without any word give 0.0 if nothing was recognized, else the
    number of insertions.

    Args:
        tokenizer: tokenizer with `vocabulary_size` and `decode`, one character per token, one of them the space.
        name: str, the key in `fit`'s history. Defaults to "wer".
        **kwargs: arguments of `keras.metrics.Metric`.

    Call arguments:
        y_true: int (B, U), token ids; 0 is padding.
        y_pred: float (B, T, V), logits; blank at 0 and certain in padded frames.
        sample_weight: (B,) or `None`; an utterance of weight 0 is not counted, any other weight counts in full.

    Returns:
        float32 scalar; above 1 if there are more errors than words.

    Raises:
        ValueError: a token stands for more or less than one character, or no token is a space.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.tokenizers import CharacterTokenizer
    >>> metric = WordErrorRate(CharacterTokenizer(" ab"))
    >>> labels = np.array([[2, 1, 3, 3, 0], [3, 0, 0, 0, 0]])  # "a bb" and "b"
    >>> best = np.array([[2, 2, 1, 0, 3, 3], [0, 3, 0, 0, 0, 0]])  # "a b" and "b"
    >>> metric.update_state(labels, np.eye(4, dtype="float32")[best])
    >>> round(float(metric.result()), 4)
    0.3333
    """

    def __init__(self, tokenizer, name="wer", **kwargs):
        super().__init__(tokenizer, name=name, **kwargs)
        if self.space is None:
            raise ValueError(
                "WordErrorRate finds words between spaces, but no token of the tokenizer decodes to a space. "
                f"Received: {tokenizer!r}. Use CharacterErrorRate, or a tokenizer with a space."
            )

    def _split(self, reference, hypothesis):
        return number_words(reference, hypothesis, self.space)


@keras.saving.register_keras_serializable(package="s2s_keras")
class CharacterErrorRate(GreedyErrorRate):
    """The share of characters a CTC network gets wrong, by greedy search, while it is trained and evaluated.

    Spaces at both ends do not count, spaces within do. Otherwise as `WordErrorRate`, and equal to
    `character_error_rate` of the decoded texts.

    Args:
        tokenizer: tokenizer with `vocabulary_size` and `decode`, one character per token.
        name: str, the key in `fit`'s history. Defaults to "cer".
        **kwargs: arguments of `keras.metrics.Metric`.

    Call arguments:
        y_true: int (B, U), token ids; 0 is padding.
        y_pred: float (B, T, V), logits; blank at 0 and certain in padded frames.
        sample_weight: (B,) or `None`; an utterance of weight 0 is not counted, any other weight counts in full.

    Returns:
        float32 scalar; above 1 if there are more errors than characters.

    Raises:
        ValueError: a token stands for more or less than one character.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.tokenizers import CharacterTokenizer
    >>> metric = CharacterErrorRate(CharacterTokenizer(" ab"))
    >>> best = np.array([[2, 2, 1, 0, 3, 3]])  # "a b" for "a bb"
    >>> metric.update_state(np.array([[2, 1, 3, 3, 0]]), np.eye(4, dtype="float32")[best])
    >>> float(metric.result())
    0.25
    """

    def __init__(self, tokenizer, name="cer", **kwargs):
        super().__init__(tokenizer, name=name, **kwargs)

    def _split(self, reference, hypothesis):
        if self.space is None:
            return reference, hypothesis
        return strip(reference, self.space), strip(hypothesis, self.space)


def _space(tokenizer):
    """The id of the space, or `None`; refuses tokenizers whose tokens are not single characters."""
    characters = {number: tokenizer.decode([number]) for number in range(1, tokenizer.vocabulary_size)}
    for number, character in characters.items():
        if len(character) != 1:
            raise ValueError(
                "Error rates inside the graph compare tokens that are single characters. "
                f"Received: {tokenizer!r}, whose token {number} decodes to {character!r}. For such tokenizers decode "
                "the output and use word_error_rate or character_error_rate."
            )
    spaces = [number for number, character in characters.items() if character == " "]
    return spaces[0] if spaces else None
