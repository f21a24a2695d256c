import keras
import pytest

from s2s_keras.applications import QuartzNet
from s2s_keras.tokenizers import CharacterTokenizer


def test_ids_start_at_one_in_the_order_of_the_characters():
    tokenizer = CharacterTokenizer("xyz")
    assert tokenizer.vocabulary_size == 4
    assert tokenizer.encode("zxy") == [3, 1, 2]
    assert tokenizer.decode([3, 0, 1, 0, 0, 2]) == "zxy"


def test_english_is_the_vocabulary_of_the_original_one_higher():
    tokenizer = CharacterTokenizer()
    assert tokenizer.vocabulary_size == 29
    assert tokenizer.encode(" az'") == [1, 2, 27, 28]


@pytest.mark.parametrize("text", ["", "a", "it's a test", " spaces  stay "])
def test_decode_undoes_encode(text):
    tokenizer = CharacterTokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("text, character", [("caf\u00e9", "\u00e9"), ("Hello", "H"), ("a-b", "-")])
def test_other_characters_are_refused_by_name(text, character):
    with pytest.raises(ValueError, match=f"The character '{character}' is not in the vocabulary"):
        CharacterTokenizer().encode(text)


def test_a_character_has_one_id():
    with pytest.raises(ValueError, match=r"\['a'\] more than once"):
        CharacterTokenizer("aba")


def test_round_trip():
    config = keras.saving.serialize_keras_object(CharacterTokenizer("\u00e4\u00f6 "))
    assert keras.saving.deserialize_keras_object(config).encode("\u00f6\u00e4") == [2, 1]


def test_travels_in_the_preset(tmp_path):
    arguments = {"blocks": (), "prologue": (4, 3), "epilogue": (4, 3), "head_filters": 4, "front_end": None}
    model = QuartzNet(vocabulary_size=4, tokenizer=CharacterTokenizer("\u00e4\u00f6 "), num_mel_bins=4, **arguments)
    model.save_to_preset(tmp_path)
    again = QuartzNet.from_preset(tmp_path)
    assert again.tokenizer.encode("\u00f6") == [2]


def test_must_fit_the_model():
    with pytest.raises(ValueError, match="The tokenizer has 4 token ids .* the model 29"):
        QuartzNet(tokenizer=CharacterTokenizer("abc"))
