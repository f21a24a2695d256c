"""What holds for every classifier of pictures: `ClassifierTestCase` with pictures for recordings."""

import keras
import numpy as np

from tests.checks import values
from tests.classifier_case import ClassifierTestCase


class ImageTestCase(ClassifierTestCase):
    num_classes = 5
    targets_of_rows = (0, 4, 2)
    image_shape = (16, 16, 3)
    float32_layers = ("normalization", "pooling", "logits")

    test_padding_never_changes_a_training_step = None  # there is no padding

    def inputs(self, rows=(0, 1, 2)):
        return np.random.default_rng(0).uniform(0.0, 255.0, (3, *self.image_shape)).astype("float32")[list(rows)]

    def test_without_top(self):
        encoder = self.make(include_top=False)
        encoder.set_weights(values([weight for weight in self.model.weights if "logits" not in weight.path]))
        assert encoder.output_shape == self.encoder_shape
        x = np.asarray(encoder.predict_on_batch(self.inputs()))
        x = x.reshape(3, -1) if self.model.pooling == "flatten" else x.mean(axis=(1, 2))
        kernel, bias = values(self.model.get_layer("logits").weights)
        np.testing.assert_allclose(x @ kernel + bias, self.outputs(self.model), rtol=0, atol=1e-4)

    def test_symbolic_shape_equals_eager_shape(self):
        assert self.model.output_shape == (None, self.num_classes)
        assert self.model(keras.KerasTensor((3, *self.image_shape))).shape == (3, self.num_classes)

    def test_padding_never_changes_an_answer(self):
        """Nor does what else is in the batch."""
        together = self.outputs(self.model)
        assert np.ptp(together, axis=0).min() > 1e-4, "the pictures differ"
        np.testing.assert_allclose(self.outputs(self.model, rows=(1,))[0], together[1], rtol=0, atol=self.tolerance)

    def test_classify(self):
        x = self.inputs().round()
        logits = np.float64(self.model.predict_on_batch(x))
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        found = self.model.classify(list(x.astype("uint8")), batch_size=2, top_k=self.num_classes)
        for row, classes in zip(probabilities, found, strict=True):
            assert [label for label, _ in classes] == np.argsort(-row, kind="stable").tolist()
            np.testing.assert_allclose([p for _, p in classes], np.sort(row)[::-1], rtol=1e-4)
