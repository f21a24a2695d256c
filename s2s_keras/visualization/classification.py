"""Pictures of what a classifier confuses and of what its thresholds cost."""

import numpy as np

from s2s_keras.metrics.classification import detection_curve
from s2s_keras.visualization.figure import notebook_figure

ACCENT = "#0b5394"
_MOST_NUMBERS = 20  # classes; more have their numbers left out where they are zero


def plot_confusion_matrix(matrix, labels=None, path=None):
    """Draw how often each class was taken for which.

    Args:
        matrix: int array (C, C): rows are true classes, columns what was answered, as `confusion_matrix` gives it.
        labels: sequence of str, the names of the classes. Default: their numbers.
        path: str or path, where to write the picture (.png, .svg, .pdf); None writes nothing.

    Returns:
        A `matplotlib.figure.Figure`. Colours are the share of the row; a notebook shows it, `savefig` writes it.

    Raises:
        ValueError: the matrix is not square, or has another number of classes than `labels`.

    Example:

    >>> plot_confusion_matrix(np.array([[9, 1], [0, 10]]), ("no", "yes")).axes[0].get_xlabel()
    'answer'
    """
    matrix = np.asarray(matrix)
    labels = [str(n) for n in range(len(matrix))] if labels is None else list(labels)
    if matrix.ndim != 2 or matrix.shape != (len(labels), len(labels)):
        raise ValueError(
            f"A confusion matrix has a row and a column for each class. Received: shape {matrix.shape}, "
            f"{len(labels)} labels."
        )
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = min(max(4.0, 1.5 + 0.32 * len(labels)), 16.0)
    figure = notebook_figure(size + 0.8, size)
    axes = figure.subplots()
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    letters = 9 if len(labels) <= _MOST_NUMBERS else 7
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=letters)
    axes.set_yticks(range(len(labels)), labels, fontsize=letters)
    for (row, column), count in np.ndenumerate(matrix):
        if count or len(labels) <= _MOST_NUMBERS // 2:
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=letters - 1, color=color)
    axes.set_xlabel("answer")
    axes.set_ylabel("true class")
    axes.set_title(f"{np.trace(matrix) / max(matrix.sum(), 1):.2%} of {matrix.sum():,} right")
    figure.colorbar(image, ax=axes, label="share of the row (%)", fraction=0.04)
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def plot_detection(probabilities, classes, path=None):
    """Draw what a threshold on the probability costs: the receiver operating characteristic and detection errors.

    Every class of every example counts as one decision: whether it is that class.

    Args:
        probabilities: float array (N, C).
        classes: int array (N,), the true classes.
        path: str or path, where to write the picture; None writes nothing.

    Returns:
        A `matplotlib.figure.Figure` of two axes.

    Example:

    >>> figure = plot_detection(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 1]))
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['hits (%)', 'misses (%)']
    """
    probabilities, classes = np.asarray(probabilities), np.asarray(classes)
    positive = np.arange(probabilities.shape[1]) == classes[:, None]
    curve = detection_curve(probabilities.ravel(), positive.ravel())
    figure = notebook_figure(9, 4)
    left, right = figure.subplots(1, 2)
    left.plot(100 * curve.false_alarm_rate, 100 * (1 - curve.miss_rate), color=ACCENT)
    left.set(xlabel="false alarms (%)", ylabel="hits (%)", title=f"area {curve.area:.5f}", xscale="symlog")
    floor = 100 / max(len(classes), 1) / 2  # half an example, where a logarithm has no zero
    right.plot(np.maximum(100 * curve.false_alarm_rate, floor), np.maximum(100 * curve.miss_rate, floor), color=ACCENT)
    right.set(
        xlabel="false alarms (%)",
        ylabel="misses (%)",
        title=f"equal error rate {curve.equal_error_rate:.2%}",
        xscale="log",
        yscale="log",
    )
    for axes in (left, right):
        axes.grid(alpha=0.3)
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure
