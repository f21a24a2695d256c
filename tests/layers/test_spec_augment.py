import keras
import numpy as np
import pytest

from s2s_keras.layers.spec_augment import SpecAugment


def hidden(layer, batch=64, frames=120, features=40, mask=None, value=1.0):
    """bool (B, T, F), where a call in training put zeros."""
    inputs = np.full((batch, frames, features), value, "float32")
    return keras.ops.convert_to_numpy(layer(inputs, mask=mask, training=True)) == 0


def runs(flags):
    """Lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return edges[1::2] - edges[::2]


def test_nothing_happens_outside_training():
    inputs = np.random.default_rng(0).normal(size=(2, 30, 8)).astype("float32")
    for training in (False, None):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(SpecAugment()(inputs, training=training)), inputs)


def test_shown_values_stay_and_hidden_ones_are_zero():
    inputs = np.random.default_rng(0).normal(size=(8, 100, 20)).astype("float32")
    outputs = keras.ops.convert_to_numpy(SpecAugment(seed=0)(inputs, training=True))
    assert 0.02 < np.mean(outputs == 0) < 0.6
    np.testing.assert_array_equal(outputs[outputs != 0], inputs[outputs != 0])


def test_bands_of_frequencies():
    where = hidden(SpecAugment(1, 6, 0, 0, seed=1), batch=400)
    assert np.all(where == where[:, :1])
    bands = where[:, 0]
    widths = bands.sum(axis=1)
    assert all(len(runs(row)) <= 1 for row in bands)
    assert set(widths) == set(range(7)), "widths from 0 to 6 all occur"
    assert bands.any(axis=0).all(), "every feature is hidden somewhere"


def test_stretches_of_time():
    where = hidden(SpecAugment(0, 0, 1, 10, time_mask_fraction=1.0, seed=2), batch=400)
    assert np.all(where == where[:, :, :1])
    stretches = where[:, :, 0]
    assert all(len(runs(row)) <= 1 for row in stretches)
    assert set(stretches.sum(axis=1)) == set(range(11))
    assert stretches.any(axis=0).all(), "every frame is hidden somewhere"


def test_two_masks_of_each_kind_and_each_utterance_its_own():
    where = hidden(SpecAugment(2, 6, 2, 20, time_mask_fraction=1.0, seed=3))
    assert max(len(runs(row)) for row in where.all(axis=2)) == 2
    assert max(len(runs(row)) for row in where.all(axis=1)) == 2
    assert len({row.tobytes() for row in where}) > 55


def test_stretches_follow_the_real_length():
    lengths = np.tile([120, 40, 10, 4, 0], 60)
    mask = np.arange(120) < lengths[:, None]
    where = hidden(SpecAugment(0, 0, 1, 50, time_mask_fraction=0.25, seed=4), batch=300, mask=mask)[:, :, 0]
    assert not where[~mask].any()
    longest = {length: where[lengths == length].sum(axis=1).max() for length in (120, 40, 10, 4, 0)}
    assert longest == {120: 30, 40: 10, 10: 2, 4: 1, 0: 0}


def test_seed():
    first, twin, other = (SpecAugment(seed=seed) for seed in (5, 5, 6))
    one = hidden(first)
    np.testing.assert_array_equal(hidden(twin), one)
    assert np.any(hidden(other) != one)
    assert np.any(hidden(first) != one), "a second call draws anew"


def test_masks_wider_than_the_features():
    where = hidden(SpecAugment(1, 100, 1, 1000, time_mask_fraction=1.0, seed=0), frames=3, features=2)
    assert 0 < where.mean() < 1


def test_half_precision_and_the_mask_go_on():
    layer = SpecAugment(dtype="mixed_float16", seed=0)
    mask = np.ones((4, 50), "bool")
    outputs = layer(np.ones((4, 50, 8), "float16"), mask=mask, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"
    assert layer.compute_mask(outputs, mask) is mask


def test_in_a_compiled_model_every_step_draws_anew():
    inputs = keras.Input((None, 8))
    outputs = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(SpecAugment(seed=0)(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x, y = np.ones((4, 50, 8), "float32"), np.zeros((4, 50, 1), "float32")
    losses = [float(model.train_on_batch(x, y)) for _ in range(3)]
    assert len(set(losses)) == 3 and max(losses) < 64
    assert model.evaluate(x, y, verbose=0) == pytest.approx(64)


def test_config_round_trip():
    layer = SpecAugment(1, 7, 3, 21, 0.5, seed=9, name="masks")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(hidden(again), hidden(layer))


@pytest.mark.parametrize("arguments", [{"num_time_masks": -1}, {"freq_mask_width": -2}, {"time_mask_fraction": 1.5}])
def test_errors(arguments):
    name, value = next(iter(arguments.items()))
    with pytest.raises(ValueError, match=f"{name}={value}"):
        SpecAugment(**arguments)
