"""What TensorBoard shows of a training run."""

import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import ops

from s2s_keras.applications import CTCRecognizer, SpeechSynthesizer
from s2s_keras.applications.application import path_below
from s2s_keras.decoding import ctc_greedy
from s2s_keras.metrics import word_error_rate
from s2s_keras.training import _state, distribution
from s2s_keras.training._tensorboard_synthesis import picture_of, write_speech
from s2s_keras.training.callbacks import first_utterances
from s2s_keras.visualization import plot_transcription

OPTIMIZER = {"loss_scale": "scale", "skipped_updates": "skipped", "gradient_norm": "gradient_norm"}


class TensorBoardLogger(keras.callbacks.Callback):
    """Writes event files for TensorBoard, on every backend and without TensorFlow; needs the package tensorboardX.

    * Every few steps: `steps/loss` and the other logs of `fit`, which are means since the epoch began; `learning_rate`;
      from an optimizer that is a `LossScale` also `loss_scale`, `skipped_updates` and `gradient_norm`.
    * Every epoch: `epochs/...` with all its logs, validation included, and `variable_norm`, over all trained weights;
      with `per_variable` also `variable_norms/...` and `mean_changes/...` for each of them.
    * Of a CTC recognizer, if there is a dataset: a few utterances as text, what was said beside what is recognized, and
      as audio, and the first of them as a picture (`plot_transcription`).
    * Of a synthesizer, if there is a dataset: its first texts spoken by Griffin-Lim, and the first of them as a picture
      (`plot_synthesis`).

    The horizontal axis counts batches since the first epoch; a resumed run goes on where its checkpoint was. With
    several processes the first one writes. It keeps a second network for the samples: the one that is trained can
    predict only with all processes together.

    Args:
        folder: path of the event files; made if missing.
        dataset: batches of (inputs, labels), as for `fit`, or a `SpeechDataset`; its first utterances are the samples,
            read once. Default None: no samples.
        every_steps: int, steps between two points of the curves that are not per epoch. On JAX each of them costs
            fetching the variables from the compiled step. Defaults to 50.
        every_epochs: int, epochs between two writings of samples. Defaults to 1.
        num_samples: int, utterances. Defaults to 3.
        per_variable: bool, whether to write the norm of every variable, and by how much an epoch moved it. Defaults to
            `False`.

    Raises:
        ImportError: tensorboardX is not installed.

    Example:

    >>> import os, tempfile
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> folder, x = tempfile.mkdtemp(), np.ones((4, 1), "float32")
    >>> history = model.fit(x, x, verbose=0, callbacks=[TensorBoardLogger(folder)])
    >>> len(os.listdir(folder))
    1

    Reference: OpenSeq2Seq's summaries; its histograms, and norms of single gradients, are left out.
    """

    def __init__(self, folder, dataset=None, every_steps=50, every_epochs=1, num_samples=3, per_variable=False):
        super().__init__()
        import tensorboardX  # noqa: F401  an extra: missing, it should be said before training

        self.folder = Path(folder)
        self.dataset = dataset
        self.every_steps = every_steps
        self.every_epochs = every_epochs
        self.num_samples = num_samples
        self.per_variable = per_variable
        self._writer = None
        self._samples = []
        self._step = self._first = 0
        self._before = {}

    def on_train_begin(self, logs=None):
        self._step = 0
        self._chief = distribution.is_chief()
        recognizer = isinstance(self.model, CTCRecognizer) and self.model.include_top and self.model.tokenizer
        self._synthesizes = isinstance(self.model, SpeechSynthesizer) and self.model.front_end is not None
        if self.dataset is not None and (recognizer or self._synthesizes) and not self._samples and self._chief:
            self._samples = list(first_utterances(self.dataset, self.num_samples))
            self._network = self.model if distribution.process_count() == 1 else _copy(self.model)

    def on_epoch_begin(self, epoch, logs=None):
        steps, resumed = self.params.get("steps"), self.params.get("resumed", (None, 0))
        if steps is not None:
            self._step = epoch * steps + (resumed[1] if resumed[0] == epoch else 0)
        self._first = self._step
        if self._chief and self._writer is None:
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(str(self.folder), purge_step=self._step or None)
            if self._samples and not self._synthesizes:
                self._write_audio()
        if self._chief and self.per_variable:
            self._before = self._values()

    def on_train_batch_end(self, batch, logs=None):
        before, self._step = self._step, self._first + batch + 1
        if not self._chief or before // self.every_steps == self._step // self.every_steps:
            return
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self._write("steps", logs)
        optimizer = self.model.optimizer
        self._writer.add_scalar("learning_rate", _number(optimizer.learning_rate), self._step)
        for name, attribute in OPTIMIZER.items():
            if hasattr(optimizer, attribute):
                self._writer.add_scalar(name, _number(getattr(optimizer, attribute)), self._step)

    def on_epoch_end(self, epoch, logs=None):
        if not self._chief:
            return
        self._write("epochs", logs)
        if self.per_variable:
            values = self._values()
            norms = {path: float(np.linalg.norm(value)) for path, value in values.items()}
            for path, value in values.items():
                self._writer.add_scalar(f"variable_norms/{path}", norms[path], self._step)
                change = float(np.abs(value - self._before[path]).mean())
                self._writer.add_scalar(f"mean_changes/{path}", change, self._step)
            squared = sum(norm**2 for norm in norms.values())
        else:
            squared = sum(_number(ops.sum(ops.square(ops.cast(v, "float32")))) for v in self.model.trainable_variables)
        self._writer.add_scalar("variable_norm", float(np.sqrt(squared)), self._step)
        if self._samples and (epoch + 1) % self.every_epochs == 0:
            with distribution.alone():
                if self._network is not self.model:
                    _copy_weights(self.model, self._network)
                if self._synthesizes:
                    self._write_speech()
                else:
                    self._write_texts()
                    self._write_picture()
        self._writer.flush()

    def on_train_end(self, logs=None):
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, group, logs):
        for name, value in (logs or {}).items():
            self._writer.add_scalar(f"{group}/{name}", float(value), self._step)

    def _values(self):
        return {path_below(self.model, v): ops.convert_to_numpy(v).copy() for v in self.model.trainable_variables}

    def _write_texts(self):
        decode, lines = self.model.tokenizer.decode, ["| said | recognized | words wrong |", "|---|---|---|"]
        for inputs, labels in self._samples:
            for said, ids in zip(labels, ctc_greedy(self._network.predict_on_batch(inputs)), strict=True):
                said, recognized = decode(said).strip(), decode(ids).strip()
                lines.append(f"| {said} | {recognized} | {100 * word_error_rate(said, recognized).rate:.0f} % |")
        self._writer.add_text("samples", "\n".join(lines), self._step)

    def _recordings(self):
        for inputs, _ in self._samples:
            if self.model.front_end is None:
                return
            for audio, length in zip(inputs["audio"], inputs["audio_lengths"], strict=True):
                yield audio[:length]

    def _write_audio(self):
        for n, audio in enumerate(self._recordings()):
            self._writer.add_audio(f"samples/{n}", audio, self._step, sample_rate=self.model.sample_rate)

    def _write_picture(self):
        audio = next(self._recordings(), None)
        if audio is None:
            return
        picture = picture_of(plot_transcription(self._network, audio))
        self._writer.add_image("samples/0", picture, self._step, dataformats="HWC")

    def _write_speech(self):
        rows = [row for inputs, _ in self._samples for row in inputs["token_ids"]]
        write_speech(self._writer, self._network, [row[row != 0].tolist() for row in rows], self._step)


def _copy(model):
    """A model of this process alone: what all processes share, they can only call together."""
    states = _state.random_states()  # fresh weights draw numbers, which the other processes do not
    with distribution.alone():
        copy = type(model).from_config(model.get_config())
    _state.set_random_states(states)
    return copy


def _copy_weights(model, copy):
    with tempfile.TemporaryDirectory() as folder:  # a file, as low-rank updates are merged in it
        _state.save_weights(model, f"{folder}/model.weights.h5")
        copy.load_weights(f"{folder}/model.weights.h5")


def _number(value):
    return float(ops.convert_to_numpy(value))
