"""Batches of speech and labels for `fit`, on every backend."""

import concurrent.futures
import logging
import os
import threading

import keras
import numpy as np

from s2s_keras.data.bucketing import BatchPlan, bucket_boundaries
from s2s_keras.data.checking import AudioReader, Limits, SkipReport, check_utterances
from s2s_keras.data.manifest import Utterance, UtteranceError, load_manifest


class SpeechDataset(keras.utils.PyDataset):
    """Batches of audio and labels, decoded and augmented by threads ahead of the training step.

    Made by `speech_dataset`. Pass it to `fit` directly on JAX and PyTorch; on TensorFlow, where a `PyDataset` may not
    change its shapes, pass `as_tf_dataset()`; `for_fit()` gives whichever the current backend needs. All give the same
    batches. What is in a batch depends on the seed, the epoch and the utterance only, never on the order in which
    threads finish.

    Args:
        examples: list of `Example`, from `check_utterances`.
        plan: `BatchPlan` over the durations of the examples.
        reader: `AudioReader`.
        augmentation: callable `(audio, rng) -> audio`, a sequence of them, or None. Default None.
        pad_to_boundary: bool, whether audio and labels are padded to the longest of their bucket, so that every batch of
            a bucket has the same shape, or to the longest of the batch. Default False.
        report: `SkipReport` that counts utterances whose audio turns out unreadable, or None to raise. Default None.
        num_threads: int, decoding threads; 0 decodes in the caller's thread. Default 2.
        prefetch: int, batches prepared ahead. Default 4.

    Example:

    >>> import os, tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> from s2s_keras.tokenizers import CharacterTokenizer
    >>> path = os.path.join(tempfile.mkdtemp(), "yes.wav")
    >>> soundfile.write(path, np.zeros(8000), 16000)
    >>> dataset = speech_dataset([Utterance(path, "yes")], CharacterTokenizer(), batch_size=1)
    >>> inputs, labels = dataset[0]
    >>> inputs["audio"].shape, inputs["audio_lengths"].tolist(), labels.shape
    ((1, 8000), [8000], (1, 3))
    """

    def __init__(
        self, examples, plan, reader, augmentation=None, pad_to_boundary=False, report=None, num_threads=2, prefetch=4
    ):
        super().__init__()
        self.examples = examples
        self.plan = plan
        self.reader = reader
        self.augmentations = _as_list(augmentation)
        self.pad_to_boundary = pad_to_boundary
        self.report = report
        self.num_threads = num_threads
        self.prefetch = prefetch
        self.epoch = 0
        """Number of the epoch that comes next; set it to go on where an earlier run stopped."""
        stretch = np.prod([getattr(a, "max_stretch", 1.0) for a in self.augmentations])
        self._padded = [int(np.ceil(round(b * stretch * reader.sample_rate, 3))) for b in plan.boundaries]
        label_lengths = np.array([len(e.labels) for e in examples])
        self._label_lengths = [label_lengths[plan.bucket <= k].max(initial=1) for k in range(len(plan.boundaries))]
        self._batches = (None, None)
        self._served = {}
        self._pending = {}
        self._lock = threading.Lock()
        self._pool = concurrent.futures.ThreadPoolExecutor(num_threads) if num_threads else None

    def __len__(self):
        return len(self.plan)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"Batch {index} of a dataset of {len(self)} batches.")
        with self._lock:  # fit shuffles the indices, but the order is the plan's: the first index asked for is its first
            index = self._served.setdefault(index, len(self._served))
        return self.batch(self.epoch, index)

    def __iter__(self):
        """One epoch; the next one counts as begun when the last batch is handed out."""
        epoch = self.epoch
        for index in range(len(self)):
            batch = self.batch(epoch, index)
            if index == len(self) - 1:
                self.epoch = epoch + 1
            yield batch

    def on_epoch_end(self):
        """Called by `fit`, also before the first epoch: only an epoch that was read to its end counts."""
        if len(self._served) == len(self):
            self.epoch += 1
            self._served = {}

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
        audio, kept = [], []
        for member, result in zip(members, loaded, strict=True):
            if not isinstance(result, UtteranceError):
                audio.append(result)
                kept.append(member)
            elif self.report is None:
                raise result
            else:
                self.report.add(result)
                logging.getLogger("s2s_keras").warning("Skipped: %s", result)
        if not kept:
            raise ValueError(f'No utterance of a batch could be read, the last one: {result} Use verify="audio".')
        return self._collate(audio, [self.examples[k].labels for k in kept])

    def batch_utterances(self, epoch, index):
        """The `Utterance`s of a batch, in its order."""
        return [self.examples[m].utterance for m in self._members(epoch)[index]]

    def for_fit(self):
        """What `fit`, `evaluate` and `predict` of the current backend take: this, or a `tf.data.Dataset`."""
        return self.as_tf_dataset() if keras.backend.backend() == "tensorflow" else self

    def as_tf_dataset(self, prefetch=2):
        """The same batches as a `tf.data.Dataset`, one epoch each time it is iterated.

        Args:
            prefetch: int, batches that tf.data holds ready besides the dataset's own. Default 2.

        Returns:
            `tf.data.Dataset` of ({"audio": (None, None), "audio_lengths": (None,)}, labels (None, None)).
        """
        import tensorflow as tf

        inputs = {"audio": tf.TensorSpec((None, None), "float32"), "audio_lengths": tf.TensorSpec((None,), "int32")}
        dataset = tf.data.Dataset.from_generator(
            self.__iter__, output_signature=(inputs, tf.TensorSpec((None, None), "int32"))
        )
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(self)))
        return dataset.with_options(options).prefetch(prefetch)

    def _members(self, epoch):
        with self._lock:
            if self._batches[0] != epoch:
                self._batches = (epoch, self.plan.batches(epoch))
            return self._batches[1]

    def _load(self, epoch, member):
        try:
            audio = self.reader(self.examples[member].utterance)
        except UtteranceError as error:
            return error
        if self.augmentations:
            rng = np.random.default_rng((self.plan.seed, epoch, int(member)))
            for augmentation in self.augmentations:
                audio = augmentation(audio, rng)
        return audio

    def _from_pool(self, epoch, index):
        members = self._members(epoch)
        window = range(index, min(index + self.prefetch + 1, len(members)))
        with self._lock:
            pending = {}
            for k in window:
                key = (epoch, k)
                futures = self._pending.pop(key, None)
                pending[key] = futures or [self._pool.submit(self._load, epoch, m) for m in members[k]]
            for futures in self._pending.values():
                for future in futures:
                    future.cancel()
            self._pending = pending
            futures = pending.pop((epoch, index))
        return [future.result() for future in futures]

    def _collate(self, audio, labels):
        lengths = np.array([len(a) for a in audio], "int32")
        num_samples, num_labels = lengths.max(), max(map(len, labels))
        if self.pad_to_boundary:
            bucket = int(np.searchsorted(self._padded, num_samples, side="left"))
            if bucket < len(self._padded):
                num_samples = self._padded[bucket]
            else:  # an augmentation that stretches more than it says: keep the number of shapes small all the same
                bucket, step = len(self._padded) - 1, max(self._padded[-1] // 4, 1)
                num_samples = -(-num_samples // step) * step
            num_labels = max(num_labels, self._label_lengths[bucket])
        batch = np.zeros((len(audio), num_samples), "float32")
        targets = np.zeros((len(audio), num_labels), "int32")
        for row, (samples, ids) in enumerate(zip(audio, labels, strict=True)):
            batch[row, : len(samples)] = samples
            targets[row, : len(ids)] = ids
        return {"audio": batch, "audio_lengths": lengths}, targets


def speech_dataset(
    source,
    tokenizer,
    batch_size=16,
    *,
    sample_rate=16000,
    buckets=1,
    pad_to_boundary=None,
    shuffle=False,
    seed=0,
    drop_remainder=False,
    num_shards=1,
    shard_index=0,
    augmentation=None,
    normalize=None,
    cache=False,
    resample=True,
    min_duration=0.0,
    max_duration=None,
    frames_per_second=None,
    on_error="raise",
    verify=None,
    num_threads=None,
):
    """Manifests to batches: the way from files to `model.fit`.

    Every utterance is checked before the first batch: a wrong line, file, length or label is one error that names the
    manifest and the line, or is left out and counted with `on_error="skip"`.

    Args:
        source: path of a manifest (see `load_manifest`), a sequence of paths, or a sequence of `Utterance`.
        tokenizer: has `encode(text) -> list of int` and `vocabulary_size`; id 0 is the blank.
        batch_size: int, utterances per batch and worker. Default 16.
        sample_rate: int, samples per second of the batches. Default 16000.
        buckets: int, or sequence of float. Number of buckets, chosen so that padding is least, or the longest duration
            of each in seconds. Default 1.
        pad_to_boundary: bool or None. True pads to the longest of the bucket, so that a compiling backend meets one shape
            per bucket; False to the longest of the batch. Default None: True on JAX, False elsewhere. Set it to True
            where `compile(jit_compile=True)` is used on TensorFlow.
        shuffle: bool, whether the order changes every epoch. Default False.
        seed: int, of shuffling and augmentation. Default 0.
        drop_remainder: bool, whether the last batch is left out where it is not full. Default False.
        num_shards: int, number of workers that share the data. Default 1.
        shard_index: int, which of them this is. Default 0.
        augmentation: callable `(audio, rng) -> audio` or a sequence of them, see `s2s_keras.data.augmentation`.
        normalize: callable or None, applied to each text before it is encoded, e.g. `str.lower`. Default None.
        cache: bool, whether decoded audio stays in memory (64 KB a second at 16 kHz). Default False.
        resample: bool, whether files of another sample rate are converted or refused. Default True.
        min_duration: float, seconds; shorter utterances are refused. Default 0.
        max_duration: float or None, seconds; longer utterances are refused. Default None.
        frames_per_second: float or None, output frames of the model for a second of audio; utterances with more labels
            than CTC can place in their frames are refused. Default None: not checked.
        on_error: "raise" or "skip", what happens to refused utterances. Default "raise". With "skip" `dataset.report`
            holds their number per reason and the errors, and one line goes to the log of the name "s2s_keras".
        verify: "header" opens every file, "audio" decodes every file once, "manifest" believes the manifest's durations.
            Default None: "audio" with `on_error="skip"` (or the count would be wrong), else "header".
        num_threads: int or None, decoding threads. Default None: as many as CPU cores, up to 8.

    Returns:
        `SpeechDataset`; pass `dataset.for_fit()` to `fit`.

    Raises:
        ValueError: an argument is wrong, nothing is left, or (`UtteranceError`) an utterance is refused.

    Example: see `SpeechDataset`.
    """
    if on_error not in ("raise", "skip") or verify not in (None, "header", "audio", "manifest"):
        raise ValueError(
            'Expected on_error "raise" or "skip" and verify None, "header", "audio" or "manifest". Received: '
            f"on_error={on_error!r}, verify={verify!r}."
        )
    report = SkipReport() if on_error == "skip" else None
    on_bad = report.add if report else None
    augmentations = _as_list(augmentation)
    utterances = _utterances(source, on_bad)
    speed = np.prod([getattr(a, "max_speed", 1.0) for a in augmentations])
    limits = Limits(min_duration, max_duration, frames_per_second and frames_per_second / speed)
    reader = AudioReader(sample_rate, resample, cache)
    verify = verify or ("audio" if report else "header")
    examples = check_utterances(utterances, tokenizer, reader, limits, normalize=normalize, verify=verify, on_bad=on_bad)
    if report:
        report.log()
    if not examples:
        raise ValueError(f"No utterance to train on. {report.summary() if report else 'The source is empty.'}")
    durations = [example.duration for example in examples]
    boundaries = bucket_boundaries(durations, buckets) if isinstance(buckets, int) else buckets
    plan = BatchPlan(durations, batch_size, boundaries, shuffle, seed, drop_remainder, num_shards, shard_index)
    if pad_to_boundary is None:
        pad_to_boundary = keras.backend.backend() == "jax"
    if num_threads is None:
        num_threads = min(os.cpu_count() or 1, 8)
    return SpeechDataset(examples, plan, reader, augmentations, pad_to_boundary, report, num_threads)


def _utterances(source, on_bad):
    if isinstance(source, (str, os.PathLike)):
        return load_manifest(source, on_bad)
    source = list(source)
    if all(isinstance(item, Utterance) for item in source):
        return source
    return [utterance for path in source for utterance in load_manifest(path, on_bad)]


def _as_list(augmentation):
    if augmentation is None:
        return []
    return [augmentation] if callable(augmentation) else list(augmentation)
