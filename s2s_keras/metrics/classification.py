"""What a classifier gets right: accuracy, what is confused, and what a threshold costs."""

import dataclasses
import typing

import numpy as np


class ClassScore(typing.NamedTuple):
    """How well one class is told from the others.

    Args:
        count: int, examples of the class.
        recall: float, the share of them that was answered with it; NaN for none.
        precision: float, the share of such answers that was right; NaN for none.
        f1: float, the harmonic mean of both; 0 where neither was right.
    """

    count: int
    recall: float
    precision: float
    f1: float


def confusion_matrix(classes, answers, num_classes):
    """How often each class was taken for which.

    Args:
        classes: int (N,), the true classes.
        answers: int (N,).
        num_classes: int.

    Returns:
        int64 (num_classes, num_classes): rows are true classes, columns answers.

    Raises:
        ValueError: the numbers of both differ, or a class is out of range.

    Example:

    >>> confusion_matrix([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    classes, answers = np.asarray(classes, "int64"), np.asarray(answers, "int64")
    if classes.shape != answers.shape or classes.ndim != 1:
        raise ValueError(
            f"There is an answer for each example. Received: classes {classes.shape}, answers {answers.shape}."
        )
    both = np.concatenate([classes, answers])
    if both.size and not 0 <= both.min() <= both.max() < num_classes:
        raise ValueError(f"Classes are from 0 to {num_classes - 1}. Received: {both.min()} to {both.max()}.")
    return np.bincount(classes * num_classes + answers, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_scores(matrix):
    """Recall, precision and F1 of each class.

    Args:
        matrix: int (C, C), a `confusion_matrix`.

    Returns:
        List of `ClassScore`.

    Example:

    >>> class_scores(np.array([[1, 1], [0, 2]]))[1]
    ClassScore(count=2, recall=1.0, precision=0.6666666666666666, f1=0.8)
    """
    right, counts, answers = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore"):
        recall, precision = right / counts, right / answers
        f1 = 2 * right / np.maximum(counts + answers, 1)
    return [
        ClassScore(int(n), float(r), float(p), float(f))
        for n, r, p, f in zip(counts, recall, precision, f1, strict=True)
    ]


def top_k_accuracy(scores, classes, k):
    """The share of examples whose class is among the `k` highest scores.

    Args:
        scores: float (N, C), logits or probabilities. Of equal scores the lower class counts as the higher.
        classes: int (N,), the true classes.
        k: int.

    Returns:
        float.

    Example:

    >>> top_k_accuracy(np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), [1, 2], k=2)
    0.5
    """
    best = np.argsort(-np.asarray(scores), axis=1, kind="stable")[:, :k]
    return float(np.mean(np.any(best == np.asarray(classes)[:, None], axis=1)))


@dataclasses.dataclass(frozen=True)
class DetectionCurve:
    """What every threshold costs, from the highest to the lowest.

    Args:
        thresholds: float (M,). What scores at least that is detected; the first detects nothing.
        false_alarm_rate: float (M,), the share of negatives that is detected.
        miss_rate: float (M,), the share of positives that is not.
    """

    thresholds: np.ndarray
    false_alarm_rate: np.ndarray
    miss_rate: np.ndarray

    @property
    def area(self):
        """The area under the receiver operating characteristic: the probability that a positive scores higher."""
        return float(np.trapezoid(1.0 - self.miss_rate, self.false_alarm_rate))

    @property
    def equal_error_rate(self):
        """The error rate where false alarms and misses are as frequent, between the two nearest thresholds."""
        n = int(np.argmax(self.false_alarm_rate >= self.miss_rate))
        if n == 0:
            return float(self.miss_rate[0])
        gaps = self.miss_rate[n - 1 : n + 1] - self.false_alarm_rate[n - 1 : n + 1]
        share = gaps[0] / (gaps[0] - gaps[1])
        return float(self.miss_rate[n - 1] + share * (self.miss_rate[n] - self.miss_rate[n - 1]))


def detection_curve(scores, positive):
    """False alarms and misses at every threshold that changes them.

    Args:
        scores: float (N,).
        positive: bool (N,), what should be detected.

    Returns:
        `DetectionCurve`.

    Raises:
        ValueError: there is no positive or no negative.

    Example:

    >>> curve = detection_curve([0.9, 0.8, 0.3], [True, False, True])
    >>> curve.miss_rate.tolist(), curve.area, curve.equal_error_rate
    ([1.0, 0.5, 0.5, 0.0], 0.5, 0.5)
    """
    scores, positive = np.asarray(scores, "float64"), np.asarray(positive, bool)
    if not positive.any() or positive.all():
        raise ValueError(
            f"A detection curve needs positives and negatives. Received: {positive.sum()} of {positive.size}."
        )
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # of each score that several may have
    hits, alarms = np.cumsum(positive)[last], np.cumsum(~positive)[last]
    return DetectionCurve(
        np.concatenate([[np.inf], scores[last]]),
        np.concatenate([[0.0], alarms / alarms[-1]]),
        np.concatenate([[1.0], 1.0 - hits / hits[-1]]),
    )
