"""Batches of speech and labels for `fit`, on every backend."""

import concurrent.futures
import logging
import threading
import warnings

import keras
import numpy as np

from s2s_keras.data.manifest import UtteranceError


class _Pass:
    """One way through the data: its epoch, its first batch, and which batch each index of `fit` was given."""

    def __init__(self, epoch, first):
        self.epoch = epoch
        self.first = first
        self.served = {}


class SpeechDataset(keras.utils.PyDataset):
    """Batches of audio and labels, decoded and augmented by threads ahead of the training step.

    `speech_dataset` makes it from manifests. Pass `for_fit()` to `fit`: the dataset itself on JAX and PyTorch, a
    `tf.data.Dataset` on TensorFlow, where Keras does not take a `PyDataset` whose shapes change. Both give the same
    batches. What is in a batch depends on the seed, the epoch and the utterance only, never on the order in which
    threads finish.

    Args:
        examples: list of `Example`, from `check_utterances`.
        plan: `BatchPlan` over the durations of the examples.
        reader: `AudioReader`.
        augmentation: sequence of callables `(audio, rng) -> audio`, applied in order. Default none.
        pad_to_boundary: bool, whether audio and labels are padded to the longest of their bucket, so that every batch
            of a bucket has the same shape, or to the longest of the batch. Default False.
        report: `SkipReport` that counts utterances whose audio turns out unreadable, or None to raise. Default None.
        num_threads: int, decoding threads; 0 decodes in the caller's thread. Default 2.
        prefetch: int, batches prepared ahead. Default 4.

    Attributes:
        epoch: int, number of the epoch that comes next, or that goes on; see `start_at`.
        report: the `SkipReport`, or None.

    Example:

    >>> import os, tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> from s2s_keras.data import Utterance, speech_dataset
    >>> from s2s_keras.tokenizers import CharacterTokenizer
    >>> path = os.path.join(tempfile.mkdtemp(), "yes.wav")
    >>> soundfile.write(path, np.zeros(8000), 16000)
    >>> dataset = speech_dataset([Utterance(path, "yes")], CharacterTokenizer(), batch_size=1)
    >>> inputs, labels = dataset.batch(epoch=0, index=0)
    >>> inputs["audio"].shape, inputs["audio_lengths"].tolist(), labels.shape
    ((1, 8000), [8000], (1, 3))
    """

    def __init__(
        self, examples, plan, reader, augmentation=(), pad_to_boundary=False, report=None, num_threads=2, prefetch=4
    ):
        super().__init__()
        self.examples = examples
        self.plan = plan
        self.reader = reader
        self.augmentation = tuple(augmentation)
        self.pad_to_boundary = pad_to_boundary
        self.report = report
        self.prefetch = prefetch
        self._pass = _Pass(0, 0)
        self._beginning = False
        stretch = np.prod([getattr(a, "max_stretch", 1.0) for a in self.augmentation])
        self._padded = [int(np.ceil(round(b * stretch * reader.sample_rate, 3))) for b in plan.boundaries]
        label_lengths = np.array([len(e.labels) for e in examples])
        self._label_lengths = [label_lengths[plan.bucket <= k].max(initial=1) for k in range(len(plan.boundaries))]
        self._planned = (None, None)
        self._pending = {}
        self._lock = threading.Lock()
        self._pool = concurrent.futures.ThreadPoolExecutor(num_threads) if num_threads else None

    def __len__(self):
        return len(self.plan)

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

    def batch(self, epoch, index):
        """Any batch of any epoch.

        Args:
            epoch: int, from 0.
            index: int, from 0 to `len(self) - 1`.

        Returns:
            Tuple of {"audio": float32 (B, S), "audio_lengths": int32 (B,)} and labels, int32 (B, U), zero where padded.
        """
        members = self._members(epoch)[index]
        loaded = [self._load(epoch, m) for m in members] if self._pool is None else self._from_pool(epoch, index)
        audio, labels = [], []
        for member, result in zip(members, loaded, strict=True):
            if not isinstance(result, UtteranceError):
                audio.append(result)
                labels.append(self.examples[member].labels)
            elif self.report is None:
                raise result
            else:
                self.report.add(result)
                logging.getLogger("s2s_keras").warning("Skipped: %s", result)
        if not audio:
            raise ValueError(
                f"No utterance of a batch of {len(members)} can be read, the last because of: {result} Use "
                'verify="audio", which leaves such files out before batches are formed.'
            )
        return self._collate(audio, labels)

    def batch_utterances(self, epoch, index):
        """The `Utterance`s of a batch, in its order: list of B."""
        return [self.examples[m].utterance for m in self._members(epoch)[index]]

    def for_fit(self):
        """What `fit` and `evaluate` take: a `tf.data.Dataset` on the TensorFlow backend, else the dataset itself."""
        return self.as_tf_dataset() if keras.backend.backend() == "tensorflow" else self

    def as_tf_dataset(self, prefetch=2):
        """The same batches as a `tf.data.Dataset`; every pass over it is the next epoch.

        Args:
            prefetch: int, batches that tf.data holds ready besides the dataset's own. Default 2.

        Returns:
            `tf.data.Dataset` of ({"audio": (None, None), "audio_lengths": (None,)}, labels (None, None)); `len(self)`
            elements, fewer in a pass that `start_at` shortened. It is not sharded again by tf.distribute: `num_shards`
            of `speech_dataset` does that.
        """
        import tensorflow as tf

        inputs = {"audio": tf.TensorSpec((None, None), "float32"), "audio_lengths": tf.TensorSpec((None,), "int32")}
        dataset = tf.data.Dataset.from_generator(
            self.__iter__, output_signature=(inputs, tf.TensorSpec((None, None), "int32"))
        )
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        # A first look at the data reads ahead, and must not reach the end of a short epoch.
        dataset = dataset.with_options(options).prefetch(prefetch if len(self) > 2 * prefetch + 4 else 0)
        # Not `assert_cardinality`: it fails in a pass that `start_at` shortened.
        dataset.cardinality = lambda: tf.constant(len(self), "int64")
        return dataset

    def _members(self, epoch):
        with self._lock:
            if self._planned[0] != epoch:
                self._planned = (epoch, self.plan.batches(epoch))
            return self._planned[1]

    def _load(self, epoch, member):
        try:
            audio = self.reader(self.examples[member].utterance)
        except UtteranceError as error:
            return error
        rng = np.random.default_rng((self.plan.seed, epoch, int(member)))
        for augmentation in self.augmentation:
            audio = augmentation(audio, rng)
        return audio

    def _from_pool(self, epoch, index):
        members = self._members(epoch)
        with self._lock:
            pending = {}
            for k in range(index, min(index + self.prefetch + 1, len(members))):
                futures = self._pending.pop((epoch, k), None)
                pending[epoch, k] = futures or [self._pool.submit(self._load, epoch, m) for m in members[k]]
            for future in [f for futures in self._pending.values() for f in futures]:
                future.cancel()
            self._pending = pending
            futures = pending.pop((epoch, index))
        return [future.result() for future in futures]

    def _collate(self, audio, labels):
        lengths = np.array([len(a) for a in audio], "int32")
        num_samples, num_labels = lengths.max(), max(map(len, labels))
        if self.pad_to_boundary:
            num_samples, most_labels = self._boundary(num_samples)
            num_labels = max(num_labels, most_labels)
        batch = np.zeros((len(audio), num_samples), "float32")
        targets = np.zeros((len(audio), num_labels), "int32")
        for row, (samples, ids) in enumerate(zip(audio, labels, strict=True)):
            batch[row, : len(samples)] = samples
            targets[row, : len(ids)] = ids
        return {"audio": batch, "audio_lengths": lengths}, targets

    def _boundary(self, num_samples):
        bucket = int(np.searchsorted(self._padded, num_samples, side="left"))
        if bucket < len(self._padded):
            return self._padded[bucket], self._label_lengths[bucket]
        # An augmentation stretched more than it says: the number of shapes stays small all the same.
        step = max(self._padded[-1] // 4, 1)
        return -(-num_samples // step) * step, self._label_lengths[-1]
