import importlib.util
import logging

import keras
import numpy as np
import pytest

from s2s_keras.data import SpeedPerturbation, Utterance, speech_dataset

DURATIONS = [0.3, 0.5, 0.9, 0.35, 1.2, 0.8, 0.4, 1.1, 0.45, 0.7, 1.0]
TEXTS = ["yes", "no", "go on", "up", "a long way to go", "left", "on", "wait for me", "ok", "right", "stop it"]
needs_tensorflow = pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow not installed")


@pytest.fixture
def corpus(write_corpus):
    return write_corpus(DURATIONS, TEXTS)


@pytest.fixture
def make(corpus, tokenizer):
    """Function (**options) -> shuffled, augmented dataset in two buckets."""

    def dataset(**options):
        options = {"batch_size": 2, "buckets": 2, "shuffle": True, "augmentation": SpeedPerturbation(), **options}
        return speech_dataset(corpus, tokenizer, **options)

    return dataset


def same(first, second):
    (x, y), (x2, y2) = first, second
    return (
        np.array_equal(x["audio"], x2["audio"])
        and np.array_equal(x["audio_lengths"], x2["audio_lengths"])
        and np.array_equal(y, y2)
    )


def test_a_batch_holds_its_utterances(make, tokenizer):
    dataset = make(augmentation=None)
    seen = []
    for index in range(len(dataset)):
        inputs, labels = dataset.batch(0, index)
        assert inputs["audio"].dtype == np.float32
        assert inputs["audio_lengths"].dtype == labels.dtype == np.int32
        for row, utterance in enumerate(dataset.batch_utterances(0, index)):
            length = inputs["audio_lengths"][row]
            assert length == round(DURATIONS[TEXTS.index(utterance.text)] * 16000)
            np.testing.assert_array_equal(inputs["audio"][row, :length], dataset.reader(utterance))
            assert not inputs["audio"][row, length:].any()
            assert tokenizer.decode(labels[row]) == utterance.text
            seen.append(utterance.text)
    assert sorted(seen) == sorted(TEXTS)


@pytest.mark.parametrize("num_threads", [1, 5])
@pytest.mark.parametrize("cache", [False, True])
def test_batches_do_not_depend_on_threads_or_cache(make, num_threads, cache):
    plain, threaded = make(num_threads=0), make(num_threads=num_threads, cache=cache)
    for _ in range(3):
        assert all(same(a, b) for a, b in zip(plain, threaded, strict=True))
    assert plain.epoch == threaded.epoch == 3


def test_seed_epoch_and_utterance_decide(make):
    dataset, other = make(), make(seed=1)
    assert same(dataset.batch(2, 1), make().batch(2, 1))
    first = [dataset.batch(0, index) for index in range(len(dataset))]
    assert not any(same(a, b) for a, b in zip(first, [dataset.batch(1, i) for i in range(len(dataset))], strict=True))
    assert not any(same(a, b) for a, b in zip(first, [other.batch(0, i) for i in range(len(dataset))], strict=True))
    # The same utterance is augmented alike on any number of workers.
    shards = [make(num_shards=2, shard_index=k, batch_size=1) for k in range(2)]

    def audio_by_text(dataset):
        found = {}
        for index in range(len(dataset)):
            inputs, *_ = dataset.batch(3, index)
            for row, utterance in enumerate(dataset.batch_utterances(3, index)):
                if utterance is None:
                    continue
                found[utterance.text] = inputs["audio"][row, : inputs["audio_lengths"][row]]
        return found

    alone, together = audio_by_text(dataset), audio_by_text(shards[0]) | audio_by_text(shards[1])
    assert set(alone) == set(together) == set(TEXTS)
    assert all(np.array_equal(alone[text], together[text]) for text in TEXTS)


def test_an_interrupted_run_goes_on_where_it_stopped(make):
    whole, rest = make(), make()
    batches = [[*whole] for _ in range(3)]
    rest.epoch = 2
    assert all(same(a, b) for a, b in zip(batches[2], rest, strict=True))


def test_padding_to_the_boundary_keeps_shapes_few(make):
    dataset = make(pad_to_boundary=True, drop_remainder=True)
    shapes = {(x["audio"].shape, y.shape) for _ in range(5) for x, y in dataset}
    stretched = [int(np.ceil(b / 0.9 * 16000)) for b in dataset.plan.boundaries]
    assert sorted(shape[0] for shape in shapes) == [(2, n) for n in stretched]
    assert sorted(shape[1] for shape in shapes)[-1] == (2, len("a long way to go"))


def test_padding_to_the_batch(make):
    for x, y in make(pad_to_boundary=False):
        assert x["audio"].shape[1] == x["audio_lengths"].max()
        assert np.any(y[:, -1] > 0)


def test_an_augmentation_that_stretches_unannounced_costs_one_more_shape(make):
    def thrice(audio, rng):
        return np.tile(audio, 3)

    dataset = make(pad_to_boundary=True, augmentation=thrice, batch_size=1, buckets=(1.2,))
    shapes = {x["audio"].shape[1] for x, _ in dataset}
    assert shapes <= {19200 // 4 * n for n in range(4, 13)} and max(shapes) == 3 * 19200


def test_a_damaged_file_is_named_when_it_is_read(make, corpus):
    dataset = make(verify="header", augmentation=None)
    corrupt(dataset.examples[4].utterance.audio)
    with pytest.raises(ValueError, match=r"train\.jsonl, line 5: .*train\.jsonl-4\.wav: the samples reach nan"):
        list(dataset)


def corrupt(path):
    import soundfile

    frames = soundfile.info(path).frames
    soundfile.write(path, np.full(frames, np.nan), 16000, subtype="FLOAT")


def test_a_damaged_file_is_left_out_and_counted_when_it_is_read(make, caplog):
    dataset = make(verify="header", on_error="skip", augmentation=None)
    corrupt(dataset.examples[4].utterance.audio)
    with caplog.at_level(logging.WARNING, "s2s_keras"):
        batches = list(dataset)
    assert sum(len(y) for _, y in batches) == len(TEXTS) - 1
    assert dataset.report.counts == {"unreadable audio": 1} and "line 5" in caplog.text
    for example in dataset.examples:
        corrupt(example.utterance.audio)
    with pytest.raises(ValueError, match='No utterance of a batch of 2 can be read.*Use verify="audio"'):
        list(dataset)


def test_indices_outside_are_errors(make):
    for index in (-1, 6):
        with pytest.raises(IndexError, match="of a dataset of 6 batches"):
            make()[index]


@needs_tensorflow
@pytest.mark.parametrize("pad_to_boundary", [False, True])
def test_tf_data_gives_the_same_batches(make, pad_to_boundary):
    dataset, direct = make(pad_to_boundary=pad_to_boundary), make(pad_to_boundary=pad_to_boundary)
    tf_dataset = dataset.as_tf_dataset()
    inputs, labels = tf_dataset.element_spec
    assert [s.shape.as_list() for s in (inputs["audio"], inputs["audio_lengths"], labels)] == [
        [None, None],
        [None],
        [None, None],
    ]
    assert len(tf_dataset) == len(direct) == 6
    for _ in range(3):
        indexed = [direct[index] for index in range(len(direct))]
        direct.on_epoch_end()
        from_tf = list(tf_dataset.as_numpy_iterator())
        assert all(same(a, b) for a, b in zip(from_tf, indexed, strict=True))
        assert [x["audio"].dtype.name for x, _ in from_tf] == ["float32"] * 6
    assert dataset.epoch == direct.epoch == 3


def tiny_model():
    audio = keras.Input((None,), name="audio")
    lengths = keras.Input((), dtype="int32", name="audio_lengths")
    frames = keras.layers.Conv1D(1, 400, strides=400)(keras.ops.expand_dims(audio, -1))
    model = keras.Model({"audio": audio, "audio_lengths": lengths}, keras.ops.mean(frames, axis=1))
    model.compile("sgd", lambda labels, mean: (mean - keras.ops.max(labels, axis=1, keepdims=True)) ** 2)
    return model


def spy(dataset):
    """Notes which batch of which epoch is asked for."""
    asked, batch = [], dataset.batch

    def noting(epoch, index):
        asked.append((epoch, index))
        return batch(epoch, index)

    dataset.batch = noting
    return asked


@pytest.mark.parametrize("shuffle", [True, False])
def test_fit_reads_every_batch_of_every_epoch_once(make, shuffle):
    dataset, dev = make(), make(shuffle=False, augmentation=None)
    asked, asked_dev = spy(dataset), spy(dev)
    history = (
        tiny_model().fit(dataset.for_fit(), epochs=3, validation_data=dev.for_fit(), shuffle=shuffle, verbose=0).history
    )
    assert np.all(np.isfinite(history["loss"])) and len(history["val_loss"]) == 3
    assert dataset.epoch == 3
    expected = [(epoch, index) for epoch in range(3) for index in range(6)]
    assert sorted(set(asked)) == expected  # a first look at the data may ask for a batch twice
    assert {index for _, index in asked_dev} == set(range(6))
    if not shuffle:
        assert [key for n, key in enumerate(asked) if key not in asked[:n]] == expected


def test_fit_shuffles_no_batch_into_another_epoch_or_order(make):
    dataset = make()
    tiny_model().fit(dataset.for_fit(), verbose=0)
    asked = spy(dataset)
    dataset.epoch = 5
    model = tiny_model()
    model.fit(dataset.for_fit(), epochs=1, verbose=0)
    asked.clear()
    model.fit(dataset.for_fit(), epochs=2, verbose=0)
    assert asked[-6:] == [(7, index) for index in range(6)]
    assert dataset.epoch == 8


def test_two_runs_train_alike(make):
    losses = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        dataset = make(num_threads=4)
        losses.append(tiny_model().fit(dataset.for_fit(), epochs=2, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_what_fit_takes(make):
    dataset = make()
    if keras.backend.backend() == "tensorflow":
        assert dataset.for_fit().element_spec[1].shape.as_list() == [None, None]
    else:
        assert dataset.for_fit() is dataset


def test_utterances_may_come_without_a_manifest(make, tokenizer):
    utterances = [Utterance(e.utterance.audio, "yes") for e in make().examples[:3]]
    dataset = speech_dataset(utterances, tokenizer, batch_size=3)
    assert dataset.batch(0, 0)[1].shape == (3, 3)
