"""Processes that are killed while they train on speech, and go on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.checkpointing import assert_same_end, result, train

BACKEND = keras.backend.backend()
ROOT = Path(__file__).resolve().parents[2]


def run(folder, how):
    command = [sys.executable, "-m", "tests.training.checkpointing", str(folder), how]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(BACKEND == "jax", reason="for the time that it takes; test_checkpoint.py resumes on JAX, too")
def test_killed_processes_end_like_one_that_was_not(tmp_path):
    """One process dies in the middle of an epoch, the next while it writes a checkpoint, the third ends."""
    checkpoints = tmp_path / "checkpoints"
    code, output = run(tmp_path, "step:3")
    assert code == -signal.SIGKILL, output
    assert sorted(os.listdir(checkpoints)) == ["step-00000002"]
    code, output = run(tmp_path, "write:8")
    assert code == -signal.SIGKILL, output
    assert "step-00000002: epoch 1, 2 batches into it" in output
    left = sorted(os.listdir(checkpoints))
    assert ".writing-step-00000008" in left and "step-00000008" not in left
    code, output = run(tmp_path, "none")
    assert code == 0, output
    assert "step-00000006: epoch 2, 1 batches into it" in output
    assert "ran out of data" not in output
    assert not [name for name in os.listdir(checkpoints) if name.startswith(".")]
    history, checkpoint, model = train(tmp_path / "uninterrupted")
    assert checkpoint.step == 10
    with np.load(tmp_path / "result.npz") as found:
        assert_same_end(result(history, model), dict(found))
