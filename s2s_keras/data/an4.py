"""AN4: CMU's census database, spelled letters, numbers and dates (1991), 50 minutes."""

import os
import re

from s2s_keras.data.manifest import Utterance, UtteranceError

_EXTENSIONS = (".sph", ".wav", ".flac")
_NUM_DEV = 100


def load_an4(root):
    """The utterances of AN4, from the folder that CMU's `an4_sphere.tar.gz` unpacks to.

    Args:
        root: str or path-like, the folder with `etc` and `wav`. The audio may be sphere files, or wav or flac files of
            the same names; the headerless files of `an4_raw.*` cannot be read.

    Returns:
        Dictionary of three lists of `Utterance`: "train" (848), "dev" (100) and "test" (130), texts in lower case.

    Raises:
        ValueError: a file is missing, or a transcript has no identifier.

    Example:

    >>> corpus = load_an4("an4")  # doctest: +SKIP
    >>> train = speech_dataset(corpus["train"], CharacterTokenizer(), shuffle=True)  # doctest: +SKIP

    Reference: http://www.speech.cs.cmu.edu/databases/an4/. CMU gives a training and a test set; as in ESPnet's recipe
    the first 100 training utterances, by speaker, are held out as "dev".
    """
    root = os.fspath(root)
    train, test = _read(root, "train"), _read(root, "test")
    train.sort(key=_by_speaker)
    return {"train": train[_NUM_DEV:], "dev": train[:_NUM_DEV], "test": test}


def _read(root, part):
    files = {os.path.basename(line): line for line in _lines(root, f"an4_{part}.fileids")}
    transcripts = os.path.join(root, "etc", f"an4_{part}.transcription")
    utterances = []
    for number, line in enumerate(_lines(root, f"an4_{part}.transcription"), 1):
        where = f"{transcripts}, line {number}"
        match = re.fullmatch(r"(?:<s>)?(.*?)(?:</s>)?\s*\((\S+)\)", line)
        if match is None or match[2] not in files:
            raise UtteranceError(
                "bad line", where, f"expected 'TEXT (NAME)' with a name of the .fileids, got {line!r}."
            )
        stem = os.path.join(root, "wav", files[match[2]])
        found = [stem + extension for extension in _EXTENSIONS if os.path.isfile(stem + extension)]
        if not found:
            raise UtteranceError("missing file", where, f"none of {stem}{{{','.join(_EXTENSIONS)}}} exists.")
        text, speaker = match[1].strip().lower(), match[2].partition("-")[2].partition("-")[0] or None
        utterances.append(Utterance(found[0], text, manifest=transcripts, line=number, speaker=speaker))
    return utterances


def _lines(root, name):
    path = os.path.join(root, "etc", name)
    if not os.path.isfile(path):
        raise ValueError(f"{path} does not exist; expected the folder that an4_sphere.tar.gz unpacks to.")
    with open(path, encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def _by_speaker(utterance):
    name = os.path.splitext(os.path.basename(utterance.audio))[0]
    recording, speaker, microphone = name.split("-")
    return f"{speaker}-{recording}-{microphone}"
