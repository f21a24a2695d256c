"""The command line: every command is a few lines over the public API."""

import importlib.util
import json
import os
import sys
from pathlib import Path

from s2s_keras.cli import (  # noqa: F401  (their commands join the app)
    classification,
    conversion,
    exporting,
    language_models,
    processes,
    recipes,
    recognition,
    shards,
    synthesis,
    transcription,
)
from s2s_keras.cli.app import app


def main():
    """The console script `s2s-keras`: an error that a user can mend is one sentence on stderr and exit code 2."""
    choose_backend()
    silence_native_logs()
    try:
        app()
    except ModuleNotFoundError as error:
        _fail(f"{error}. Install it, or pick a backend that is installed: KERAS_BACKEND=tensorflow, jax or torch.")
    except (ImportError, ValueError, OSError) as error:
        _fail(error)


def choose_backend():
    """Sets KERAS_BACKEND to a backend that is installed, unless it is set or Keras' own configuration names one."""
    if "KERAS_BACKEND" in os.environ:
        return
    config = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    configured = json.loads(config.read_text()).get("backend", "tensorflow") if config.is_file() else "tensorflow"
    for name in (configured, "tensorflow", "jax", "torch"):
        if importlib.util.find_spec(name):
            os.environ["KERAS_BACKEND"] = name
            return


def silence_native_logs():
    """Drops what C++ libraries print to file descriptor 2 unless TF_CPP_MIN_LOG_LEVEL is set; Python's stderr stays."""
    if "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _fail(message):
    print(f"s2s-keras: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(2)
