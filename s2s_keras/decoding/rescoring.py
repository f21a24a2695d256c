"""N-best lists in a new order, and the weights that suit a development set."""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

from s2s_keras.metrics import word_error_rate


def rescore(nbest, language_model, weight=1.0, beta=0.0):
    """Order hypotheses by what another language model makes of them, such as a neural one.

    The new score is the old one + weight * log probability of the text + beta * number of words.

    Args:
        nbest: list (B) of lists of `Hypothesis`, as `CTCBeamSearch` gives.
        language_model: callable: list of str -> log probabilities, natural log, as many. It is called once, with every
            text of the lists once.
        weight: float, of its log probability.
        beta: float, for each word: a second language model makes long texts less likely once more.

    Returns:
        List (B) of lists of `Hypothesis` with new scores, the best first; those that are equal keep their order.

    Raises:
        ValueError: the language model gives another number of values.

    Example:

    >>> from s2s_keras.decoding import Hypothesis
    >>> then, ten = Hypothesis("then seconds", (), -1.0, -1.0), Hypothesis("ten seconds", (), -1.5, -1.5)
    >>> rescore([[then, ten]], lambda texts: [-9.0 if "then" in text else -7.0 for text in texts])[0][0].text
    'ten seconds'

    Reference: OpenSeq2Seq's rescoring with Transformer-XL added the log probability with weight 1 and without beta.
    """
    return _reordered(nbest, _log_probabilities(nbest, language_model), weight, beta)


class Trial(NamedTuple):
    """One point of a tuning: weights and the word error rate that they give.

    Args:
        alpha: float, weight of a language model.
        beta: float, for each word.
        wer: float.

    Example:

    >>> Trial(0.5, 1.0, 0.06).wer
    0.06
    """

    alpha: float
    beta: float
    wer: float


def tune(
    search, logits, references, alphas=(0.2, 0.4, 0.6, 0.8, 1.0), betas=(0.0, 1.0, 2.0, 3.0), num_random=None, seed=0
):
    """Try weights of a beam search's language model on a development set.

    Args:
        search: `CTCBeamSearch`.
        logits: float (B, T, V), or a list of them, such as batches.
        references: list of str, what was said, in the order of all utterances.
        alphas: sequence of float, the grid; or, with `num_random`, the least and the greatest.
        betas: likewise.
        num_random: int or None. None tries every pair; a number draws so many pairs between the bounds. Default None.
        seed: int, of the draws. Default 0.

    Returns:
        List of `Trial`, the best first; of equal ones the smaller weights first. `visualization.plot_tuning` draws
        it, and `search.replace(alpha=..., beta=...)` takes the best.

    Raises:
        ValueError: the numbers of utterances and references differ.

    Example:

    >>> from s2s_keras.decoding import CTCBeamSearch
    >>> from s2s_keras.tokenizers import CharacterTokenizer
    >>> search = CTCBeamSearch(CharacterTokenizer("ab "), dictionary=["a", "b"])
    >>> logits = np.log(0.01 + np.eye(4)[[[1, 3, 2]]])
    >>> tune(search, logits, ["a b"], alphas=[0.5], betas=[0.0, 1.0])[0]
    Trial(alpha=0.5, beta=0.0, wer=0.0)
    """
    batches = [logits] if hasattr(logits, "shape") else list(logits)

    def texts(alpha, beta):
        weighted = search.replace(alpha=alpha, beta=beta)
        return [hypotheses[0].text for batch in batches for hypotheses in weighted(batch)]

    return _trials(texts, references, _points(alphas, betas, num_random, seed))


def tune_rescoring(
    nbest, language_model, references, weights=(0.0, 0.25, 0.5, 1.0), betas=(0.0, 0.5, 1.0), num_random=None, seed=0
):
    """Try the weights of `rescore` on a development set; the language model is asked once.

    Args:
        nbest: list (B) of lists of `Hypothesis`.
        language_model: as for `rescore`.
        references: list of str.
        weights: sequence of float, of the language model, as `alphas` of `tune`.
        betas: sequence of float.
        num_random: int or None, as for `tune`.
        seed: int.

    Returns:
        List of `Trial`, the best first, whose alpha is `weight`.

    Raises:
        ValueError: the numbers of lists and references differ.

    Example:

    >>> from s2s_keras.decoding import Hypothesis
    >>> nbest = [[Hypothesis("then", (), -1.0, -1.0), Hypothesis("ten", (), -1.5, -1.5)]]
    >>> tune_rescoring(nbest, lambda texts: [-float(len(text)) for text in texts], ["ten"])[0]
    Trial(alpha=1.0, beta=0.0, wer=0.0)
    """
    values = _log_probabilities(nbest, language_model)

    def texts(weight, beta):
        return [hypotheses[0].text for hypotheses in _reordered(nbest, values, weight, beta)]

    return _trials(texts, references, _points(weights, betas, num_random, seed))


def _log_probabilities(nbest, language_model):
    """{text: log probability}"""
    texts = list(dict.fromkeys(hypothesis.text for hypotheses in nbest for hypothesis in hypotheses))
    values = np.asarray(language_model(texts), "float64").reshape(-1)
    if len(values) != len(texts):
        raise ValueError(f"The language model gave {len(values)} values for {len(texts)} texts. Expected one for each.")
    return dict(zip(texts, values.tolist(), strict=True))


def _reordered(nbest, values, weight, beta):
    return [
        sorted(
            (
                dataclasses.replace(h, score=h.score + weight * values[h.text] + beta * len(h.text.split()))
                for h in hypotheses
            ),
            key=lambda h: -h.score,
        )
        for hypotheses in nbest
    ]


def _points(alphas, betas, num_random, seed):
    if num_random is None:
        return list(itertools.product(map(float, alphas), map(float, betas)))
    random = np.random.default_rng(seed)
    bounds = [(min(alphas), max(alphas)), (min(betas), max(betas))]
    return [tuple(float(random.uniform(*bound)) for bound in bounds) for _ in range(num_random)]


def _trials(texts, references, points):
    trials = []
    for alpha, beta in points:
        hypotheses = texts(alpha, beta)
        if len(hypotheses) != len(references):
            raise ValueError(
                f"There are {len(hypotheses)} utterances and {len(references)} references. Expected as many."
            )
        trials.append(Trial(alpha, beta, float(word_error_rate(references, hypotheses).rate)))
    return sorted(trials, key=lambda trial: (trial.wer, trial.alpha, trial.beta))
