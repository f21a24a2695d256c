import keras
import numpy as np
import pytest

from s2s_keras.optimizers import StaticLossScale
from s2s_keras.training import NonFiniteGuard


class Rows(keras.utils.PyDataset):
    """Batches of one row; those of `bad` have a target that is not a number."""

    def __init__(self, count, bad=()):
        super().__init__()
        self.count = count
        self.bad = bad

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return np.full((1, 2), index + 1.0, "float32"), np.array([[np.nan if index in self.bad else 1.0]], "float32")

    def batch_utterances(self, epoch, index):
        from s2s_keras.data import Utterance

        return [Utterance(f"epoch{epoch}-batch{index}.wav", "yes", manifest="train.jsonl", line=index + 1)]


def make(optimizer=None, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer or StaticLossScale(keras.optimizers.SGD(0.01)), "mse", **options)
    return model


def fit(model, data, guard, **options):
    return model.fit(data, shuffle=False, verbose=0, callbacks=[guard], **options).history


def test_a_bad_batch_is_skipped_counted_and_left_out_of_the_mean():
    steps = 1 if keras.backend.backend() == "torch" else 2
    model = make(steps_per_execution=steps)
    logs = fit(model, Rows(5, bad=(2,)), NonFiniteGuard(), epochs=2)
    assert logs["skipped"] == [1, 2]
    # Without the bad batch all is the same.
    expected = make()
    losses = [[expected.train_on_batch(*Rows(5)[n]) for n in (0, 1, 3, 4)] for _ in range(2)]
    np.testing.assert_allclose(logs["loss"], np.mean(losses, axis=1), rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], expected.get_weights()[0], rtol=1e-5)


def test_too_many_in_a_row_end_training_and_name_the_files():
    data = Rows(9, bad=(1, 3, 4, 5, 6))
    with pytest.raises(ValueError, match="3 updates in a row, up to batch 5 of epoch 0") as error:
        fit(make(), data, NonFiniteGuard(max_in_a_row=3, dataset=data))
    assert "epoch0-batch5.wav (train.jsonl, line 6)" in str(error.value)
    assert "batch4" not in str(error.value)


def test_empty_rows_of_a_worker_have_no_file():
    data = Rows(3, bad=(0, 1, 2))
    data.batch_utterances = lambda epoch, index: [*Rows.batch_utterances(data, epoch, index), None]
    with pytest.raises(ValueError, match=r"That batch has epoch0-batch0.wav \(train.jsonl, line 1\)\."):
        fit(make(), data, NonFiniteGuard(max_in_a_row=1, dataset=data))
    data.batch_utterances = lambda epoch, index: [None]
    with pytest.raises(ValueError, match="That batch has empty rows only on this process"):
        fit(make(), data, NonFiniteGuard(max_in_a_row=1, dataset=data))


def test_counts_from_where_the_epoch_was_resumed():
    class Resumed(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.params["resumed"] = (0, 4)

    data = Rows(9, bad=(0, 1))
    with pytest.raises(ValueError, match="epoch0-batch5.wav"):
        make().fit(data, shuffle=False, verbose=0, callbacks=[NonFiniteGuard(2, data), Resumed()])


def test_rows_of_bad_updates_go_on_over_epochs():
    with pytest.raises(ValueError, match="4 updates in a row, up to batch 1 of epoch 1"):
        fit(make(), Rows(2, bad=(0, 1)), NonFiniteGuard(max_in_a_row=4), epochs=3)


def test_the_mean_of_nothing_and_validation_are_not_made_up():
    model = make()
    guard = NonFiniteGuard()
    logs = fit(model, Rows(2, bad=(0, 1)), guard, validation_data=Rows(3, bad=(1,)))
    assert np.isnan(logs["loss"][0])
    assert np.isnan(logs["val_loss"][0])
    assert np.isnan(model.evaluate(Rows(3, bad=(1,)), verbose=0))


def test_guards_a_model_that_was_fitted_before():
    model = make()
    model.fit(Rows(3), shuffle=False, verbose=0)
    assert np.isfinite(fit(model, Rows(3, bad=(1,)), NonFiniteGuard())["loss"][0])


def test_refuses_an_optimizer_that_skips_nothing():
    with pytest.raises(ValueError, match="Wrap it"):
        fit(make(keras.optimizers.SGD(0.01)), Rows(2), NonFiniteGuard())
    with pytest.raises(ValueError, match="at least 1"):
        NonFiniteGuard(max_in_a_row=0)
