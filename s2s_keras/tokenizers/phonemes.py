"""Texts that are to be spoken, as phonemes."""

import functools
import gzip
import os
import re
from pathlib import Path

import keras

from s2s_keras.tokenizers.letter_to_sound import guess, read_rules
from s2s_keras.tokenizers.synthesis import ENGLISH_SPEECH, SynthesisTokenizer

VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split()
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split()
# ARPAbet with stress: 0 none, 1 primary, 2 secondary.
PHONEMES = (*CONSONANTS, *(vowel + stress for vowel in VOWELS for stress in "012"))
_KNOWN = frozenset(PHONEMES)
CMUDICT = Path(__file__).with_name("cmudict") / "cmudict.dict.gz"
_BRACES = r"(\{[^{}]*\})"
_PART = r"[^\W\d_]+(?:'[^\W\d_]+)*|."  # a word, or anything else
_HISSING = {"S", "Z", "SH", "ZH", "CH", "JH"}
_VOICELESS = {"P", "T", "K", "F", "TH"}


@keras.saving.register_keras_serializable(package="s2s_keras")
class PhonemeTokenizer(SynthesisTokenizer):
    """Words as the phonemes that a dictionary gives them; what is not in it, as its letters suggest.

    Ids 0 to 2 are padding, start and end, then come the characters, then 69 phonemes of ARPAbet with stress. Of several
    pronunciations the first is taken. `{...}` in a text holds phonemes as they are, for a word that is said otherwise.

    Args:
        characters, language, unknown: as of `SynthesisTokenizer`; texts are lower-cased.
        dictionary: str or path, a file in the form of CMUdict, plain or gz, that is read when the first text is
            encoded; None is CMUdict. Default None.
        unknown_words: "guess", "characters" or "error", what happens to a word that the dictionary does not have:
            English rules find its phonemes, see `guess`; it stays as its characters; or it is refused.

    Raises:
        ValueError: an argument is wrong; the dictionary is not there; or a text has what cannot be spoken.

    Example:

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "dictionary")
    >>> with open(path, "w") as file:
    ...     _ = file.write("say S EY1\\nyes Y EH1 S\\n")
    >>> tokenizer = PhonemeTokenizer(dictionary=path, unknown_words="characters")
    >>> tokenizer.decode(tokenizer.encode("Say yes, Bob {S EY1}!"))
    '{S EY1} {Y EH1 S}, bob {S EY1}!'

    Reference: http://www.speech.cs.cmu.edu/cgi-bin/cmudict. A possessive that it lacks ends as English ends it.
    """

    phonemes = PHONEMES

    def __init__(
        self, characters=ENGLISH_SPEECH, language="en", unknown="error", dictionary=None, unknown_words="guess"
    ):
        super().__init__(characters, lower=True, language=language, unknown=unknown)
        if unknown_words not in ("guess", "characters", "error"):
            raise ValueError(
                f'`unknown_words` is "guess", "characters" or "error". Received: unknown_words={unknown_words!r}.'
            )
        self.dictionary = None if dictionary is None else os.fspath(dictionary)
        self.unknown_words = unknown_words
        first = super().vocabulary_size
        self._phoneme_ids = {phoneme: n for n, phoneme in enumerate(self.phonemes, first)}
        self._phonemes = {n: phoneme for phoneme, n in self._phoneme_ids.items()}

    @property
    def vocabulary_size(self):
        """The number of token ids: those of padding, start and end included."""
        return super().vocabulary_size + len(self.phonemes)

    def encode(self, text):
        """The token ids of a text, start and end included: list of int."""
        ids = []
        for part in re.split(_BRACES, self.spoken(text)):
            ids += self._given(part[1:-1], text) if part.startswith("{") else self._words(part, text)
        return self._framed(ids)

    def spoken(self, text):
        """The text in words, phonemes in braces as they are."""
        parts = re.split(_BRACES, text)
        parts[::2] = [
            re.sub(r"\S(.*\S)?", lambda m: super(PhonemeTokenizer, self).spoken(m[0]), p, flags=re.DOTALL)
            for p in parts[::2]
        ]
        return "".join(parts).strip()

    def decode(self, token_ids):
        """Characters, and phonemes in braces, a pair for each word; `encode` takes them back."""
        text, inside = "", False
        for n in map(int, token_ids):
            phoneme = self._phonemes.get(n)
            if phoneme is None:
                text += ("}" if inside else "") + super().decode([n])
            else:
                text += (" " if inside else "{") + phoneme
            inside = phoneme is not None
        return text + ("}" if inside else "")

    def pronounce(self, word):
        """The phonemes of a word: tuple of str, None where the dictionary does not have it."""
        entries = self._pronunciations
        word = word.lower()
        if word in entries or not word.endswith("'s"):
            return entries.get(word)
        phonemes = entries.get(word[:-2])
        if phonemes is None:
            return None
        return (*phonemes, *_possessive(phonemes[-1]))

    @property
    def _pronunciations(self):
        return read_pronunciations(self.dictionary)

    def table(self):
        """What turns a text in words into token ids without this package, see `SynthesisTokenizer.table`."""
        ids = self._phoneme_ids
        return {
            **super().table(),
            "part": f"{_BRACES[1:-1]}|{_PART}",
            "words": {w: [ids[p] for p in said] for w, said in self._pronunciations.items() if w[0].isalpha()},
            "phonemes": ids,
            "possessive": {n: [ids[p] for p in _possessive(phoneme)] for phoneme, n in ids.items()},
            "unknown_words": self.unknown_words,
            **({"rules": read_rules()} if self.unknown_words == "guess" else {}),
        }

    def _given(self, phonemes, text):
        missing = [phoneme for phoneme in phonemes.split() if phoneme not in self._phoneme_ids]
        if missing:
            raise ValueError(
                "Braces hold phonemes of ARPAbet with stress, such as {HH AH0 L OW1}. Received: "
                f"{missing} in {text!r}."
            )
        return [self._phoneme_ids[phoneme] for phoneme in phonemes.split()]

    def _words(self, spoken, text):
        ids, missing = [], []
        for part in re.findall(_PART, spoken):
            phonemes = self.pronounce(part) if part[0].isalpha() else None
            if phonemes is None and part[0].isalpha() and self.unknown_words == "guess":
                phonemes = guess(part)
            if phonemes:
                ids += [self._phoneme_ids[phoneme] for phoneme in phonemes]
                continue
            if part[0].isalpha() and self.unknown_words == "error":
                raise ValueError(
                    f"The dictionary does not have {part!r}. Received: {text!r}. Give its phonemes in braces, or set "
                    'unknown_words="guess".'
                )
            missing += [character for character in part if character not in self._ids]
            ids += self._characters(part)
        self._report(missing, text)
        return ids

    def get_config(self):
        names = ("characters", "language", "unknown", "dictionary", "unknown_words")
        return {name: getattr(self, name) for name in names}


def _possessive(last):
    """How "'s" is said behind a phoneme."""
    return ("IH0", "Z") if last in _HISSING else ("S",) if last in _VOICELESS else ("Z",)


@functools.lru_cache(maxsize=2)
def read_pronunciations(path=None):
    """Reads a dictionary in the form of CMUdict: a word and its phonemes on every line.

    Args:
        path: str, the file, plain or gz; None is CMUdict, 135,000 words of American English. Default None.

    Returns:
        Dictionary from the word, lower-cased, to its first pronunciation, a tuple of phonemes.

    Raises:
        ValueError: there is no such file, or a line is wrong.
    """
    path = os.fspath(path or CMUDICT)
    if not os.path.isfile(path):
        raise ValueError(f"{path}: no such dictionary of pronunciations.")
    entries = {}
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            word, *phonemes = line.partition(" #")[0].split() or [";;;"]
            if word.startswith(";;;"):
                continue
            if not phonemes or not set(phonemes) <= _KNOWN:
                raise ValueError(
                    f"{path}, line {number}: expected a word and phonemes of ARPAbet, got {line.strip()!r}."
                )
            entries.setdefault(re.sub(r"\(\d+\)$", "", word).lower(), tuple(phonemes))
    return entries
