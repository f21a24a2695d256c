import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import MaskedBatchNormalization
from tests.test_case import LayerTestCase

MASK = np.arange(7) < np.array([[7], [3]])


class TestMaskedBatchNormalization(LayerTestCase):
    layer = MaskedBatchNormalization
    arguments = {"momentum": 0.7, "epsilon": 0.01}


class TestAllFrames(LayerTestCase):
    layer = MaskedBatchNormalization
    arguments = {"real_frames_only": False}
    training_modes = (False,)  # padding counts in training, as in the original


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(2.0, 3.0, size=(2, 7, 3)).astype("float32")


def train(layer, x, mask):
    return ops.convert_to_numpy(layer(x, training=True, mask=mask))


def test_statistics_are_those_of_the_real_frames(x):
    layer = MaskedBatchNormalization(momentum=0.9, epsilon=1e-3)
    found, real = train(layer, x, MASK), x[MASK]
    expected = (real - real.mean(axis=0)) / np.sqrt(real.var(axis=0) + 1e-3)
    np.testing.assert_allclose(found[MASK], expected, rtol=0, atol=1e-5)
    mean, variance = (ops.convert_to_numpy(weight) for weight in layer.non_trainable_weights)
    np.testing.assert_allclose(mean, 0.1 * real.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * real.var(axis=0, ddof=1), rtol=1e-5)


@pytest.mark.parametrize("arguments, mask", [({"real_frames_only": False}, MASK), ({}, None)])
def test_statistics_of_all_frames_are_those_of_keras(x, arguments, mask):
    layer, peer = MaskedBatchNormalization(0.9, 1e-3, **arguments), keras.layers.BatchNormalization(-1, 0.9, 1e-3)
    np.testing.assert_allclose(train(layer, x, mask), ops.convert_to_numpy(peer(x, training=True)), rtol=0, atol=1e-5)
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (layer.moving_mean, peer.moving_mean)), rtol=1e-5)
    biased = (ops.convert_to_numpy(layer.moving_variance) - 0.9) * 13 / 14 + 0.9  # Keras divides by N, not N - 1
    np.testing.assert_allclose(biased, ops.convert_to_numpy(peer.moving_variance), rtol=1e-5)


@pytest.mark.parametrize("masked", [True, False])
def test_gradient_is_that_of_differences(masked):
    """The moments' gradient is written by hand: a step of the layer below, beside the formula in float64."""
    rng = np.random.default_rng(0)
    x, kernel, share = rng.normal(1.0, 2.0, (2, 7, 2)), rng.normal(size=(2, 3)), rng.normal(size=(2, 7, 3))
    mask = MASK if masked else np.ones_like(MASK)
    share *= mask[..., None]

    def loss(kernel):
        y = x @ kernel
        real = y[mask]
        return np.mean(share * (y - real.mean(axis=0)) ** 2 / (real.var(axis=0) + 1e-2))

    inputs = {"x": keras.Input((7, 2)), "mask": keras.Input((7,), dtype="bool")}
    below = keras.layers.Dense(3, use_bias=False)
    y = MaskedBatchNormalization(epsilon=1e-2)(below(inputs["x"]), mask=inputs["mask"] if masked else None)
    model = keras.Model(inputs, y)
    below.set_weights([kernel])
    # A loss whose gradient knows no output lets TensorFlow's optimizer of graphs change gamma before it is read.
    model.compile(keras.optimizers.SGD(1.0), lambda share, y: ops.mean(share * ops.square(y)))
    model.train_on_batch({"x": x, "mask": mask}, share)
    found = kernel - ops.convert_to_numpy(below.kernel)
    steps = 1e-5 * np.eye(6).reshape(6, 2, 3)
    expected = [(loss(kernel + step) - loss(kernel - step)) / 2e-5 for step in steps]
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-6)


def test_inference_uses_the_moving_statistics(x):
    layer = MaskedBatchNormalization(epsilon=0.0)
    layer.build(x.shape)
    layer.set_weights([np.full(3, value, "float32") for value in (2.0, 1.0, 3.0, 4.0)])
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x, mask=MASK)), (x - 3.0) / 2.0 * 2.0 + 1.0, atol=1e-5)
    layer.trainable = False
    np.testing.assert_allclose(train(layer, x, MASK), (x - 3.0) / 2.0 * 2.0 + 1.0, atol=1e-5)


def test_a_batch_without_real_frames_or_with_one_is_finite(x):
    layer = MaskedBatchNormalization()
    for real in (0, 1):
        train(layer, x, np.arange(7) < np.array([[real], [0]]))
        assert all(np.all(np.isfinite(ops.convert_to_numpy(weight))) for weight in layer.weights)


def test_half_precision_does_not_reach_the_statistics():
    x = np.full((1, 4, 1), 300.0, "float16")  # whose square float16 cannot hold
    x[0, ::2] = 200.0
    layer = MaskedBatchNormalization(epsilon=0.0, dtype="mixed_float16")
    found = train(layer, x, None)
    np.testing.assert_allclose(found[0, :, 0], [-1.0, 1.0, -1.0, 1.0], atol=1e-3)
    assert {weight.dtype for weight in layer.weights} == {"float32"}
