import json

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.optimizers import LazyAdam

VOCABULARY, WIDTH = 12, 4


def by_hand(table, steps, learning_rate, beta_1, beta_2, epsilon):
    """Adam in float64, one row at a time; a row without gradient is left out."""
    table = np.float64(table)
    momentum, velocity = np.zeros_like(table), np.zeros_like(table)
    for t, gradient in enumerate(steps, start=1):
        rate = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        for row in np.flatnonzero(np.abs(gradient).sum(axis=1)):
            momentum[row] = beta_1 * momentum[row] + (1 - beta_1) * gradient[row]
            velocity[row] = beta_2 * velocity[row] + (1 - beta_2) * gradient[row] ** 2
            table[row] -= rate * momentum[row] / (np.sqrt(velocity[row]) + epsilon)
    return table


def random_steps(count=6):
    rng = np.random.default_rng(1)
    start = rng.normal(size=(VOCABULARY, WIDTH)).astype("float32")
    steps = rng.normal(size=(count, VOCABULARY, WIDTH)).astype("float32")
    steps[rng.random((count, VOCABULARY)) < 0.6] = 0
    return start, steps


def run(optimizer, start, steps, name="embeddings"):
    table = keras.Variable(start, name=name)
    for gradient in steps:
        optimizer.apply([ops.convert_to_tensor(gradient)], [table])
    return ops.convert_to_numpy(table)


def test_unused_rows_keep_weights_and_moments():
    start, steps = random_steps()
    expected = by_hand(start, steps, 0.1, 0.8, 0.9, 1e-5)
    got = run(LazyAdam(0.1, 0.8, 0.9, 1e-5), start, steps)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(run(keras.optimizers.Adam(0.1, 0.8, 0.9, 1e-5), start, steps) - expected).max() > 1e-2


def test_other_variables_are_adam_s():
    start, steps = random_steps()
    adam = run(keras.optimizers.Adam(0.1, 0.8, 0.9, 1e-5), start, steps)
    np.testing.assert_allclose(run(LazyAdam(0.1, 0.8, 0.9, 1e-5), start, steps, "kernel"), adam, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run(LazyAdam(0.1, 0.8, 0.9, 1e-5, "nothing"), start, steps), adam, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_fit_equals_its_own_gradients(jit_compile):
    """Words that occur twice in a batch, words that never occur: the gradient is sparse on TensorFlow."""
    if keras.backend.backend() == "torch" and jit_compile:
        pytest.skip("compilation on torch is a matter of torch.compile, not of this optimizer")
    start, _ = random_steps()
    model = keras.Sequential([keras.Input((3,), dtype="int32"), keras.layers.Embedding(VOCABULARY, WIDTH)])
    model.layers[0].embeddings.assign(start)
    model.compile(LazyAdam(0.1), "mse", jit_compile=jit_compile)
    x = np.random.default_rng(2).integers(0, 5, size=(5, 2, 3)).astype("int32")
    table, steps = np.float64(start), []
    for batch in x:
        gradient = np.zeros_like(table)
        np.add.at(gradient, batch, 2 * table[batch] / (batch.size * WIDTH))
        steps.append(gradient)
        table = by_hand(start, steps, 0.1, 0.9, 0.999, 1e-7)
    model.fit(x.reshape(-1, 3), np.zeros((10, 3, WIDTH), "float32"), batch_size=2, epochs=1, shuffle=False, verbose=0)
    got = ops.convert_to_numpy(model.layers[0].embeddings)
    np.testing.assert_allclose(got, table, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(got[5:], start[5:])


@pytest.mark.parametrize("options", [{"global_clipnorm": 0.1}, {"use_ema": True}, {"gradient_accumulation_steps": 2}])
def test_works_with_what_every_optimizer_has(options):
    model = keras.Sequential([keras.Input((3,), dtype="int32"), keras.layers.Embedding(VOCABULARY, WIDTH)])
    start = ops.convert_to_numpy(model.layers[0].embeddings).copy()
    model.compile(LazyAdam(0.1, **options), "mse")
    model.fit(np.tile(np.arange(3), (8, 1)), np.ones((8, 3, WIDTH), "float32"), batch_size=2, epochs=1, verbose=0)
    # An average of equal numbers may differ from them in the last digit.
    moved = np.abs(ops.convert_to_numpy(model.layers[0].embeddings) - start).max(axis=1) > 1e-6
    assert moved.tolist() == [True] * 3 + [False] * (VOCABULARY - 3)


def test_config_names_every_argument():
    arguments = dict(beta_1=0.8, beta_2=0.997, epsilon=1e-9, pattern=".*table", global_clipnorm=2.0)
    config = json.loads(json.dumps(keras.optimizers.serialize(LazyAdam(0.3, **arguments))))
    copy = keras.optimizers.deserialize(config)
    assert isinstance(copy, LazyAdam)
    assert {name: getattr(copy, name) for name in arguments} == arguments


@pytest.mark.parametrize("arguments", [{"beta_1": 1.0}, {"beta_2": -0.1}])
def test_impossible_arguments_are_refused(arguments):
    (name, value), *_ = arguments.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        LazyAdam(**arguments)
