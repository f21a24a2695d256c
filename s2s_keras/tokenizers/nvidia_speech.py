"""Texts that are to be spoken, as the token ids of NVIDIA's Tacotron 2."""

import string

import keras

from s2s_keras.tokenizers.phonemes import CONSONANTS, VOWELS, PhonemeTokenizer

NVIDIA_SPEECH = "-!'(),.:;? " + string.ascii_uppercase + string.ascii_lowercase
NVIDIA_PHONEMES = tuple(sorted([*CONSONANTS, *(vowel + stress for vowel in VOWELS for stress in ("", *"012"))]))


@keras.saving.register_keras_serializable(package="s2s_keras")
class NVIDIASpeechTokenizer(PhonemeTokenizer):
    """The 148 symbols of NVIDIA's Tacotron 2, one per character, without a start or an end.

    Id 0 is padding, then come 11 marks, the letters from A to Z and from a to z, and 84 phonemes of ARPAbet with and
    without stress. Texts are lower-cased; `{...}` holds phonemes, for a word that is said otherwise.

    Args:
        language, unknown: as of `SynthesisTokenizer`. There are no quotation marks, so `unknown` is "warn" by default.

    Raises:
        ValueError: an argument is wrong, or a text has what cannot be spoken.

    Example:

    >>> tokenizer = NVIDIASpeechTokenizer()
    >>> tokenizer.vocabulary_size, tokenizer.encode("A {S EY1}."), tokenizer.decode([38, 11, 132, 103, 7])
    (148, [38, 11, 131, 102, 7], 'a {SH EY2}.')

    Reference: `text/symbols.py` of https://github.com/NVIDIA/tacotron2.
    """

    first_id = 1
    phonemes = NVIDIA_PHONEMES

    def __init__(self, language="en", unknown="warn"):
        super().__init__(NVIDIA_SPEECH, language, unknown, unknown_words="characters")

    @property
    def _pronunciations(self):
        """Empty: a word is spoken from its letters."""
        return {}

    def _framed(self, token_ids):
        return token_ids

    def get_config(self):
        return {"language": self.language, "unknown": self.unknown}
