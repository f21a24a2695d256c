"""Word and character error rates of recognized text."""

from typing import NamedTuple


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
