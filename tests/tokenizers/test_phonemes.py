import gzip
import os

import keras
import pytest

from s2s_keras.data import load_manifest
from s2s_keras.tokenizers import PHONEMES, PhonemeTokenizer
from s2s_keras.tokenizers.letter_to_sound import guess
from s2s_keras.tokenizers.phonemes import read_pronunciations

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
DICTIONARY = """;;; a comment
HELLO  HH AH0 L OW1
hello(2) HH EH0 L OW1
five F AY1 V # another
fox F AA1 K S
cat K AE1 T
dog D AO1 G
it's IH1 T S
"""


@pytest.fixture
def dictionary(tmp_path):
    path = tmp_path / "dictionary"
    path.write_text(DICTIONARY)
    return path


def test_words_are_phonemes_and_other_words_characters(dictionary):
    tokenizer = PhonemeTokenizer(dictionary=dictionary, unknown_words="characters")
    assert tokenizer.vocabulary_size == 41 + 69 and len(set(PHONEMES)) == 69
    ids = tokenizer.encode("Hello, 5!")
    assert ids[0] == 1 and ids[-1] == 2 and max(ids) < tokenizer.vocabulary_size
    assert ids[1] == 41 + PHONEMES.index("HH")
    for text, expected in (
        ("Hello, 5!", "{HH AH0 L OW1}, {F AY1 V}!"),
        ("hello-bob 'cat'", "{HH AH0 L OW1}-bob '{K AE1 T}'"),
        ("the cat's, dog's and fox's", "the {K AE1 T S}, {D AO1 G Z} and {F AA1 K S IH0 Z}"),
        ("It\u2019s Bob's", "{IH1 T S} bob's"),
    ):
        assert tokenizer.decode(tokenizer.encode(text)) == expected
        assert tokenizer.encode(expected) == tokenizer.encode(text)


def test_a_compressed_dictionary_is_the_same(dictionary, tmp_path):
    compressed = tmp_path / "dictionary.gz"
    compressed.write_bytes(gzip.compress(dictionary.read_bytes()))
    assert read_pronunciations(str(compressed)) == read_pronunciations(str(dictionary))


def test_unknown_words_are_guessed_from_their_letters(dictionary):
    tokenizer = PhonemeTokenizer(dictionary=dictionary)
    assert tokenizer.decode(tokenizer.encode("hello blick's")) == "{HH AH0 L OW1} {B L IH1 K S}"
    for word, phonemes in (("phlim", "F L IH1 M"), ("shoat", "SH OW1 T"), ("Zürich", None), ("nightglow", None)):
        guessed = guess(word)
        assert phonemes is None or " ".join(guessed) == phonemes
        assert set(guessed) <= set(PHONEMES) and sum(phoneme[-1] == "1" for phoneme in guessed) == 1


def test_braces_hold_phonemes(dictionary):
    tokenizer = PhonemeTokenizer(dictionary=dictionary, unknown_words="characters")
    assert tokenizer.decode(tokenizer.encode("a {B AA1 B} cat")) == "a {B AA1 B} {K AE1 T}"
    assert tokenizer.decode(tokenizer.encode("{B}")) == "{B}"
    assert tokenizer.sentences("It's {B AA1 B}. 5 cats") == ["it's {B AA1 B}.", "five cats"]
    with pytest.raises(ValueError, match=r"\{HH AH0 L OW1\}. Received: \['BOB', 'AA'\] in '\{BOB AA B\}'"):
        tokenizer.encode("{BOB AA B}")


def test_what_cannot_be_spoken_is_reported(dictionary):
    with pytest.raises(ValueError, match="The dictionary does not have 'bob'.*phonemes in braces"):
        PhonemeTokenizer(dictionary=dictionary, unknown_words="error").encode("hello bob")
    with pytest.raises(ValueError, match="GREEK SMALL LETTER BETA.*make a PhonemeTokenizer with it"):
        PhonemeTokenizer(dictionary=dictionary).encode("hello \u03b2")
    with pytest.warns(UserWarning, match="GREEK SMALL LETTER BETA"):
        tokenizer = PhonemeTokenizer(dictionary=dictionary, unknown="warn")
        assert tokenizer.decode(tokenizer.encode("cat \u03b2")) == "{K AE1 T} "


def test_wrong_arguments_and_dictionaries(dictionary, tmp_path):
    with pytest.raises(ValueError, match='"guess", "characters" or "error". Received: unknown_words=None'):
        PhonemeTokenizer(unknown_words=None)
    dictionary.write_text("one W AH1 N\ntwo\n")
    with pytest.raises(ValueError, match=r"line 2: expected a word and phonemes of ARPAbet, got 'two'"):
        PhonemeTokenizer(dictionary=tmp_path / "." / "dictionary").encode("one")
    with pytest.raises(ValueError, match="none: no such dictionary"):
        PhonemeTokenizer(dictionary=tmp_path / "none").encode("one")


def test_round_trip(dictionary):
    tokenizer = PhonemeTokenizer(" abcdehlop", None, "warn", dictionary)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(tokenizer))
    assert again.encode("hello bob") == tokenizer.encode("hello bob") and again.get_config() == tokenizer.get_config()


def test_cmudict_has_the_words_of_a_voice(shared):
    tokenizer = PhonemeTokenizer()
    assert tokenizer.pronounce("tomato") == ("T", "AH0", "M", "EY1", "T", "OW2")
    texts = [u.text for u in load_manifest(shared / "data/tts_en_kathleen/manifest_train.jsonl")]
    words = [word for text in texts for word in tokenizer.spoken(text).replace("-", " ").split()]
    missing = [w for w in words if tokenizer.pronounce(w.strip(".,;:!?'\"()")) is None]
    assert len(missing) < 0.02 * len(words)  # names, mostly
