"""Batches of pictures and their classes for `fit`, on every backend."""

import concurrent.futures
import logging
import os

import numpy as np

from s2s_keras.data.epochs import EpochDataset
from s2s_keras.data.manifest import UtteranceError
from s2s_keras.ops.images import cover, read_image, to_channels

BALANCES = (None, "order", "weights")


class ImageDataset(EpochDataset):
    """Batches of pictures and their classes, read and augmented by threads. Pass `for_fit()` to `fit`.

    What is in a batch depends on the seed, the epoch and the picture only. `Mixup` makes soft labels of the classes.

    Args:
        images: uint8 or float array (N, H, W, C) of pixels from 0 to 255, or list of paths of pictures.
        labels: int (N,), numbers of the classes.
        batch_size: int, per worker.
        image_shape: (height, width, channels) of the pictures in a batch, or None: that of the array. What has another
            size after augmentation is scaled until it covers this one and cut to its middle.
        augmentation: sequence of callables `(pixels, rng) -> pixels`, applied in order. Default none.
        shuffle: bool, whether every epoch has another order; what does not fill a batch is left out then, as it is with
            several workers. Default False.
        seed: int, of order and augmentation. Default 0.
        balance: for classes of different size: "order" shows every class equally often in an epoch, with repetitions;
            "weights" gives each picture a weight, float32 (B,), so that every class counts the same; None does neither.
        report: `SkipReport` that counts pictures that cannot be read, which their batches then lack; or None to raise.
        num_shards: int, workers that share the data. Default 1.
        shard_index: int, which of them this is. Default 0.

    Raises:
        ValueError: numbers of pictures and labels differ, or an argument is out of range.

    Example:

    >>> dataset = ImageDataset(np.zeros((5, 8, 8, 1), "uint8"), [0, 1, 2, 1, 0], batch_size=2)
    >>> [labels.tolist() for pixels, labels in dataset]
    [[0, 1], [2, 1], [0]]

    Reference: OpenSeq2Seq's data layers for ImageNet and CIFAR-10, as TensorFlow graphs.
    """

    def __init__(
        self,
        images,
        labels,
        batch_size,
        image_shape=None,
        augmentation=(),
        shuffle=False,
        seed=0,
        balance=None,
        report=None,
        num_shards=1,
        shard_index=0,
    ):
        super().__init__()
        self.images = images
        self.labels = np.asarray(labels, "int32")
        self.batch_size = batch_size
        self.from_files = not isinstance(images, np.ndarray)
        self.image_shape = image_shape and tuple(image_shape) or (None if self.from_files else images.shape[1:])
        self.augmentation = tuple(augmentation)
        self.shuffle = shuffle
        self.seed = seed
        self.balance = balance
        self.report = report
        self.num_shards = num_shards
        self.shard_index = shard_index
        self._check()
        counts = np.bincount(self.labels)
        self._weights = len(self.labels) / (np.count_nonzero(counts) * np.maximum(counts, 1.0))
        self._order = (None, None)
        self._pool = concurrent.futures.ThreadPoolExecutor(2) if self.from_files else None
        self._pending = {}

    def _check(self):
        if len(self.images) != len(self.labels) or not len(self.labels) or self.labels.ndim != 1:
            raise ValueError(
                "There is one label for each picture, and at least one of both. Received: "
                f"{len(self.images)} pictures, labels of shape {self.labels.shape}."
            )
        if self.image_shape is None:
            raise ValueError("Pictures from files need `image_shape`, the one that they have in a batch.")
        if self.labels.min() < 0:
            raise ValueError(f"Classes are numbers of at least 0. Received: {self.labels.min()}.")
        if self.balance not in BALANCES or self.batch_size < 1 or not 0 <= self.shard_index < self.num_shards:
            raise ValueError(
                '`balance` is "order", "weights" or None, `batch_size` at least 1, `shard_index` from 0 to '
                f"num_shards - 1. Received: balance={self.balance!r}, batch_size={self.batch_size}, "
                f"shard_index={self.shard_index}, num_shards={self.num_shards}."
            )
        if not len(self):
            raise ValueError(
                f"{len(self.labels)} pictures do not fill a batch of {self.batch_size * self.num_shards}. Use a "
                "smaller `batch_size`."
            )

    def __len__(self):
        full, rest = divmod(len(self.labels), self.batch_size * self.num_shards)
        return full + (rest > 0 and not self.shuffle and self.num_shards == 1)

    def batch(self, epoch, index):
        """Any batch of any epoch.

        Args:
            epoch: int, from 0.
            index: int, from 0 to `len(self) - 1`.

        Returns:
            Tuple of pixels, float32 (B, *image_shape), and classes, int32 (B,); with `balance="weights"` also weights.
        """
        members = self._members(epoch, index)
        pictures = self._from_pool(epoch, index) if self.from_files else [self._load(epoch, *m) for m in members]
        kept = [n for n, picture in enumerate(pictures) if not self._is_bad(picture)]
        if not kept:
            raise ValueError(
                f"No picture of a batch of {len(members)} can be read, the last because of: {pictures[-1]}"
            )
        labels = self.labels[[members[n][0] for n in kept]]
        weights = () if self.balance != "weights" else (self._weights[labels].astype("float32"),)
        return np.stack([pictures[n] for n in kept]), labels, *weights

    def element_spec(self):
        """The `tf.TensorSpec` of everything in a batch."""
        import tensorflow as tf

        labels = tf.TensorSpec((None,), "int32")
        weights = () if self.balance != "weights" else (tf.TensorSpec((None,), "float32"),)
        return tf.TensorSpec((None, *self.image_shape), "float32"), labels, *weights

    def _members(self, epoch, index):
        """(number of the picture, how often it was there before in this epoch) of every row."""
        with self._lock:
            if self._order[0] != epoch:
                self._order = (epoch, self._ordered(epoch))
            order = self._order[1]
        size = self.batch_size * self.num_shards
        return order[index * size : (index + 1) * size][self.shard_index :: self.num_shards].tolist()

    def _ordered(self, epoch):
        count, rng = len(self.labels), np.random.default_rng((self.seed, epoch))
        order = np.stack([np.arange(count), np.zeros(count, "int64")], axis=1)
        if self.balance == "order":
            classes = np.unique(self.labels)
            shares = np.diff(np.arange(len(classes) + 1) * count // len(classes))
            order = []
            for name, share in zip(rng.permutation(classes), shares, strict=True):
                own = np.flatnonzero(self.labels == name)
                rounds = -(-share // len(own))
                drawn = np.concatenate(
                    [np.stack([rng.permutation(own), np.full(len(own), r)], 1) for r in range(rounds)]
                )
                order.append(drawn[:share])
            order = np.concatenate(order)
        if self.shuffle:
            rng.shuffle(order)
        return order

    def _load(self, epoch, member, repetition):
        """Pixels of a picture, or the error where there are none."""
        height, width, channels = self.image_shape
        try:
            pixels = self.images[member]
            if isinstance(pixels, (str, os.PathLike)):
                pixels = read_image(pixels, channels)
        except ValueError as error:
            return UtteranceError("unreadable picture", os.fspath(self.images[member]), str(error))
        pixels = to_channels(np.asarray(pixels, "float32"), channels)
        rng = np.random.default_rng(
            (self.seed, epoch, member, repetition) if repetition else (self.seed, epoch, member)
        )
        for augmentation in self.augmentation:
            pixels = augmentation(pixels, rng)
        return cover(pixels, height, width)

    def _from_pool(self, epoch, index):
        """The pictures of a batch, while those of the next one are read."""
        with self._lock:
            pending, self._pending = self._pending, {}
        for n in (index, index + 1):
            if n < len(self):
                waiting = pending.pop((epoch, n), None)
                self._pending[epoch, n] = waiting or [
                    self._pool.submit(self._load, epoch, *member) for member in self._members(epoch, n)
                ]
        for future in [future for futures in pending.values() for future in futures]:
            future.cancel()
        return [future.result() for future in self._pending.pop((epoch, index))]

    def _is_bad(self, picture):
        if not isinstance(picture, UtteranceError):
            return False
        if self.report is None:
            raise picture
        self.report.add(picture)
        logging.getLogger("s2s_keras").warning("Skipped: %s", picture)
        return True
