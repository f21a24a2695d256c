"""LibriSpeech: read English books, 1000 hours (2015)."""

import os

from s2s_keras.data.manifest import Utterance, UtteranceError


def load_librispeech(root, subsets):
    """The utterances of one or more parts of LibriSpeech, from the folder its archives unpack to.

    Args:
        root: str or path-like, the folder `LibriSpeech`.
        subsets: str or sequence of str, e.g. "dev-clean" or ("train-clean-100", "train-clean-360").

    Returns:
        List of `Utterance`, texts in lower case, in the order of speaker, chapter and utterance.

    Raises:
        ValueError: a part is not there or holds no transcripts, or an audio file is missing.

    Example:

    >>> dev = load_librispeech("LibriSpeech", "dev-clean")  # doctest: +SKIP

    Reference: Panayotov et al., LibriSpeech: an ASR corpus based on public domain audio books, 2015;
    https://www.openslr.org/12.
    """
    utterances = []
    for subset in [subsets] if isinstance(subsets, str) else subsets:
        found = _read(os.path.join(os.fspath(root), subset))
        if not found:
            raise ValueError(
                f"{os.path.join(os.fspath(root), subset)} holds no *.trans.txt; expected a part of LibriSpeech such as "
                "dev-clean, as unpacked from its archive."
            )
        utterances.extend(found)
    return utterances


def _read(folder):
    utterances = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".trans.txt"):
                utterances.extend(_chapter(os.path.join(parent, name)))
    return utterances


def _chapter(path):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            name, _, text = line.strip().partition(" ")
            audio = os.path.join(os.path.dirname(path), f"{name}.flac")
            if not os.path.isfile(audio):
                raise UtteranceError(
                    "missing file", f"{path}, line {number}", f"the audio file {audio} does not exist."
                )
            yield Utterance(audio, text.lower(), manifest=path, line=number, speaker=name.split("-")[0])
