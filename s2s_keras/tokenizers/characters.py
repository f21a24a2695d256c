"""One token per character."""

import keras

ENGLISH = " abcdefghijklmnopqrstuvwxyz'"


@keras.saving.register_keras_serializable(package="s2s_keras")
class CharacterTokenizer:
    """One token per character; nothing is cleaned or lower-cased silently.

    Args:
        characters: str, the characters in the order of their ids, from 1. Default: space, a to z, apostrophe.

    Raises:
        ValueError: if a character is there twice, or a text holds a character that is not there.

    Example:

    >>> tokenizer = CharacterTokenizer()
    >>> tokenizer.vocabulary_size, tokenizer.encode("a b"), tokenizer.decode([2, 1, 3])
    (29, [2, 1, 3], 'a b')
    """

    def __init__(self, characters=ENGLISH):
        repeated = sorted({c for c in characters if characters.count(c) > 1})
        if repeated:
            raise ValueError(f"Each character has one id. Received {repeated!r} more than once in {characters!r}.")
        self.characters = characters
        self._ids = {character: n for n, character in enumerate(characters, start=1)}

    @property
    def vocabulary_size(self):
        """The number of token ids, blank included."""
        return len(self.characters) + 1

    def encode(self, text):
        """The token ids of a text: list of int."""
        try:
            return [self._ids[character] for character in text]
        except KeyError as error:
            raise ValueError(
                f"The character {error.args[0]!r} is not in the vocabulary {self.characters!r}. Received: {text!r}. "
                "Clean the text, or make a CharacterTokenizer with that character."
            ) from None

    def decode(self, token_ids):
        """The text of token ids; blanks (0) are left out."""
        return "".join(self.characters[n - 1] for n in map(int, token_ids) if n)

    def get_config(self):
        return {"characters": self.characters}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
