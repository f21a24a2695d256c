import keras
import numpy as np
import pytest

from s2s_keras.applications import _picture_layers
from tests.checks import values

POOLS = [
    ((6, 9), 2, "valid"),
    (3, 2, "same"),
    (3, 2, "valid"),
    (2, 2, "valid"),
    (1, 2, "valid"),
    ((2, 3), (1, 2), "same"),
]
CONVOLUTIONS = [(1, 1, "same"), (1, 2, "valid"), (1, (1, 3), "same"), (3, 2, "valid")]
PRODUCTS = [(3, 1, "same"), (3, 2, "same"), (3, 2, "valid"), ((2, 5), (1, 3), "same"), (4, 1, "valid")]


def model(layers, layer):
    """The layer with something before it that learns, and something behind it to learn from."""
    before, after = keras.layers.Conv2D(6, 3), keras.layers.Dense(2)
    return keras.Sequential([keras.Input((9, 12, 3)), before, layer(layers), keras.layers.Flatten(), after])


def check(layer):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 9, 12, 3)).astype("float32"), rng.normal(size=(4, 2)).astype("float32")
    ours, theirs = model(_picture_layers, layer), model(keras.layers, layer)
    assert type(ours.layers[1]) is not type(theirs.layers[1])
    theirs.set_weights(ours.get_weights())
    assert ours.output_shape == theirs.output_shape
    np.testing.assert_allclose(ours.predict_on_batch(x), theirs.predict_on_batch(x), rtol=0, atol=1e-5)
    before = values(ours.weights)
    for network in (ours, theirs):
        network.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=keras.backend.backend() == "jax")
        network.train_on_batch(x, y)
    for old, mine, other in zip(before, values(ours.weights), values(theirs.weights), strict=True):
        assert np.abs(mine - old).max() > 1e-3
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pool_size, strides, padding", POOLS)
def test_pooling_and_its_gradient_are_those_of_keras(pool_size, strides, padding):
    check(lambda layers: layers.MaxPooling2D(pool_size, strides, padding))


@pytest.mark.parametrize("kernel_size, strides, padding", CONVOLUTIONS)
def test_convolution_and_its_gradient_are_those_of_keras(kernel_size, strides, padding):
    check(lambda layers: layers.Conv2D(5, kernel_size, strides, padding, bias_initializer="normal"))


@pytest.mark.parametrize("kernel_size, strides, padding", PRODUCTS)
@pytest.mark.parametrize("few, many", [(0, 1), (0, 100), (6, 100)])
def test_convolution_by_products_and_its_gradient_are_those_of_keras(
    monkeypatch, few, many, kernel_size, strides, padding
):
    for name, value in {"FEW": few, "SOME": 1, "MANY": many}.items():
        monkeypatch.setattr(_picture_layers, name, value)
    calls, product = [], _picture_layers._transposed_product
    monkeypatch.setattr(_picture_layers, "_transposed_product", lambda *a: calls.append(a) or product(*a))
    check(lambda layers: layers.Conv2D(5, kernel_size, strides, padding, bias_initializer="normal"))
    rows, columns = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    assert len(calls) == (keras.backend.backend() == "jax") * (rows if few else rows * columns)


def test_a_tall_product_is_computed_transposed():
    rng = np.random.default_rng(1)
    for tall, wide in ((16, 4), (9, 4), (4, 4), (4, 16)):
        x, y = rng.normal(size=(20, tall)).astype("float32"), rng.normal(size=(20, wide)).astype("float32")
        product = np.asarray(_picture_layers._transposed_product(keras.ops.array(x), keras.ops.array(y)))
        np.testing.assert_allclose(product, x.T @ y, rtol=0, atol=1e-5)


def test_padding_is_never_the_largest():
    x = -np.ones((1, 4, 4, 1), "float32")
    pool = _picture_layers.MaxPooling2D(3, 2, "same")
    np.testing.assert_array_equal(np.asarray(pool(x)), -np.ones((1, 2, 2, 1)))


def test_a_model_of_some_layers_is_saved_and_loaded(tmp_path):
    part = model(_picture_layers, lambda layers: layers.Conv2D(5, 1))
    part.save(tmp_path / "part.keras")
    x = np.ones((1, 9, 12, 3), "float32")
    again = keras.saving.load_model(tmp_path / "part.keras")
    np.testing.assert_array_equal(again.predict_on_batch(x), part.predict_on_batch(x))
