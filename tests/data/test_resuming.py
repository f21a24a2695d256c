"""`start_at`: a run that was stopped in the middle of an epoch sees the batches that it has not seen yet."""

import keras
import numpy as np
import pytest

from s2s_keras.data import speech_dataset

DURATIONS = [0.3, 0.5, 0.4, 0.35, 0.2, 0.45, 0.25]


@pytest.fixture
def make(write_corpus, tokenizer):
    """Function (**options) -> shuffled dataset of seven batches of one; texts a, b, c, ..."""
    corpus = write_corpus(DURATIONS, [chr(ord("a") + n) for n in range(len(DURATIONS))])

    def dataset(**options):
        return speech_dataset(corpus, tokenizer, **{"batch_size": 1, "shuffle": True, **options})

    return dataset


def tiny_model():
    audio = keras.Input((None,), name="audio")
    lengths = keras.Input((), dtype="int32", name="audio_lengths")
    frames = keras.layers.Conv1D(1, 400, strides=400)(keras.ops.expand_dims(audio, -1))
    model = keras.Model({"audio": audio, "audio_lengths": lengths}, keras.ops.mean(frames, axis=1))
    model.compile("sgd", loss=lambda labels, mean: mean**2, metrics=[Seen()])
    return model


class Seen(keras.metrics.Metric):
    """The sum over batches of 10 ** (the batch's label - 1): which batches an epoch had, and how often."""

    def __init__(self):
        super().__init__(name="seen", dtype="float32")
        self.total = self.add_variable((), initializer="zeros", name="total")

    def update_state(self, y_true, y_pred, sample_weight=None):
        first = keras.ops.cast(keras.ops.max(y_true[:, 0]) - 2, "float32")
        self.total.assign_add(keras.ops.round(10.0**first))

    def result(self):
        return self.total + 0.0


class Resume(keras.callbacks.Callback):
    """What a checkpoint does, and what the epochs were made of."""

    def __init__(self, dataset, epoch, batch):
        super().__init__()
        self.place, self.dataset, self.steps, self.seen = (epoch, batch), dataset, [], []

    def on_train_begin(self, logs=None):
        if self.place != (None, None):
            self.dataset.start_at(*self.place)

    def on_epoch_begin(self, epoch, logs=None):
        self.steps.append(0)

    def on_train_batch_end(self, batch, logs=None):
        self.steps[-1] += 1

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(round(float(logs["seen"])))


def expected(dataset, epoch, first=0):
    texts = [dataset.batch_utterances(epoch, index)[0].text for index in range(first, len(dataset))]
    return sum(10 ** (ord(text) - ord("a")) for text in texts)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.filterwarnings("error:Your input ran out of data")
def test_fit_goes_on_in_the_middle_of_an_epoch(make, tokenizer, shuffle):
    assert tokenizer.encode("a") == [2]
    dataset, dev = make(), make(shuffle=False)
    model = tiny_model()
    resume = Resume(dataset, 4, 5)
    model.fit(
        dataset.for_fit(), epochs=3, validation_data=dev.for_fit(), shuffle=shuffle, verbose=0, callbacks=[resume]
    )
    assert resume.steps == [2, 7, 7]
    assert resume.seen == [expected(dataset, 4, first=5), 1111111, 1111111]
    assert dataset.epoch == 7 and dev.epoch == 3
    # A second fit, now of a model that is built: first looks at the data differ. start_at comes before fit.
    dataset.start_at(1, 6)
    again = Resume(dataset, None, None)
    model.fit(dataset.for_fit(), epochs=2, shuffle=shuffle, verbose=0, callbacks=[again])
    assert again.steps == [1, 7] and again.seen == [expected(dataset, 1, first=6), 1111111]
    assert dataset.epoch == 3


def test_order_after_resuming_is_that_of_an_uninterrupted_run(make):
    dataset = make()
    whole = [labels.tolist() for _ in range(3) for _, labels in dataset]
    dataset.start_at(1, 3)
    assert dataset.epoch == 1
    assert [labels.tolist() for _ in range(2) for _, labels in dataset] == whole[7 + 3 :]
    assert dataset.epoch == 3


def test_steps_per_epoch_walk_through_the_data(make):
    dataset = make()
    first = Resume(dataset, 0, 0)
    tiny_model().fit(dataset.for_fit(), epochs=2, steps_per_epoch=3, verbose=0, callbacks=[first])
    assert first.steps == [3, 3] and sum(first.seen) == expected(dataset, 0) - expected(dataset, 0, first=6)


def test_a_pass_that_another_one_overtook_counts_no_epoch(make):
    dataset = make()
    look = iter(dataset)
    next(look)
    dataset.start_at(5, 2)
    list(look)
    assert dataset.epoch == 5 and len(list(dataset)) == 5 and dataset.epoch == 6


@pytest.mark.parametrize("place", [(0, 7), (0, -1), (-1, 0)])
def test_places_that_do_not_exist(make, place):
    with pytest.raises(ValueError, match="one of the 7 batches"):
        make().start_at(*place)


def test_a_short_epoch_is_not_used_up_by_a_first_look(make):
    dataset = make(batch_size=3)
    tiny_model().fit(dataset.for_fit(), epochs=2, verbose=0)
    assert len(dataset) == 3 and dataset.epoch == 2
    assert np.isfinite(dataset.batch(2, 0)[0]["audio"]).all()
