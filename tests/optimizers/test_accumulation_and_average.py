"""Gradient accumulation and the average of the weights, which are Keras' own: that they are right, here, everywhere."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.optimizers import LARC, LazyAdam, StaticLossScale
from s2s_keras.training import EvaluateAverage

WRAPPERS = {"bare": lambda optimizer: optimizer, "scaled": lambda optimizer: StaticLossScale(optimizer, 64.0)}


def adamw(**options):
    return keras.optimizers.AdamW(0.01, weight_decay=0.1, **options)


def lazy_adam(**options):
    return LazyAdam(0.01, **options)


def larc(**options):
    return LARC(0.05, **options)


def build(embedding=False):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((3,), dtype="int32")
    x = keras.layers.Embedding(8, 5)(inputs) if embedding else inputs
    x = keras.layers.Dense(6, activation="tanh")(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(2)(x))


def data(count=24):
    rng = np.random.default_rng(0)
    return rng.integers(0, 8, (count, 3)).astype("int32"), rng.normal(size=(count, 2)).astype("float32")


def fit(optimizer, batch_size, jit_compile="auto", embedding=False, **options):
    model = build(embedding)
    model.compile(optimizer, "mse", jit_compile=jit_compile)
    history = model.fit(*data(), batch_size=batch_size, epochs=1, shuffle=False, verbose=0, **options).history
    return model, history


def values(model):
    return [ops.convert_to_numpy(weight) for weight in model.trainable_weights]


def assert_same(got, expected):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("wrapper, make, clip", [("scaled", adamw, 0.0), ("bare", lazy_adam, 0.1), ("bare", larc, 0.0)])
def test_accumulation_equals_one_large_batch(wrapper, make, clip):
    wrap, clip = WRAPPERS[wrapper], {"global_clipnorm": clip or None}
    embedding = make is not adamw  # TensorFlow gives it a sparse gradient, with which Keras' Adam is not Adam
    small, _ = fit(wrap(make(gradient_accumulation_steps=3, **clip)), 4, embedding=embedding)
    large, _ = fit(wrap(make(**clip)), 12, embedding=embedding)
    assert_same(values(small), values(large))
    assert int(small.optimizer.iterations) == int(large.optimizer.iterations) == 2


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX compiles anyway, and torch does not")
def test_accumulation_is_right_compiled():
    small, _ = fit(StaticLossScale(adamw(gradient_accumulation_steps=3), 64.0), 4, jit_compile=True)
    large, _ = fit(StaticLossScale(adamw(), 64.0), 12, jit_compile=True)
    assert_same(values(small), values(large))


@pytest.mark.parametrize("wrapper", list(WRAPPERS))
def test_accumulation_goes_on_where_the_original_s_did(wrapper):
    """Its test: g, 2g, 3g wait, and the fourth moves the weight by the rate times 4g; here by their mean, g."""
    weight = keras.Variable(np.float32([1.0, 2.0]))
    optimizer = WRAPPERS[wrapper](keras.optimizers.SGD(0.1, gradient_accumulation_steps=4))
    optimizer.build([weight])
    scale = 64.0 if wrapper == "scaled" else 1.0
    accumulator = next(v for v in optimizer.variables if "accumulator" in v.path)
    seen = []
    for _ in range(5):
        optimizer.apply([ops.convert_to_tensor(np.float32([0.5, -0.25]) * scale)], [weight])
        seen.append((ops.convert_to_numpy(accumulator)[0], ops.convert_to_numpy(weight)[0]))
    np.testing.assert_allclose(seen, [(0.5, 1.0), (1.0, 1.0), (1.5, 1.0), (0.0, 0.95), (0.5, 0.95)], rtol=1e-6)


def test_a_schedule_counts_batches_not_updates():
    """Keras hands a schedule every batch, so its steps are to be multiplied by the number of batches of an update."""
    seen = []

    class Schedule(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 1.0 * ops.cast(step, "float32")

    weight = keras.Variable(np.float32([0.0]))
    optimizer = keras.optimizers.SGD(Schedule(), gradient_accumulation_steps=2)
    for _ in range(4):
        optimizer.apply([ops.convert_to_tensor(np.float32([-1.0]))], [weight])
        seen.append(float(ops.convert_to_numpy(weight)[0]))
    assert seen == [0.0, 1.0, 1.0, 4.0]


def by_hand(history, momentum):
    """The average that Keras keeps: the first weights it sees, then a step of 1 - momentum towards each."""
    average = history[0]
    for values in history[1:]:
        average = [momentum * a + (1 - momentum) * v for a, v in zip(average, values, strict=True)]
    return average


@pytest.fixture(scope="module")
def history():
    """The weights after each of six steps."""
    model = build()
    model.compile(adamw(), "mse")
    (x, y), steps = data(), []
    for start in range(0, len(x), 4):
        model.train_on_batch(x[start : start + 4], y[start : start + 4])
        steps.append([value.copy() for value in values(model)])
    return steps


@pytest.mark.parametrize("wrapper", list(WRAPPERS))
def test_validation_and_the_end_have_the_average_and_training_does_not(wrapper, history):
    x, y = data()
    average = by_hand(history, 0.7)
    options = dict(validation_data=(x, y), validation_batch_size=4, callbacks=[EvaluateAverage()])
    model, logs = fit(WRAPPERS[wrapper](adamw(use_ema=True, ema_momentum=0.7)), 4, **options)
    assert_same(values(model), average)
    np.testing.assert_allclose(logs["val_loss"][0], model.evaluate(x, y, batch_size=4, verbose=0), rtol=1e-4)
    saved = next(v for v in model.optimizer.variables if v.path.endswith("kernel_average"))
    assert_same([ops.convert_to_numpy(saved)], average[:1])
    assert max(np.abs(a - b).max() for a, b in zip(average, history[-1], strict=True)) > 1e-3
    first = logs["loss"][0]
    logs = model.fit(x, y, batch_size=4, verbose=0, **options).history  # a second `fit` goes on from the average
    assert logs["loss"][0] < first


def test_predict_leaves_the_weights_alone():
    callback = EvaluateAverage()
    model, _ = fit(adamw(use_ema=True), 12)
    for weight in model.trainable_weights:
        weight.assign(weight + 1.0)
    before, (x, _) = values(model), data()
    assert np.abs(model.predict(x, callbacks=[callback], verbose=0) - model.predict(x, verbose=0)).max() > 0.1
    assert_same(values(model), before)
