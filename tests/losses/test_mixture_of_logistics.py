import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.losses import MixtureOfLogistics
from tests.checks import as_json


def brute_force(samples, parameters, num_classes):
    """Differences of the distribution function, in float64."""
    weights, means, log_scales = np.split(np.float64(parameters), 3, axis=-1)
    weights = np.exp(weights) / np.exp(weights).sum(axis=-1, keepdims=True)
    half = 1.0 / (num_classes - 1)

    def below(x):
        return 1.0 / (1.0 + np.exp(-(x[..., None] - means) / np.exp(log_scales)))

    upper = np.where((samples > 1.0 - half)[..., None], 1.0, below(samples + half))
    lower = np.where((samples < -1.0 + half)[..., None], 0.0, below(samples - half))
    return -np.log((weights * (upper - lower)).sum(axis=-1))


def random_parameters(seed=0, shape=(2, 5), components=3):
    rng = np.random.default_rng(seed)
    weights, means = rng.normal(size=(*shape, components)), rng.uniform(-1.0, 1.0, (*shape, components))
    return np.concatenate([weights, means, rng.uniform(-4.0, 0.0, (*shape, components))], axis=-1).astype("float32")


@pytest.mark.parametrize("num_classes", [2, 256, 65536])
def test_equals_differences_of_the_distribution_function(num_classes):
    steps = np.random.default_rng(1).integers(0, num_classes, (2, 5))
    steps[0, :2] = 0, num_classes - 1
    samples, parameters = steps / (num_classes - 1) * 2.0 - 1.0, random_parameters()
    found = ops.convert_to_numpy(MixtureOfLogistics(num_classes, reduction=None)(samples, parameters))
    np.testing.assert_allclose(found, brute_force(samples, parameters, num_classes), rtol=1e-5, atol=1e-5)


def test_probabilities_of_all_steps_add_up_to_one():
    samples = np.linspace(-1.0, 1.0, 256)[None]
    parameters = np.repeat(random_parameters(shape=(1, 1)), 256, axis=1)
    losses = ops.convert_to_numpy(MixtureOfLogistics(256, reduction=None)(samples, parameters))
    np.testing.assert_allclose(np.exp(-losses).sum(), 1.0, rtol=1e-5)


def test_far_and_narrow_components_stay_finite_and_learn():
    samples = np.array([[0.5, 0.5, -1.0]])
    parameters = keras.Variable(np.array([[[0.0, -0.9, -40.0], [0.0, 0.5, -40.0], [0.0, 30.0, 5.0]]], "float32"))
    loss = MixtureOfLogistics(reduction=None)
    losses = ops.convert_to_numpy(loss(samples, parameters))
    assert np.all(np.isfinite(losses))
    assert losses[0, 1] < 1e-3 < 1e3 < losses[0, 0]
    nearer = ops.convert_to_numpy(loss(samples, parameters + np.array([0.0, 0.1, 0.0], "float32")))
    assert nearer[0, 0] < losses[0, 0]


def test_config_and_refusals():
    loss = MixtureOfLogistics(256, name="loss")
    again = keras.saving.deserialize_keras_object(as_json(keras.saving.serialize_keras_object(loss)))
    assert as_json(again.get_config()) == as_json(loss.get_config())
    with pytest.raises(ValueError, match=r"y_pred.shape=\(2, 5, 4\)"):
        loss(np.zeros((2, 5)), np.zeros((2, 5, 4)))
