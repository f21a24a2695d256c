"""Several workers read one corpus: same steps, same shapes, nothing twice, and the mean that one process computes."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import Jasper
from s2s_keras.data import SpeedPerturbation, speech_dataset
from s2s_keras.losses import CTC
from s2s_keras.metrics import CharacterErrorRate, InfeasibleLabels

DURATIONS = [0.3, 0.5, 0.9, 0.35, 0.8, 0.4, 0.7, 0.6, 0.45, 0.55, 0.75]
ON_JAX = keras.backend.backend() == "jax"
TEXTS = ["a b", "c", "d e", "f", "g", "h", "i j", "k", "l", "m", "n"]


@pytest.fixture
def workers(write_corpus, tokenizer):
    """Function (num, **options) -> the datasets of so many workers."""
    corpus = write_corpus(DURATIONS, TEXTS)

    def datasets(num, **options):
        options = {"batch_size": 2, "buckets": 2, "shuffle": True, **options}
        return [speech_dataset(corpus, tokenizer, num_shards=num, shard_index=k, **options) for k in range(num)]

    return datasets


@pytest.mark.parametrize("num", [2, 3])
def test_workers_keep_step_and_share_the_corpus(workers, num, tokenizer):
    datasets = workers(num, augmentation=SpeedPerturbation(), pad_to_boundary=True)
    assert len({len(dataset) for dataset in datasets}) == 1
    for epoch in range(2):
        seen = []
        for step in zip(*datasets, strict=True):
            assert len({(x["audio"].shape, y.shape, w.shape) for x, y, w in step}) == 1
            rows = sum(len(w) for *_, w in step)
            real = sum(np.count_nonzero(w) for *_, w in step)
            for inputs, labels, weights in step:
                assert weights.dtype == np.float32
                np.testing.assert_allclose(weights[weights > 0], rows / real)
                assert not inputs["audio_lengths"][weights == 0].any() and not labels[weights == 0].any()
                assert not inputs["audio"][weights == 0].any() and inputs["audio_lengths"][weights > 0].all()
                seen += [tokenizer.decode(row) for row in labels[weights > 0]]
        assert sorted(seen) == sorted(TEXTS)
        assert datasets[0].epoch == epoch + 1
    statistics = datasets[0].statistics(0)
    assert statistics["utterances"] == 11 and statistics["empty_rows"] == -11 % num
    assert None in datasets[-1].batch_utterances(0, len(datasets[-1]) - 1)


def test_workers_on_jax_have_one_shape_without_being_asked(workers):
    options = {"pad_to_boundary": False, "batch_size": 1, "num_threads": 0}
    pair = workers(2, **options)
    shapes = [{dataset.batch(0, index)[0]["audio"].shape[1] for dataset in pair} for index in range(6)]
    assert all(len(step) == 1 for step in shapes) == ON_JAX

    def thrice(audio, rng):
        return np.tile(audio, 3)

    (dataset, _) = workers(2, augmentation=thrice, **options)
    if ON_JAX:
        with pytest.raises(ValueError, match="give the augmentation a `max_stretch`"):
            list(dataset)
    else:
        list(dataset)


def test_a_damaged_file_becomes_an_empty_row(workers):
    (alone,) = workers(1, batch_size=4, verify="header", on_error="skip", shuffle=False)
    path = alone.examples[0].utterance.audio
    open(path, "r+b").truncate(100)
    datasets = workers(2, verify="manifest", on_error="skip", shuffle=False)
    steps = [(dataset.batch(0, 0)) for dataset in datasets]
    weights = np.concatenate([w for *_, w in steps])
    assert np.count_nonzero(weights) == 3 and [len(y) for _, y, _ in steps] == [2, 2]
    assert datasets[0].report.counts == {"unreadable audio": 1} and not datasets[1].report.errors
    assert datasets[0].statistics(0)["skipped/unreadable audio"] == 1


def test_empty_rows_contribute_nothing():
    keras.utils.set_random_seed(0)
    model = Jasper(blocks=((8, 5, 0.0),), repeat=1, prologue=(8, 5, 0.0), epilogue=((8, 1, 0.0),))
    model.compile(keras.optimizers.SGD(0.1), CTC(), jit_compile=ON_JAX)
    start = model.get_weights()
    audio = np.random.default_rng(0).normal(0.0, 0.1, (4, 4000)).astype("float32")
    inputs = {"audio": audio, "audio_lengths": np.array([4000, 0, 3000, 0], "int32")}
    inputs["audio"][[1, 3]] = 0.0
    labels = np.array([[2, 3, 4], [0, 0, 0], [3, 3, 0], [0, 0, 0]], "int32")
    logits = model.predict_on_batch(inputs)
    assert np.isfinite(logits).all() and not logits[1, :, 0].any() and (logits[1, :, 1:] <= -1e9).all()
    losses = ops.convert_to_numpy(CTC(reduction=None)(labels, logits))
    assert not losses[[1, 3]].any() and (losses[[0, 2]] > 0).all()
    if not ON_JAX:  # half a minute of compilation, for a metric that says the same on every backend
        metric = CharacterErrorRate(model.tokenizer)
        metric.update_state(labels[1::2], logits[1::2])
        assert int(metric.edits) == int(metric.reference_length) == 0
    assert float(InfeasibleLabels()(labels[1::2], logits[1::2])) == 0.0
    # Gradients and statistics: a step with weights of 2 beside empty rows is a step on the real rows, each there twice.
    model.train_on_batch(inputs, labels, sample_weight=np.array([2.0, 0.0, 2.0, 0.0], "float32"))
    with_empty = model.get_weights()
    model.set_weights(start)
    twice = [0, 0, 2, 2]
    model.train_on_batch({k: v[twice] for k, v in inputs.items()}, labels[twice], sample_weight=np.ones(4, "float32"))
    for weight, value, before in zip(model.weights, with_empty, start, strict=True):
        moved = np.abs(value - before).max()
        # The moving variance is the unbiased one, and twice as many frames are less biased.
        atol = 0.2 * moved if weight.name == "moving_variance" else 1e-3 * moved + 1e-6
        np.testing.assert_allclose(ops.convert_to_numpy(weight), value, rtol=0, atol=atol, err_msg=weight.path)


def loudness_model():
    """A model whose loss differs from row to row, cheap to compile."""
    audio = keras.Input((None,), name="audio")
    lengths = keras.Input((), dtype="int32", name="audio_lengths")
    frames = keras.layers.Conv1D(1, 400, strides=400)(keras.ops.expand_dims(audio, -1))
    model = keras.Model({"audio": audio, "audio_lengths": lengths}, keras.ops.mean(frames, axis=1))
    model.compile("sgd", lambda labels, mean: (mean - ops.cast(labels[:, :1], "float32")) ** 2)
    return model


def test_the_mean_over_workers_is_the_mean_over_utterances(workers):
    keras.utils.set_random_seed(0)
    (alone,) = workers(1, batch_size=6, pad_to_boundary=True)
    datasets = workers(3, pad_to_boundary=True)
    model = loudness_model()
    assert [len(dataset) for dataset in datasets] == [len(alone)] * 3
    for index in range(len(alone)):
        expected = model.test_on_batch(*alone.batch(0, index))
        found = [model.test_on_batch(*dataset.batch(0, index)) for dataset in datasets]
        np.testing.assert_allclose(np.mean(found), expected, rtol=1e-4)


def test_fit_and_validation_take_weights(workers):
    train, dev = workers(3)[2], workers(3, shuffle=False)[2]
    history = loudness_model().fit(train.for_fit(), validation_data=dev.for_fit(), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["val_loss"]).all()
    assert train.epoch == 2
