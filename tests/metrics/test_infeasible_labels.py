import keras
import numpy as np

from s2s_keras.losses import CTC
from s2s_keras.metrics.infeasible_labels import InfeasibleLabels


def padded_logits(real, frames, vocabulary=4):
    logits = np.random.default_rng(0).normal(size=(len(real), frames, vocabulary)).astype("float32")
    padding = np.where(np.arange(vocabulary) == 0, 0.0, -1e9).astype("float32")
    return np.where(np.arange(frames)[:, None] < np.array(real)[:, None, None], logits, padding)


def test_counts_by_real_frames_and_blanks_between_equal_labels():
    labels = np.array([[1, 2, 0], [1, 1, 0], [1, 2, 3], [0, 0, 0], [1, 1, 1], [1, 1, 1]])
    metric = InfeasibleLabels()
    metric.update_state(labels, padded_logits([2, 2, 2, 1, 4, 5], 6))
    assert float(metric.result()) == 3.0
    metric.update_state(labels, padded_logits([6] * 6, 6))
    assert float(metric.result()) == 3.0
    metric.reset_state()
    assert float(metric.result()) == 0.0


def test_counts_labels_outside_the_vocabulary_and_after_a_zero():
    metric = InfeasibleLabels()
    assert float(metric(np.array([[1, 4], [0, 1], [1, 3]]), padded_logits([6, 6, 6], 6))) == 2.0


def test_sample_weight():
    metric = InfeasibleLabels()
    labels = np.array([[1, 1], [1, 1], [1, 2]])
    metric.update_state(labels, padded_logits([2, 2, 2], 2), sample_weight=np.array([0.0, 1.0, 1.0]))
    assert float(metric.result()) == 1.0


def test_counts_what_the_loss_leaves_out():
    random = np.random.default_rng(1)
    for _ in range(20):
        labels = np.where(np.arange(5) < random.integers(0, 6, (8, 1)), random.integers(1, 5, (8, 5)), 0)
        logits = padded_logits(random.integers(1, 8, 8), 8)
        losses = keras.ops.convert_to_numpy(CTC(zero_infinity=False, reduction=None)(labels, logits))
        assert float(InfeasibleLabels()(labels, logits)) == np.isinf(losses).sum()


def test_in_fit_and_config_round_trip():
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, keras.layers.Dense(4)(inputs))
    model.compile("sgd", CTC(), metrics=[InfeasibleLabels()])
    labels = np.array([[1, 2], [1, 1], [2, 2], [3, 0]])
    history = model.fit(np.ones((4, 2, 4), "float32"), labels, batch_size=2, epochs=2, verbose=0)
    assert history.history["infeasible_labels"] == [2.0, 2.0]
    config = keras.saving.serialize_keras_object(InfeasibleLabels(name="skipped"))
    metric = keras.saving.deserialize_keras_object(config)
    assert isinstance(metric, InfeasibleLabels) and metric.name == "skipped"
