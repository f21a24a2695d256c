import json

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.optimizers import NovoGrad

SHAPES = [(6,), (3, 4), (5,)]


def run(optimizer, start, steps):
    """The values of variables after each of some steps of given gradients."""
    variables = [keras.Variable(value, name=f"v{n}") for n, value in enumerate(start)]
    optimizer.build(variables)
    history = []
    for gradients in steps:
        optimizer.apply([ops.convert_to_tensor(gradient) for gradient in gradients], variables)
        history.append([ops.convert_to_numpy(variable).copy() for variable in variables])
    return history


def by_hand(start, steps, learning_rate, beta_1, beta_2, epsilon, weight_decay, grad_averaging):
    """Algorithm 1 of the paper in float64, `epsilon` under the root."""
    values = [np.float64(value) for value in start]
    momentums = [np.zeros_like(value) for value in values]
    velocities = [None] * len(values)
    for gradients in steps:
        for n, gradient in enumerate(np.float64(g) for g in gradients):
            norm = (gradient**2).sum()
            if velocities[n] is None:
                velocities[n] = norm
            else:
                velocities[n] = beta_2 * velocities[n] + (1 - beta_2) * norm
            update = gradient / np.sqrt(velocities[n] + epsilon) + weight_decay * values[n]
            momentums[n] = beta_1 * momentums[n] + update * ((1 - beta_1) if grad_averaging else 1)
            values[n] = values[n] - learning_rate * momentums[n]
    return values


def random_problem(seed, num_steps=8):
    rng = np.random.default_rng(seed)
    start = [rng.normal(size=shape).astype("float32") for shape in SHAPES]
    scales = 10.0 ** rng.uniform(-2, 2, size=num_steps)
    return start, [[(s * rng.normal(size=shape)).astype("float32") for shape in SHAPES] for s in scales]


@pytest.mark.parametrize(
    "case", ["novograd_jasper", "novograd_b2_05", "novograd_gradavg_nowd", "novograd_mixed_static"]
)
def test_without_memory_equals_the_original(shared, case):
    folder = shared / "golden" / "optimizers"
    config, steps = json.loads((folder / "config.json").read_text())[case], np.load(folder / "steps.npz")
    params = config["params"]
    optimizer = NovoGrad(
        config["lr"],
        beta_1=params["beta1"],
        beta_2=0.0,
        epsilon=params["epsilon"],
        weight_decay=params["weight_decay"],
        grad_averaging=params.get("grad_averaging", False),
    )
    gradients = [[steps[f"g.{t}.{n}"] for n in range(3)] for t in range(8)]
    history = run(optimizer, [steps[f"w0.{n}"] for n in range(3)], gradients)
    for t, values in enumerate(history):
        for n, value in enumerate(values):
            np.testing.assert_allclose(value, steps[f"{case}.{t}.{n}"], rtol=2e-6, atol=1e-7)


def test_without_memory_equals_four_measured_updates():
    gradients = [[3, 0, 4], [6, 0, 8], [0.3, 0, 0.4], [30, 0, 40]]
    history = run(NovoGrad(0.1, beta_2=0.0), [np.float32([1, 2, 3])], [[np.float32(g)] for g in gradients])
    expected = [[0.94, 2, 2.92], [0.823, 2, 2.764], [0.65185, 2, 2.5358], [0.42926, 2, 2.23901]]
    np.testing.assert_allclose(np.concatenate(history), expected, atol=1e-5)


@pytest.mark.parametrize("grad_averaging", [False, True])
@pytest.mark.parametrize("beta_2", [0.0, 0.25, 0.98])
def test_equals_the_paper(beta_2, grad_averaging):
    start, steps = random_problem(seed=int(100 * beta_2))
    settings = dict(beta_1=0.9, beta_2=beta_2, epsilon=1e-3, weight_decay=0.05, grad_averaging=grad_averaging)
    expected = by_hand(start, steps, 0.02, **settings)
    for got, want in zip(run(NovoGrad(0.02, **settings), start, steps)[-1], expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_first_step_of_a_variable_is_its_first_nonzero_gradient():
    start = [np.float32([1, 1])]
    late = run(NovoGrad(0.1, beta_1=0.0), start, [[np.float32([0, 0])], [np.float32([30, 40])]])
    np.testing.assert_array_equal(late[0][0], start[0])
    np.testing.assert_allclose(late[1][0], [0.94, 0.92], rtol=1e-6)


def test_excluded_variables_do_not_decay():
    start, steps = random_problem(seed=5, num_steps=3)
    optimizer = NovoGrad(weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["v1"])
    got = run(optimizer, start, steps)[-1]
    decayed, plain = run(NovoGrad(weight_decay=0.5), start, steps)[-1], run(NovoGrad(), start, steps)[-1]
    np.testing.assert_array_equal(got[1], plain[1])
    np.testing.assert_array_equal(got[0], decayed[0])
    assert np.abs(decayed[1] - plain[1]).max() > 1e-3


def test_gradient_accumulation_takes_the_mean():
    start, steps = random_problem(seed=6, num_steps=4)
    means = [[(a + b) / 2 for a, b in zip(*pair, strict=True)] for pair in (steps[:2], steps[2:])]
    got = run(NovoGrad(gradient_accumulation_steps=2), start, steps)[-1]
    for value, expected in zip(got, run(NovoGrad(), start, means)[-1], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def build_model(dtype="float32"):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((12,), dtype="int32")
    x = keras.layers.Embedding(20, 8, dtype=dtype)(inputs)
    x = keras.layers.Conv1D(8, 3, activation="relu", dtype=dtype)(x)
    x = keras.layers.GlobalAveragePooling1D(dtype=dtype)(x)
    return keras.Model(inputs, keras.layers.Dense(3, dtype="float32")(x))


def data():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 20, size=(48, 12))
    return x, ((x < 10).sum(axis=1) // 5).astype("int32")


def fit(model, epochs, **options):
    x, y = data()
    return model.fit(x, y, batch_size=16, epochs=epochs, shuffle=False, verbose=0, **options).history["loss"]


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_moves_every_weight_and_lowers_the_loss(jit_compile, dtype):
    if keras.backend.backend() == "torch" and jit_compile:
        pytest.skip("compilation on torch is a matter of torch.compile, not of this optimizer")
    model = build_model(dtype)
    before = [ops.convert_to_numpy(weight).copy() for weight in model.trainable_weights]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(NovoGrad(0.01, weight_decay=1e-3), loss, jit_compile=jit_compile)
    losses = fit(model, 15)
    assert losses[-1] < 0.8 * losses[0]
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(ops.convert_to_numpy(weight) - old).max() > 1e-3, weight.path


def test_training_goes_on_from_a_saved_model(tmp_path):
    schedule = keras.optimizers.schedules.CosineDecay(0.02, 100)
    model = build_model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(NovoGrad(schedule, 0.9, 0.5, 1e-6, 0.01, grad_averaging=True), loss)
    fit(model, 2)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert copy.optimizer.get_config() == model.optimizer.get_config()
    np.testing.assert_allclose(fit(copy, 3), fit(model, 3), rtol=1e-6)


def test_config_names_every_argument():
    arguments = dict(beta_1=0.8, beta_2=0.25, epsilon=1e-5, weight_decay=0.1, grad_averaging=True, global_clipnorm=2.0)
    config = json.loads(json.dumps(keras.optimizers.serialize(NovoGrad(0.3, **arguments))))
    copy = keras.optimizers.deserialize(config)
    assert isinstance(copy, NovoGrad)
    assert {name: getattr(copy, name) for name in arguments} == arguments
    assert float(copy.learning_rate) == pytest.approx(0.3)


@pytest.mark.parametrize("arguments", [{"beta_1": 1.0}, {"beta_2": -0.1}, {"epsilon": 0.0}])
def test_impossible_arguments_are_refused(arguments):
    (name, value), *_ = arguments.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        NovoGrad(**arguments)
