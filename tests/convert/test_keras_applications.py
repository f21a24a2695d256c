import keras
import numpy as np
import pytest
from keras.src.applications.resnet import ResNet, stack_residual_blocks_v2  # what ResNet50V2 is made by

from s2s_keras.convert.keras_applications import resnet_v2
from tests.checks import randomize


def small():
    """ResNet50V2 with few blocks and filters."""

    def stacks(x):
        x = stack_residual_blocks_v2(x, 4, 2, name="conv2")
        x = stack_residual_blocks_v2(x, 6, 3, name="conv3")
        x = stack_residual_blocks_v2(x, 8, 1, name="conv4")
        return stack_residual_blocks_v2(x, 10, 2, stride1=1, name="conv5")

    return ResNet(
        stacks, True, True, weights=None, input_shape=(64, 64, 3), classes=7, classifier_activation=None, name="small"
    )


def test_a_converted_network_computes_the_same():
    x = np.random.default_rng(0).uniform(0.0, 255.0, (2, 64, 64, 3)).astype("float32")
    source = small()
    randomize(source)  # biases and moving statistics too
    model = resnet_v2(source, labels=tuple("abcdefg"))
    preprocessed = keras.applications.resnet_v2.preprocess_input(x.copy())
    expected, found = source.predict_on_batch(preprocessed), model.predict_on_batch(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert model.classify(x[0]).label == "abcdefg"[expected[0].argmax()]


def test_of_another_network_it_says_what_is_missing():
    with pytest.raises(ValueError, match="no layer conv2_block1_preact_bn"):
        resnet_v2(ResNet(lambda x: x, False, True, weights=None, input_shape=(64, 64, 3), classes=7, name="mine"))
