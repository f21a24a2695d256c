"""Batch normalization's statistics, computed anew: against numpy, and that nothing is lost on the way."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import MaskedBatchNormalization
from s2s_keras.training import update_batch_statistics

UNBIASED = {MaskedBatchNormalization: 1, keras.layers.BatchNormalization: 0}
BATCHES = [np.random.default_rng(n).normal(n, 1.0 + n, (4, 5, 3)).astype("float32") for n in range(3)]


def build(kind):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((None, 3))
    return keras.Model(inputs, keras.layers.Dense(2, name="dense")(kind(momentum=0.9, name="norm")(inputs)))


def state(model):
    return [ops.convert_to_numpy(weight) for weight in model.weights]


@pytest.mark.parametrize("kind", UNBIASED)
def test_statistics_are_the_averages_over_batches(kind):
    model = build(kind)
    dense = [ops.convert_to_numpy(weight) for weight in model.get_layer("dense").weights]
    update_batch_statistics(model, BATCHES)
    norm = model.get_layer("norm")
    mean = np.mean([batch.mean((0, 1)) for batch in BATCHES], axis=0)
    variance = np.mean([batch.reshape(-1, 3).var(0, ddof=UNBIASED[kind]) for batch in BATCHES], axis=0)
    np.testing.assert_allclose(ops.convert_to_numpy(norm.moving_mean), mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(norm.moving_variance), variance, rtol=1e-5)
    assert norm.momentum == 0.9
    for weight, expected in zip(model.get_layer("dense").weights, dense, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), expected)


def test_padding_does_not_count():
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, MaskedBatchNormalization(name="norm")(keras.layers.Masking(0.0)(inputs)))
    padded = np.concatenate([BATCHES[0], np.zeros((4, 7, 3), "float32")], axis=1)
    update_batch_statistics(model, [padded])
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.get_layer("norm").moving_mean), BATCHES[0].mean((0, 1)), rtol=1e-4, atol=1e-5
    )


def test_fit_goes_on_afterwards():
    model = build(MaskedBatchNormalization)
    model.compile("sgd", "mse")
    x, y = BATCHES[0], np.zeros((4, 5, 2), "float32")
    model.fit(x, y, verbose=0)
    update_batch_statistics(model, BATCHES)
    before = ops.convert_to_numpy(model.get_layer("norm").moving_mean)
    model.fit(x, y, verbose=0)
    after = ops.convert_to_numpy(model.get_layer("norm").moving_mean)
    np.testing.assert_allclose(after, 0.9 * before + 0.1 * x.mean((0, 1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", UNBIASED)
def test_a_failure_leaves_everything_as_it_was(kind):
    model = build(kind)
    before = state(model)

    def batches():
        yield BATCHES[0]
        raise OSError("The disk is gone.")

    for bad, error, message in (
        (batches(), OSError, "disk"),
        ([], ValueError, "at least one batch"),
        ([BATCHES[0], np.full_like(BATCHES[1], np.nan)], ValueError, "Batch 1 makes .* put out NaN"),
    ):
        with pytest.raises(error, match=message):
            update_batch_statistics(model, bad)
        assert model.get_layer("norm").momentum == 0.9
        for got, expected in zip(state(model), before, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_frozen_layers_keep_their_statistics():
    model = keras.Sequential([keras.Input((None, 3)), MaskedBatchNormalization(), MaskedBatchNormalization()])
    frozen, free = model.layers
    frozen.trainable = False
    update_batch_statistics(model, BATCHES)
    np.testing.assert_array_equal(ops.convert_to_numpy(frozen.moving_mean), 0.0)
    mean = np.mean([batch.mean((0, 1)) for batch in BATCHES], axis=0) / np.sqrt(1.0 + frozen.epsilon)
    np.testing.assert_allclose(ops.convert_to_numpy(free.moving_mean), mean, rtol=1e-5, atol=1e-5)
    free.trainable = False
    with pytest.raises(ValueError, match="no statistics to update"):
        update_batch_statistics(model, BATCHES)
