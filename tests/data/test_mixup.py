import os

import keras
import numpy as np
import pytest

from s2s_keras.data import EpochDataset, Mixup

once = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")


class Images(EpochDataset):
    """Every image is one number, ten times its class."""

    def __len__(self):
        return 3

    def batch(self, epoch, index):
        classes = np.arange(8, dtype="int32") % 4
        return np.full((8, 5, 5, 1), 10, "float32") * classes.astype("float32")[:, None, None, None], classes

    def element_spec(self):
        import tensorflow as tf

        return tf.TensorSpec((None, 5, 5, 1), "float32"), tf.TensorSpec((None,), "int32")


def test_fit_on_images():
    model = keras.Sequential([keras.Input((5, 5, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    data = Mixup(Images(), 4, alpha=0.4)
    assert np.isfinite(model.fit(data.for_fit(), verbose=0).history["loss"][0]) and data.epoch == 1
    if keras.backend.backend() == "tensorflow":
        for (x, y), (image, labels) in zip(data.as_tf_dataset(), [data.batch(1, k) for k in range(3)], strict=True):
            np.testing.assert_array_equal(x.numpy(), image)
            np.testing.assert_array_equal(y.numpy(), labels)


@once
def test_labels_are_mixed_as_the_images_are():
    data = Mixup(Images(), 4, alpha=1.0)
    images, labels = data.batch(0, 0)
    assert images.shape == (8, 5, 5, 1) and images.dtype == labels.dtype == np.float32
    np.testing.assert_allclose(labels.sum(axis=1), 1.0, rtol=1e-6)
    assert (labels > 0).sum(axis=1).max() == 2
    # The mean of what the labels say is what the image shows.
    np.testing.assert_allclose(images[:, 0, 0, 0], labels @ (10.0 * np.arange(4)), rtol=1e-5)
    share = labels.max(axis=1)
    assert share.min() < 0.95 and len(np.unique(share.round(4))) > 2  # one share for each row


@once
def test_shares_follow_the_beta_distribution():
    def first_share(alpha, epoch):
        images, labels = Mixup(Images(), 4, alpha=alpha).batch(epoch, 0)
        return labels[np.arange(8), np.arange(8) % 4]

    half = np.concatenate([first_share(1000.0, epoch) for epoch in range(30)])
    assert 0.4 < half[half < 1].min() and half[half < 1].max() < 0.6
    ends = np.concatenate([first_share(0.05, epoch) for epoch in range(30)])
    assert np.mean((ends > 0.02) & (ends < 0.98)) < 0.3 and ends.min() < 0.02


@once
def test_batches_depend_on_seed_epoch_and_index_only():
    first, again, other = Mixup(Images(), 4), Mixup(Images(), 4), Mixup(Images(), 4, seed=1)
    np.testing.assert_array_equal(first.batch(2, 1)[0], again.batch(2, 1)[0])
    for epoch, index, data in ((2, 2, first), (3, 1, first), (2, 1, other)):
        assert not np.array_equal(first.batch(2, 1)[1], data.batch(epoch, index)[1])


@once
def test_without_mixing_labels_are_one_hot_or_smoothed():
    images, labels = Mixup(Images(), 4, alpha=0).batch(0, 0)
    np.testing.assert_array_equal(images, Images().batch(0, 0)[0])
    np.testing.assert_array_equal(labels, np.eye(4, dtype="float32")[np.arange(8) % 4])
    smooth = Mixup(Images(), range(4), alpha=0, label_smoothing=0.2).batch(0, 0)[1]
    np.testing.assert_allclose(smooth[1], [0.05, 0.85, 0.05, 0.05], rtol=1e-6)


@once
def test_recordings_of_two_lengths_are_mixed_over_the_longer():
    class Recordings(Images):
        def batch(self, epoch, index):
            audio = np.array([[1.0, 1.0, 0.0, 0.0], [3.0, 3.0, 3.0, 3.0]], "float32")
            return {"audio": audio, "audio_lengths": np.array([2, 4], "int32")}, np.array([0, 1], "int32")

    data = Mixup(Recordings(), 2, alpha=1.0, probability=0.7)
    seen = set()
    for epoch in range(30):
        inputs, labels = data.batch(epoch, 0)
        assert inputs["audio_lengths"].dtype == np.int32
        np.testing.assert_allclose(inputs["audio"], labels @ Recordings().batch(0, 0)[0]["audio"], rtol=1e-5)
        seen.add((bool(labels[0, 1] > 0), int(inputs["audio_lengths"][0])))
    assert seen == {(False, 2), (True, 4)}


@once
@pytest.mark.parametrize("option", [{"alpha": -1}, {"label_smoothing": 1.0}, {"probability": 2}, {"num_classes": 0}])
def test_arguments_out_of_range(option):
    ((name, value),) = option.items()
    with pytest.raises(ValueError, match=f"Mixup needs .*{name}={value}"):
        Mixup(Images(), **{"num_classes": 4, **option})


@once
def test_what_the_dataset_has_besides_is_there():
    images = Images()
    images.statistics = lambda epoch: {"batches": 3}
    assert Mixup(images, 4).statistics(0) == {"batches": 3} and not hasattr(Mixup(Images(), 4), "statistics")
