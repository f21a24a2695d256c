import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.losses import CTC, CrossEntropy

LABELS = np.array([[3, 1, 2], [2, 0, 0], [0, 0, 0]])
LOGITS = np.random.default_rng(0).normal(size=(3, 3, 5)).astype("float32")
LOG_PROBS = LOGITS - np.log(np.exp(LOGITS).sum(axis=-1, keepdims=True))
RIGHT = np.array([LOG_PROBS[0, 0, 3], LOG_PROBS[0, 1, 1], LOG_PROBS[0, 2, 2], LOG_PROBS[1, 0, 2]])


def test_mean_over_real_positions():
    loss = CrossEntropy()(LABELS[:2], LOGITS[:2])
    np.testing.assert_allclose(float(loss), -RIGHT.mean(), rtol=1e-5)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    padded = CrossEntropy()(np.pad(LABELS[:2], [(0, 0), (0, 2)]), np.pad(LOGITS[:2], [(0, 0), (0, 2), (0, 0)]))
    np.testing.assert_allclose(float(padded), float(loss), rtol=1e-6)


def test_equals_keras_on_sequences_without_padding():
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS[:1], LOGITS[:1])
    np.testing.assert_allclose(float(CrossEntropy()(LABELS[:1], LOGITS[:1])), float(expected), rtol=1e-5)


def test_label_smoothing_is_a_mix_of_targets():
    loss = CrossEntropy(label_smoothing=0.2)(LABELS[:2], LOGITS[:2])
    target = np.full((4, 5), 0.2 / 5)
    target[np.arange(4), [3, 1, 2, 2]] += 0.8
    real = LOG_PROBS[[0, 0, 0, 1], [0, 1, 2, 0]]
    np.testing.assert_allclose(float(loss), -(target * real).sum(axis=-1).mean(), rtol=1e-5)


def test_empty_rows_with_weights_change_nothing():
    """As the data give them to several workers: an empty row has weight 0, the others more than 1."""
    expected = float(CrossEntropy()(LABELS[:2], LOGITS[:2]))
    weighted = CrossEntropy()(LABELS, LOGITS, sample_weight=np.array([1.5, 1.5, 0.0]))
    np.testing.assert_allclose(float(weighted), expected, rtol=1e-5)
    rows = ops.convert_to_numpy(CrossEntropy(reduction=None)(LABELS, LOGITS))
    np.testing.assert_allclose(rows, [-RIGHT[:3].sum() / 2, -RIGHT[3] / 2, 0.0], rtol=1e-5)


def test_another_padding():
    labels = np.where(LABELS == 0, -1, LABELS)
    loss = CrossEntropy(padding=-1)
    np.testing.assert_allclose(float(loss(labels, LOGITS)), float(CrossEntropy()(LABELS, LOGITS)), rtol=1e-6)
    assert CrossEntropy.from_config(loss.get_config()).padding == -1


def test_gradient_leaves_padding_alone_and_several_losses_go_into_compile():
    inputs = keras.Input((3, 5))
    outputs = {name: Shift(name=name)(inputs) for name in ("a", "b")}
    model = keras.Model(inputs, outputs)
    losses = {"a": CrossEntropy(), "b": CTC()}
    model.compile(keras.optimizers.SGD(1.0), losses, loss_weights={"a": 0.5, "b": 0.0})
    model.train_on_batch(LOGITS, {"a": LABELS, "b": LABELS})
    moved = ops.convert_to_numpy(model.get_layer("a").shift)
    probabilities = np.exp(LOG_PROBS)
    expected = np.zeros((3, 5))
    for n, u in ((0, 0), (0, 1), (0, 2), (1, 0)):
        expected[u] -= 0.5 / 4 * (probabilities[n, u] - np.eye(5)[LABELS[n, u]]) * 2 / 3  # two of three rows are real
    np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-5)


class Shift(keras.layers.Layer):
    """Adds a weight to every position."""

    def build(self, input_shape):
        self.shift = self.add_weight(input_shape[1:], "zeros", name="shift")

    def call(self, x):
        return x + self.shift


def test_wrong_arguments():
    with pytest.raises(ValueError, match="label_smoothing=1.0"):
        CrossEntropy(label_smoothing=1.0)
    with pytest.raises(ValueError, match=r"y_pred.shape=\(3, 5\)"):
        CrossEntropy()(LABELS, LOGITS[:, 0])
