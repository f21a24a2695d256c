"""Text to token ids and back: pure Python. Id 0 is the CTC blank and the padding of labels; tokens start at 1."""

from s2s_keras.tokenizers.characters import CharacterTokenizer
from s2s_keras.tokenizers.nvidia_speech import NVIDIASpeechTokenizer
from s2s_keras.tokenizers.phonemes import PHONEMES, PhonemeTokenizer
from s2s_keras.tokenizers.spoken_text import register_language, spoken_text
from s2s_keras.tokenizers.synthesis import ENGLISH_SPEECH, OPEN_SEQ2SEQ_SPEECH, SynthesisTokenizer

__all__ = [
    "ENGLISH_SPEECH",
    "OPEN_SEQ2SEQ_SPEECH",
    "PHONEMES",
    "CharacterTokenizer",
    "NVIDIASpeechTokenizer",
    "PhonemeTokenizer",
    "SynthesisTokenizer",
    "register_language",
    "spoken_text",
]
