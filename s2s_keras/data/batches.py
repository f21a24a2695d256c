"""Batches of speech and labels for `fit`, on every backend."""

import concurrent.futures
import logging

import keras
import numpy as np

from s2s_keras.data.epochs import EpochDataset
from s2s_keras.data.manifest import UtteranceError


class SpeechDataset(EpochDataset):
    """Batches of audio and labels, decoded and augmented by threads ahead of the training step.

    `speech_dataset` makes it from manifests. Pass `for_fit()` to `fit`: the dataset itself on JAX and PyTorch, a
    `tf.data.Dataset` on TensorFlow, where Keras does not take a `PyDataset` whose shapes change. Both give the same
    batches. What is in a batch depends on the seed, the epoch and the utterance only, never on the order in which
    threads finish.

    Several workers cut the same batches of all workers, and each takes its rows. Where such a batch does not divide,
    empty rows fill it up: audio of zeros, length 0, labels 0, weight 0. They change nothing that a model of this
    library computes from the other rows, and the weights make the mean over workers the mean over utterances.

    Args:
        examples: list of `Example`, from `check_utterances`.
        plan: `BatchPlan` over the durations of the examples.
        reader: `AudioReader`.
        augmentation: sequence of callables `(audio, rng) -> audio`, applied in order. Default none.
        pad_to_boundary: bool, whether audio and labels are padded to the longest of their bucket, so that every batch
            of a bucket has the same shape, or to the longest of the batch. Default False; several workers on JAX always
            pad to the bucket, as their shapes have to agree.
        report: `SkipReport` that counts utterances whose audio turns out unreadable, or None to raise. Default None.
        num_threads: int, decoding threads; 0 decodes in the caller's thread. Default 2.
        prefetch: int, batches prepared ahead. Default 4.
        targets: callable `(inputs, labels) -> (inputs, labels)` applied to every batch, such as `TeacherForcing`, or
            None. Default None.

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
        self,
        examples,
        plan,
        reader,
        augmentation=(),
        pad_to_boundary=False,
        report=None,
        num_threads=2,
        prefetch=4,
        targets=None,
    ):
        super().__init__()
        self.examples = examples
        self.plan = plan
        self.num_shards = plan.num_shards
        self.reader = reader
        self.augmentation = tuple(augmentation)
        self._shapes_agree = plan.num_shards > 1 and keras.backend.backend() == "jax"
        self.pad_to_boundary = pad_to_boundary or self._shapes_agree
        self.report = report
        self.prefetch = prefetch
        self.targets = targets
        stretch = np.prod([getattr(a, "max_stretch", 1.0) for a in self.augmentation])
        self._padded = [int(np.ceil(round(b * stretch * reader.sample_rate, 3))) for b in plan.boundaries]
        label_lengths = np.fromiter((e.num_labels for e in examples), "int32", len(examples))
        self._label_lengths = [label_lengths[plan.bucket <= k].max(initial=1) for k in range(len(plan.boundaries))]
        self._planned = (None, None)
        self._pending = {}
        self._pool = concurrent.futures.ThreadPoolExecutor(num_threads) if num_threads else None

    def __len__(self):
        return len(self.plan)

    def batch(self, epoch, index):
        """Any batch of any epoch.

        Args:
            epoch: int, from 0.
            index: int, from 0 to `len(self) - 1`.

        Returns:
            Tuple of {"audio": float32 (B, S), "audio_lengths": int32 (B,)} and labels, int32 (B, U), zero where padded;
            with several workers also weights, float32 (B,).
        """
        planned = self._batches(epoch)
        members = self.plan.share(planned[index])
        loaded = [self._load(epoch, m) for m in members] if self._pool is None else self._from_pool(epoch, index)
        rows = [None if self._is_bad(result) else result for result in loaded]
        if self.plan.num_shards == 1:
            members = [m for m, row in zip(members, rows, strict=True) if row is not None]
            rows = [row for row in rows if row is not None]
            if not rows:
                raise ValueError(
                    f"No utterance of a batch of {len(loaded)} can be read, the last because of: {loaded[-1]} Use "
                    'verify="audio", which leaves such files out before batches are formed.'
                )
        examples = [None if row is None else self.examples[m] for m, row in zip(members, rows, strict=True)]
        batch = self._collate(rows, examples, self.plan.bucket[planned[index]].max())
        if self.plan.num_shards == 1:
            return batch
        weight = len(rows) * self.plan.num_shards / len(planned[index])
        return *batch, np.array([0.0 if row is None else weight for row in rows], "float32")

    def batch_utterances(self, epoch, index):
        """The `Utterance`s of a batch, in its order: list of B, None for an empty row."""
        members = self.plan.share(self._batches(epoch)[index])
        return [None if m < 0 else self.examples[m].utterance for m in members]

    def statistics(self, epoch):
        """What an epoch consists of, on all workers together, before augmentation.

        Args:
            epoch: int, from 0.

        Returns:
            Dictionary of numbers, ready to be logged: "batches" (of one worker), "utterances", "audio_hours", "padding"
            (the share of zeros in the audio of the batches), "empty_rows", "skipped" and, for each reason,
            "skipped/REASON": utterances left out so far.
        """
        seconds, real, rows = 0.0, 0.0, 0
        batches = self._batches(epoch)
        for batch in batches:
            size = -(-len(batch) // self.plan.num_shards) * self.plan.num_shards
            durations = self.plan.durations[batch]
            longest = self.plan.boundaries[self.plan.bucket[batch].max()] if self.pad_to_boundary else durations.max()
            seconds, real, rows = seconds + size * longest, real + durations.sum(), rows + size
        utterances = sum(map(len, batches))
        skipped = self.report.counts if self.report else {}
        return {
            "batches": len(batches),
            "utterances": utterances,
            "audio_hours": float(real / 3600.0),
            "padding": float(1.0 - real / seconds),
            "empty_rows": rows - utterances,
            "skipped": sum(skipped.values()),
            **{f"skipped/{reason}": count for reason, count in skipped.items()},
        }

    def element_spec(self):
        """The `tf.TensorSpec` of everything in a batch."""
        import tensorflow as tf

        inputs, labels = {"audio": np.zeros((1, 1)), "audio_lengths": np.ones(1, "int32")}, np.ones((1, 1), "int32")
        spec = keras.tree.map_structure(
            lambda x: tf.TensorSpec((None,) * x.ndim, "float32" if x.dtype.kind == "f" else "int32"),
            self._with_targets(inputs, labels),
        )
        return spec if self.plan.num_shards == 1 else (*spec, tf.TensorSpec((None,), "float32"))

    def _batches(self, epoch):
        with self._lock:
            if self._planned[0] != epoch:
                self._planned = (epoch, self.plan.global_batches(epoch))
            return self._planned[1]

    def _load(self, epoch, member):
        """Samples of an utterance; an error where there are none; None for an empty row."""
        if member < 0:
            return None
        try:
            audio = self.reader(self.examples[member].utterance)
        except UtteranceError as error:
            return error
        rng = np.random.default_rng((self.plan.seed, epoch, int(member)))
        for augmentation in self.augmentation:
            audio = augmentation(audio, rng)
        return audio

    def _from_pool(self, epoch, index):
        batches = self._batches(epoch)
        with self._lock:
            pending = {}
            for k in range(index, min(index + self.prefetch + 1, len(batches))):
                futures = self._pending.pop((epoch, k), None)
                pending[epoch, k] = futures or [
                    self._pool.submit(self._load, epoch, m) for m in self.plan.share(batches[k])
                ]
            for future in [f for futures in self._pending.values() for f in futures]:
                future.cancel()
            self._pending = pending
            futures = pending.pop((epoch, index))
        return [future.result() for future in futures]

    def _is_bad(self, result):
        if not isinstance(result, UtteranceError):
            return False
        if self.report is None:
            raise result
        self.report.add(result)
        logging.getLogger("s2s_keras").warning("Skipped: %s", result)
        return True

    def _collate(self, rows, examples, bucket):
        """Inputs and labels of what `_load` gave for examples; None in both is an empty row."""
        audio = [() if row is None else row for row in rows]
        labels = [() if example is None else example.labels for example in examples]
        lengths = np.array([len(a) for a in audio], "int32")
        num_samples, num_labels = self._batch_shape(lengths.max(), labels, bucket)
        batch = np.zeros((len(audio), num_samples), "float32")
        targets = np.zeros((len(audio), num_labels), "int32")
        for row, (samples, ids) in enumerate(zip(audio, labels, strict=True)):
            batch[row, : len(samples)] = samples
            targets[row, : len(ids)] = ids
        return self._with_targets({"audio": batch, "audio_lengths": lengths}, targets)

    def _batch_shape(self, longest, labels, bucket):
        if self.pad_to_boundary:
            return self._boundary(max(longest, 1), bucket), self._label_lengths[bucket]
        return max(longest, 1), max(1, *map(len, labels))

    def _with_targets(self, inputs, labels):
        return (inputs, labels) if self.targets is None else self.targets(inputs, labels)

    def _boundary(self, num_samples, bucket):
        if num_samples <= self._padded[bucket]:
            return self._padded[bucket]
        if self._shapes_agree:
            raise ValueError(
                f"An augmentation made {num_samples} samples of an utterance, {self._padded[bucket]} are its bucket's "
                "most, and batches of several workers must have one shape; give the augmentation a `max_stretch`."
            )
        # An augmentation stretched more than it says: the number of shapes stays small all the same.
        step = max(self._padded[-1] // 4, 1)
        return -(-num_samples // step) * step
