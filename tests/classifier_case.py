"""What holds for every classifier of recordings: `ApplicationTestCase` with another head."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import Application
from tests.checks import dtypes_seen, values
from tests.test_case import GARBAGE, ApplicationTestCase


class ClassifierTestCase(ApplicationTestCase):
    num_classes = 3
    targets_of_rows = (0, 1, 2)
    float32_layers = ("front_end", "pooling", "logits")
    not_in_config = ("encoder", "inputs", "encoded", "pool")
    encoder_shape = (None, None, 8)  # without the head

    def targets(self, padding=0):
        return np.array(self.targets_of_rows)

    def compile(self, model, optimizer, **kwargs):
        if keras.backend.backend() == "jax":
            kwargs.pop("run_eagerly", None)  # likewise
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), **kwargs)

    def outputs(self, model, **kwargs):
        if keras.backend.backend() != "jax":
            return super().outputs(model, **kwargs)
        return np.asarray(model.predict_on_batch(self.inputs(**kwargs)))  # one compilation instead of one per operation

    def test_compiled_equals_eager(self):
        model = self.make()
        model.compile(jit_compile=keras.backend.backend() != "torch")
        compiled = model.predict_on_batch(self.inputs())
        np.testing.assert_allclose(compiled, super().outputs(model), rtol=0, atol=1e-4)

    def test_another_vocabulary(self, tmp_path):
        self.model.save_to_preset(tmp_path)
        with pytest.raises(ValueError, match="skip_mismatch"):
            self.application.from_preset(tmp_path, num_classes=self.num_classes + 2)
        with pytest.warns(UserWarning, match="stay fresh"):
            other = self.application.from_preset(tmp_path, num_classes=self.num_classes + 2, skip_mismatch=True)
        assert other.output_shape == (None, self.num_classes + 2)
        for weight, old in zip(other.weights, self.model.weights, strict=True):
            if weight.shape == old.shape:
                np.testing.assert_array_equal(*values([weight, old]))

    def test_labels_travel(self, tmp_path):
        labels = [f"class {n}" for n in range(self.num_classes)]
        model = self.make(num_classes=None, labels=labels)
        model.save_to_preset(tmp_path)
        again = Application.from_preset(tmp_path)
        assert again.labels == tuple(labels) and again.num_classes == self.num_classes
        with pytest.warns(UserWarning, match="stay fresh"):
            fewer = Application.from_preset(tmp_path, labels=labels[:2], skip_mismatch=True)
        assert fewer.output_shape == (None, 2)

    def test_without_top(self):
        encoder = self.make(include_top=False)
        encoder.set_weights(values([weight for weight in self.model.weights if "logits" not in weight.path]))
        assert encoder.output_shape == self.encoder_shape
        assert encoder(self.inputs()).shape[-1] == self.encoder_shape[-1]

    def test_symbolic_shape_equals_eager_shape(self):
        assert self.model.output_shape == (None, self.num_classes)

    def test_padding_never_changes_an_answer(self):
        together = self.outputs(self.model)
        assert np.ptp(together, axis=0).min() > 1e-4, "the recordings differ"
        alone = self.outputs(self.model, rows=(1,))
        np.testing.assert_allclose(alone[0], together[1], rtol=0, atol=self.tolerance)
        for garbage in GARBAGE:
            padded = self.outputs(self.model, padding=35, garbage=garbage)
            np.testing.assert_allclose(padded, together, rtol=0, atol=self.tolerance)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision(self, policy):
        model = self.make(dtype=policy)
        assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
        seen, outputs = dtypes_seen(model, self.inputs())
        for path, dtypes in seen.items():
            expected = "float32" if set(path.split("/")) & set(self.float32_layers) else policy.removeprefix("mixed_")
            assert dtypes == {expected}, f"{path} computes in or returns {dtypes}"
        assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
        assert np.abs(ops.convert_to_numpy(outputs) - self.outputs(self.model)).max() < 0.2, "far from float32"

    def test_classify(self):
        inputs = self.inputs()
        recordings = [audio[:n] for audio, n in zip(inputs["audio"], inputs["audio_lengths"], strict=True)]
        logits = self.outputs(self.model)
        found = self.model.classify(recordings, batch_size=2)
        assert [label for label, _ in found] == logits.argmax(axis=1).tolist()
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose([p for _, p in found], probabilities.max(axis=1), rtol=1e-4)
        best = self.model.classify(recordings[0], top_k=self.num_classes)
        np.testing.assert_allclose([p for _, p in best], np.sort(probabilities[0])[::-1], rtol=1e-4)
