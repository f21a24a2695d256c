"""Texts as they are spoken, by language."""

from s2s_keras.tokenizers._english import english

_LANGUAGES = {"en": english}


def spoken_text(text, language="en"):
    """A text in words: what is written with digits, signs and abbreviations is written out.

    Args:
        text: str.
        language: str, "en" or a language that `register_language` was told of. Default "en".

    Returns:
        str.

    Raises:
        ValueError: the language is not known.

    Example:

    >>> spoken_text("In 1984 Mr. Smith paid $5.")
    'In nineteen eighty-four Mister Smith paid five dollars.'
    """
    return language_of(language)(text)


def register_language(language, normalizer):
    """Tells `spoken_text`, and with it `SynthesisTokenizer`, how a language is spoken.

    Args:
        language: str, such as "de". An entry of that name is replaced.
        normalizer: callable, from a text to the text in words.

    Example:

    >>> import re
    >>> from num2words import num2words
    >>> register_language("de", lambda text: re.sub(r"\\d+", lambda m: num2words(int(m[0]), lang="de"), text))
    >>> spoken_text("Um 7 Uhr", language="de")
    'Um sieben Uhr'
    """
    if not callable(normalizer):
        raise TypeError(f"A normalizer is a callable from a text to the text in words. Received: {normalizer!r}.")
    _LANGUAGES[language] = normalizer


def language_of(language):
    """The normalizer of a language; raises ValueError where there is none."""
    if language not in _LANGUAGES:
        raise ValueError(
            f"Nobody has said how {language!r} is spoken; known are {sorted(_LANGUAGES)}. Call "
            f"register_language({language!r}, normalizer) first, or set language=None for texts in words."
        )
    return _LANGUAGES[language]
