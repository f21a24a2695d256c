"""IDX files, the format of MNIST and Fashion-MNIST."""

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
FASHION_MNIST = "/usr/share/datasets/fashion-mnist"  # where Debian's package dataset-fashion-mnist puts it
FASHION_MNIST_LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def read_idx(path):
    """The array in an IDX file, also in a gzip-compressed one.

    Args:
        path: str or path-like.

    Returns:
        NumPy array.

    Raises:
        ValueError: there is no such file, or it is damaged or of another format.

    Example:

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "numbers-idx1-ubyte")
    >>> _ = Path(path).write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    >>> read_idx(path).tolist()
    [7, 8, 9]
    """
    try:
        data = Path(path).read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{os.fspath(path)}: the file cannot be read: {error}.") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise ValueError(f"{os.fspath(path)}: this is no IDX file. Expected one such as train-images-idx3-ubyte.gz.")
    dtype, rank = np.dtype(TYPES[data[2]]), data[3]
    start = 4 + 4 * rank
    shape = tuple(np.frombuffer(data[:start], ">u4", offset=4).tolist()) if len(data) >= start else ()
    if len(data) != start + math.prod(shape) * dtype.itemsize:
        raise ValueError(
            f"{os.fspath(path)}: the file is damaged. Its header says an array of shape {shape}, "
            f"{start + math.prod(shape) * dtype.itemsize} bytes in all. Received: {len(data)} bytes."
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def load_fashion_mnist(split, folder=FASHION_MNIST):
    """Fashion-MNIST: pictures of clothes in ten classes, `FASHION_MNIST_LABELS`.

    Args:
        split: "train" (60,000 pictures) or "test" (10,000).
        folder: path of its four IDX files. Default: where Debian's package dataset-fashion-mnist puts them.

    Returns:
        Tuple of pictures, uint8 (N, 28, 28, 1), and labels, uint8 (N,).

    Raises:
        ValueError: there are no such files, or one is damaged.

    Example:

    >>> load_fashion_mnist("dev")
    Traceback (most recent call last):
    ValueError: Fashion-MNIST is split in "train" and "test". Received: split='dev'.

    Reference: [Fashion-MNIST](https://arxiv.org/abs/1708.07747), MIT licence.
    """
    prefix = {"train": "train", "test": "t10k"}.get(split)
    if prefix is None:
        raise ValueError(f'Fashion-MNIST is split in "train" and "test". Received: split={split!r}.')
    names = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
    paths = [path if path.is_file() else path.with_name(path.name + ".gz") for path in (Path(folder, n) for n in names)]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise ValueError(
            f"{folder} has no {' and '.join(missing)}. Install the Debian package dataset-fashion-mnist, or give the "
            "folder of the four files that github.com/zalandoresearch/fashion-mnist offers."
        )
    images, labels = map(read_idx, paths)
    return images[..., None], labels
