"""What was recognized: texts with scores, words with times and confidence."""

import dataclasses

import keras
import numpy as np

from s2s_keras.decoding.ctc_alignment import ctc_alignment
from s2s_keras.decoding.ctc_greedy import ctc_greedy

BOUNDARY = "▁"  # how word pieces, and language models over tokens, write the space before a word


@dataclasses.dataclass(frozen=True, slots=True)
class Word:
    """A word, when it was said, and how sure the network is.

    Args:
        text: str.
        start: float, second at which the first frame of its first token begins.
        end: float, second at which the last frame of its last token ends.
        confidence: float in [0, 1]: the geometric mean, over its tokens, of each one's probability at the most certain
            of its frames. A word that a language model chose against the network has a low one.

    Example:

    >>> Word("yes", 0.24, 0.5, 0.98).end
    0.5
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclasses.dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading of an utterance.

    Args:
        text: str, without spaces around it; empty if the search has no tokenizer.
        token_ids: tuple of int, without blanks.
        score: float, what hypotheses are ordered by: natural log, all of the following weighted and added.
        acoustic_score: float, natural log of the network's probability of the token ids: of all paths in the beam.
        language_model_score: float or None, natural log of the language model's probability of the text and its end,
            without weight; None without a language model.
        words: tuple of `Word`; empty unless the search was told how long a frame is.

    Example:

    >>> Hypothesis("yes", (25, 5, 19), -0.1, -0.1).words
    ()
    """

    text: str
    token_ids: tuple
    score: float
    acoustic_score: float
    language_model_score: float | None = None
    words: tuple = ()


def token_texts(tokenizer):
    """The text of every token, blank first; a space is a space wherever it stands.

    A tokenizer of word pieces says with `pieces` (list of str, in the order of ids from 1) which of them begin a word,
    which their decoded text does not tell.
    """
    pieces = getattr(tokenizer, "pieces", None)
    if pieces is None:
        pieces = [tokenizer.decode([n]) for n in range(1, tokenizer.vocabulary_size)]
    return ["", *(piece.replace(BOUNDARY, " ") for piece in pieces)]


def timed_words(logits, token_ids, texts, frame_seconds):
    """The words that tokens spell, at the most likely frames.

    Args:
        logits: float (T, V), of one utterance, blank first.
        token_ids: sequence of int without blanks.
        texts: list of str, of every token; one that begins with a space begins a word.
        frame_seconds: float, from one frame to the next.

    Returns:
        Tuple of `Word`.

    Raises:
        ValueError: there are more tokens than the frames can hold.

    Example:

    >>> a, b = timed_words(9 * np.eye(3)[[0, 1, 1, 0, 2]], [1, 2], ["", "a", " b"], 0.5)
    >>> b.text, b.start, b.end, round(b.confidence, 3)
    ('b', 2.0, 2.5, 1.0)
    """
    logits = np.asarray(logits, "float64")
    spans = ctc_alignment(logits, token_ids)
    words, open_word = [], False
    for token, (start, end) in zip(token_ids, spans.tolist(), strict=True):
        text = texts[token]
        if text.startswith(" "):
            text, open_word = text[1:], False
        if not text:
            continue
        if not open_word:
            words.append(["", start, end, []])
            open_word = True
        words[-1][0] += text
        words[-1][2] = end
        frames = logits[start:end]
        highest = frames.max(axis=1)
        log_probs = frames[:, token] - highest - np.log(np.exp(frames - highest[:, None]).sum(axis=1))
        words[-1][3].append(log_probs.max())
    return tuple(
        Word(text, start * frame_seconds, end * frame_seconds, float(np.exp(np.mean(log_probs))))
        for text, start, end, log_probs in words
    )


def greedy_hypotheses(tokenizer, logits, num_best=1, frame_seconds=None):
    """What `CTCBeamSearch` returns, by greedy search: one hypothesis each, whose score is that of the best path.

    Example:

    >>> from s2s_keras.tokenizers import CharacterTokenizer
    >>> greedy_hypotheses(CharacterTokenizer("ab"), 9 * np.eye(3)[[[0, 1, 1]]])[0][0].text
    'a'
    """
    logits = np.asarray(keras.ops.convert_to_numpy(logits), "float64")
    highest = logits.max(axis=-1)
    scores = -np.log(np.exp(logits - highest[..., None]).sum(axis=-1)).sum(axis=-1)
    results = []
    for row, token_ids, score in zip(logits, ctc_greedy(logits), scores.tolist(), strict=True):
        words = () if frame_seconds is None else timed_words(row, token_ids, token_texts(tokenizer), frame_seconds)
        text = tokenizer.decode(token_ids).strip()
        results.append([Hypothesis(text, tuple(token_ids), score, score, None, words)])
    return results
