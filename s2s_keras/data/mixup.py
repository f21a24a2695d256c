"""Mixtures of two examples, and of their labels."""

import keras
import numpy as np

from s2s_keras.data.epochs import EpochDataset


class Mixup(EpochDataset):
    """Batches of mixed examples with soft labels, of recordings or images, on every backend.

    Every row becomes `share` of itself and `1 - share` of another row of its batch, with a share drawn from
    Beta(alpha, alpha) for each row, and the labels likewise. Numbers of samples become the larger of the two. What is
    mixed depends on the seed, the epoch and the batch only. Train with `CategoricalCrossentropy(from_logits=True)`.

    Args:
        dataset: `EpochDataset` of inputs and classes, int (B,), such as `commands_dataset`: inputs are a float array
            (B, ...) or a dict with "audio" and "audio_lengths".
        num_classes: int, or the labels themselves.
        alpha: float, how evenly two examples are mixed: the shares are uniform at 1 and near 0 or 1 below. 0 mixes
            nothing, which turns classes into one-hot labels, as validation data for the same loss. Default 0.2.
        label_smoothing: float in [0, 1), the part of a label that is spread evenly over all classes. Default 0.
        probability: float in [0, 1], how often a row is mixed. Default 1.
        seed: int. Default 0.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> import os, tempfile
    >>> import soundfile
    >>> from s2s_keras.data import Utterance, commands_dataset
    >>> path = os.path.join(tempfile.mkdtemp(), "yes.wav")
    >>> soundfile.write(path, np.zeros(8000), 16000)
    >>> dataset = Mixup(commands_dataset([Utterance(path, "yes")], ("no", "yes")), 2, label_smoothing=0.1)
    >>> inputs, labels = dataset.batch(epoch=0, index=0)
    >>> labels.tolist()
    [[0.05000000074505806, 0.949999988079071]]

    Reference: [mixup](https://arxiv.org/abs/1710.09412). One share for each row, where the paper and OpenSeq2Seq draw
    one for a batch.
    """

    def __init__(self, dataset, num_classes, alpha=0.2, label_smoothing=0.0, probability=1.0, seed=0):
        super().__init__()
        num_classes = num_classes if isinstance(num_classes, int) else len(num_classes)
        if num_classes < 1 or alpha < 0 or not 0 <= label_smoothing < 1 or not 0 <= probability <= 1:
            raise ValueError(
                "Mixup needs a positive number of classes, alpha of at least 0, label_smoothing in [0, 1) and a "
                f"probability. Received: num_classes={num_classes}, alpha={alpha}, label_smoothing={label_smoothing}, "
                f"probability={probability}."
            )
        self.dataset = dataset
        self.num_shards = dataset.num_shards
        self.num_classes = num_classes
        self.alpha = alpha
        self.label_smoothing = label_smoothing
        self.probability = probability
        self.seed = seed

    def __getattr__(self, name):  # what a dataset has besides, such as `batch_utterances` and `statistics`
        if name == "dataset":
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self):
        return len(self.dataset)

    def batch(self, epoch, index):
        """Any batch of any epoch: inputs and labels, float32 (B, num_classes); with several workers also weights."""
        inputs, classes, *weights = self.dataset.batch(epoch, index)
        labels = self._soft(classes)
        rng = np.random.default_rng((self.seed, epoch, index))
        rows = np.arange(len(labels))
        real = np.flatnonzero(weights[0]) if weights else rows
        other = rows.copy()
        other[real] = real[rng.permutation(len(real))]
        share = rng.beta(self.alpha, self.alpha, len(rows)) if self.alpha else np.ones(len(rows))
        share = np.where(rng.random(len(rows)) < self.probability, share, 1.0).astype("float32")

        def mix(x):
            if not np.issubdtype(x.dtype, np.floating):  # lengths
                return np.where(share < 1.0, np.maximum(x, x[other]), x)
            part = share.reshape(-1, *[1] * (x.ndim - 1))
            return x * part + x[other] * (1 - part)

        if self.alpha and self.probability:
            inputs, labels = keras.tree.map_structure(mix, inputs), mix(labels)
        return inputs, labels, *weights

    def element_spec(self):
        """The `tf.TensorSpec` of everything in a batch."""
        import tensorflow as tf

        inputs, _, *weights = self.dataset.element_spec()
        return inputs, tf.TensorSpec((None, self.num_classes), "float32"), *weights

    def _soft(self, classes):
        labels = np.full((len(classes), self.num_classes), self.label_smoothing / self.num_classes, "float32")
        labels[np.arange(len(classes)), classes] += np.float32(1.0 - self.label_smoothing)
        return labels
