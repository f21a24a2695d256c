"""Several workers read one corpus: same steps, same shapes, nothing twice, and the mean that one process computes."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import Jasper
from s2s_keras.data import SpeedPerturbation, speech_dataset
from s2s_keras.losses import CTC
from s2s_keras.metrics import CharacterErrorRate, InfeasibleLabels, WordErrorRate

DURATIONS = [0.3, 0.5, 0.9, 0.35, 0.8, 0.4, 0.7, 0.6, 0.45, 0.55, 0.75]
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
    on_jax = keras.backend.backend() == "jax"
    assert all(len(step) == 1 for step in shapes) == on_jax

    def thrice(audio, rng):
        return np.tile(audio, 3)

    (dataset, _) = workers(2, augmentation=thrice, **options)
    if on_jax:
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


def tiny_jasper():
    keras.utils.set_random_seed(0)
    return Jasper(blocks=((8, 5, 0.0),), repeat=2, prologue=(8, 5, 0.0), epilogue=((8, 1, 0.0),))


def after_a_step(inputs, labels, weights=None):
    model = tiny_jasper()
    model.compile(keras.optimizers.SGD(0.1), CTC())
    model.train_on_batch(inputs, labels, sample_weight=weights)
    return model.get_weights()


def test_empty_rows_contribute_nothing(workers):
    audio = np.random.default_rng(0).normal(0.0, 0.1, (4, 8000)).astype("float32")
    inputs = {"audio": audio, "audio_lengths": np.array([8000, 0, 6000, 0], "int32")}
    inputs["audio"][[1, 3]] = 0.0
    labels = np.array([[2, 3, 4], [0, 0, 0], [3, 3, 0], [0, 0, 0]], "int32")
    model = tiny_jasper()
    logits = ops.convert_to_numpy(model(inputs))
    assert np.isfinite(logits).all() and not logits[1, :, 0].any() and (logits[1, :, 1:] <= -1e9).all()
    losses = ops.convert_to_numpy(CTC(reduction=None)(labels, logits))
    assert not losses[[1, 3]].any() and (losses[[0, 2]] > 0).all()
    for metric in (WordErrorRate(model.tokenizer), CharacterErrorRate(model.tokenizer)):
        metric.update_state(labels[1::2], logits[1::2])
        assert int(metric.edits) == int(metric.reference_length) == 0
    assert float(InfeasibleLabels()(labels[1::2], logits[1::2])) == 0.0
    # Gradients and the moving statistics: weights of 2 make the mean over four rows the mean over the two real ones.
    real = {name: value[::2] for name, value in inputs.items()}
    with_empty = after_a_step(inputs, labels, np.array([2.0, 0.0, 2.0, 0.0], "float32"))
    for a, b in zip(after_a_step(real, labels[::2]), with_empty, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert max(np.abs(a - b).max() for a, b in zip(model.get_weights(), with_empty, strict=True)) > 0.1


def test_the_mean_over_workers_is_the_mean_over_utterances(workers):
    (alone,) = workers(1, batch_size=6)
    datasets = workers(3)
    model = tiny_jasper()
    model.compile("sgd", CTC())
    for index in range(len(alone)):
        expected = model.test_on_batch(*alone.batch(0, index))
        found = [model.test_on_batch(*dataset.batch(0, index)) for dataset in datasets]
        np.testing.assert_allclose(np.mean(found), expected, rtol=1e-4)


def test_fit_and_validation_take_weights(workers):
    model = tiny_jasper()
    model.compile("sgd", CTC(), metrics=[WordErrorRate(model.tokenizer)])
    train, dev = workers(3)[2], workers(3, shuffle=False)[2]
    history = model.fit(train.for_fit(), validation_data=dev.for_fit(), epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["val_loss"]).all()
