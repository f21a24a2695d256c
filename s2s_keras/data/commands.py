"""Recordings of commands, digits and other single words, to batches of classes."""

import numpy as np

from s2s_keras.data.speech import speech_dataset


def commands_dataset(source, labels, batch_size=64, *, balanced=False, **options):
    """Manifests to batches of audio and classes: the way from files to a classifier's `fit`.

    The class of an utterance is its text. Everything else is `speech_dataset`: every utterance is checked before the
    first batch, and one whose text is no class is one error that names the manifest and the line, or is left out and
    counted with `on_error="skip"`.

    Args:
        source: path of a manifest (see `load_manifest`), a sequence of paths, or a sequence of `Utterance`.
        labels: sequence of str, the names of the classes in the order of the logits: `model.labels`.
        batch_size: int, utterances per batch and worker. Default 64.
        balanced: bool. True draws every class equally often, for data that hold many more of one than of another: the
            utterances of a rare class come several times in an epoch, those of a frequent one not in each. An epoch
            keeps its number of batches; it changes the order, so leave `shuffle` out, and takes one bucket. Default
            False.
        **options: of `speech_dataset`, such as `sample_rate`, `shuffle`, `augmentation` and `on_error`. Decoded audio
            stays in memory unless `cache=False`.

    Returns:
        `SpeechDataset` of {"audio": float32 (B, S), "audio_lengths": int32 (B,)} and classes, int32 (B,), 0 in empty
        rows. Pass `dataset.for_fit()` to `fit`, with `SparseCategoricalCrossentropy(from_logits=True)`; `Mixup` makes
        soft labels of it.

    Raises:
        ValueError: labels that are not names, each once; an argument is wrong; or (`UtteranceError`) an utterance is
            refused.

    Example:

    >>> import os, tempfile
    >>> import soundfile
    >>> from s2s_keras.data import Utterance
    >>> folder = tempfile.mkdtemp()
    >>> for word in ("no", "yes"):
    ...     soundfile.write(os.path.join(folder, f"{word}.wav"), np.zeros(8000), 16000)
    >>> utterances = [Utterance(os.path.join(folder, f"{word}.wav"), word) for word in ("yes", "no", "yes")]
    >>> inputs, classes = commands_dataset(utterances, labels=("no", "yes")).batch(epoch=0, index=0)
    >>> inputs["audio"].shape, classes.tolist()
    ((3, 8000), [1, 0, 1])
    """
    names = ClassNames(labels)
    if options.get("allow_empty"):
        raise ValueError(
            "Every recording has a class, so a text must not be empty. Received: allow_empty=True. Leave it out, and "
            "give noise a class of its own, such as `_silence_`."
        )
    if balanced:
        if options.get("shuffle") or options.get("buckets", 1) != 1:
            raise ValueError(
                "A balanced order is one of its own, over one bucket. Expected balanced=True without `shuffle` and "
                f"`buckets`. Received: shuffle={options.get('shuffle')}, buckets={options.get('buckets', 1)}."
            )
    dataset = speech_dataset(source, names, batch_size, **{"cache": True, "targets": as_classes, **options})
    if balanced:
        dataset.plan.shuffle = BalancedOrder([int(example.labels[0]) for example in dataset.examples])
    return dataset


class ClassNames:
    """The names of classes, in the place of a tokenizer: a text is one class, not a sequence of tokens.

    Classes count from 1 here, as tokens do; `as_classes` makes them count from 0.

    Args:
        labels: sequence of str.

    Raises:
        ValueError: labels that are not names, each once.

    Example:

    >>> ClassNames(("no", "yes")).encode("yes")
    [2]
    """

    def __init__(self, labels):
        labels = [labels] if isinstance(labels, str) else list(labels)
        if not labels or not all(isinstance(label, str) for label in labels) or len(set(labels)) != len(labels):
            raise ValueError(f"`labels` holds the names of the classes, text, each once. Received: {labels!r}.")
        self.ids = {label: number for number, label in enumerate(labels, 1)}
        self.vocabulary_size = len(labels) + 1

    def encode(self, text):
        """The class of a text, a list of one int from 1."""
        if text not in self.ids:
            names = list(self.ids)
            shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            raise ValueError(f"the text {text!r} is none of the {len(names)} classes ({shown}); mend it or drop it.")
        return [self.ids[text]]


def as_classes(inputs, labels):
    """Turns batches of one label each, from 1, into classes from 0: int32 (B,), 0 in empty rows."""
    return inputs, np.maximum(labels[:, 0] - 1, 0)


class BalancedOrder:
    """An order of reading that visits every class equally often, for `BatchPlan(shuffle=...)`.

    Class by class in a random order, and within a class all its utterances before one comes again.

    Args:
        classes: sequence of int, the class of every utterance.

    Example:

    >>> order = BalancedOrder([0, 0, 0, 0, 0, 1])(np.random.default_rng(0))
    >>> sorted(order.tolist()).count(5), len(order)
    (3, 6)
    """

    def __init__(self, classes):
        classes = np.asarray(classes)
        self.members = [np.flatnonzero(classes == c) for c in np.unique(classes)]
        self.size = len(classes)

    def __call__(self, rng):
        rounds = -(-self.size // len(self.members))
        columns = [
            np.concatenate([rng.permutation(members) for _ in range(-(-rounds // len(members)))])[:rounds]
            for members in self.members
        ]
        return rng.permuted(np.stack(columns, axis=1), axis=1).ravel()[: self.size]
