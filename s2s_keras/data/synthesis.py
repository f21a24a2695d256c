"""Recordings and texts to batches that a synthesizer learns to speak from."""

import os

import keras
import numpy as np

from s2s_keras.data.batches import SpeechDataset
from s2s_keras.data.bucketing import BatchPlan, bucket_boundaries
from s2s_keras.data.checking import AudioReader, Example, SkipReport, encode_labels, examples_of
from s2s_keras.data.manifest import UtteranceError
from s2s_keras.data.mels import FLOOR, MelReader, features_of_layer
from s2s_keras.data.speech import utterances_of

NEAR = 0.04  # seconds from a token that still count as it: what an alignment is out by


def synthesis_dataset(
    source,
    tokenizer,
    batch_size=16,
    *,
    features,
    sample_rate=16000,
    magnitude=None,
    speakers=None,
    token_ends=None,
    hold=None,
    reduction_factor=1,
    end_frames=2,
    floor=None,
    trim=60.0,
    min_frames=1,
    max_frames=None,
    buckets=1,
    pad_to_boundary=None,
    shuffle=False,
    seed=0,
    drop_remainder=False,
    num_shards=1,
    shard_index=0,
    normalize=None,
    cache=True,
    resample=True,
    on_error="raise",
    num_threads=None,
):
    """Manifests to batches of texts and spectrograms: the way from files to the `fit` of a synthesizer.

    Every recording is decoded, trimmed and turned into a spectrogram before the first batch, so that a damaged file, a
    wrong length or a character that the tokenizer does not have is one error that names the manifest and the line, or
    is left out and counted with `on_error="skip"`.

    Args:
        source: path of a manifest (see `load_manifest`), a sequence of paths, or a sequence of `Utterance`.
        tokenizer: has `encode(text) -> list of int` and `vocabulary_size`; id 0 is padding. `SynthesisTokenizer`.
        batch_size: int, utterances per batch and worker; or a callable that is given the longest spectrogram of a
            bucket, in frames, and says how many utterances its batches hold. Default 16.
        features: `MelSpectrogram`, or a callable from audio, float32 (S,), to a log-mel spectrogram, float32 (T, F).
        sample_rate: int, samples per second of the audio. Default 16000.
        magnitude: callable from audio, float32 (S,), to magnitudes, float32 (T, M), for models that predict them too;
            or None. Default None.
        speakers: sequence of str, the speakers in the order of their ids, for models of several voices; or None.
        token_ends: mapping from the `audio` of every utterance to the seconds at which each of its tokens ends, start
            and end included, in the trimmed recording; then there is a target "alignment" for `AlignmentLikelihood`.
            Default None.
        hold: float in [0, 1] or None, the share of a batch whose attention is held to its target: there is an input
            "held" for models with `held_attention`, the target "alignment" for that share, ones for the others. 0 for
            validation. Default None: no such input.
        reduction_factor: int, frames that the model makes at a time: lengths are multiples of it. Default 1.
        end_frames: int, frames of silence that follow every utterance, at least. Default 2.
        floor: float, the value of silence before the logarithm. Default None: that of `features`, else 1e-5.
        trim: float, decibels below the loudest part from which both ends of a recording count as silence and are cut; a
            callable `audio -> audio`; or None. Default 60, that of the original, which leaves most recordings as they
            are; 35 to 40 cuts the pauses of a voice recorded at home.
        min_frames: int; utterances of fewer are refused. Default 1; the original takes 24.
        max_frames: int or None; utterances of more, silence included, are refused. Default None; the original takes
            1024.
        buckets: int, or sequence of int. Number of buckets, chosen so that padding is least, or the longest spectrogram
            of each, in frames. Default 1.
        pad_to_boundary: bool or None. True pads to the longest of the bucket, so that a compiling backend meets one
            shape per bucket; False to the longest of the batch. Default None: True on JAX, False elsewhere.
        shuffle: bool, whether the order changes every epoch. Default False.
        seed: int, of shuffling; the same on every worker. Default 0.
        drop_remainder: bool, whether the last batch is left out where it is not full. Default False.
        num_shards: int, number of workers that share the data; batches then carry weights. Default 1.
        shard_index: int, which of them this is. Default 0.
        normalize: callable or None, applied to each text before it is encoded. Default None.
        cache: bool or path. True keeps spectrograms in memory (20 KB a second of 80 bins and 62.5 frames a second), a
            path in files of that folder, which later runs with the same settings find; False makes them again for every
            batch. Default True.
        resample: bool, whether files of another sample rate are converted or refused. Default True.
        on_error: "raise" or "skip", what happens to refused utterances. Default "raise". With "skip" `dataset.report`
            holds their number per reason and the errors, and one line goes to the log named "s2s_keras".
        num_threads: int or None, reading threads. Default None: as many as CPU cores, up to 8.

    Returns:
        `SynthesisDataset`; pass `dataset.for_fit()` to `fit`.

    Raises:
        ValueError: an argument is wrong, nothing is left, or (`UtteranceError`) an utterance is refused.

    Example:

    >>> import os, tempfile
    >>> import soundfile
    >>> from s2s_keras.data import Utterance
    >>> from s2s_keras.tokenizers import SynthesisTokenizer
    >>> path = os.path.join(tempfile.mkdtemp(), "yes.wav")
    >>> soundfile.write(path, np.ones(1600), 16000)
    >>> def features(audio):
    ...     return np.zeros((1 + len(audio) // 256, 80), "float32")
    >>> dataset = synthesis_dataset([Utterance(path, "yes")], SynthesisTokenizer(), features=features)
    >>> inputs, targets = dataset.batch(epoch=0, index=0)
    >>> {name: array.shape for name, array in (inputs | targets).items()}
    {'token_ids': (1, 5), 'mel_lengths': (1,), 'mel': (1, 9, 80), 'mel_postnet': (1, 9, 80), 'stop': (1, 9)}
    >>> targets["stop"][0].tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]

    Reference: OpenSeq2Seq's `Text2SpeechDataLayer`, which pads with 2 to 9 frames of silence to a multiple of 8.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f'Expected on_error "raise" or "skip". Received: on_error={on_error!r}.')
    is_layer = isinstance(features, keras.layers.Layer)
    if is_layer and features.sample_rate != sample_rate:
        raise ValueError(
            f"`features` is a layer for {features.sample_rate} Hz; expected the data's sample_rate={sample_rate}."
        )
    if token_ends is not None and not is_layer:
        raise ValueError(
            "`token_ends` needs `features` that is a layer, whose hop says when a frame is. Received a callable."
        )
    if hold is not None and (token_ends is None or not 0.0 <= hold <= 1.0):
        raise ValueError(
            f"`hold` is a share from 0 to 1 of utterances with `token_ends`. Received: hold={hold!r}, token_ends="
            f"{type(token_ends).__name__}."
        )
    report = SkipReport() if on_error == "skip" else None
    on_bad = report.add if report else None
    reader = MelReader(
        AudioReader(sample_rate, resample),
        features_of_layer(features) if is_layer else features,
        magnitude,
        trim,
        end_frames,
        reduction_factor,
        floor or getattr(features, "floor", FLOOR),
        cache,
    )
    check = _Check(tokenizer, reader, normalize, min_frames, max_frames, speakers)
    examples = examples_of(check, utterances_of(source, on_bad), on_bad)
    if report:
        report.log()
    if not examples:
        raise ValueError(f"No utterance is left to make batches of. {report.summary() if report else ''}")
    frames = [example.duration for example in examples]
    if isinstance(buckets, int):
        buckets = bucket_boundaries(frames, buckets)
    boundaries = sorted({-(-int(frames) // reduction_factor) * reduction_factor for frames in buckets})
    plan = BatchPlan(frames, batch_size, boundaries, shuffle, seed, drop_remainder, num_shards, shard_index)
    if pad_to_boundary is None:
        pad_to_boundary = keras.backend.backend() == "jax"
    if num_threads is None:
        num_threads = min(os.cpu_count() or 1, 8)
    dataset = SynthesisDataset(examples, plan, reader, pad_to_boundary, report, num_threads, speakers=speakers)
    if token_ends is not None:
        dataset.guide(token_ends, features.hop_length / sample_rate, hold)
    return dataset


class SynthesisDataset(SpeechDataset):
    """Batches of texts and spectrograms, from `synthesis_dataset`. Pass `for_fit()` to `fit`.

    Order, buckets, resumption and several workers are those of `SpeechDataset`. `plan` counts in frames.

    Args:
        examples: list of `Example`, whose durations are frames.
        plan: `BatchPlan` over the frames of the examples.
        reader: `MelReader`.
        pad_to_boundary, report, num_threads, prefetch: as of `SpeechDataset`.
        speakers: sequence of str, the speakers in the order of their ids, or None. Default None.
    """

    def __init__(
        self, examples, plan, reader, pad_to_boundary=False, report=None, num_threads=2, prefetch=4, speakers=None
    ):
        super().__init__(
            examples,
            plan,
            reader,
            pad_to_boundary=pad_to_boundary,
            report=report,
            num_threads=num_threads,
            prefetch=prefetch,
        )
        self.speaker_ids = None if speakers is None else {name: number for number, name in enumerate(speakers)}
        self._first = reader(examples[0].utterance)
        self.token_ends = None

    def guide(self, token_ends, frame_seconds, hold=None):
        """Adds the target "alignment": 1 at the tokens that are said around the middle of a step, 0 elsewhere.

        Args:
            token_ends: as of `synthesis_dataset`.
            frame_seconds: float, seconds between two frames.
            hold: as of `synthesis_dataset`.
        """
        for example in self.examples:
            ends = token_ends.get(example.utterance.audio)
            if ends is None or len(ends) != len(example.labels):
                raise ValueError(
                    f"`token_ends` has an end for each of {len(example.labels)} tokens of {example.utterance.audio}. "
                    f"Received: {ends if ends is None else len(ends)}."
                )
        self.token_ends, self.frame_seconds, self.hold = token_ends, frame_seconds, hold

    def batch(self, epoch, index):
        """Any batch of any epoch.

        Args:
            epoch: int, from 0.
            index: int, from 0 to `len(self) - 1`.

        Returns:
            Tuple of {"token_ids": int32 (B, U), "mel": float32 (B, T, F), "mel_lengths": int32 (B,)}, with `speakers`
            also "speaker_ids": int32 (B,); and {"mel" and "mel_postnet": the same spectrogram, "stop": float32 (B, T),
            1 in the silence at the end}, with `magnitude` also "magnitude": float32 (B, T, M). Zero where padded; with
            several workers also weights, float32 (B,).
        """
        return super().batch(epoch, index)

    def statistics(self, epoch):
        """What an epoch consists of: as of `SpeechDataset`, with "frames" in the place of "audio_hours"."""
        statistics = super().statistics(epoch)
        frames = round(3600 * statistics.pop("audio_hours"))
        return {**statistics, "frames": frames}

    def element_spec(self):
        """The `tf.TensorSpec` of everything in a batch."""
        import tensorflow as tf

        spec = keras.tree.map_structure(
            lambda x: tf.TensorSpec((None, None, x.shape[2]) if x.ndim == 3 else (None,) * x.ndim, x.dtype),
            self._collate([self._first], self.examples[:1], bucket=0),
        )
        if self.token_ends is not None:
            spec[1]["alignment"] = tf.TensorSpec((None, None, None), "float32")
            if self.hold is not None:
                spec[0]["held"] = spec[1]["alignment"]
        return spec if self.plan.num_shards == 1 else (*spec, tf.TensorSpec((None,), "float32"))

    def _collate(self, mels, examples, bucket):
        labels = [() if example is None else example.labels for example in examples]
        lengths = np.array([0 if mel is None else len(mel.mel) for mel in mels], "int32")
        num_frames, num_tokens = self._batch_shape(max(lengths.max(), self.reader.reduction_factor), labels, bucket)
        shape = (len(mels), num_frames)
        inputs = {"token_ids": np.zeros((len(mels), num_tokens), "int32"), "mel_lengths": lengths}
        mel, stop = np.zeros((*shape, self._first.mel.shape[1]), "float32"), np.zeros(shape, "float32")
        targets = {"mel": mel, "mel_postnet": mel, "stop": stop}
        if self._first.magnitude is not None:
            targets["magnitude"] = np.zeros((*shape, self._first.magnitude.shape[1]), "float32")
        for row, (spectrograms, ids) in enumerate(zip(mels, labels, strict=True)):
            inputs["token_ids"][row, : len(ids)] = ids
            if spectrograms is not None:
                mel[row, : lengths[row]] = spectrograms.mel
                stop[row, spectrograms.num_spoken : lengths[row]] = 1.0
                if "magnitude" in targets:
                    targets["magnitude"][row, : lengths[row]] = spectrograms.magnitude
        if self.token_ends is not None:
            targets["alignment"] = self._alignment(examples, num_frames, num_tokens)
            if self.hold is not None:
                inputs["held"] = targets["alignment"].copy()
                inputs["held"][round(self.hold * len(examples)) :] = 1.0
        if self.speaker_ids is not None:
            ids = [0 if e is None else self.speaker_ids[e.utterance.speaker] for e in examples]
            inputs["speaker_ids"] = np.array(ids, "int32")
        return {**inputs, "mel": mel}, targets

    def _alignment(self, examples, num_frames, num_tokens):
        factor = self.reader.reduction_factor
        middle = (np.arange(-(-num_frames // factor))[:, None] + 0.5) * factor * self.frame_seconds
        alignment = np.zeros((len(examples), len(middle), num_tokens), "float32")
        for row, example in enumerate(examples):
            if example is not None:
                ends = np.array([*self.token_ends[example.utterance.audio][:-1], np.inf])
                starts = np.array([-np.inf, *ends[:-1]])
                near = (starts - NEAR <= middle) & (middle < ends + NEAR)
                alignment[row, :, : len(ends)] = near
        return alignment


class _Check:
    """From an utterance to an `Example` whose duration is frames, or to the `UtteranceError` that says why not."""

    def __init__(self, tokenizer, reader, normalize, min_frames, max_frames, speakers):
        self.tokenizer = tokenizer
        self.reader = reader
        self.normalize = normalize
        self.min_frames = min_frames
        self.max_frames = max_frames
        self.speakers = None if speakers is None else frozenset(speakers)

    def __call__(self, utterance):
        try:
            labels = encode_labels(utterance, self.tokenizer, self.normalize)
            if self.speakers is not None and utterance.speaker not in self.speakers:
                message = f"the speaker {utterance.speaker!r} is none of `speakers`, {sorted(self.speakers)[:12]}."
                raise UtteranceError("unknown speaker", utterance.where, message)
            frames = len(self.reader(utterance).mel)
            if frames < self.min_frames:
                message = f"{utterance.audio} makes {frames} frames, min_frames is {self.min_frames}."
                raise UtteranceError("too short", utterance.where, message)
            if self.max_frames is not None and frames > self.max_frames:
                message = f"{utterance.audio} makes {frames} frames, max_frames is {self.max_frames}."
                raise UtteranceError("too long", utterance.where, message)
            return Example(utterance, labels, frames)
        except UtteranceError as error:
            return error
