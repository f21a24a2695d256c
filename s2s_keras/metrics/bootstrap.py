"""How far an error rate may be trusted."""

import numpy as np

_MOST_PICKS = 2**22  # utterances drawn at a time, to bound memory


def bootstrap_interval(edits, lengths, confidence=0.95, num_resamples=10000, seed=0):
    """The confidence interval of an error rate, by drawing as many utterances again and again.

    The rate of each draw is its edits over its reference tokens, so long utterances weigh more, as in the rate itself.
    The interval is about other utterances like these: it does not know that those of one speaker resemble each other,
    and after no error at all it is (0, 0) however few utterances there were.

    Args:
        edits: int (N,), edits of each utterance.
        lengths: int (N,), reference tokens of each utterance.
        confidence: float, the share of the draws that lie within. Default 0.95.
        num_resamples: int, number of draws. Default 10000.
        seed: int, of the draws. Default 0.

    Returns:
        Tuple (low, high) of floats, percentiles of the rates of the draws.

    Raises:
        ValueError: no utterances, lists of different lengths, or a confidence that is not between 0 and 1.

    Example:

    >>> low, high = bootstrap_interval([0, 1, 0, 2], [4, 4, 4, 4])
    >>> low, high
    (0.0, 0.375)

    Reference: Bisani and Ney, Bootstrap estimates for confidence intervals in ASR performance evaluation, 2004.
    """
    edits, lengths = np.asarray(edits, "int64"), np.asarray(lengths, "int64")
    if edits.ndim != 1 or edits.shape != lengths.shape or not len(edits) or not 0 < confidence < 1:
        raise ValueError(
            "An interval needs the edits and the lengths of the same utterances, one at least, and a confidence "
            f"between 0 and 1. Received: shapes {edits.shape} and {lengths.shape}, confidence={confidence}."
        )
    rng = np.random.default_rng(seed)
    at_a_time = max(1, _MOST_PICKS // len(edits))
    rates = []
    for start in range(0, num_resamples, at_a_time):
        picks = rng.integers(0, len(edits), (min(at_a_time, num_resamples - start), len(edits)))
        rates.append(edits[picks].sum(axis=1) / np.maximum(lengths[picks].sum(axis=1), 1))
    tail = (1 - confidence) / 2
    return tuple(map(float, np.quantile(np.concatenate(rates), (tail, 1 - tail))))
