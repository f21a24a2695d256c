import os

import keras
import pytest

from s2s_keras.tokenizers import OPEN_SEQ2SEQ_SPEECH, SynthesisTokenizer

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")


def test_ids_of_the_original():
    """`vocab_tts.txt`: <p>, <s>, </s>, then 91 characters from 3 to 93; the toolkit lower-cases."""
    tokenizer = SynthesisTokenizer(OPEN_SEQ2SEQ_SPEECH, language=None)
    assert tokenizer.vocabulary_size == 94
    assert [tokenizer.encode(c)[1] for c in " !09:a\u00c4z\u201d".replace("\u00c4", "")] == [
        3,
        4,
        12,
        21,
        22,
        53,
        78,
        93,
    ]
    assert tokenizer.encode("") == [1, 2]
    assert SynthesisTokenizer(OPEN_SEQ2SEQ_SPEECH, lower=False, language=None).encode("A\u00c4") == [1, 25, 79, 2]


@pytest.mark.parametrize("text", ['it\'s (here): "a - b"; c, d. e? f!', "", "  two  "])
def test_decode_undoes_encode(text):
    tokenizer = SynthesisTokenizer(language=None)
    assert tokenizer.decode([*tokenizer.encode(text), 0, 0]) == text


def test_an_unknown_character_is_an_error_or_a_warning_never_another_sound():
    tokenizer = SynthesisTokenizer(language=None)
    with pytest.raises(
        ValueError, match=r"'2' \(DIGIT TWO\), '\u03b1' \(GREEK SMALL LETTER ALPHA\). Received: '\u03b1 2 a'"
    ):
        tokenizer.encode("\u03b1 2 a")
    with pytest.warns(UserWarning, match="GREEK SMALL LETTER ALPHA.*It is left out"):
        assert SynthesisTokenizer(unknown="warn").encode("\u03b1a") == tokenizer.encode("a")


def test_a_letter_and_its_accent_are_the_letter_with_an_accent():
    tokenizer = SynthesisTokenizer(OPEN_SEQ2SEQ_SPEECH, language=None)
    assert tokenizer.encode("u\u0308") == tokenizer.encode("\u00fc")


def test_numbers_are_written_out_in_the_language():
    tokenizer = SynthesisTokenizer()
    assert tokenizer.decode(tokenizer.encode("Dr. No: 5%")) == "doctor no: five percent"
    with pytest.raises(
        ValueError, match=r"how 'tlh' is spoken; known are .*'en'.*register_language\('tlh', normalizer"
    ):
        SynthesisTokenizer(language="tlh")


def test_sentences_are_spoken_one_by_one():
    tokenizer = SynthesisTokenizer()
    assert tokenizer.sentences('Dr. No paid $3.50. "Really?" she said!  (Yes.) 5') == [
        "doctor no paid three dollars and fifty cents.",
        '"really?"',
        "she said!",
        "(yes.)",
        "five",
    ]
    long = "one two, three four five six seven eight"
    assert tokenizer.sentences(long, longest=12) == ["one two,", "three four", "five six", "seven eight"]
    assert tokenizer.sentences("abcdefg...", longest=5) == ["abcde", "fg..."]
    assert all(tokenizer.sentences(part) == [part] for part in tokenizer.sentences(long, longest=12))
    for text in ("", "  ", "...!"):
        with pytest.raises(ValueError, match="There is nothing to say. Received: "):
            tokenizer.sentences(text)


def test_arguments_and_round_trip():
    with pytest.raises(ValueError, match=r"\['a'\] more than once"):
        SynthesisTokenizer("aba")
    with pytest.raises(ValueError, match='"error" or "warn". Received: unknown=\'skip\''):
        SynthesisTokenizer(unknown="skip")
    config = keras.saving.serialize_keras_object(SynthesisTokenizer("bA", lower=False, language=None, unknown="warn"))
    again = keras.saving.deserialize_keras_object(config)
    assert again.encode("Ab") == [1, 4, 3, 2] and again.unknown == "warn"
