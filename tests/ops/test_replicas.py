import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

SCRIPT = Path(__file__).with_name("two_devices.py")


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="elsewhere the batch is divided before the model sees it")
def test_a_device_transforms_its_own_rows_only():
    variables = {"PYTHONPATH": str(Path(__file__).parents[2]), "KERAS_BACKEND": "jax"}
    variables["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env={**os.environ, **variables}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "own rows only"
