"""Passes over data: epoch by epoch, from the middle of one, and as `fit` wants them on each backend."""

import threading
import warnings

import keras


class _Pass:
    """One way through the data: its epoch, its first batch, and which batch each index of `fit` was given."""

    def __init__(self, epoch, first):
        self.epoch = epoch
        self.first = first
        self.served = {}


class EpochDataset(keras.utils.PyDataset):
    """Base of datasets whose batches are known by epoch and index: counts epochs, resumes, and serves `fit`.

    A subclass defines `__len__`, `batch(epoch, index)` and, for TensorFlow, `element_spec()`. Pass `for_fit()` to
    `fit`: the dataset itself on JAX and PyTorch, a `tf.data.Dataset` on TensorFlow, where Keras does not take a
    `PyDataset` whose shapes change. Both give the same batches.

    Attributes:
        epoch: int, number of the epoch that comes next, or that goes on; see `start_at`.

    Example:

    >>> class Numbers(EpochDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def batch(self, epoch, index):
    ...         return 10 * epoch + index
    >>> numbers = Numbers()
    >>> numbers.start_at(epoch=4, batch=1)
    >>> list(numbers), list(numbers), numbers.epoch
    ([41, 42], [50, 51, 52], 6)
    """

    num_shards = 1  # workers that share the data

    def __init__(self):
        super().__init__()
        self._pass = _Pass(0, 0)
        self._beginning = False
        self._lock = threading.Lock()

    def batch(self, epoch, index):
        """Any batch of any epoch; both are counted from 0."""
        raise NotImplementedError(f"{type(self).__name__} must define batch(epoch, index).")

    def element_spec(self):
        """The `tf.TensorSpec` of everything in a batch, None where a size changes."""
        raise NotImplementedError(f"{type(self).__name__} must define element_spec().")

    @property
    def epoch(self):
        return self._pass.epoch

    @epoch.setter
    def epoch(self, epoch):
        self.start_at(epoch)

    def start_at(self, epoch, batch=0):
        """Makes the next pass begin in the middle of an epoch, where an earlier run stopped.

        The passes after it are whole epochs again. Call it before `fit` or, from a callback, in `on_train_begin` or
        `on_epoch_begin`. `fit` then does fewer steps in that first epoch; the warning that its input ran out of data
        is silenced.

        Args:
            epoch: int, from 0.
            batch: int, from 0 to `len(self) - 1`. Default 0.

        Raises:
            ValueError: there is no such batch.
        """
        if epoch < 0 or not 0 <= batch < len(self):
            raise ValueError(
                f"start_at needs an epoch of at least 0 and one of the {len(self)} batches, from 0. Received: "
                f"epoch={epoch}, batch={batch}."
            )
        if batch:
            warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
        self._pass = _Pass(epoch, batch)

    @property
    def num_batches(self):
        """What `fit` reads: the batches of an epoch, or, when a pass is just beginning, those of the pass."""
        if not self._beginning:
            return len(self)
        self._pass = _Pass(self._pass.epoch, self._pass.first)  # what a first look has read is read again
        return len(self) - self._pass.first

    def on_epoch_begin(self):
        """Called by `fit`."""
        self._beginning = True

    def __getitem__(self, index):
        """A batch of the current pass, as `fit` asks for it; see `batch` for any batch of any epoch.

        `fit` shuffles the indices unless it is told not to. The order is the plan's all the same: the first index that
        is asked for in a pass is given the pass's first batch, and so on, which is also what makes prefetching work.
        """
        if not 0 <= index < len(self) - self._pass.first:
            raise IndexError(f"Batch {index} of a dataset of {len(self)} batches, from {self._pass.first} on.")
        self._beginning = False
        with self._lock:
            current = self._pass
            index = current.first + current.served.setdefault(index, len(current.served))
        return self.batch(current.epoch, index)

    def __iter__(self):
        """What is left of the epoch; the next one counts as begun when the last batch is handed out."""
        current = self._pass = _Pass(self._pass.epoch, self._pass.first)
        for index in range(current.first, len(self)):
            batch = self.batch(current.epoch, index)
            if index == len(self) - 1 and self._pass is current:  # no later pass has taken over
                self._pass = _Pass(current.epoch + 1, 0)
            yield batch

    def on_epoch_end(self):
        """Called by `fit`, also after a first look at the data: only a pass that was read to its end counts."""
        if len(self._pass.served) == len(self) - self._pass.first:
            self._pass = _Pass(self._pass.epoch + 1, 0)

    def for_fit(self):
        """What `fit` and `evaluate` take: a `tf.data.Dataset` on the TensorFlow backend, else the dataset itself."""
        return self.as_tf_dataset() if keras.backend.backend() == "tensorflow" else self

    def as_tf_dataset(self, prefetch=2):
        """The same batches as a `tf.data.Dataset`; every pass over it is the next epoch.

        Args:
            prefetch: int, batches that tf.data holds ready besides the dataset's own. Default 2.

        Returns:
            `tf.data.Dataset` of `len(self)` elements, fewer in a pass that `start_at` shortened. tf.distribute does not
            shard it again.
        """
        import tensorflow as tf

        dataset = tf.data.Dataset.from_generator(self.__iter__, output_signature=self.element_spec())
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        # A first look at the data reads ahead, and must not reach the end of a short epoch.
        dataset = dataset.with_options(options).prefetch(prefetch if len(self) > 2 * prefetch + 4 else 0)
        # Not `assert_cardinality`: it fails in a pass that `start_at` shortened.
        dataset.cardinality = lambda: tf.constant(len(self), "int64")
        dataset.one_worker_only = self.num_shards > 1  # s2s_keras.training keeps tf.distribute from cutting it again
        dataset.first_batch = lambda: self.batch(self.epoch, 0)
        return dataset
