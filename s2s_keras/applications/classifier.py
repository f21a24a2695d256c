"""What every classifier shares: one logit for each class, and classes that have names."""

import typing

import keras
import numpy as np

from s2s_keras.applications.application import Application


class Classification(typing.NamedTuple):
    """A class and its probability.

    Args:
        label: str, the name of the class, or int, its number in a model without `labels`.
        probability: float.

    Example:

    >>> label, probability = Classification("yes", 0.75)
    """

    label: str | int
    probability: float


class Classifier(Application):
    """The base of what tells classes apart: an encoder below, dropout and one logit for each class on top.

    Args:
        inputs: Keras tensors, as `keras.Model` takes them.
        encoded: Keras tensor, the output of the encoder.
        pool: callable from `encoded` to a Keras tensor (B, C).
        labels: sequence of str, the names of the classes in the order of the logits, or None.
        num_classes: int, without `labels`.
        include_top: bool. False gives the encoder, not pooled.
        dropout: float, rate below the logits.
        dtype: dtype policy. Logits are float32 under every policy.
        **kwargs: `name` and `trainable`.

    Raises:
        ValueError: neither `labels` nor `num_classes`, both with different numbers, or a label twice.
    """

    def __init__(self, inputs, encoded, pool, labels, num_classes, include_top, dropout, dtype=None, **kwargs):
        self_labels, count = check_labels(labels, num_classes) if include_top else (labels and tuple(labels), None)
        if include_top:
            x = keras.layers.Dropout(dropout, dtype=dtype, name="dropout")(pool(encoded))
            encoded = keras.layers.Dense(count, dtype="float32", name="logits")(x)
        super().__init__(inputs=inputs, outputs=encoded, dtype=dtype, **kwargs)
        self.labels = self_labels
        self.num_classes = num_classes if count is None else count
        self.include_top = include_top
        self.dropout = dropout

    def best_classes(self, probabilities, top_k=None):
        """The likely classes of each row of probabilities.

        Args:
            probabilities: float (N, num_classes).
            top_k: int or None, how many classes of each.

        Returns:
            List of `Classification`; with `top_k` a list of lists of them, the most likely first.

        Raises:
            ValueError: `top_k` is out of range.
        """
        if top_k is not None and not 1 <= top_k <= self.num_classes:
            raise ValueError(f"`top_k` is from 1 to the {self.num_classes} classes. Received: top_k={top_k}.")
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : top_k or 1]
        found = [
            [Classification(int(n) if self.labels is None else self.labels[n], float(row[n])) for n in best]
            for row, best in zip(probabilities, order, strict=True)
        ]
        return [best[0] for best in found] if top_k is None else found

    def get_config(self):
        return {
            **super().get_config(),
            "labels": None if self.labels is None else list(self.labels),
            "num_classes": None if self.labels else self.num_classes,
            "include_top": self.include_top,
            "dropout": self.dropout,
        }


def softmax(logits):
    """Probabilities, float64 (N, C), of logits (N, C).

    Raises:
        ValueError: they are not numbers.
    """
    logits = np.asarray(logits, "float64")
    if np.isnan(logits).any():
        raise ValueError(
            "The network gives logits that are not numbers (NaN). Expected finite weights and input; try "
            "dtype='float32', or load the weights again."
        )
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def check_labels(labels, num_classes):
    """Labels as a tuple or None, and their number."""
    if labels is None:
        if not isinstance(num_classes, int) or num_classes < 1:
            raise ValueError(
                f"A classifier needs `labels`, the names of its classes, or `num_classes`, a positive integer. "
                f"Received: labels=None, num_classes={num_classes!r}."
            )
        return None, num_classes
    labels = tuple(labels)
    if not labels or not all(isinstance(label, str) for label in labels) or len(set(labels)) != len(labels):
        raise ValueError(f"`labels` holds the names of the classes, text, each once. Received: {list(labels)!r}.")
    if num_classes not in (None, len(labels)):
        raise ValueError(
            f"There are {len(labels)} labels for num_classes={num_classes}. Leave out `num_classes`, or pass "
            "`labels=None` with it."
        )
    return labels, len(labels)
