"""Texts that are to be spoken, as token ids."""

import re
import unicodedata
import warnings

import keras

from s2s_keras.tokenizers.spoken_text import language_of

PADDING, START, END = 0, 1, 2
SENTENCE = r"(?s)\S.*?(?:[.!?][\"')]*(?=\s)|$)"

ENGLISH_SPEECH = " !\"'(),-.:;?abcdefghijklmnopqrstuvwxyz"
# What OpenSeq2Seq's `vocab_tts.txt` holds, in its order.
OPEN_SEQ2SEQ_SPEECH = (
    " !\"'(),-.0123456789:;?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]abcdefghijklmnopqrstuvwxyz"
    "\u00c4\u00d6\u00dc\u00df\u00e0\u00e2\u00e4\u00e8\u00e9\u00ea\u00f6\u00fc\u2019\u201c\u201d"
)


@keras.saving.register_keras_serializable(package="s2s_keras")
class SynthesisTokenizer:
    """One token per character between a start and an end, for models that speak.

    Id 0 is padding, 1 the start, 2 the end; characters count from 3. A character that is not there is reported, never
    spoken as another one. Numbers, abbreviations and signs are written out first, see `spoken_text`.

    Args:
        characters: str, the characters in the order of their ids; `OPEN_SEQ2SEQ_SPEECH` are the 91 of the original.
            Default: space, punctuation and the letters from a to z.
        lower: bool, whether texts are lower-cased. Default True.
        language: str, the language that texts are in, "en" or one of `register_language`; or None, for texts that are
            in words already. Default "en".
        unknown: "error" or "warn", what happens to a text with a character that is not there: a `ValueError`, or a
            warning that names it, and it is left out. Default "error".

    Raises:
        ValueError: a character is there twice, the language is not known, or `unknown` is neither.

    Example:

    >>> tokenizer = SynthesisTokenizer()
    >>> tokenizer.vocabulary_size, tokenizer.encode("Oh, no!"), tokenizer.decode(tokenizer.encode("It's 5 km."))
    (41, [1, 29, 22, 9, 3, 28, 29, 4, 2], "it's five kilometers.")

    Reference: OpenSeq2Seq's `Text2SpeechDataLayer`, which speaks a space in the place of an unknown character.
    """

    first_id = 3  # of the characters

    def __init__(self, characters=ENGLISH_SPEECH, lower=True, language="en", unknown="error"):
        repeated = sorted({c for c in characters if characters.count(c) > 1})
        if repeated:
            raise ValueError(f"Each character has one id. Received {repeated!r} more than once in {characters!r}.")
        if unknown not in ("error", "warn"):
            raise ValueError(f'`unknown` is "error" or "warn". Received: unknown={unknown!r}.')
        self.characters = characters
        self.lower = lower
        self.language = language
        if language is not None:
            language_of(language)
        self.unknown = unknown
        self._ids = {character: n for n, character in enumerate(characters, self.first_id)}

    @property
    def vocabulary_size(self):
        """The number of token ids: those of padding, start and end included."""
        return len(self.characters) + self.first_id

    def encode(self, text):
        """The token ids of a text, start and end included: list of int."""
        spoken = self.spoken(text)
        self._report([character for character in spoken if character not in self._ids], text)
        return self._framed(self._characters(spoken))

    def spoken(self, text):
        """The text in words, as it is spoken."""
        text = unicodedata.normalize("NFC", text if self.language is None else language_of(self.language)(text))
        return text.lower() if self.lower else text

    def sentences(self, text, longest=200):
        """A text in words, in the parts that are spoken one by one.

        Args:
            text: str.
            longest: int, characters of a part; a longer sentence is cut behind punctuation, else between words.

        Returns:
            List of str, at least one. Each holds a letter or a digit.

        Raises:
            ValueError: there is nothing to say.
        """
        parts = []
        for sentence in re.findall(SENTENCE, self.spoken(text)):
            while len(sentence) > longest:
                space = sentence.rfind(" ", 0, longest + 1)
                marks = [m.end() for m in re.finditer(r"[,;:)-](?= )", sentence[: longest + 1])]
                cut = marks[-1] if marks and marks[-1] > longest // 3 else space if space > 0 else longest
                parts.append(sentence[:cut].strip())
                sentence = sentence[cut:].strip()
            parts.append(sentence)
        parts = [part for part in parts if re.search(r"\w", part)]
        if not parts:
            raise ValueError(f"There is nothing to say. Received: {text!r}.")
        return parts

    def _framed(self, token_ids):
        return [START, *token_ids, END]

    def _characters(self, text):
        return [self._ids[character] for character in text if character in self._ids]

    def _report(self, missing, text):
        if not missing:
            return
        names = ", ".join(f"{c!r} ({unicodedata.name(c, 'no name')})" for c in sorted(set(missing)))
        message = f"Nobody taught this model to speak {names}. Received: {text!r}."
        if self.unknown == "error":
            raise ValueError(f"{message} Write it out, or make a {type(self).__name__} with it.")
        warnings.warn(f"{message} It is left out.", stacklevel=3)

    def decode(self, token_ids):
        """The text of token ids; padding, start and end are left out."""
        return "".join(self.characters[n - self.first_id] for n in map(int, token_ids) if n >= self.first_id)

    def table(self):
        """What turns a text in words into token ids without this package: a dict that fits into JSON.

        Returns:
            Dict of "lower", whether texts are lower-cased; regular expressions that find a "sentence" and in it a
            "part" to look up; the ids of "characters", of "words" and of the "phonemes" in braces; what is added to a
            word for "'s", by the id that it ends with: "possessive"; "unknown" and "unknown_words", what happens to
            what is not there; and the ids "before" and "after" a sentence.

        Example:

        >>> table = SynthesisTokenizer("ab").table()
        >>> table["before"], table["characters"], table["after"]
        ([1], {'a': 3, 'b': 4}, [2])
        """
        framed = self._framed([None])
        middle = framed.index(None)
        return {
            "lower": self.lower,
            "sentence": SENTENCE,
            "part": "(?s).",
            "characters": self._ids,
            "words": {},
            "phonemes": {},
            "possessive": {},
            "unknown": self.unknown,
            "unknown_words": "characters",
            "before": framed[:middle],
            "after": framed[middle + 1 :],
        }

    def get_config(self):
        return {name: getattr(self, name) for name in ("characters", "lower", "language", "unknown")}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
