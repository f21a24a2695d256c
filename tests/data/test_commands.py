import os

import keras
import numpy as np
import pytest

from s2s_keras.data import Mixup, UtteranceError, commands_dataset
from s2s_keras.data.commands import BalancedOrder

once = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
LABELS = ("go", "no", "yes")
TEXTS = ["yes", "no", "go", "yes", "yes", "no"]


@pytest.fixture
def manifest(write_corpus):
    return write_corpus([0.1, 0.2, 0.1, 0.1, 0.15, 0.1], TEXTS)


@pytest.fixture
def model():
    audio, lengths = keras.Input((None,), name="audio"), keras.Input((), name="audio_lengths")
    loudness = keras.ops.mean(keras.ops.abs(audio), axis=1, keepdims=True)
    return keras.Model({"audio": audio, "audio_lengths": lengths}, keras.layers.Dense(3)(loudness))


def test_fit_on_classes_and_on_soft_labels(manifest, model):
    data = commands_dataset(manifest, LABELS, batch_size=4)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    history = model.fit(data.for_fit(), verbose=0).history
    assert np.isfinite(history["loss"][0]) and round(6 * history["accuracy"][0], 3).is_integer()
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    mixed, plain = Mixup(data, LABELS, alpha=0.4, label_smoothing=0.1), Mixup(data, LABELS, alpha=0)
    history = model.fit(mixed.for_fit(), validation_data=plain.for_fit(), verbose=0).history
    assert np.isfinite(history["loss"][0]) and np.isfinite(history["val_loss"][0])
    assert model.evaluate(plain.for_fit(), verbose=0)[1] == pytest.approx(history["val_accuracy"][0])


@once
def test_classes_are_those_of_the_labels(manifest):
    data = commands_dataset(manifest, LABELS, batch_size=4)
    assert [classes.tolist() for _, classes in data] == [[2, 1, 0, 2], [2, 1]]
    assert data.batch(0, 0)[1].dtype == np.int32
    assert data.reader.cache and len(data.reader.cache) == 6  # decoded once
    other = commands_dataset(manifest, LABELS[::-1], batch_size=6, cache=False)
    assert other.batch(0, 0)[1].tolist() == [0, 1, 2, 0, 0, 1] and other.reader.cache is None


@once
def test_a_text_that_is_no_class_is_an_error_or_counted(manifest):
    with pytest.raises(
        UtteranceError, match=r"train.jsonl, line 1: the text 'yes' is none of the 2 classes \(go, no\)"
    ):
        commands_dataset(manifest, ("go", "no"))
    data = commands_dataset(manifest, ("go", "no"), on_error="skip")
    assert data.report.counts == {"unknown label": 3} and len(data.examples) == 3


@once
def test_a_damaged_recording_is_an_error_or_counted(manifest):
    path = f"{os.path.dirname(manifest)}/train.jsonl-1.wav"
    with open(path, "r+b") as file:
        file.truncate(20)
    with pytest.raises(UtteranceError, match=r"train.jsonl, line 2: .*train.jsonl-1.wav"):
        commands_dataset(manifest, LABELS)
    data = commands_dataset(manifest, LABELS, on_error="skip")
    assert data.report.counts == {"unreadable audio": 1} and len(data.examples) == 5


@once
def test_rows_that_fill_a_batch_have_a_class_that_does_not_count(manifest):
    data = commands_dataset(manifest, LABELS, batch_size=4, num_shards=4, shard_index=2, pad_to_boundary=True)
    _, classes, weights = data.batch(0, 0)
    assert classes.tolist() == [0, 0] and weights.tolist() == pytest.approx([8 / 6, 0])
    data = commands_dataset(manifest, LABELS[::-1], 4, num_shards=4, shard_index=2)
    assert data.batch(0, 0)[1].tolist() == [2, 0]
    soft = Mixup(data, LABELS, alpha=1.0).batch(0, 0)[1]  # a row is never mixed with an empty one
    np.testing.assert_allclose(soft, [[0, 0, 1], [1, 0, 0]], rtol=1e-6)


@once
def test_a_balanced_order_visits_every_class_equally_often(manifest):
    data = commands_dataset(manifest, LABELS, batch_size=3, balanced=True)
    for epoch in range(3):
        classes = [data.batch(epoch, k)[1] for k in range(2)]
        assert np.bincount(np.concatenate(classes), minlength=3).tolist() == [2, 2, 2]
    order = BalancedOrder([0] * 7 + [1] * 3)
    first, second = (order(np.random.default_rng(seed)) for seed in (0, 1))
    assert first.tolist() != second.tolist() and len(first) == 10
    assert sorted(first[first >= 7].tolist()) in ([7, 7, 8, 8, 9], [7, 7, 8, 9, 9], [7, 8, 8, 9, 9])
    assert len(set(first[first < 7].tolist())) == 5  # none of a frequent class comes twice
    with pytest.raises(ValueError, match="balanced=True without `shuffle` and `buckets`. Received: shuffle=True"):
        commands_dataset(manifest, LABELS, balanced=True, shuffle=True)


def test_a_text_of_no_class_is_refused(manifest):
    with pytest.raises(ValueError, match="must not be empty. Received: allow_empty=True"):
        commands_dataset(manifest, LABELS, allow_empty=True)


@once
def test_labels_are_names_each_once(manifest):
    for labels in ((), ("no", "no"), (0, 1)):
        with pytest.raises(ValueError, match="holds the names of the classes, text, each once"):
            commands_dataset(manifest, labels)
