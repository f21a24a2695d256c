import keras
import numpy as np
import pytest

from s2s_keras.convert.keras_applications import resnet_v2
from tests.checks import randomize

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="on PyTorch, for the time that it takes to build 50 layers elsewhere"
)


def test_a_converted_network_computes_the_same():
    x = np.random.default_rng(0).uniform(0.0, 255.0, (2, 64, 64, 3)).astype("float32")
    source = keras.applications.ResNet50V2(weights=None, input_shape=(64, 64, 3), classes=7, classifier_activation=None)
    randomize(source)  # biases and moving statistics too
    model = resnet_v2(source, labels=tuple("abcdefg"))
    preprocessed = keras.applications.resnet_v2.preprocess_input(x.copy())
    expected, found = source.predict_on_batch(preprocessed), model.predict_on_batch(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert model.classify(x[0]).label == "abcdefg"[expected[0].argmax()]


def test_of_another_network_it_says_what_is_missing():
    layers = [keras.Input((64, 64, 3)), keras.layers.Conv2D(4, 7, name="conv1_conv")]
    with pytest.raises(ValueError, match="no layer conv2_block1_preact_bn"):
        resnet_v2(keras.Sequential(layers))
