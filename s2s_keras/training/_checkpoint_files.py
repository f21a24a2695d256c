"""The folders of a `Checkpoint`: written aside and renamed, checked before they are read, the oldest removed.

    run/step-00001200/model.weights.h5    the model's weights, as `model.load_weights` reads them
    run/step-00001200/state.npz           optimizer, seeds and running metrics
    run/step-00001200/state.json          where training was, and size and checksum of the other two
    run/best -> step-00001200             a symbolic link
    run/.writing-step-00001300            what a process that was killed left behind
"""

import json
import os
import re
import shutil
import warnings
import zlib
from pathlib import Path

from s2s_keras.training import distribution

WEIGHTS, ARRAYS, STATE, BEST = "model.weights.h5", "state.npz", "state.json", "best"
_NAME = re.compile(r"step-(\d{8,})")
_ASIDE = (".writing-", ".removing-", ".linking-")


def path(folder, step):
    return Path(folder) / f"step-{step:08d}"


def steps(folder):
    """Steps of the checkpoints in a folder, ascending; complete unless a disk failed."""
    names = (_NAME.fullmatch(entry.name) for entry in Path(folder).glob("step-*"))
    return sorted(int(name[1]) for name in names if name)


def write(folder, step, fill, state):
    """Makes a checkpoint appear whole or not at all.

    Args:
        folder: path of all checkpoints.
        step: int.
        fill: function of a path that writes the files `WEIGHTS` and `ARRAYS` there.
        state: dict for `STATE`.
    """
    final = path(folder, step)
    aside, old = final.with_name(f".writing-{final.name}"), final.with_name(f".removing-{final.name}")
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    aside.mkdir(parents=True)
    fill(aside)
    sums = {name: _checksum(aside / name) for name in (WEIGHTS, ARRAYS)}
    (aside / STATE).write_text(json.dumps({**state, "files": sums}))
    for name in (WEIGHTS, ARRAYS, STATE, "."):
        _sync(aside / name)
    if final.exists():  # a training that went back to an earlier step comes by again
        os.rename(final, old)
    os.rename(aside, final)
    _sync(folder)
    shutil.rmtree(old, ignore_errors=True)


def read(checkpoint):
    """The dict of `STATE`, after every file was found whole.

    Raises:
        ValueError: what is damaged.
    """
    try:
        state = json.loads((Path(checkpoint) / STATE).read_text())
        sums = state["files"]
        for name in (WEIGHTS, ARRAYS):
            size, checksum = _checksum(Path(checkpoint) / name)
            if (size, checksum) != tuple(sums[name]):
                raise ValueError(f"{name} has {size} bytes that are not the {sums[name][0]} bytes written")
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{STATE} or a file beside it cannot be read ({type(error).__name__}: {error})") from error
    return state


def last_whole(folder):
    """The step of the last checkpoint without damage, the same on all processes, or None. Damaged ones are set aside.

    Raises:
        ValueError: a process does not see the checkpoint that the first one chose.
    """
    chief, chosen = distribution.is_chief(), -1
    for step in reversed(steps(folder)) if chief else ():
        checkpoint = path(folder, step)
        try:
            read(checkpoint)
        except ValueError as error:
            warnings.warn(f"The checkpoint {checkpoint} is damaged and left out: {error}.", stacklevel=3)
            _set_aside(checkpoint)
            continue
        chosen = step
        break
    if distribution.process_count() > 1:  # the first process tells the others, bit by bit
        chosen = sum(distribution.any_process(chief and chosen + 1 >> bit & 1) << bit for bit in range(48)) - 1
        if distribution.any_process(chosen >= 0 and not path(folder, chosen).is_dir()):
            raise ValueError(
                f"Training goes on from step {chosen}, but not every process finds that checkpoint in {folder}. All "
                "need the same folder, on a file system that they share."
            )
    return None if chosen < 0 else chosen


def link_best(folder, step):
    """Points `best` to the checkpoint of a step; None removes it."""
    aside = Path(folder) / f".linking-{BEST}"
    aside.unlink(missing_ok=True)
    if step is None or not path(folder, step).exists():
        (Path(folder) / BEST).unlink(missing_ok=True)
        return
    os.symlink(path(folder, step).name, aside)
    os.replace(aside, Path(folder) / BEST)


def rotate(folder, keep, best):
    """Removes all but the last `keep` checkpoints and the best one."""
    for step in steps(folder)[: -keep or None]:
        if step != best:
            aside = Path(folder) / f".removing-{path(folder, step).name}"
            os.rename(path(folder, step), aside)  # never half a checkpoint under its name
            shutil.rmtree(aside)


def clean(folder):
    """Removes what killed processes left."""
    for entry in Path(folder).glob(".*"):
        if entry.name.startswith(_ASIDE):
            entry.unlink() if entry.is_symlink() else shutil.rmtree(entry)


def _set_aside(checkpoint):
    """Renames a damaged checkpoint, so that it neither counts nor stands in the way of a new one."""
    aside = Path(checkpoint).with_name(f"damaged-{Path(checkpoint).name}")
    shutil.rmtree(aside, ignore_errors=True)
    os.rename(checkpoint, aside)


def _checksum(file):
    size = checksum = 0
    with open(file, "rb") as stream:
        while block := stream.read(1 << 20):
            size, checksum = size + len(block), zlib.crc32(block, checksum)
    return size, checksum


def _sync(file):
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
