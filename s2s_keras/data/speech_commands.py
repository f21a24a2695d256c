"""Google Speech Commands: 35 words of thousands of speakers (2017 and 2018)."""

import collections
import hashlib
import math
import os
import re

import numpy as np

from s2s_keras.data.manifest import Utterance, UtteranceError
from s2s_keras.ops.audio import audio_info

SILENCE, UNKNOWN, NOISE_FOLDER = "_silence_", "_unknown_", "_background_noise_"
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
OTHER_V1 = ("bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow")
OTHER_V2 = (*OTHER_V1, "backward", "follow", "forward", "learn", "visual")
_WORDS = {
    "v1": COMMANDS + DIGITS + OTHER_V1,
    "v1-12": COMMANDS + DIGITS + OTHER_V1,
    "v2": COMMANDS + DIGITS + OTHER_V2,
    "v2-12": COMMANDS + DIGITS + OTHER_V2,
    "v2-35": COMMANDS + DIGITS + OTHER_V2,
}
PARTS = ("train", "dev", "test")
_NOISE_SHARES = {"train": (0.0, 0.8), "dev": (0.8, 0.9), "test": (0.9, 1.0)}
_SHARE = 10.0  # percent: of dev and of test by the hash, of "_unknown_" and of "_silence_"
_HASH_SIZE = 2**27 - 1
_REBALANCED = 5000  # training recordings of a class
_MULTIPLE = 16  # of recordings in the parts for evaluation
_STRIDE = 0.125  # seconds from slice to slice of noise


def speech_commands_labels(version):
    """The classes of a version of Speech Commands, in the order of TensorFlow's tutorial.

    Args:
        version: "v1" (30 words), "v2" or "v2-35" (35 words), or "v1-12" or "v2-12" (ten commands, "_silence_" and
            "_unknown_", which is all other words).

    Returns:
        Tuple of str.

    Raises:
        ValueError: there is no such version.

    Example:

    >>> speech_commands_labels("v2-12")[:4], len(speech_commands_labels("v2"))
    (('_silence_', '_unknown_', 'yes', 'no'), 35)
    """
    if version not in _WORDS:
        raise ValueError(f"`version` is one of {', '.join(_WORDS)}. Received: version={version!r}.")
    return (SILENCE, UNKNOWN, *COMMANDS) if version.endswith("-12") else _WORDS[version]


def load_speech_commands(root, version="v2-12", split="official", seed=0):
    """The utterances of Speech Commands, from the folder its archive unpacks to.

    With 12 classes, "_unknown_" and "_silence_" each get as many utterances in a part as a tenth of the commands there:
    words drawn among the others, and seconds cut from `_background_noise_`.

    Args:
        root: str or path-like, the folder with one folder of wav files for each word.
        version: as in `speech_commands_labels`. Default "v2-12".
        split: "official" takes dev and test from `validation_list.txt` and `testing_list.txt`, and where a file is in
            neither, or there are no lists, from the hash of its speaker, so that recordings that are added to the
            folder never move. "rebalanced" is OpenSeq2Seq's: drawn at random, see below. Default "official".
        seed: int, of what is drawn. Default 0.

    Returns:
        Dictionary of three lists of `Utterance`: "train", "dev" and "test"; the class is the text, the speaker the
        first part of the file's name. `write_manifest` writes them.

    Raises:
        ValueError: there is no such version or split, or the folder lacks a word, the noise or a file of a list.

    Example:

    >>> corpus = load_speech_commands("speech_commands_v0.02", "v2-12")  # doctest: +SKIP
    >>> train = commands_dataset(corpus["train"], speech_commands_labels("v2-12"), shuffle=True)  # doctest: +SKIP

    Reference: [Warden, Speech Commands](https://arxiv.org/abs/1804.03209), sections 5 and 7. TensorFlow's tutorial cuts
    the silence of every part from the same noise, at a random volume; here the parts share no noise, 80, 10 and 10 % of
    each file. OpenSeq2Seq's split, "rebalanced": dev and test each hold a tenth of the smallest class of every class,
    rounded up to a multiple of 16, and training 5000 of each, repeated where there are fewer; noise is cut every 0.125
    s, so that its parts overlap, and a speaker may be in several parts.
    """
    labels = speech_commands_labels(version)
    if split not in ("official", "rebalanced"):
        raise ValueError(f'`split` is "official" or "rebalanced". Received: split={split!r}.')
    root, rng = os.fspath(root), np.random.default_rng(seed)
    words = {word: _recordings(root, word) for word in _WORDS[version]}
    if split == "rebalanced":
        return _rebalanced(root, words, labels, rng)
    parts = _official_parts(root)
    corpus = {part: [] for part in PARTS}
    others = {part: [] for part in PARTS}
    for word, names in words.items():
        for name in names:
            part = parts.get(name) or hashed_part(name)
            (corpus if word in labels else others)[part].append(_utterance(root, name, word))
    if UNKNOWN in labels:
        for part in PARTS:
            count = math.ceil(len(corpus[part]) * _SHARE / 100)
            unknown = [others[part][k] for k in rng.permutation(len(others[part]))[:count]]
            silence = _drawn_silence(root, part, count, rng)
            corpus[part] += [_with_text(utterance, UNKNOWN) for utterance in unknown] + silence
    return corpus


def hashed_part(name):
    """The part that a recording belongs to by its speaker: "train", "dev" or "test".

    Args:
        name: str, the file's name or path. What comes before "_nohash_" is the speaker.

    Example:

    >>> hashed_part("cat/0a2b400e_nohash_0.wav") == hashed_part("dog/0a2b400e_nohash_3.wav")
    True
    """
    speaker = re.sub(r"_nohash_.*$", "", os.path.basename(name))
    number = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % (_HASH_SIZE + 1) * (100.0 / _HASH_SIZE)
    return "dev" if number < _SHARE else "test" if number < 2 * _SHARE else "train"


def _recordings(root, word):
    """Paths "WORD/NAME.wav" of a word's recordings."""
    folder = os.path.join(root, word)
    names = sorted(name for name in os.listdir(folder) if name.endswith(".wav")) if os.path.isdir(folder) else []
    if not names:
        raise ValueError(
            f"{folder} holds no wav file; expected the folder that the archive of Speech Commands unpacks to, with a "
            "folder for each word. Version 1 has 30 words, version 2 has 35."
        )
    return [f"{word}/{name}" for name in names]


def _official_parts(root):
    """Part of each recording that a list names: dict from "WORD/NAME.wav"."""
    parts = {}
    for part, name in (("dev", "validation_list.txt"), ("test", "testing_list.txt")):
        path = os.path.join(root, name)
        if not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8") as file:
            for line, text in enumerate(file, 1):
                if not (text := text.strip()):
                    continue
                if not os.path.isfile(os.path.join(root, text)):
                    message = f"the audio file {os.path.join(root, text)} does not exist; unpack the archive again."
                    raise UtteranceError("missing file", f"{path}, line {line}", message)
                parts[text] = part
    return parts


def _utterance(root, name, text):
    speaker = re.sub(r"(_nohash_.*|\.wav)$", "", os.path.basename(name))
    return Utterance(os.path.join(root, name), text, speaker=speaker)


def _with_text(utterance, text):
    return Utterance(utterance.audio, text, utterance.duration, utterance.offset, speaker=utterance.speaker)


def _noise(root):
    """Paths of the background noise and their seconds, those of at least ten."""
    folder = os.path.join(root, NOISE_FOLDER)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    paths = [os.path.join(folder, name) for name in names if name.endswith(".wav")]
    found = []
    for path in paths:
        rate, samples, _ = audio_info(path)
        if samples >= 10 * rate:  # a tenth of it is a second
            found.append((path, samples / rate))
    if not found:
        raise ValueError(
            f"{folder} holds no wav file of ten seconds or more, of which silence is cut. Expected the noise of Speech "
            "Commands; a version without -12 does not need it."
        )
    return found


def _drawn_silence(root, part, count, rng):
    noise, (first, last) = _noise(root), _NOISE_SHARES[part]
    drawn = []
    for _ in range(count):
        path, seconds = noise[rng.integers(len(noise))]
        offset = round(rng.uniform(first * seconds, last * seconds - 1.0), 4)
        drawn.append(Utterance(path, SILENCE, 1.0, offset))
    return drawn


def _rebalanced(root, words, labels, rng):
    classes = collections.defaultdict(list)
    for word, names in words.items():
        text = word if word in labels else UNKNOWN
        classes[text] += [_utterance(root, name, text) for name in names]
    if SILENCE in labels:
        for path, seconds in _noise(root):
            starts = np.arange(0.0, seconds - 1.0 + 1e-6, _STRIDE)
            classes[SILENCE] += [Utterance(path, SILENCE, 1.0, float(start)) for start in starts]
    smallest = min(map(len, classes.values()))
    held_out = -(-int(0.1 * smallest) // _MULTIPLE) * _MULTIPLE
    if smallest <= 2 * held_out:
        raise ValueError(
            f"The smallest class of {root} has {smallest} recordings, which do not fill two parts of {held_out} for "
            'evaluation and one for training. Expected the whole corpus; take split="official" for a part of it.'
        )
    corpus = {part: [] for part in PARTS}
    for label in labels:
        members = [classes[label][k] for k in rng.permutation(len(classes[label]))]
        corpus["dev"] += members[:held_out]
        corpus["test"] += members[held_out : 2 * held_out]
        train = members[2 * held_out :]
        corpus["train"] += (train * -(-_REBALANCED // len(train)))[:_REBALANCED]
    return corpus
