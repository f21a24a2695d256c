"""Which pictures there are and of what class: folders, JSON lines and CIFAR-10's files."""

import json
import os
from pathlib import Path

import numpy as np

from s2s_keras.data.manifest import UtteranceError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
CIFAR10_LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_FILES = {"train": [f"data_batch_{n}.bin" for n in range(1, 6)], "test": ["test_batch.bin"]}
CIFAR10_ROW = 1 + 3 * 32 * 32  # bytes: the class, then red, green and blue


def load_image_folder(folder, classes=None):
    """Pictures in a folder for each class, as ImageNet comes.

    Args:
        folder: str or path-like. The names of its folders are the classes; pictures may lie in folders below.
        classes: sequence of str or None, the classes in the order of their numbers, those of the training data for
            example. Default None: the names of the folders, sorted.

    Returns:
        Tuple of paths (list of str, sorted), classes (int32 array) and the names of the classes (tuple of str).

    Raises:
        ValueError: there is no such folder, none of a class, or no picture.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for path in ("cat/1.png", "dog/1.png", "dog/2.jpg"):
    ...     (folder / path).parent.mkdir(exist_ok=True)
    ...     (folder / path).touch()
    >>> paths, labels, classes = load_image_folder(folder)
    >>> [os.path.basename(path) for path in paths], labels.tolist(), classes
    (['1.png', '1.png', '2.jpg'], [0, 1, 1], ('cat', 'dog'))
    """
    folder = Path(folder)
    found = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not found:
        raise ValueError(f"{folder}: expected a folder with a folder of pictures for each class. Received: none.")
    classes = tuple(found if classes is None else classes)
    if missing := sorted(set(found) ^ set(classes)):
        raise ValueError(
            f"{folder}: its folders are not the classes {list(classes)}. They differ in: {', '.join(missing)}."
        )
    paths, labels = [], []
    for number, name in enumerate(classes):
        files = sorted(str(file) for file in (folder / name).rglob("*") if file.suffix.lower() in SUFFIXES)
        paths += files
        labels += [number] * len(files)
    if not paths:
        raise ValueError(f"{folder}: there is no picture. Expected files that end in {', '.join(SUFFIXES)}.")
    return paths, np.array(labels, "int32"), classes


def load_image_manifest(path, classes=None, on_bad=None):
    """Pictures and classes of a file of JSON lines, each with "image_filepath" and "label" or "text".

    Args:
        path: str or path-like. Relative paths of pictures start at its folder.
        classes: sequence of str or None, the classes in the order of their numbers. Default None: those in the file,
            sorted.
        on_bad: callable or None. None raises at the first line that cannot be used; a callable, such as `add` of a
            `SkipReport`, receives the error of each such line and reading goes on. Default None.

    Returns:
        Tuple of paths (list of str), classes (int32 array) and the names of the classes (tuple of str).

    Raises:
        UtteranceError: (a `ValueError`) a line does not parse, lacks a key, has an unknown class or names no file.
        ValueError: the file does not exist or holds no picture.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "1.png").touch()
    >>> _ = (folder / "train.jsonl").write_text('{"image_filepath": "1.png", "label": "cat"}')
    >>> paths, labels, classes = load_image_manifest(folder / "train.jsonl", classes=("ant", "cat"))
    >>> os.path.basename(paths[0]), labels.tolist()
    ('1.png', [1])
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such manifest; expected a file of JSON lines.")
    rows = []
    for line, text in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if text.strip():
            try:
                rows.append(_row(text, path, f"{path}, line {line}", classes))
            except UtteranceError as error:
                if on_bad is None:
                    raise
                on_bad(error)
    if not rows:
        raise ValueError(f"{path}: the manifest holds no picture.")
    classes = tuple(sorted({label for _, label in rows}) if classes is None else classes)
    numbers = {name: number for number, name in enumerate(classes)}
    return [file for file, _ in rows], np.array([numbers[label] for _, label in rows], "int32"), classes


def _row(text, path, where, classes):
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UtteranceError("bad line", where, f"the line is no JSON object ({error}).") from error
    file = row.get("image_filepath") if isinstance(row, dict) else None
    label = (row["label"] if "label" in row else row.get("text")) if isinstance(row, dict) else None
    if not isinstance(file, str) or not isinstance(label, (str, int)):
        message = f"expected a JSON object with 'image_filepath' and 'label' or 'text', got {text.strip()[:200]}."
        raise UtteranceError("bad line", where, message)
    file, label = str(path.parent / file), str(label)
    if classes is not None and label not in classes:
        raise UtteranceError("unknown class", where, f"{label!r} is none of the classes {', '.join(classes)}.")
    if not os.path.isfile(file):
        raise UtteranceError("missing file", where, f"the picture {file} does not exist.")
    return file, label


def load_cifar10(folder, split):
    """CIFAR-10's binary version: pictures of ten classes, `CIFAR10_LABELS`.

    Args:
        folder: str or path-like, with data_batch_1.bin to data_batch_5.bin and test_batch.bin.
        split: "train" or "test".

    Returns:
        Tuple of pictures, uint8 (N, 32, 32, 3), and classes, int32 (N,).

    Raises:
        ValueError: there are no such files, or one is damaged.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "test_batch.bin").write_bytes(bytes([7, *[255] * 1024, *[0] * 2048]))
    >>> pictures, labels = load_cifar10(folder, "test")
    >>> pictures.shape, pictures[0, 0, 0].tolist(), labels.tolist()
    ((1, 32, 32, 3), [255, 0, 0], [7])

    Reference: [Krizhevsky, 2009](https://www.cs.toronto.edu/~kriz/cifar.html).
    """
    if split not in CIFAR10_FILES:
        raise ValueError(f'CIFAR-10 is split in "train" and "test". Received: split={split!r}.')
    rows = []
    for name in CIFAR10_FILES[split]:
        path = Path(folder, name)
        if not path.is_file():
            raise ValueError(f"{path}: no such file. Expected the folder of CIFAR-10's binary version.")
        data = np.frombuffer(path.read_bytes(), "uint8")
        if not len(data) or len(data) % CIFAR10_ROW or data[::CIFAR10_ROW].max() >= len(CIFAR10_LABELS):
            raise ValueError(
                f"{path}: the file is damaged. Expected rows of {CIFAR10_ROW} bytes that begin with a class from 0 to "
                f"9. Received: {len(data)} bytes."
            )
        rows.append(data.reshape(-1, CIFAR10_ROW))
    rows = np.concatenate(rows)
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0].astype("int32")
