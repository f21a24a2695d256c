"""What a run of a recipe leaves behind: one folder."""

import contextlib
import csv
import datetime
import importlib.metadata
import json
import logging
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np

import s2s_keras

LOG = logging.getLogger("s2s_keras")


class RunFolder:
    """The folder of a run: which file is what, and whether a run may begin or go on in it.

    Args:
        path: str or path-like.

    Attributes:
        recipe: the recipe's file as it ran.
        settings: JSON, the recipe's class and all its settings.
        starts: JSON lines, one per start: time, command, versions, state of git, seed.
        log: text, what the run said.
        metrics: CSV, one row per epoch.
        tensorboard: folder of event files.
        checkpoints: folder of the last checkpoints and the best.
        preset: folder that `from_preset` reads, with the best weights, once the run is over.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.recipe = self.path / "recipe.py"
        self.settings = self.path / "settings.json"
        self.starts = self.path / "starts.jsonl"
        self.log = self.path / "log.txt"
        self.metrics = self.path / "metrics.csv"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = self.path / "checkpoints"
        self.preset = self.path / "preset"

    @property
    def best_weights(self):
        """The weights of the best checkpoint, else of the last; None where there is none."""
        found = sorted(self.checkpoints.glob("step-*/model.weights.h5"))
        best = self.checkpoints / "best" / "model.weights.h5"
        return best if best.is_file() else (found[-1] if found else None)

    def check(self, recipe, resume):
        """Raises a `ValueError` where the recipe may not begin, or go on, in this folder."""
        if not self.settings.is_file():
            if self.path.is_file() or (self.path.is_dir() and any(self.path.iterdir())):
                raise ValueError(f"{self.path} is there and holds no run. Expected a new or empty folder.")
            return
        if self.best_weights is None:  # it did not get far enough to lose anything
            return
        if not resume:
            raise ValueError(
                f"{self.path} already holds a run. Go on with it (--resume, resume=True), or choose another folder "
                "(--output, output=...)."
            )
        stored = json.loads(self.settings.read_text(encoding="utf-8"))
        if stored["recipe"] != type(recipe).__name__:
            raise ValueError(
                f"The run in {self.path} is one of the recipe {stored['recipe']}. Received: {type(recipe).__name__}. "
                "Choose another folder."
            )
        old, new = stored["settings"], recipe.settings()
        names = [name for name in {**old, **new} if name != "epochs" and old.get(name) != new.get(name)]
        if names:
            changes = ", ".join(f"{name} was {old.get(name)!r}, is {new.get(name)!r}" for name in names)
            raise ValueError(
                f"The run in {self.path} has other settings: {changes}. To resume it only `epochs` may change: set the "
                "others as they were, or start a new run in another folder."
            )

    def record(self, recipe):
        """Writes what is known when a run starts or goes on."""
        self.path.mkdir(parents=True, exist_ok=True)
        if recipe.file is None:
            LOG.warning("The recipe stands in no file: the run keeps its settings, not its code.")
        elif recipe.file.resolve() != self.recipe.resolve():
            code = recipe.file.read_text(encoding="utf-8")
            if self.recipe.is_file() and self.recipe.read_text(encoding="utf-8") != code:
                LOG.warning("The recipe's file has changed since the run began: from here on the new one counts.")
            write_aside(self.recipe, code)
        settings = {"recipe": type(recipe).__name__, "settings": recipe.settings()}
        write_aside(self.settings, json.dumps(settings, indent=2) + "\n")
        with self.starts.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_start(recipe)) + "\n")

    @contextlib.contextmanager
    def logged(self):
        """Context in which the log "s2s_keras" goes to the screen and, with times, to the file; warnings too."""
        self.path.mkdir(parents=True, exist_ok=True)
        file, screen = logging.FileHandler(self.log, encoding="utf-8"), logging.StreamHandler(sys.stdout)
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
        screen.addFilter(lambda record: not getattr(record, "only_file", False))
        loggers, level, propagate = [LOG, logging.getLogger("py.warnings")], LOG.level, LOG.propagate
        for logger in loggers:
            logger.addHandler(file)
            logger.addHandler(screen)
        LOG.setLevel(logging.INFO)
        LOG.propagate = False
        logging.captureWarnings(True)
        try:
            yield
        except BaseException as error:
            if not isinstance(error, SystemExit):
                LOG.error("Stopped: %r", error, exc_info=not isinstance(error, KeyboardInterrupt), extra=ONLY_FILE)
            raise
        finally:
            logging.captureWarnings(False)
            LOG.setLevel(level)
            LOG.propagate = propagate
            for logger in loggers:
                logger.removeHandler(file)
                logger.removeHandler(screen)
            file.close()


ONLY_FILE = {"only_file": True}


class EpochLog(keras.callbacks.Callback):
    """Writes a row of a CSV file and a line of the log per epoch.

    An epoch that is trained again after a crash replaces its row.

    Args:
        metrics: path of the CSV file.
        dataset: what is trained on; its `statistics(epoch)`, where it has them, stand in the log. Default None.
        quiet: bool, whether the line goes to the log's file only, because a progress bar says the same. Default False.
        unfinished: callable () -> bool, whether the epoch that ends was broken off. Default: never.
    """

    def __init__(self, metrics, dataset=None, quiet=False, unfinished=lambda: False):
        super().__init__()
        self.metrics = Path(metrics)
        self.dataset = dataset
        self.quiet = quiet
        self.unfinished = unfinished
        self._started = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        if (epoch, 0) <= self.params.get("resumed", (-1, 0)):  # the checkpoint has just said it on the screen
            LOG.info("Resumed in epoch %d after %d batches", epoch + 1, self.params["resumed"][1], extra=ONLY_FILE)
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        if self.unfinished():
            return
        optimizer, logs = self.model.optimizer, logs or {}
        names = sorted(logs, key=lambda name: name.startswith("val_"))
        row = {
            "epoch": epoch + 1,
            "step": int(_number(optimizer.iterations)),
            **{name: float(f"{float(logs[name]):.9g}") for name in names},
            "learning_rate": float(f"{_number(optimizer.learning_rate):.7g}"),
            "loss_scale": _number(optimizer.scale),
            "seconds": round(time.perf_counter() - self._started, 2),
        }
        rows = [old for old in read_metrics(self.metrics) if int(old["epoch"]) <= epoch]
        write_aside(self.metrics, _csv([*rows, row]))
        numbers = ", ".join(f"{name} {_short(value)}" for name, value in row.items() if name not in ("epoch", "step"))
        text = f"Epoch {epoch + 1} of {self.params['epochs']}, step {row['step']}: {numbers}"
        LOG.info(text, extra={"only_file": self.quiet})
        if hasattr(self.dataset, "statistics"):
            numbers = ", ".join(f"{name} {_short(value)}" for name, value in self.dataset.statistics(epoch).items())
            LOG.info("Data of epoch %d: %s", epoch + 1, numbers, extra=ONLY_FILE)


def read_metrics(path):
    """The rows of a run's metrics: list of dict of str, without those that a crash left unfinished."""
    if not Path(path).is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_aside(path, text):
    """A text file that is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _csv(rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    return "".join(",".join(str(cell) for cell in line) + "\n" for line in lines)


def _short(value):
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"


def _start(recipe):
    backend = keras.backend.backend()
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "folder": os.getcwd(),
        "seed": recipe.seed,
        "backend": backend,
        "versions": {
            "python": platform.python_version(),
            "s2s_keras": s2s_keras.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            backend: importlib.metadata.version(backend),
        },
        "git": _git(recipe.file.parent if recipe.file else Path.cwd()),
    }


def _git(folder):
    """Commit and whether files differ from it, of the repository that holds a folder; None outside of one."""

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20, check=True
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _number(scalar):
    """A scalar as a Python number, also of a variable that several replicas share."""
    return keras.ops.convert_to_numpy(scalar).item()
