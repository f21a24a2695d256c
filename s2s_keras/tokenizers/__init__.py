"""Text to token ids and back: pure Python. Id 0 is the CTC blank and the padding of labels; tokens start at 1."""

from s2s_keras.tokenizers.characters import CharacterTokenizer

__all__ = ["CharacterTokenizer"]
