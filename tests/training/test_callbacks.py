import keras
import numpy as np
import pytest

from s2s_keras.tokenizers import CharacterTokenizer
from s2s_keras.training import SamplePrinter

TOKENIZER = CharacterTokenizer(" ab")
UNIT = np.eye(4, dtype="float32")
LOGITS = UNIT[np.array([[2, 2, 1, 0, 3, 3], [3, 0, 3, 0, 0, 0], [0, 0, 0, 0, 0, 0]])]
LABELS = np.array([[2, 1, 3, 3, 0], [3, 3, 0, 0, 0], [2, 0, 0, 0, 0]], "int32")
BATCHES = [({"frames": LOGITS[:2]}, LABELS[:2]), ({"frames": LOGITS[2:]}, LABELS[2:, :1])]
EXPECTED = [
    "50.0 % of 4 words wrong",
    "  said       a bb",
    "  recognized a b (50.0 %)",
    "  said       bb",
    "  recognized bb (0.0 %)",
    "  said       a",
    "  recognized  (100.0 %)",
]


class Batches(keras.utils.PyDataset):
    @property
    def num_batches(self):
        return 2

    def __getitem__(self, index):
        return BATCHES[index]


def build_model():
    """A network that starts as the identity and is trained at a rate of zero."""
    inputs = {"frames": keras.Input((None, 4), name="frames")}
    model = keras.Model(inputs, keras.layers.Dense(4, kernel_initializer="identity")(inputs["frames"]))
    model.compile(keras.optimizers.SGD(0.0), keras.losses.CTC())
    return model


def fit(epochs, batch_size=3, model=None, **options):
    model = model or build_model()
    model.fit({"frames": np.tile(LOGITS, (2, 1, 1))}, np.tile(LABELS, (2, 1)), batch_size, epochs, verbose=0, **options)
    return model


@pytest.mark.parametrize("dataset", [BATCHES, Batches()], ids=["list", "PyDataset"])
def test_prints_every_epoch(capsys, dataset):
    fit(2, callbacks=[SamplePrinter(dataset, tokenizer=TOKENIZER)])
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"Epoch 1: {EXPECTED[0]}", *EXPECTED[1:], f"Epoch 2: {EXPECTED[0]}", *EXPECTED[1:]]


def test_prints_the_asked_number_of_utterances(capsys):
    fit(1, callbacks=[SamplePrinter(BATCHES, num_samples=1, tokenizer=TOKENIZER)])
    assert capsys.readouterr().out.splitlines() == ["Epoch 1: 50.0 % of 2 words wrong", *EXPECTED[1:3]]


def test_prints_every_few_epochs_and_steps(capsys):
    printer = SamplePrinter(BATCHES, 1, every_epochs=3, every_steps=4, tokenizer=TOKENIZER)
    fit(4, batch_size=2, callbacks=[printer])  # three steps an epoch
    titles = [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert titles == ["Step 4", "Step 8", "Epoch 3", "Step 12"]


def test_shows_the_weights_of_the_moment_and_leaves_training_alone(capsys):
    losses = []
    for callbacks in ([SamplePrinter(BATCHES, 1, every_steps=1, tokenizer=TOKENIZER)], []):
        model = build_model()
        model.optimizer.learning_rate = 0.5
        history = model.fit({"frames": LOGITS}, LABELS, 1, 3, shuffle=False, verbose=0, callbacks=callbacks)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-6)
    recognized = {line for line in capsys.readouterr().out.splitlines() if "recognized" in line}
    assert len(recognized) > 1


def test_takes_the_tokenizer_of_the_model(capsys):
    model = build_model()
    model.tokenizer = TOKENIZER
    fit(1, model=model, callbacks=[SamplePrinter(BATCHES)])
    assert capsys.readouterr().out.splitlines()[1] == EXPECTED[1]


def test_refuses_a_model_without_tokenizer():
    with pytest.raises(ValueError, match="brings no tokenizer"):
        fit(1, callbacks=[SamplePrinter(BATCHES)])


def test_refuses_an_empty_dataset():
    with pytest.raises(ValueError, match="this one has none"):
        fit(1, callbacks=[SamplePrinter([], tokenizer=TOKENIZER)])
