import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import (
    ResNet,
    ResNet18,
    ResNet50,
    ResNet50Commands,
    ResNet101,
    ResNet200,
)
from s2s_keras.convert.open_seq2seq import load_variables, name_table
from s2s_keras.layers import MelPicture
from tests.applications.image_case import ImageTestCase
from tests.checks import count_parameters
from tests.classifier_case import ClassifierTestCase

once = pytest.mark.skipif(keras.backend.backend() != "torch", reason="the same on every backend")
SMALL = {
    "blocks": (2,),
    "filters": (4,),
    "strides": (2,),
    "stem": (8, 3, 1),  # a shortcut of fewer channels than 8 and a stride of 2 destroys PyTorch's memory (AVX2, 2.13.0)
    "stem_pool": False,
    "momentum": 0.9,
    "num_classes": 5,
    "image_shape": (16, 16, 3),
    "mean": (120.0, 110.0, 100.0),
    "deviation": 60.0,
}
PLAIN = {"num_classes": 7, "image_shape": (32, 32, 3), "mean": 0.0, "deviation": 1.0}
# The networks that the original was run with.
ORIGINALS = {
    "resnet_v2_basic": {
        **PLAIN,
        "blocks": (1, 2, 1),
        "filters": (8, 16, 32),
        "strides": (1, 2, 2),
        "bottleneck": False,
        "stem": (8, 7, 2),
    },
    "resnet_v2_bottleneck": {**PLAIN, "blocks": (2, 2, 1, 1), "filters": (8, 16, 32, 64), "stem": (8, 7, 2)},
}


class TestResNetV2(ImageTestCase):
    application = ResNet
    arguments = SMALL
    num_parameters = 216 + 400 + 320 + 32 + 85
    encoder_shape = (None, 8, 8, 16)


class TestResNetV1(ImageTestCase):
    application = ResNet
    arguments = {
        **SMALL,
        "blocks": (1,),
        "filters": (8,),
        "version": 1,
        "bottleneck": False,
        "stem": (4, 5, 2),
        "stem_pool": True,
    }
    num_parameters = 308 + 944 + 45
    encoder_shape = (None, 2, 2, 8)


class TestResNet50Commands(ClassifierTestCase):
    application = ResNet50Commands
    front_end = MelPicture(8, sample_rate=1000, window_ms=16, hop_ms=50, fft_length=16, name="front_end")
    arguments = {
        "front_end": keras.saving.serialize_keras_object(front_end),
        "num_mel_bins": 8,
        "num_classes": 3,
        "blocks": (1,),
        "filters": (4,),
        "strides": (2,),
        "stem": (4, 3, 1),
    }
    num_parameters = 36 + 312 + 32 + 51
    encoder_shape = (None, 2, 2, 16)


@pytest.mark.parametrize("folder", ORIGINALS)
class TestOriginal:
    def load(self, folder, shared):
        folder_path = shared / "golden" / folder
        variables = dict(np.load(folder_path / "variables.npz"))
        model = ResNet(**ORIGINALS[folder])
        load_variables(model, variables)
        return model, variables, np.load(folder_path / "inputs.npz"), folder_path

    def test_outputs_are_the_originals(self, folder, shared):
        model, variables, inputs, path = self.load(folder, shared)
        expected = np.load(path / "outputs_eval.npz")
        np.testing.assert_allclose(model.predict_on_batch(inputs["x"]), expected["decoder.logits"], rtol=0, atol=1e-4)
        encoder = ResNet(**ORIGINALS[folder], include_top=False)
        load_variables(encoder, variables)
        encoded = ops.convert_to_numpy(encoder(inputs["x"])).mean(axis=(1, 2))
        np.testing.assert_allclose(encoded, expected["encoder.outputs"], rtol=0, atol=1e-4)

    def test_a_training_step_is_the_originals(self, folder, shared):
        """Loss, gradients and moving statistics on batch statistics."""
        model, variables, inputs, path = self.load(folder, shared)
        expected = np.load(path / "outputs_train.npz")
        model.compile(keras.optimizers.SGD(1.0), keras.losses.CategoricalCrossentropy(from_logits=True))
        loss = model.train_on_batch(inputs["x"], inputs["y"])  # the step of a weight is then its gradient
        np.testing.assert_allclose(loss, expected["loss"], rtol=1e-5)
        for name, weight in name_table(model).items():
            value = np.float64(ops.convert_to_numpy(weight))
            if not weight.trainable:
                after = expected[f"after_update:{name}"]
                np.testing.assert_allclose(value, after, rtol=1e-4, atol=1e-5, err_msg=name)
                continue
            gradient, norm = np.float64(variables[name]) - value, expected[f"grad_norm:{name}"]
            np.testing.assert_allclose(np.linalg.norm(gradient), norm, rtol=1e-3, err_msg=name)
            if f"grad:{name}" in expected:
                np.testing.assert_allclose(gradient, expected[f"grad:{name}"], rtol=0, atol=1e-3 * norm, err_msg=name)


@once
@pytest.mark.parametrize(
    "application, version, count",
    [
        (ResNet18, 2, 11_691_816),
        (ResNet50, 2, 25_549_352),
        (ResNet50, 1, 25_557_032),  # as everywhere
        (ResNet101, 2, 44_541_480),
        (ResNet200, 2, 64_666_152),
    ],
)
def test_numbers_of_parameters(application, version, count):
    assert count_parameters(application, version=version, num_classes=1000) == count


@once
def test_number_of_parameters_of_the_originals_commands():
    assert count_parameters(ResNet50Commands, front_end="mel_picture", num_classes=12) == 23_518_668


def test_stacks_must_agree():
    with pytest.raises(ValueError, match="one number for each stack"):
        ResNet(blocks=(1, 1), filters=(8,), num_classes=3)
    with pytest.raises(ValueError, match="1 or 2"):
        ResNet(version=3, num_classes=3)
