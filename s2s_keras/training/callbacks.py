"""Callbacks for `fit`."""

import keras
import numpy as np
from keras import ops

from s2s_keras.decoding import ctc_greedy
from s2s_keras.metrics import word_error_rate


class SamplePrinter(keras.callbacks.Callback):
    """Prints what a CTC recognizer makes of a few utterances while it is trained, beside what was said.

    Numbers hide what texts show: outputs that stay empty, letters that double, words that are only misspelled.

    Args:
        dataset: batches of (inputs, labels) as for `fit`: `tf.data.Dataset`, `keras.utils.PyDataset`, or a list of
            tuples. The first utterances are taken once, when training begins.
        num_samples: int, utterances to print. Defaults to 3.
        every_epochs: int or `None`, print at the end of every so many epochs. Defaults to 1.
        every_steps: int or `None`, print after every so many steps, too. Defaults to `None`.
        tokenizer: tokenizer with `decode`. Defaults to the model's.

    Raises:
        ValueError: when training begins, if there is no tokenizer or the dataset has no utterance.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.tokenizers import CharacterTokenizer
    >>> model = keras.Sequential([keras.Input((None, 4)), keras.layers.Identity()])
    >>> logits = np.eye(4, dtype="float32")[np.array([[2, 2, 1, 0, 3, 3]])]
    >>> printer = SamplePrinter([(logits, np.array([[2, 1, 3, 3, 0]]))], tokenizer=CharacterTokenizer(" ab"))
    >>> printer.set_model(model)
    >>> printer.on_train_begin()
    >>> printer.on_epoch_end(0)
    Epoch 1: 50.0 % of 2 words wrong
      said       a bb
      recognized a b (50.0 %)
    """

    def __init__(self, dataset, num_samples=3, every_epochs=1, every_steps=None, tokenizer=None):
        super().__init__()
        self.dataset = dataset
        self.num_samples = num_samples
        self.every_epochs = every_epochs
        self.every_steps = every_steps
        self.tokenizer = tokenizer
        self._batches = []
        self._steps = self._steps_before_epoch = 0

    def on_train_begin(self, logs=None):
        if self.tokenizer is None:
            self.tokenizer = getattr(self.model, "tokenizer", None)
        if self.tokenizer is None:
            raise ValueError(
                f"SamplePrinter turns tokens into text, but the model {self.model.name!r} brings no tokenizer. "
                "Pass SamplePrinter(dataset, tokenizer=...)"
            )
        if not self._batches:
            self._batches = list(first_utterances(self.dataset, self.num_samples))
        if not self._batches:
            raise ValueError(
                "SamplePrinter prints utterances of its dataset, and this one has none. "
                f"Received: dataset={self.dataset!r}, num_samples={self.num_samples}"
            )
        self._steps = self._steps_before_epoch = 0

    def on_train_batch_end(self, batch, logs=None):
        before, self._steps = self._steps, self._steps_before_epoch + batch + 1
        if self.every_steps and before // self.every_steps < self._steps // self.every_steps:
            self._print(f"Step {self._steps}")

    def on_epoch_end(self, epoch, logs=None):
        self._steps_before_epoch = self._steps
        if self.every_epochs and (epoch + 1) % self.every_epochs == 0:
            self._print(f"Epoch {epoch + 1}")

    def _print(self, title):
        references, hypotheses = [], []
        for inputs, labels in self._batches:
            token_ids = ctc_greedy(self.model.predict_on_batch(inputs))
            references += [self.tokenizer.decode(ids).strip() for ids in labels]
            hypotheses += [self.tokenizer.decode(ids).strip() for ids in token_ids]
        score = word_error_rate(references, hypotheses)
        lines = [f"{title}: {100 * score.rate:.1f} % of {score.reference_length} words wrong"]
        for reference, hypothesis in zip(references, hypotheses, strict=True):
            rate = word_error_rate(reference, hypothesis).rate
            lines += [f"  said       {reference}", f"  recognized {hypothesis} ({100 * rate:.1f} %)"]
        print("\n".join(lines), flush=True)


def first_utterances(dataset, count):
    """The first utterances of a dataset as batches of NumPy arrays, without the empty rows that fill a batch up."""
    if hasattr(dataset, "start_at"):  # a SpeechDataset, whose place in its data must not move
        batches = (dataset.batch(0, index) for index in range(len(dataset)))
    elif isinstance(dataset, keras.utils.PyDataset):
        batches = (dataset[index] for index in range(dataset.num_batches))
    else:
        batches = iter(dataset)
    while count > 0 and (batch := next(batches, None)) is not None:
        real = np.ones(len(keras.tree.flatten(batch[1])[0]), bool) if len(batch) < 3 else _to_numpy(batch[2]) > 0
        rows = np.flatnonzero(real)[:count]
        inputs, labels = keras.tree.map_structure(lambda x, rows=rows: _to_numpy(x)[rows], tuple(batch[:2]))
        count -= len(rows)
        yield inputs, labels


def _to_numpy(array):
    return array if isinstance(array, np.ndarray) else ops.convert_to_numpy(array)
