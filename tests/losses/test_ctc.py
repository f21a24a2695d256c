import itertools
import json

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.losses import CTC

BACKEND = keras.backend.backend()
GOLDEN = ("jasper_dense", "quartznet", "w2lplus", "tdnn_layer_norm", "ds2_gru_bi_rowconv")


def brute_force(labels, logits):
    """Value and gradient of one utterance in float64, from a list of all paths."""
    frames, vocabulary = logits.shape
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    probability, occupancies = 0.0, np.zeros_like(log_probs)
    for path in itertools.product(range(vocabulary), repeat=frames):
        if [token for token, _ in itertools.groupby(path) if token] == list(labels):
            probable = np.exp(log_probs[range(frames), path].sum())
            probability += probable
            occupancies[range(frames), path] += probable
    if probability == 0.0:
        return np.inf, np.zeros_like(log_probs)
    return -np.log(probability), np.exp(log_probs) - occupancies / probability


def native(labels, logits):
    """The same from torch, in float64, for a batch."""
    torch = pytest.importorskip("torch")
    labels, leaf = torch.tensor(labels), torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    frames = torch.full((len(labels),), leaf.shape[1])
    log_probs = leaf.transpose(0, 1).log_softmax(-1)
    losses = torch.nn.functional.ctc_loss(log_probs, labels, frames, (labels > 0).sum(1), reduction="none")
    losses.sum().backward()
    return losses.detach().numpy(), leaf.grad.numpy()


def compiled(loss):
    """Function of labels and logits to losses and the gradient of their sum, compiled as far as the backend can."""
    if BACKEND == "jax":
        import jax

        def both(labels, logits):
            losses, pull = jax.vjp(lambda x: loss(labels, x), logits)
            return losses, pull(jax.numpy.ones_like(losses))[0]

        return jax.jit(both)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        @tf.function(jit_compile=True)
        def both(labels, logits):
            with tf.GradientTape() as tape:
                tape.watch(logits)
                losses = loss(labels, logits)
            return losses, tape.gradient(losses, logits)

        return lambda labels, logits: both(tf.constant(labels), tf.constant(logits))
    return lambda labels, logits: eager(loss, labels, logits)


def eager(loss, labels, logits):
    if BACKEND == "torch":
        leaf = ops.convert_to_tensor(logits).detach().requires_grad_()
        losses = loss(labels, leaf)
        losses.sum().backward()
        return losses, leaf.grad
    if BACKEND == "tensorflow":
        import tensorflow as tf

        logits = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = loss(labels, logits)
        return losses, tape.gradient(losses, logits)
    import jax

    losses, pull = jax.vjp(lambda x: loss(labels, x), logits)
    return losses, pull(jax.numpy.ones_like(losses))[0]


def value_and_gradient(labels, logits, loss=None):
    loss, labels, logits = loss or CTC(reduction=None), np.asarray(labels), np.asarray(logits)
    # JAX compiles every operation of every new shape when run eagerly: slower than compiling once.
    both = compiled(loss)(labels, logits) if BACKEND == "jax" else eager(loss, labels, logits)
    return [ops.convert_to_numpy(part) for part in both]


def random_logits(*shape, seed=0, scale=2.0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype("float32")


def random_labels(size, length, vocabulary, seed=0):
    random = np.random.default_rng(seed)
    lengths = random.integers(0, length + 1, (size, 1))
    return np.where(np.arange(length) < lengths, random.integers(1, vocabulary, (size, length)), 0)


def pad_frames(logits, frames):
    padding = np.full((*logits.shape[:1], frames, logits.shape[2]), -1e9, "float32")
    padding[..., 0] = 0.0
    return np.concatenate([logits, padding], axis=1)


LABELS = [[1, 2, 0], [1, 1, 0], [2, 2, 2], [2, 0, 0], [0, 0, 0], [1, 2, 1]]


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
def test_equals_brute_force_with_repeats_empty_and_too_long_labels(frames):
    logits = random_logits(len(LABELS), frames, 3, seed=frames)
    losses, gradient = value_and_gradient(LABELS, logits)
    infinite = value_and_gradient(LABELS, logits, CTC(zero_infinity=False, reduction=None))
    for row, labels in enumerate(LABELS):
        value, expected = brute_force([token for token in labels if token], logits[row].astype("float64"))
        np.testing.assert_allclose(infinite[0][row], value, rtol=1e-5)
        np.testing.assert_allclose(losses[row], 0.0 if np.isinf(value) else value, rtol=1e-5)
        np.testing.assert_allclose(gradient[row], expected, atol=1e-5)
        np.testing.assert_allclose(infinite[1][row], expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_equals_brute_force_on_random_shapes(seed):
    random = np.random.default_rng(seed)
    size, frames, vocabulary, length = (int(random.integers(*bounds)) for bounds in ((1, 5), (1, 6), (2, 5), (0, 6)))
    labels = random_labels(size, length, vocabulary, seed)
    logits = random_logits(size, frames, vocabulary, seed=seed, scale=random.choice([0.1, 2.0, 10.0]))
    losses, gradient = value_and_gradient(labels, logits)
    for row in range(size):
        value, expected = brute_force(labels[row][labels[row] > 0], logits[row].astype("float64"))
        np.testing.assert_allclose(losses[row], 0.0 if np.isinf(value) else value, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(gradient[row], expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 150, 29, 40), (2, 120, 300, 25), (3, 60, 5, 20)])
@pytest.mark.parametrize("scale", [2.0, 30.0])
def test_equals_torch(shape, scale):
    size, frames, vocabulary, length = shape
    labels, logits = random_labels(size, length, vocabulary), random_logits(size, frames, vocabulary, scale=scale)
    labels[0], labels[1, :] = 0, vocabulary - 1
    losses, gradient = value_and_gradient(labels, logits)
    expected = native(labels, logits)
    np.testing.assert_allclose(losses, expected[0], rtol=1e-5)
    np.testing.assert_allclose(gradient, expected[1], atol=1e-3 if scale > 2 else 1e-4)


@pytest.mark.parametrize("model", GOLDEN)
def test_equals_the_original(shared, model):
    folder = shared / "golden" / model
    inputs, outputs = np.load(folder / "inputs.npz"), np.load(folder / "outputs_eval.npz")
    logits = np.roll(outputs["decoder.logits"].transpose(1, 0, 2), 1, axis=2)  # blank is the last column there
    real = np.arange(logits.shape[1])[:, None] < outputs["decoder.src_length"][:, None, None]
    logits = np.where(real, logits, pad_frames(logits[:, :0], logits.shape[1]))
    labels = inputs["y"] + 1
    labels = np.where(np.arange(labels.shape[1]) < inputs["y_len"][:, None], labels, 0)
    losses, _ = value_and_gradient(labels, logits)
    np.testing.assert_allclose(losses, outputs["ctc_loss_per_utt"], rtol=1e-5)


def test_padded_frames_and_labels_change_nothing():
    labels, logits = np.array([[1, 2, 2, 0], [3, 0, 0, 0], [0, 0, 0, 0]]), random_logits(3, 6, 4)
    losses, gradient = value_and_gradient(labels, logits)
    padded_losses, padded_gradient = value_and_gradient(np.pad(labels, ((0, 0), (0, 3))), pad_frames(logits, 5))
    np.testing.assert_allclose(padded_losses, losses, rtol=1e-6)
    np.testing.assert_allclose(padded_gradient[:, :6], gradient, atol=1e-6)
    np.testing.assert_array_equal(padded_gradient[:, 6:], 0.0)


def test_neighbours_change_nothing():
    labels, logits = random_labels(5, 4, 6, seed=3), random_logits(5, 12, 6)
    losses, gradient = value_and_gradient(labels, logits)
    for row in (0, 3):
        alone = value_and_gradient(labels[row : row + 1], logits[row : row + 1])
        np.testing.assert_allclose(alone[0][0], losses[row], rtol=1e-6)
        np.testing.assert_allclose(alone[1][0], gradient[row], atol=1e-6)


@pytest.mark.parametrize("zero_infinity", [True, False])
def test_labels_that_need_a_padded_frame_are_infeasible(zero_infinity):
    labels = [[1, 1, 0], [1, 2, 1], [1, 2, 0], [3, 3, 3]]
    logits = pad_frames(random_logits(4, 2, 4), 30)
    losses, gradient = value_and_gradient(labels, logits, CTC(zero_infinity=zero_infinity, reduction=None))
    np.testing.assert_array_equal(losses[[0, 1, 3]], 0.0 if zero_infinity else np.inf)
    assert np.all(gradient[[0, 1, 3]] == 0.0) and np.all(np.isfinite(gradient))
    value, expected = brute_force([1, 2], logits[2, :2].astype("float64"))
    np.testing.assert_allclose(losses[2], value, rtol=1e-5)
    np.testing.assert_allclose(gradient[2, :2], expected, atol=1e-5)


@pytest.mark.parametrize("labels", [[[1, 5]], [[1, 999]], [[0, 1]]], ids=["past the end", "far", "after a zero"])
def test_malformed_labels_are_infeasible(labels):
    losses, gradient = value_and_gradient(labels, random_logits(1, 8, 5))
    assert losses[0] == 0.0 and np.all(gradient == 0.0)
    assert value_and_gradient([[1, 4]], random_logits(1, 8, 5))[0][0] > 0.0


def test_float16_logits_are_summed_in_float32():
    labels, logits = random_labels(3, 30, 8, seed=1), random_logits(3, 200, 8)
    half = np.clip(pad_frames(logits, 10), -6e4, None).astype("float16")
    half[:, -5:, 1:] = -np.inf  # what -1e9 is in float16
    losses, gradient = value_and_gradient(labels, half)
    expected = value_and_gradient(labels, half[:, :200].astype("float32"))
    np.testing.assert_allclose(losses, expected[0], rtol=1e-6)
    np.testing.assert_allclose(gradient[:, :200], expected[1], atol=1e-3)
    assert np.all(np.isfinite(gradient))
    direct = CTC().call(ops.convert_to_tensor(labels), ops.convert_to_tensor(half))
    np.testing.assert_array_equal(ops.convert_to_numpy(direct), losses)


def test_result_is_float32_whatever_the_default_is():
    keras.config.set_floatx("float16")
    try:
        assert CTC().dtype == "float32"
    finally:
        keras.config.set_floatx("float32")


def test_nan_is_not_taken_for_an_infeasible_label():
    logits = random_logits(3, 7, 6)
    logits[1, 3, 2] = np.nan
    losses, gradient = value_and_gradient([[1, 2], [1, 2], [3, 0]], logits)
    assert np.isnan(losses).tolist() == [False, True, False]
    assert np.isnan(gradient[1]).any()


def test_options():
    labels, logits = [[1, 2, 2], [3, 0, 0], [0, 0, 0]], random_logits(3, 9, 4)
    losses, _ = value_and_gradient(labels, logits)
    per_label, _ = value_and_gradient(labels, logits, CTC(normalize_by_label_length=True, reduction=None))
    np.testing.assert_allclose(per_label, losses / [3, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(float(CTC()(np.array(labels), logits)), losses.mean(), rtol=1e-6)
    np.testing.assert_allclose(float(CTC(reduction="sum")(np.array(labels), logits)), losses.sum(), rtol=1e-6)
    weighted = CTC(reduction="sum")(np.array(labels), logits, sample_weight=np.array([1.0, 0.0, 2.0]))
    np.testing.assert_allclose(float(weighted), losses[0] + 2 * losses[2], rtol=1e-6)


def test_config_round_trip():
    loss = CTC(zero_infinity=False, normalize_by_label_length=True, reduction="sum", name="words")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    restored = keras.saving.deserialize_keras_object(config)
    assert isinstance(restored, CTC) and (restored.name, restored.reduction) == ("words", "sum")
    assert (restored.zero_infinity, restored.normalize_by_label_length) == (False, True)


@pytest.mark.parametrize(
    "labels, logits, message",
    [
        ((2,), (2, 3, 4), "y_true"),
        ((2, 2), (2, 3), "y_pred"),
        ((2, 2), (2, 3, 1), "y_pred"),
        ((2, 2), (3, 3, 4), "as many"),
    ],
)
def test_wrong_shapes_are_named(labels, logits, message):
    with pytest.raises(ValueError, match=message):
        CTC()(np.ones(labels, "int32"), np.zeros(logits, "float32"))


def test_compiled_equals_eager_at_every_shape():
    both = compiled(CTC(reduction=None))
    for size, frames, length in ((2, 7, 3), (3, 11, 5), (2, 7, 3), (1, 4, 0)):
        labels, logits = random_labels(size, length, 5, seed=frames).astype("int32"), random_logits(size, frames, 5)
        expected = eager(CTC(reduction=None), labels, logits)
        for part, other in zip(both(labels, pad_frames(logits, 2)), expected, strict=True):
            part, other = ops.convert_to_numpy(part), ops.convert_to_numpy(other)
            np.testing.assert_allclose(part if part.ndim == 1 else part[:, :frames], other, rtol=1e-5, atol=1e-5)


def tiny_model():
    inputs = keras.Input((None, 4))
    return keras.Model(inputs, keras.layers.Dense(5, dtype="float32")(keras.layers.Dense(8)(inputs)))


@pytest.mark.parametrize("jit_compile", ["auto"] if BACKEND == "torch" else ["auto", True])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_fit_learns_with_changing_shapes(policy, jit_compile):
    keras.utils.set_random_seed(1)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = tiny_model()
        model.compile(keras.optimizers.Adam(0.05), CTC(), jit_compile=jit_compile)
        batches = []
        for frames in (6, 9):
            labels = random_labels(4, 3, 5, seed=frames)
            labels[0] = 0, 0, 0
            batches.append((random_logits(4, frames, 4), labels))
        history = [[float(model.train_on_batch(*batch)) for batch in batches] for _ in range(15)]
        model.fit(*batches[0], epochs=1, verbose=0)
    finally:
        keras.config.set_dtype_policy(before)
    assert np.all(np.isfinite(history))
    assert np.all(np.array(history[-1]) < 0.6 * np.array(history[0]))
