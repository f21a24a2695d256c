"""A small training on real speech, for the tests of checkpoints; run as a program it is a process to be killed.

    python -m tests.training.checkpointing FOLDER none|step:N|write:N

writes the epochs' logs and the final weights to FOLDER/result.npz, or dies after step N of this process, or while it
writes the checkpoint of step N.
"""

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
from keras import ops

from s2s_keras.applications import Jasper
from s2s_keras.data import speech_dataset
from s2s_keras.layers import SpecAugment
from s2s_keras.losses import CTC
from s2s_keras.metrics import WordErrorRate
from s2s_keras.optimizers import BackoffLossScale
from s2s_keras.training import Checkpoint, NonFiniteGuard, _checkpoint_files

CLIPS = Path(_checkpoint_files.__file__).parents[1] / "presets" / "clips" / "manifest.jsonl"
BLOCK = (8, 3, 0.1)


class At(keras.callbacks.Callback):
    """Does something after so many steps of this `fit`."""

    def __init__(self, step, action):
        super().__init__()
        self.left = step
        self.action = action

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.action()


def build():
    """Everything that has a state: dropout, SpecAugment, batch statistics, schedule, average, loss scale, metrics."""
    keras.utils.set_random_seed(7)
    model = Jasper(
        blocks=(BLOCK,), repeat=1, prologue=(BLOCK,), epilogue=(BLOCK,), spec_augment=SpecAugment(1, 8, 1, 10)
    )
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, 20)
    optimizer = BackoffLossScale(keras.optimizers.AdamW(schedule, use_ema=True, gradient_accumulation_steps=2))
    model.compile(optimizer, CTC(), metrics=[WordErrorRate(model.tokenizer)])
    return model


def train(folder, extra=()):
    """Two epochs of five steps. Returns the history, the callback and the model."""
    model = build()
    data = speech_dataset(str(CLIPS), model.tokenizer, batch_size=1, shuffle=True, pad_to_boundary=True, num_threads=1)
    dev = speech_dataset(str(CLIPS), model.tokenizer, batch_size=5, pad_to_boundary=True, num_threads=1)
    checkpoint = Checkpoint(folder, data, every_steps=2, keep=3)
    fit = model.fit(
        data.for_fit(),
        validation_data=dev.for_fit(),
        epochs=2,
        verbose=0,
        callbacks=[NonFiniteGuard(dataset=data), checkpoint, *extra],
        shuffle=keras.backend.backend() != "tensorflow",
    )
    return fit.history, checkpoint, model


def result(history, model):
    """The logs and all weights as one flat dict of arrays."""
    weights = {f"weight{n}": ops.convert_to_numpy(w.value) for n, w in enumerate(model.weights)}
    return {**{name: np.array(values) for name, values in history.items()}, **weights}


def assert_same_end(expected, found):
    """The later epochs' logs, and the weights, are those of the uninterrupted run."""
    assert expected.keys() == found.keys()
    for name, values in found.items():
        wanted = expected[name] if name.startswith("weight") else expected[name][-len(values) :]
        np.testing.assert_allclose(values, wanted, rtol=1e-6, atol=1e-6, err_msg=name)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder, how):
    how, _, step = how.partition(":")
    checksum = _checkpoint_files._checksum

    def die_in_the_middle(file):
        return kill() if f"step-{int(step):08d}" in str(file) else checksum(file)

    if how == "write":
        _checkpoint_files._checksum = die_in_the_middle
    history, _, model = train(Path(folder) / "checkpoints", [At(int(step), kill)] if how == "step" else [])
    np.savez(Path(folder) / "result.npz", **result(history, model))


if __name__ == "__main__":
    main(*sys.argv[1:])
