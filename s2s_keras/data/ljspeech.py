"""Voices to learn: LJSpeech, 24 hours of one reader (2017), M-AILABS, hundreds of hours of many (2018)."""

import os

from s2s_keras.data.manifest import Utterance, UtteranceError

_EXTENSIONS = (".wav", ".flac", ".ogg")


def load_ljspeech(root, speaker=None):
    """The utterances of a folder in the form of LJSpeech: `metadata.csv` and the recordings in `wavs`.

    A line is `NAME|TEXT|NORMALIZED TEXT`; the last one is taken, which has numbers and abbreviations written out.

    Args:
        root: str or path-like, the folder, such as `LJSpeech-1.1`. Recordings may be wav, flac or ogg files.
        speaker: str or None, the speaker that utterances name. Default None.

    Returns:
        List of `Utterance`, in the order of the file.

    Raises:
        ValueError: a file is missing, or (`UtteranceError`) a line is not of that form.

    Example:

    >>> utterances = load_ljspeech("LJSpeech-1.1")  # doctest: +SKIP

    Reference: https://keithito.com/LJ-Speech-Dataset. OpenSeq2Seq reads the same file; quotes have no meaning in it.
    """
    root = os.fspath(root)
    path = os.path.join(root, "metadata.csv")
    if not os.path.isfile(path):
        raise ValueError(f"{path} does not exist; expected a folder with metadata.csv and wavs, such as LJSpeech-1.1.")
    utterances = []
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}, line {number}"
            fields = [field.strip() for field in line.rstrip("\r\n").split("|")]
            if fields == [""]:
                continue
            if len(fields) not in (2, 3):
                message = f"expected NAME|TEXT|NORMALIZED TEXT, got {line.strip()[:60]!r}."
                raise UtteranceError("bad line", where, message)
            stem = os.path.join(root, "wavs", fields[0])
            found = [stem + extension for extension in _EXTENSIONS if os.path.isfile(stem + extension)]
            if not found:
                raise UtteranceError("missing file", where, f"none of {stem}{{{','.join(_EXTENSIONS)}}} exists.")
            text = fields[-1] or fields[1]
            utterances.append(Utterance(found[0], text, manifest=path, line=number, speaker=speaker))
    if not utterances:
        raise ValueError(f"{path} holds no utterance.")
    return utterances


def load_mailabs(root):
    """The utterances of a part of M-AILABS: of a language, a reader or a book, as unpacked from its archive.

    Args:
        root: str or path-like, a folder such as `en_US`, `en_US/by_book/female/judy_bieber` or that of one book.

    Returns:
        List of `Utterance`, book by book. `speaker` is the name of the reader, None in books of several ("mix").

    Raises:
        ValueError: there is no book, a file is missing, or (`UtteranceError`) a line is not as it should be.

    Example:

    >>> utterances = load_mailabs("en_US/by_book/female")  # doctest: +SKIP

    Reference: https://github.com/imdatceleste/m-ailabs-dataset. A book is a folder in the form of LJSpeech.
    """
    books = sorted(parent for parent, _, names in os.walk(os.path.abspath(root)) if "metadata.csv" in names)
    if not books:
        raise ValueError(f"{root} holds no metadata.csv; expected a part of M-AILABS, such as en_US.")
    return [utterance for book in books for utterance in load_ljspeech(book, _reader_of(book))]


def _reader_of(book):
    name = os.path.basename(os.path.dirname(book))
    return None if name == "mix" else name
