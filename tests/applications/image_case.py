"""The inherited checks for classifiers of pictures."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.checks import values
from tests.test_case import ApplicationTestCase


class ImageTestCase(ApplicationTestCase):
    """What holds for classifiers of pictures, from these facts; classes take the place of frames."""

    image_shape = (16, 16, 3)
    encoded_shape = None  # of one picture without the head
    num_frames = (5, 5, 5)  # classes
    float32_layers = ("normalization", "pooling", "logits")
    not_in_config = ("encoder", "inputs", "encoded", "pool")

    test_padding_never_changes_a_training_step = None  # there is no padding

    def inputs(self, rows=(0, 1, 2)):
        return np.random.default_rng(0).uniform(0.0, 255.0, (3, *self.image_shape)).astype("float32")[list(rows)]

    def targets(self):
        return np.array([0, 4, 2])

    def compile(self, model, optimizer, **kwargs):
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), **kwargs)

    def test_another_vocabulary(self, tmp_path):
        self.model.save_to_preset(tmp_path)
        with pytest.raises(ValueError, match="skip_mismatch"):
            self.application.from_preset(tmp_path, num_classes=8)
        with pytest.warns(UserWarning, match="stay fresh"):
            other = self.application.from_preset(tmp_path, num_classes=8, skip_mismatch=True)
        assert other.output_shape == (None, 8)
        for weight, old in zip(other.weights, self.model.weights, strict=True):
            if weight.shape == old.shape:
                np.testing.assert_array_equal(*values([weight, old]))

    def test_without_top(self):
        encoder = self.make(include_top=False, num_classes=None)
        encoder.set_weights(values([weight for weight in self.model.weights if "logits" not in weight.path]))
        assert encoder.output_shape == (None, *self.encoded_shape)
        x = ops.convert_to_numpy(encoder(self.inputs()))
        x = x.reshape(3, -1) if self.model.pooling == "flatten" else x.mean(axis=(1, 2))
        kernel, bias = values(self.model.get_layer("logits").weights)
        np.testing.assert_allclose(x @ kernel + bias, self.outputs(self.model), rtol=0, atol=1e-4)

    def test_symbolic_shape_equals_eager_shape(self):
        assert self.model.output_shape == (None, 5)
        symbolic = self.model(keras.KerasTensor((3, *self.image_shape)))
        assert tuple(symbolic.shape) == tuple(self.model(self.inputs()).shape)

    def test_padding_never_changes_an_answer(self):
        """Nor does what else is in the batch."""
        alone, together = self.outputs(self.model, rows=(1,)), self.outputs(self.model)
        np.testing.assert_allclose(alone[0], together[1], rtol=0, atol=self.tolerance)

    def test_classify_takes_pictures(self):
        x = self.inputs().round().astype("uint8")
        found = self.model.classify(list(x), batch_size=2, top_k=5)
        logits = np.float64(self.model.predict_on_batch(x.astype("float32")))
        for row, classes in zip(logits, found, strict=True):
            probabilities = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
            assert [label for label, _ in classes] == np.argsort(-probabilities, kind="stable").tolist()
            np.testing.assert_allclose([p for _, p in classes], np.sort(probabilities)[::-1], atol=1e-5)
