import json

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import Application, Jasper
from s2s_keras.convert.open_seq2seq import name_table
from s2s_keras.losses import CTC
from s2s_keras.optimizers import StaticLossScale
from s2s_keras.training import add_l2, enable_lora, freeze, transfer_weights
from tests.applications.test_jasper import DENSE

BLOCK = (6, 3, 0.0)


def jasper(vocabulary_size=5, repeat=1):
    keras.utils.set_random_seed(0)
    return Jasper(
        blocks=((6, 3, 0.0),),
        repeat=repeat,
        prologue=BLOCK,
        epilogue=((6, 1, 0.0),),
        vocabulary_size=vocabulary_size,
        num_mel_bins=4,
        front_end=None,
    )


def data():
    rng = np.random.default_rng(0)
    inputs = {"features": rng.normal(size=(4, 12, 4)).astype("float32"), "feature_lengths": np.full(4, 12, "int32")}
    return inputs, rng.integers(1, 5, (4, 3)).astype("int32")


def values(model):
    return {weight.path: ops.convert_to_numpy(weight).copy() for weight in model.weights}


def fit(model, optimizer=None, epochs=2):
    """The weights that training moved."""
    before = values(model)
    model.compile(optimizer or keras.optimizers.Adam(0.01), CTC())
    losses = model.fit(*data(), batch_size=4, epochs=epochs, verbose=0).history["loss"]
    after = values(model)
    return {path for path in before if not np.array_equal(before[path], after[path])}, losses


def test_frozen_weights_and_statistics_stay():
    model = jasper()
    frozen = freeze(model, "prologue|block_0/.*(gamma|beta)")
    assert "prologue_0/convolution_0/kernel" in frozen and "block_0/normalization_0/gamma" in frozen
    assert not any(path.endswith("convolution_0/kernel") and path.startswith("block") for path in frozen)
    inputs, _ = data()
    probe = keras.Model(model.inputs, model.get_layer("prologue_0").output)
    inference = ops.convert_to_numpy(probe(inputs, training=False))
    np.testing.assert_allclose(ops.convert_to_numpy(probe(inputs, training=True)), inference, rtol=1e-5, atol=1e-6)
    moved, _ = fit(model)
    normalizations = ("normalization_0", "projection_normalization_0")
    still = {f"block_0/{n}/{w}" for n in normalizations for w in ("gamma", "beta", "moving_mean", "moving_variance")}
    assert moved == {path for path in values(model) if not path.startswith("prologue")} - still
    assert len(model.optimizer.variables) == 2 + 2 * len(model.trainable_weights)


def test_a_pattern_that_matches_nothing_names_close_paths():
    with pytest.raises(ValueError, match="Close paths: prologue_0/convolution_0/kernel.* begin with '.\\*'"):
        freeze(jasper(), "prologe_0/convolution_0/kernel")
    with pytest.raises(ValueError, match="No trainable weight"):
        freeze(jasper(), "gamma")  # matches from the start, as the original


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, lambda optimizer: StaticLossScale(optimizer, 8.0)])
def test_l2_is_in_the_loss_and_in_the_gradient(wrap):
    def step(factor):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(3, name="dense"), keras.layers.BatchNormalization(name="normalization")]
        model = keras.Sequential([keras.Input((2,)), *layers], name="net")
        if factor:
            assert add_l2(model, factor) == ["dense/kernel", "normalization/gamma"]
        before = values(model)
        model.compile(wrap(keras.optimizers.SGD(0.1)), "mse")
        loss = float(model.train_on_batch(np.eye(2, dtype="float32"), np.ones((2, 3), "float32")))
        return before, loss, values(model)

    (before, plain, without), (_, loss, with_l2) = step(0.0), step(0.05)
    squares = sum((before[p] ** 2).sum() for p in before if p.endswith(("kernel", "gamma")))
    assert loss == pytest.approx(plain + 0.05 * squares, rel=1e-5)
    for path, value in before.items():
        decay = 0.1 * 2 * 0.05 * value if path.endswith(("kernel", "gamma")) else 0.0
        np.testing.assert_allclose(with_l2[path], without[path] - decay, rtol=1e-5, atol=1e-6)


def test_l2_takes_the_weights_that_the_original_takes(shared):
    folder = shared / "golden" / "jasper_dense"
    config = json.loads((folder / "train_trajectory.json").read_text())["cases"]["momentum_larc_l2_poly"]
    model = Jasper(**{**DENSE, "front_end": None, "num_mel_bins": 16})
    add_l2(model, 0.0005, pattern=r"(?!.*/projection_\d)")
    regularized = {name for name, weight in name_table(model).items() if weight.regularizer is not None}
    expected = {name.split("/Regularizer")[0] for name in config["regularised_variables"]}
    assert regularized == expected


def test_l2_without_the_scales_of_normalizations():
    assert not [path for path in add_l2(jasper(), 0.1, gamma=False) if not path.endswith("kernel")]
    with pytest.raises(ValueError, match="is a kernel or a gamma"):
        add_l2(jasper(), 0.1, pattern=".*beta")


def test_lora_trains_its_updates_only_and_merges_them(tmp_path):
    model = jasper()
    inputs, _ = data()
    start = model.predict_on_batch(inputs)
    convolutions = ["prologue_0/convolution_0", "block_0/convolution_0", "block_0/projection_0"]
    assert sorted(enable_lora(model, 2, "prologue|block|logits")) == sorted([*convolutions, "logits"])
    np.testing.assert_allclose(model.predict_on_batch(inputs), start, rtol=1e-5, atol=1e-6)
    moved, losses = fit(model, epochs=3)
    assert {path.rsplit("/", 1)[1] for path in moved} == {"lora_kernel_a", "lora_kernel_b"}
    assert len(model.trainable_weights) == len(moved) == 2 * 4
    assert losses[-1] < losses[0]
    logits = model.predict_on_batch(inputs)
    assert np.abs(logits - start).max() > 1e-4
    model.save_to_preset(tmp_path)
    loaded = Application.from_preset(tmp_path)
    assert len(loaded.weights) == len(jasper().weights)
    np.testing.assert_allclose(loaded.predict_on_batch(inputs), logits, rtol=1e-4, atol=1e-5)
    model.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(model.predict_on_batch(inputs), logits, rtol=1e-4, atol=1e-5)


def test_lora_refuses_what_it_cannot_do():
    model = jasper()
    with pytest.raises(ValueError, match="Close paths: block_0/convolution_0"):
        enable_lora(model, 2, "block_1/convolution_0")
    enable_lora(model, 2, "block_0")
    with pytest.raises(ValueError, match="No trainable weight|added once"):
        enable_lora(model, 2, "block_0")


def test_transfer_copies_what_fits(tmp_path, capsys):
    source, model = jasper(vocabulary_size=7, repeat=2), jasper()
    for weight in source.weights:
        weight.assign(ops.convert_to_numpy(weight) + 0.5)
    before, given = values(model), values(source)
    report = transfer_weights(source, model)
    after = values(model)
    assert [line.split()[0] for line in report["shape differs"]] == ["logits/kernel", "logits/bias"]
    assert len(report["copied"]) == len(before) - 2 and not report["missing"]
    assert all("block_0" in line and "_1/" in line for line in report["left over"]) and len(report["left over"]) == 5
    for path, value in after.items():
        np.testing.assert_array_equal(value, before[path] if path.startswith("logits") else given[path])
    assert len(capsys.readouterr().out.splitlines()) == len(before) + 5


@pytest.mark.parametrize("kind", ["preset", "file", "checkpoint", "keras"])
def test_transfer_from_what_was_saved(kind, tmp_path):
    source, model = jasper(vocabulary_size=7), jasper()
    for weight in source.weights:
        weight.assign(ops.convert_to_numpy(weight) + 0.5)
    source.compile(keras.optimizers.Adam(0.1), CTC())
    source.optimizer.build(source.trainable_variables)
    source.optimizer.iterations.assign(9)
    if kind == "preset":
        source.save_to_preset(tmp_path)
        path = tmp_path
    elif kind == "keras":
        source.save(path := tmp_path / "model.keras")
    else:
        source.save_weights(tmp_path / "model.weights.h5")
        path = tmp_path / "model.weights.h5" if kind == "file" else tmp_path
    model.compile(keras.optimizers.Adam(0.1), CTC())
    before, given = values(model), values(source)
    report = transfer_weights(path, model, verbose=False)
    assert int(model.optimizer.iterations) == 0
    for path, value in values(model).items():
        np.testing.assert_array_equal(value, before[path] if path.startswith("logits") else given[path])
    fresh = report["missing"] + report["shape differs"]
    assert [line.split()[0] for line in fresh] == ["logits/kernel", "logits/bias"]


def test_transfer_of_nothing_is_an_error(tmp_path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="other")])
    with pytest.raises(ValueError, match="Expected a network of the same family.*other/kernel"):
        transfer_weights(other, jasper())
    with pytest.raises(ValueError, match="no preset"):
        transfer_weights(str(tmp_path / "nowhere"), jasper())
