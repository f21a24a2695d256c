"""Batches of pictures and their classes for `fit`, on every backend."""

import numpy as np

from s2s_keras.data.epochs import EpochDataset


class ImageDataset(EpochDataset):
    """Batches of pictures and their classes, augmented. Pass `for_fit()` to `fit`.

    What is in a batch depends on the seed, the epoch and the picture only.

    Args:
        images: array (N, H, W, C) of pixels from 0 to 255.
        labels: int (N,), numbers of the classes.
        batch_size: int.
        augmentation: sequence of callables `(pixels, rng) -> pixels`, applied in order. Default none.
        shuffle: bool, whether every epoch has another order. Default False.
        seed: int, of order and augmentation. Default 0.
        drop_remainder: bool, whether a last batch with fewer pictures is left out. Default False.
        num_classes: int or None. A number makes targets one-hot, float32 (B, num_classes), as label smoothing and mixup
            need them. Default None: int32 (B,).

    Example:

    >>> dataset = ImageDataset(np.zeros((5, 8, 8, 1), "uint8"), [0, 1, 2, 1, 0], batch_size=2)
    >>> [labels.tolist() for pixels, labels in dataset]
    [[0, 1], [2, 1], [0]]
    """

    def __init__(
        self,
        images,
        labels,
        batch_size,
        augmentation=(),
        shuffle=False,
        seed=0,
        drop_remainder=False,
        num_classes=None,
    ):
        super().__init__()
        self.images = images
        self.labels = np.asarray(labels, "int32")
        self.batch_size = batch_size
        self.augmentation = tuple(augmentation)
        self.shuffle = shuffle
        self.seed = seed
        self.drop_remainder = drop_remainder
        self.num_classes = num_classes

    def __len__(self):
        full, rest = divmod(len(self.labels), self.batch_size)
        return full + (rest > 0 and not self.drop_remainder)

    def batch(self, epoch, index):
        order = np.arange(len(self.labels))
        if self.shuffle:
            np.random.default_rng((self.seed, epoch)).shuffle(order)
        members = order[index * self.batch_size : (index + 1) * self.batch_size]
        pixels = np.stack([self._picture(epoch, member) for member in members])
        labels = self.labels[members]
        return pixels, labels if self.num_classes is None else np.eye(self.num_classes, dtype="float32")[labels]

    def element_spec(self):
        import tensorflow as tf

        labels = tf.TensorSpec((None,), "int32")
        if self.num_classes is not None:
            labels = tf.TensorSpec((None, self.num_classes), "float32")
        return tf.TensorSpec((None, *self.images.shape[1:]), "float32"), labels

    def _picture(self, epoch, member):
        pixels = np.asarray(self.images[member], "float32")
        rng = np.random.default_rng((self.seed, epoch, int(member)))
        for augmentation in self.augmentation:
            pixels = augmentation(pixels, rng)
        return pixels
