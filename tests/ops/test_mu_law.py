import numpy as np
import pytest
from keras import ops

from s2s_keras.ops.mu_law import mu_law_decode, mu_law_encode


@pytest.mark.parametrize("num_classes", [2, 64, 256, 1024])
def test_every_class_is_that_of_its_sample(num_classes):
    classes = np.arange(num_classes)
    again = ops.convert_to_numpy(mu_law_encode(mu_law_decode(classes, num_classes), num_classes))
    np.testing.assert_array_equal(again, classes)


def test_loud_samples_are_clipped_and_silence_is_the_middle():
    assert ops.convert_to_numpy(mu_law_encode(np.array([-3.0, -1.0, 0.0, 1.0, 3.0]))).tolist() == [0, 0, 128, 255, 255]


def test_small_samples_have_narrow_classes():
    widths = np.diff(ops.convert_to_numpy(mu_law_decode(np.arange(256))))
    assert np.all(widths > 0)
    assert widths[128] < 2.0**-11 < 2.0**-6 < widths[-1] < 2.0**-4


def test_classes_equal_the_original(shared):
    folder = shared / "golden" / "wavenet"
    outputs = np.load(folder / "outputs_infer.npz")
    audio = ops.convert_to_numpy(mu_law_decode(outputs["encoder.logits"].argmax(axis=-1), 64))
    np.testing.assert_allclose(audio, outputs["encoder.outputs.1"][..., 0], rtol=0, atol=1e-6)
