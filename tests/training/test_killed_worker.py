"""Two workers in mixed_float16, one killed in the middle of an epoch, resumed: as if nothing had happened."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.test_tensorboard import events

RECIPE = Path(__file__).with_name("worker_recipe.py")

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="on TensorFlow, for the time that it takes"
)


def train(output, *options, **variables):
    command = [sys.executable, "-c", "from s2s_keras.cli import main; main()", "launch", "-n", "2", "train"]
    command += [str(RECIPE), "--mixed-precision", "--output", str(output), *options]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)


def rows(output):
    with open(output / "metrics.csv", newline="") as file:
        return [{k: float(v) for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def weights(output):
    from s2s_keras.applications import Jasper

    return Jasper.from_preset(str(output / "preset")).get_weights()


def test_a_run_goes_on_after_a_worker_was_killed(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = train(whole)
    assert done.returncode == 0, done.stdout + done.stderr

    done = train(killed, DIE_AT_STEP="4")
    assert done.returncode == 137
    assert "was killed by SIGKILL; the others are stopped" in done.stderr
    assert len(rows(killed)) == 1  # of the second epoch, two steps of three were made

    done = train(killed, "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    expected, found = rows(whole), rows(killed)
    assert [row["epoch"] for row in found] == [1, 2, 3]
    assert expected[-1]["step"] + expected[-1]["skipped"] == 9  # three steps an epoch, some of them overflows
    for a, b in zip(expected, found, strict=True):
        assert b == pytest.approx(a, rel=1e-5)
    assert [step for step, _ in events(whole / "tensorboard")[0]["samples/text_summary"]] == [3, 6, 9]
    for a, b in zip(weights(whole), weights(killed), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
