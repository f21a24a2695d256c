"""Manifests to batches."""

import os

import keras
import numpy as np

from s2s_keras.data.batches import SpeechDataset
from s2s_keras.data.bucketing import BatchPlan, ShardShuffle, bucket_boundaries
from s2s_keras.data.checking import AudioReader, Limits, SkipReport, check_utterances
from s2s_keras.data.manifest import Utterance, load_manifest
from s2s_keras.data.teacher_forcing import TeacherForcing

_DECODED_FIRST = 10_000  # utterances


def speech_dataset(
    source,
    tokenizer,
    batch_size=16,
    *,
    synthetic=None,
    synthetic_share=0.5,
    batch_seconds=None,
    sample_rate=16000,
    buckets=1,
    pad_to_boundary=None,
    shuffle=False,
    shuffle_window=None,
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
    allow_empty=False,
    on_error="raise",
    verify=None,
    num_threads=None,
    targets="ctc",
):
    """Manifests to batches: the way from files to `model.fit`.

    Every utterance is checked before the first batch: a wrong line, file, length or label is one error that names the
    manifest and the line, or is left out and counted with `on_error="skip"`.

    Args:
        source: path of a manifest (see `load_manifest`), a sequence of paths, or a sequence of `Utterance`.
        tokenizer: has `encode(text) -> list of int` and `vocabulary_size`; id 0 is the blank.
        batch_size: int, utterances per batch and worker. Default 16.
        synthetic: as `source`, synthetic speech that is mixed in, or None. Default None.
        synthetic_share: float in [0, 1], the share of the utterances that is drawn from it: all of `source` stays, but
            for a share of 1. Default 0.5, the best in the experiments of Jasper's authors.
        batch_seconds: float or None, seconds of audio per batch and worker, padding included, instead of `batch_size`:
            batches of a bucket hold as many utterances as fit when each is as long as the bucket's boundary, so use
            several buckets. Every epoch has the same number of batches. Default None.
        sample_rate: int, samples per second of the batches. Default 16000.
        buckets: int, or sequence of float. Number of buckets, chosen so that padding is least, or the longest duration
            of each in seconds. Default 1.
        pad_to_boundary: bool or None. True pads to the longest of the bucket, so that a compiling backend meets one
            shape per bucket; False to the longest of the batch. Default None: True on JAX, False elsewhere. Set it to
            True where `compile(jit_compile=True)` is used on TensorFlow.
        shuffle: bool, whether the order changes every epoch. Default False.
        shuffle_window: int or None, with `shuffle`: the shards of `write_shards` change places, and utterances only
            among so many neighbouring shards, so that reads stay in few files; 8 is a good number on a network disk.
            Default None: utterances change places freely.
        seed: int, of shuffling and augmentation; the same on every worker. Default 0.
        drop_remainder: bool, whether the last batch is left out where it is not full. Default False; True where a
            second batch size would cost a compilation.
        num_shards: int, number of workers that share the data, each reading its rows of the same batches; batches then
            carry weights, see `SpeechDataset`. Default 1.
        shard_index: int, which of them this is. Default 0.
        augmentation: callable `(audio, rng) -> audio`, a sequence of them, applied in order, or None, see
            `s2s_keras.data.augmentation`. Default None.
        normalize: callable or None, applied to each text before it is encoded, e.g. `str.lower`. Default None.
        cache: bool, whether decoded audio stays in memory (64 KB a second at 16 kHz). Default False.
        resample: bool, whether files of another sample rate are converted or refused. Default True.
        min_duration: float, seconds; shorter utterances are refused. Default 0.
        max_duration: float or None, seconds; longer utterances are refused. Default None.
        frames_per_second: float or None, output frames of the model for a second of audio; utterances with more labels
            than CTC can place in their frames are refused. Default None: not checked.
        allow_empty: bool, whether a text may be empty: the recording has no speech, and CTC learns to be silent. Such
            recordings keep a recognizer from hearing letters in noise. Default False: they are refused.
        on_error: "raise" or "skip", what happens to refused utterances. Default "raise". With "skip" `dataset.report`
            holds their number per reason and the errors, and one line goes to the log named "s2s_keras".
        verify: "header" opens every file, "audio" decodes every file once, "manifest" believes the manifest's
            durations. Default None: "header" for more than 10,000 utterances (decoding takes about a millisecond for a
            second of audio), else "audio", as it is with `cache`, where it costs nothing, and with `on_error="skip"`,
            so that the count is complete. A file that turns out damaged later stops training with the same message,
            which TensorFlow wraps in an error of its own.
        num_threads: int or None, decoding threads. Default None: as many as CPU cores, up to 8.
        targets: "ctc" for labels; "attention" for labels and an end, with "decoder_token_ids" among the inputs; "joint"
            for a dict of both, see `TeacherForcing`; or a callable `(inputs, labels) -> (inputs, labels)` that is
            applied to every batch. Default "ctc".

    Returns:
        `SpeechDataset`; pass `dataset.for_fit()` to `fit`.

    Raises:
        ValueError: an argument is wrong, nothing is left, an utterance is longer than `batch_seconds`, or
            (`UtteranceError`) an utterance is refused.

    Example:

    >>> import os, tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> from s2s_keras.tokenizers import CharacterTokenizer
    >>> folder = tempfile.mkdtemp()
    >>> soundfile.write(os.path.join(folder, "yes.wav"), np.zeros(8000), 16000)
    >>> manifest = os.path.join(folder, "train.jsonl")
    >>> with open(manifest, "w") as file:
    ...     _ = file.write('{"audio_filepath": "yes.wav", "text": "yes"}\\n')
    >>> train = speech_dataset(manifest, CharacterTokenizer(), batch_size=8, shuffle=True)
    >>> len(train), [inputs["audio"].shape for inputs, labels in train]
    (1, [(1, 8000)])
    """
    if on_error not in ("raise", "skip") or verify not in (None, "header", "audio", "manifest"):
        raise ValueError(
            'Expected on_error "raise" or "skip" and verify None, "header", "audio" or "manifest". Received: '
            f"on_error={on_error!r}, verify={verify!r}."
        )
    if not callable(targets) and targets not in ("ctc", "attention", "joint"):
        raise ValueError(f'`targets` is "ctc", "attention", "joint" or a callable. Received: targets={targets!r}.')
    report = SkipReport() if on_error == "skip" else None
    on_bad = report.add if report else None
    augmentation = _as_tuple(augmentation)
    speed = np.prod([getattr(a, "max_speed", 1.0) for a in augmentation])
    limits = Limits(min_duration, max_duration, frames_per_second and frames_per_second / speed, allow_empty)
    reader = AudioReader(sample_rate, resample, cache)
    utterances = utterances_of(source, on_bad)
    if synthetic is not None:
        utterances = _mixed(utterances, utterances_of(synthetic, on_bad), synthetic_share, seed)
    if verify is None:
        verify = "audio" if report or cache or len(utterances) <= _DECODED_FIRST else "header"
    examples = check_utterances(
        utterances, tokenizer, reader, limits, normalize=normalize, verify=verify, on_bad=on_bad
    )
    if report:
        report.log()
    if not examples:
        raise ValueError(f"No utterance is left to make batches of. {report.summary() if report else ''}")
    durations = [example.duration for example in examples]
    boundaries = bucket_boundaries(durations, buckets) if isinstance(buckets, int) else buckets
    if batch_seconds is not None:
        batch_size = _batch_sizes(batch_seconds, np.prod([getattr(a, "max_stretch", 1.0) for a in augmentation]))
    if shuffle and shuffle_window is not None:
        shuffle = ShardShuffle([example.utterance.audio for example in examples], shuffle_window)
    plan = BatchPlan(durations, batch_size, boundaries, shuffle, seed, drop_remainder, num_shards, shard_index)
    if pad_to_boundary is None:
        pad_to_boundary = keras.backend.backend() == "jax"
    if num_threads is None:
        num_threads = min(os.cpu_count() or 1, 8)
    if not callable(targets):
        with_ctc = targets == "joint"
        targets = None if targets == "ctc" else TeacherForcing(tokenizer.vocabulary_size, with_ctc)
    return SpeechDataset(examples, plan, reader, augmentation, pad_to_boundary, report, num_threads, targets=targets)


def _mixed(natural, synthetic, share, seed):
    """All natural utterances and so many synthetic ones that they are this share; at 1 the synthetic ones alone."""
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"`synthetic_share` must be in [0, 1]. Received: synthetic_share={share}.")
    if share == 1.0:
        return synthetic
    count = round(len(natural) * share / (1.0 - share))
    if count > len(synthetic):
        raise ValueError(
            f"A synthetic_share of {share} beside {len(natural)} natural utterances needs {count} synthetic ones. "
            f"Received: {len(synthetic)}. Make more of them, or lower the share."
        )
    return natural + [synthetic[n] for n in sorted(np.random.default_rng(seed).permutation(len(synthetic))[:count])]


def utterances_of(source, on_bad=None):
    """The utterances of a path of a manifest, of several, or of a sequence of `Utterance`: list of `Utterance`."""
    if isinstance(source, (str, os.PathLike)):
        return load_manifest(source, on_bad)
    source = list(source)
    if all(isinstance(item, Utterance) for item in source):
        return source
    return [utterance for path in source for utterance in load_manifest(path, on_bad)]


def _as_tuple(augmentation):
    if augmentation is None:
        return ()
    return (augmentation,) if callable(augmentation) else tuple(augmentation)


def _batch_sizes(batch_seconds, stretch):
    """How many utterances of a bucket make `batch_seconds`, by the bucket's boundary."""

    def size(boundary):
        if boundary * stretch > batch_seconds:
            raise ValueError(
                f"An utterance of up to {boundary * stretch:.2f} s, augmentation included, does not fit into "
                f"batch_seconds={batch_seconds}; raise batch_seconds or set max_duration."
            )
        return int(batch_seconds / (boundary * stretch))

    return size
