"""Checkpoints of everything that training is made of, so that a killed `fit` goes on as if nothing had happened."""

import math
import warnings
from pathlib import Path

import keras
import numpy as np

from s2s_keras.training import _checkpoint_files as files
from s2s_keras.training import _state, distribution
from s2s_keras.training._preemption import Preemption

_EPOCH_ENDS = "the resumed epoch ends"  # in `stop_training`: true enough to leave the epoch, and not another's True

class Checkpoint(keras.callbacks.Callback):
    """Saves the whole state of `fit`, and goes on from the last checkpoint when `fit` is called again.

    Weights, optimizer with schedule, averages, accumulated gradients and loss scale, seeds of dropout and SpecAugment,
    running metrics, epoch, step and the position in the data continue: after `kill -9` at any moment the logs of the
    resumed epochs equal those of an uninterrupted run. Give it last in `callbacks`, so that it saves what others
    change at the end of an epoch.

    A checkpoint is a folder such as `step-00001200` with `model.weights.h5`, which `model.load_weights` reads,
    `state.npz` and `state.json`. It is written aside and renamed, so what is there is whole; one that a disk damaged is
    named in a warning, renamed to `damaged-step-...`, and the one before it is used. `best` is a symbolic link.

    On SIGTERM (preemption of a job) it saves at the end of the step, sets `preempted`, and `fit` returns after at most
    one batch of validation; the logs of that last, partial epoch are not comparable. A signal in the last step of an
    epoch or in its validation waits for the epoch's end. SIGTERM again after more than ten seconds ends the process.

    With several processes each calls `fit` with a `Checkpoint` of the same folder, on a file system that all see; the
    first process writes.

    Args:
        folder: path of the checkpoints; made if missing.
        dataset: the training data: `SpeechDataset`, or anything with its `start_at(epoch, batch)`,
            `batch(epoch, index)` and `len`. Default None: training goes on at the beginning of an epoch, with data in
            whatever order they come.
        every_steps: int or None, save after every so many steps, besides the end of every epoch; needs `dataset`.
            Default None.
        keep: int or None, so many last checkpoints stay, and the best; None keeps all. Default 5.
        monitor: str or None, entry of the epoch's logs that says which checkpoint is the best. Epochs without it do
            not take part. Default "val_loss".
        mode: "min" or "max", whether the best is the lowest or the highest. Default "min".
        resume: bool, whether to go on from the folder's last checkpoint; False refuses a folder that has one. Default
            True.
        callbacks: sequence of callbacks that follow a metric, such as `keras.callbacks.EarlyStopping` and
            `ReduceLROnPlateau`: the best value and the epochs that they have counted are saved, too. Default none.

    Attributes:
        step: int, batches trained since the first epoch, over all runs.
        preempted: bool, whether SIGTERM ended the last `fit`.
        resumed_from: `pathlib.Path` of the checkpoint that the last `fit` went on from, or None. `params["resumed"]`
            of every callback then holds (epoch, batch) where it began: Keras counts that epoch's batches from 0.

    Raises:
        ValueError: an argument is wrong; when `fit` begins, if the checkpoint belongs to another model, or data and
            `fit` disagree about the batches in an epoch.
        TypeError: `dataset` has no `start_at`.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> folder, x, y = tempfile.mkdtemp(), np.ones((4, 2)), np.ones((4, 1))
    >>> def fit(epochs):
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     callback = Checkpoint(folder, monitor="loss")
    ...     return model.fit(x, y, epochs=epochs, verbose=0, callbacks=[callback]).epoch
    >>> fit(epochs=2)
    [0, 1]
    >>> fit(epochs=3)  # doctest: +ELLIPSIS
    Resumed from ...step-00000002: epoch 3, 0 batches into it.
    [2]

    Reference: `keras.callbacks.BackupAndRestore`, which restores weights, optimizer and epoch, but neither seeds nor
    metrics nor the position in the data. OpenSeq2Seq saves what TensorFlow 1 calls variables, and starts its data anew.
    """

    def __init__(
        self,
        folder,
        dataset=None,
        every_steps=None,
        keep=5,
        monitor="val_loss",
        mode="min",
        resume=True,
        callbacks=(),
    ):
        super().__init__()
        if dataset is not None and not all(hasattr(dataset, name) for name in ("start_at", "batch", "__len__")):
            raise TypeError(
                "Checkpoint needs data with `start_at`, `batch` and `len`, such as a SpeechDataset (not its "
                f"`for_fit()`). Received: dataset={dataset!r}. Without them pass None, to save at epochs' ends only."
            )
        if every_steps is not None and (every_steps < 1 or dataset is None):
            raise ValueError(
                "`every_steps` is at least 1 and needs `dataset`: training cannot go on within an epoch without the "
                f"position in its data. Received: every_steps={every_steps}, dataset={dataset!r}."
            )
        if mode not in ("min", "max") or not (keep is None or keep >= 1):
            raise ValueError(
                f'Expected mode "min" or "max" and keep of at least 1 or None. Received: mode={mode!r}, keep={keep!r}.'
            )
        self.folder = Path(folder)
        self.dataset = dataset
        self.every_steps = every_steps
        self.keep = keep
        self.monitor = monitor
        self.mode = mode
        self.resume = resume
        self.callbacks = tuple(callbacks)
        self.step = 0
        self.preempted = False
        self.resumed_from = None
        self._preemption = self._warnings = self._random = None

    def on_train_begin(self, logs=None):
        self._begin()
        chosen = files.last_whole(self.folder)
        if chosen is not None and not self.resume:
            raise ValueError(
                f"The folder {self.folder} holds checkpoints of an earlier training, the last one of step {chosen}. "
                "Pass resume=True to go on from it, or another folder."
            )
        if chosen is not None:
            self._restore(files.path(self.folder, chosen))
        self._preemption = Preemption()
        self._preemption.watch()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._batch = epoch, 0
        if self._restored is None:
            return
        state, arrays = self._restored
        self._restored = None
        self._batch = self._first = state["batch"]
        for callback, progress in zip(self.callbacks, state["callbacks"], strict=False):
            vars(callback).update(progress)
        if not self._first:
            _state.set_random_states(state["random"])
            return
        self._random = state["random"]
        _state.assign(self.model, arrays, ["metrics"])  # Keras has just set them to zero
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)

    def on_train_batch_begin(self, batch, logs=None):
        if self._random is not None:  # not earlier: going through data may draw random numbers when it begins
            _state.set_random_states(self._random)
            self._random = None

    def on_train_batch_end(self, batch, logs=None):
        # `self.model` copies the whole state on JAX, so it is touched only when something is to be done.
        done = self._first + batch + 1
        if self._steps is not None:
            done = min(done, self._steps)  # `steps_per_execution` counts past the end
        before, self.step = self.step, self.step + done - self._batch
        self._batch = done
        if done == self._steps:  # the epoch's end saves, with what validation finds
            if self._first and not self._model.stop_training and keras.backend.backend() == "tensorflow":
                # Keras would run its graph once more and find the data at their end; by then seeds have moved on.
                self._model.stop_training = _EPOCH_ENDS
            return
        if self._preemption.asked(before, self.step):
            self.preempted = True
            if self.dataset is not None:
                self._save(self._epoch, self._batch)
            self._stop()
        elif self.every_steps and before // self.every_steps < self.step // self.every_steps:
            self._save(self._epoch, self._batch)

    def on_test_begin(self, logs=None):
        if self.preempted:
            self._model.stop_evaluating = True

    def on_epoch_end(self, epoch, logs=None):
        if self._first:
            _state.draw_as_after_a_whole_epoch()
        self._first = 0
        if self._model.stop_training == _EPOCH_ENDS:
            self._model.stop_training = False
        if self._warnings is not None:
            self._warnings.__exit__(None, None, None)
            self._warnings = None
        if self.preempted or (self._model.stop_training and self._steps is not None and self._batch < self._steps):
            return  # broken off in the middle: nothing is finished that could be saved as such
        self._judge(logs or {})
        self._save(epoch + 1, 0)
        if self._preemption.asked():
            self.preempted = True
            self._stop()

    def on_train_end(self, logs=None):
        self._model._initial_epoch = None  # or the next `fit` would begin there, too
        self._preemption.forget()

    def _begin(self):
        steps = (self.params or {}).get("steps")
        self._steps = steps if self.dataset is None else len(self.dataset)
        if steps not in (None, self._steps):
            raise ValueError(
                f"Checkpoint counts {self._steps} batches in an epoch of `dataset`, `fit` counts {steps}. Pass the "
                "dataset that `fit` is given, and no steps_per_epoch."
            )
        self._chief = distribution.is_chief()
        if self._chief:
            self.folder.mkdir(parents=True, exist_ok=True)
            files.clean(self.folder)
        self.step = self._first = self._batch = 0
        self._best = {"value": None, "step": None}
        self._restored = self._random = self.resumed_from = None
        self.preempted = False

    def _restore(self, checkpoint):
        model, state = self.model, files.read(checkpoint)
        with np.load(checkpoint / files.ARRAYS) as stored:
            arrays = dict(stored)
        epoch, batch = state["epoch"], state["batch"]
        if batch and (self.dataset is None or batch >= self._steps):
            raise ValueError(
                f"The checkpoint {checkpoint} was saved after {batch} batches of an epoch, and this training "
                + ("has no `dataset` to go on there." if self.dataset is None else f"has {self._steps} in an epoch.")
            )
        unbuilt = batch and len(model.metrics_variables) < _state.count(arrays, "metrics")
        _state.build(model, (lambda: self.dataset.batch(epoch, batch)) if unbuilt else None)
        groups = _state.GROUPS if batch else _state.GROUPS[:2]
        _state.check(model, arrays, checkpoint, groups)
        _state.load_weights(model, checkpoint / files.WEIGHTS)
        _state.assign(model, arrays, _state.GROUPS[:2])
        model._initial_epoch = epoch  # as BackupAndRestore does
        if self.dataset is not None:
            self.dataset.start_at(epoch, batch)
        self.step, self._best = state["step"], state["best"]
        self._restored, self.resumed_from = (state, arrays), checkpoint
        if self.params is not None:
            self.params["resumed"] = (epoch, batch)  # the same dict for all callbacks
        if self._chief:
            files.link_best(self.folder, self._best["step"])
            print(f"Resumed from {checkpoint}: epoch {epoch + 1}, {batch} batches into it.", flush=True)

    def _save(self, epoch, batch):
        model = self.model
        arrays = _state.values(model)  # on every process
        if not self._chief:
            return
        state = {
            "step": self.step,
            "epoch": epoch,
            "batch": batch,
            "best": self._best,
            "callbacks": [_state.progress(callback) for callback in self.callbacks],
            "random": _state.random_states(),
        }

        def fill(folder):
            _state.save_weights(model, folder / files.WEIGHTS)
            np.savez(folder / files.ARRAYS, **arrays)

        files.write(self.folder, self.step, fill, state)
        files.link_best(self.folder, self._best["step"])
        if self.keep is not None:
            files.rotate(self.folder, self.keep, self._best["step"])

    def _judge(self, logs):
        value = logs.get(self.monitor)
        if value is None:
            validated = any(name.startswith("val_") for name in logs)
            if self.monitor is not None and (validated or not self.monitor.startswith("val_")):
                warnings.warn(
                    f"Checkpoint looks for the best {self.monitor!r}, but the logs of this epoch have only "
                    f"{sorted(logs)}. Pass one of them as `monitor`.",
                    stacklevel=2,
                )
            return
        value, best = float(value), self._best["value"]
        better = best is None or (value < best if self.mode == "min" else value > best)
        if better and math.isfinite(value):
            self._best = {"value": value, "step": self.step}

    def _stop(self):
        self._model.stop_training = True
        if self._chief:
            saved = files.steps(self.folder)
            where = files.path(self.folder, saved[-1]) if saved else f"nothing yet in {self.folder}"
            print(f"SIGTERM: training stops after step {self.step}. Run it again to go on from {where}.", flush=True)
