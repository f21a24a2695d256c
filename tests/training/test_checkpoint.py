import os
import signal
import warnings

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.data import speech_dataset
from s2s_keras.optimizers import StaticLossScale
from s2s_keras.tokenizers import CharacterTokenizer
from s2s_keras.training import Checkpoint, _checkpoint_files, enable_lora
from tests.training.checkpointing import CLIPS, At, assert_same_end, result

STEPS = 5
BACKEND = keras.backend.backend()
SEVERAL = 1 if BACKEND == "torch" else 2  # torch has no `steps_per_execution`


def data(batch_size=1):
    """Five utterances."""
    tokenizer = CharacterTokenizer()
    return speech_dataset(str(CLIPS), tokenizer, batch_size, shuffle=True, pad_to_boundary=True, num_threads=0)


def first_letter(labels, outputs):
    return ops.mean((ops.cast(labels[:, :1], "float32") / 10 - ops.cast(outputs, "float32")) ** 2, axis=-1)


def error(labels, outputs):
    return first_letter(labels, outputs) ** 0.5


def build(steps_per_execution=1, units=5, optimizer=None):
    """Two kinds of dropout, a schedule, an average, accumulated gradients, a loss scale and a metric."""
    keras.utils.set_random_seed(3)
    audio, lengths = keras.Input((None,), name="audio"), keras.Input((), dtype="int32", name="audio_lengths")
    x = ops.stack([ops.max(audio, 1), ops.std(audio, 1), ops.cast(lengths, "float32") / 1e5], axis=1)
    for layer in (keras.layers.Dense(units), keras.layers.Dropout(0.3), keras.layers.Dropout(0.3, seed=1)):
        x = layer(x)
    model = keras.Model({"audio": audio, "audio_lengths": lengths}, keras.layers.Dense(1)(x))
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 5, 0.8)
    adam = keras.optimizers.Adam(schedule, use_ema=True, gradient_accumulation_steps=4)
    optimizer = optimizer or StaticLossScale(adam, 8.0)
    eager = BACKEND == "tensorflow" and steps_per_execution == 1  # a graph takes seconds
    options = {"steps_per_execution": steps_per_execution, "run_eagerly": eager}
    model.compile(optimizer, first_letter, metrics=[error], **options)
    return model


def build_simple():
    return build(optimizer=keras.optimizers.SGD(0.01))


def fit(folder, epochs=2, model=None, extra=(), before=(), validation=True, **options):
    """History, callback and model; the history is None where the training was interrupted."""
    model, training = model or build(), data()
    checkpoint = Checkpoint(folder, training, **options)
    try:
        history = model.fit(
            training.for_fit(),
            epochs=epochs,
            verbose=0,
            validation_data=data(5).for_fit() if validation else None,
            shuffle=False,
            callbacks=[*before, checkpoint, *extra],
        ).history
    except KeyboardInterrupt:
        history = None
    return history, checkpoint, model


def interrupt():
    raise KeyboardInterrupt


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory):
    """What JAX has compiled for one model serves the next."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = [getattr(jax.config, name) for name in names]
    for name, value in zip(names, (str(tmp_path_factory.mktemp("jax")), 0.0), strict=True):
        jax.config.update(name, value)
    yield
    for name, value in zip(names, before, strict=True):
        jax.config.update(name, value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    history, checkpoint, model = fit(tmp_path_factory.mktemp("whole"))
    assert checkpoint.resumed_from is None and checkpoint.step == 2 * STEPS
    return result(history, model)


@pytest.mark.parametrize("several", sorted({1, SEVERAL}))
def test_goes_on_at_the_very_step_again_and_again(tmp_path, whole, several):
    def part(*extra):
        return fit(tmp_path, model=build(several), every_steps=1, extra=extra)

    assert part(At(4 // several, interrupt))[0] is None
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        part(At(4 // several, interrupt))
        history, checkpoint, model = part()
    assert not [w for w in warned if "ran out of data" in str(w.message)]
    # The test's callback comes after the checkpoint of the same step. In pairs, an epoch's last step is one alone.
    assert checkpoint.resumed_from.name == {1: "step-00000008", 2: "step-00000007"}[several]
    assert checkpoint.params["resumed"] == {1: (1, 3), 2: (1, 2)}[several]
    assert_same_end(whole, result(history, model))


def test_goes_on_at_the_beginning_of_an_epoch(tmp_path, whole):
    fit(tmp_path, epochs=1)  # ends with the average in the place of the weights, which the checkpoint has not
    history, checkpoint, model = fit(tmp_path)
    assert checkpoint.params["resumed"] == (1, 0)
    assert_same_end(whole, result(history, model))
    history, _, again = fit(tmp_path)  # nothing is left to do
    assert not history
    assert_same_end(result({}, model), result({}, again))


@pytest.mark.parametrize("step", [3, STEPS], ids=["within an epoch", "in its last step"])
def test_sigterm_saves_and_ends_fit(tmp_path, capsys, whole, step):
    before, steps = signal.getsignal(signal.SIGTERM), []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
    _, checkpoint, _ = fit(tmp_path, before=[At(step, terminate), count])
    assert checkpoint.preempted and len(steps) == step
    assert signal.getsignal(signal.SIGTERM) is before
    assert names(tmp_path)[-1] == f"step-{step:08d}"
    assert f"SIGTERM: training stops after step {step}" in capsys.readouterr().out
    history, checkpoint, model = fit(tmp_path)
    assert not checkpoint.preempted
    assert_same_end(whole, result(history, model))


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, whole):
    fit(tmp_path, every_steps=2, extra=[At(5, interrupt)])
    for file, size in (("state.npz", 100), ("model.weights.h5", -1)):
        step = {"state.npz": 4, "model.weights.h5": 2}[file]
        damaged = _checkpoint_files.path(tmp_path, step) / file
        os.truncate(damaged, size if size > 0 else damaged.stat().st_size - 1)
        with pytest.warns(UserWarning, match=rf"step-0000000{step} is damaged and left out: {file}"):
            assert _checkpoint_files.last_whole(tmp_path) == (2 if step == 4 else None)
    assert names(tmp_path) == ["damaged-step-00000002", "damaged-step-00000004"]
    history, checkpoint, model = fit(tmp_path)
    assert checkpoint.resumed_from is None
    assert_same_end(whole, result(history, model))


class Losses(keras.callbacks.Callback):
    """Puts these in the place of the epochs' validation losses."""

    def __init__(self, *losses):
        super().__init__()
        self.losses = iter(losses)

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = next(self.losses)


def test_keeps_the_last_and_the_best(tmp_path):
    losses = Losses(3.0, 1.0, float("nan"), 2.0)
    fit(tmp_path, 3, build_simple(), before=[losses], validation=False, keep=1)
    assert names(tmp_path) == ["best", "step-00000010", "step-00000015"]
    # The next run remembers the best of the run before.
    _, checkpoint, model = fit(tmp_path, 4, build_simple(), before=[losses], validation=False, keep=1)
    assert names(tmp_path) == ["best", "step-00000010", "step-00000020"]
    assert os.readlink(tmp_path / "best") == "step-00000010"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no state of the optimizer in it
        model.load_weights(tmp_path / "best" / "model.weights.h5")


def test_best_of_something_that_rises_and_a_misspelled_one(tmp_path):
    fit(tmp_path / "a", 3, build_simple(), before=[Losses(1.0, 3.0, 2.0)], validation=False, mode="max")
    assert os.readlink(tmp_path / "a" / "best") == "step-00000010"
    with pytest.warns(UserWarning, match="looks for the best 'val_los'"):
        fit(tmp_path / "b", 1, build_simple(), before=[Losses(1.0)], validation=False, monitor="val_los")
    assert "best" not in names(tmp_path / "b")


def test_callbacks_that_follow_a_metric_go_on(tmp_path):
    first, second = (keras.callbacks.EarlyStopping("val_loss", patience=patience, min_delta=1) for patience in (7, 9))
    losses = Losses(3.0, 2.5, 2.4)
    fit(tmp_path, 2, build_simple(), before=[losses, first], validation=False, callbacks=[first])
    fit(tmp_path, 3, build_simple(), before=[losses, second], validation=False, callbacks=[second])
    assert (first.wait, first.best) == (1, 3.0)
    assert (second.wait, second.best, second.patience) == (2, 3.0, 9)


def test_without_a_dataset_goes_on_at_the_epoch(tmp_path, capsys):
    x, y = data(4).batch(0, 0)

    def fit_arrays(*extra):
        checkpoint = Checkpoint(tmp_path, monitor=None)
        model = build_simple()
        return model.fit(x, y, 1, 2, verbose=0, callbacks=[*extra, checkpoint]).epoch, checkpoint, model

    _, checkpoint, _ = fit_arrays(At(6, terminate))
    assert checkpoint.preempted and names(tmp_path) == ["step-00000004"]
    assert "go on from" in capsys.readouterr().out
    epochs, checkpoint, model = fit_arrays()
    assert checkpoint.params["resumed"] == (1, 0) and epochs == [1]
    assert checkpoint.step == 8
    assert model.fit(x, y, epochs=2, verbose=0).epoch == [0, 1]  # another `fit` begins at the beginning


def test_refuses_what_cannot_go_on(tmp_path):
    fit(tmp_path, 1, build_simple())
    with pytest.raises(ValueError, match="another model, optimizer or list of metrics"):
        fit(tmp_path, model=build(units=4, optimizer=keras.optimizers.SGD(0.1, momentum=0.9)))
    with pytest.raises(ValueError, match="holds checkpoints of an earlier training"):
        fit(tmp_path, model=build_simple(), resume=False)
    with pytest.raises(ValueError, match="`fit` counts 2"):
        build_simple().fit(*data(4).batch(0, 0), batch_size=2, verbose=0, callbacks=[Checkpoint(tmp_path, data())])
    with pytest.raises(TypeError, match="start_at"):
        Checkpoint(tmp_path, np.ones((3, 2)))
    for wrong in ({"every_steps": 3}, {"mode": "lowest"}, {"keep": 0}, {"dataset": data(), "every_steps": 0}):
        with pytest.raises(ValueError, match="Received"):
            Checkpoint(tmp_path, **wrong)


def test_low_rank_updates_go_on(tmp_path):
    def part(folder, epochs):
        model = build_simple()
        enable_lora(model, 2)
        model.compile(keras.optimizers.Adam(0.05), first_letter, run_eagerly=BACKEND == "tensorflow")
        return fit(folder, epochs, model)[2]

    part(tmp_path / "killed", 1)
    found, expected = part(tmp_path / "killed", 2), part(tmp_path / "whole", 2)
    assert any(v.name == "lora_kernel_b" for v in found.trainable_variables)
    for a, b in zip(found.variables, expected.variables, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(a), ops.convert_to_numpy(b), rtol=1e-6, atol=1e-7)


def test_state_in_bfloat16_goes_on(tmp_path):
    keras.config.set_dtype_policy("bfloat16")
    try:
        fit(tmp_path, 1, build(optimizer=keras.optimizers.Adam(0.01)))
        _, checkpoint, model = fit(tmp_path, 1, build(optimizer=keras.optimizers.Adam(0.01)))
    finally:
        keras.config.set_dtype_policy("float32")
    with np.load(checkpoint.resumed_from / "state.npz") as stored:
        for n, variable in enumerate(model.optimizer.variables[-3:], len(model.optimizer.variables) - 3):
            np.testing.assert_array_equal(ops.convert_to_numpy(ops.cast(variable, "float32")), stored[f"optimizer/{n}"])
