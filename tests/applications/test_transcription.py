import os

import numpy as np
import pytest
import soundfile

from s2s_keras.applications import Jasper
from s2s_keras.applications.recordings import padded_batches
from s2s_keras.applications.transcription import gap_between_words, joined_hypotheses
from s2s_keras.cli.recognition import CLIPS
from s2s_keras.data import load_manifest
from s2s_keras.decoding import Hypothesis, Word
from s2s_keras.metrics import word_error_rate
from s2s_keras.ops import pauses
from s2s_keras.ops.audio import load_audio
from s2s_keras.tokenizers import CharacterTokenizer

once = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="NumPy alone: one backend is enough")
TEXTS = ["", "a", "b", " "]


@pytest.fixture(scope="module")
def model():
    return Jasper.from_preset("jasper_small_an4_en")


@pytest.fixture(scope="module")
def clips():
    return [load_audio(utterance.audio) for utterance in load_manifest(CLIPS)]


def logits(letters, sure=9.0):
    """Logits whose best path is `letters`, "-" for blank."""
    return sure * np.eye(4, dtype="float32")[["-ab ".index(letter) for letter in letters]]


@pytest.mark.parametrize("gap", [0.0, 0.5, 1.5])
def test_a_long_file_says_what_its_utterances_say(model, clips, gap, tmp_path):
    """Three times the shipped clips, a minute and more: whole words, none doubled, at their times."""
    clips = clips * 3
    noise = np.random.default_rng(0).normal(0, 1e-3, int(gap * 16000)).astype("float32")
    audio = np.concatenate([part for clip in clips for part in (clip, noise)])
    assert len(audio) > 40 * 16000
    soundfile.write(tmp_path / "long.flac", audio, 16000)
    alone = model.transcribe(clips, num_best=1)
    done = []
    [best] = model.transcribe(tmp_path / "long.flac", num_best=1, max_seconds=12.0, progress=done.append)
    words = [word.text for [hypothesis] in alone for word in hypothesis.words]
    assert best.text.split() == [word.text for word in best.words]
    different = sum(a != b for a, b in zip(best.text.split(), words, strict=True))  # the same number of words
    assert different <= 0.1 * len(words)  # cut elsewhere, features are normalized with others
    starts, start = [], 0.0
    for clip, [hypothesis] in zip(clips, alone, strict=True):
        starts += [start + word.start for word in hypothesis.words]
        start += (len(clip) + len(noise)) / 16000
    np.testing.assert_allclose([word.start for word in best.words], starts, rtol=0, atol=0.25)
    assert done == sorted(done) and done[-1] == len(audio) / 16000
    assert tuple(model.tokenizer.encode(best.text)) == best.token_ids
    assert model.transcribe(audio, max_seconds=12.0, batch_size=3) == best.text


@once
def test_parts_that_overlap_say_each_word_once(model, clips, monkeypatch):
    """Where no place counts as quiet, parts share seconds, and each of their frames goes to one."""
    monkeypatch.setattr(pauses, "_DROP", 1000.0)
    monkeypatch.setattr(pauses, "_PAUSE", 1000.0)
    audio = np.concatenate(clips * 3)
    assert sum(piece.overlaps for piece in pauses.split_at_pauses([audio], 16000, 12.0)) >= 3
    spoken = " ".join(model.transcribe(clips * 3))
    score = word_error_rate(spoken, model.transcribe(audio, max_seconds=12.0))
    assert score.insertions == score.deletions == 0 and score.rate <= 0.1


@once
def test_batches_by_seconds(model, clips):
    recordings = [*clips, clips[0][:5000]]
    batches = list(padded_batches(recordings, 16000, batch_seconds=12.0))
    assert sorted(n for indices, _ in batches for n in indices) == list(range(len(recordings)))
    for indices, batch in batches:
        assert batch["audio"].size <= 12 * 16000 or len(indices) == 1
    assert model.transcribe(recordings, batch_seconds=12.0) == model.transcribe(recordings)
    with pytest.raises(ValueError, match="batch_seconds=0"):
        model.transcribe(recordings, batch_seconds=0)


@once
@pytest.mark.parametrize(
    "left, right, cut",
    [
        ("aa-b-a -ab-b-a-", "aa-b-a -ab-b-a-", 7),  # between two words: 6 and 7 are empty
        ("-ab-a--- -b-ab-", "-ab-a- ---b-ab-", 7),  # the space is elsewhere in the other
        ("-ab-a a----b-ab", "-ab-a a----b-ab", 5),  # a long hole in a word is no gap
        ("ab-a-b-a-b-ab-a", "ab-a-b-a-b-ab-a", 4),  # no gap: the first of the surest blanks
    ],
)
def test_the_gap_between_words(left, right, cut):
    assert gap_between_words(logits(left), logits(right), TEXTS) == cut


@once
def test_the_gap_between_word_pieces():
    path = logits("ab-a--a-b-ab")
    path[6, 3] += 20.0  # piece " ", which begins a word
    assert gap_between_words(path, path, ["", "a", "b", " a"]) == 5


@once
def test_readings_of_parts_are_joined_best_first():
    def hypothesis(text, score):
        return Hypothesis(
            text,
            tuple("ab".index(x) + 1 for x in text),
            score,
            2 * score,
            3 * score,
            (Word(text, 0.5, 1.0, 0.9),) if text else (),
        )

    parts = [
        (0.0, [hypothesis("a", -1.0), hypothesis("b", -1.5)]),
        (10.0, [hypothesis("", -1.0)]),
        (20.0, [hypothesis("b", -1.0), hypothesis("a", -3.0)]),
    ]
    best = joined_hypotheses(parts, 3, CharacterTokenizer("ab "))
    assert [(h.text, h.score) for h in best] == [("a b", -3.0), ("b b", -3.5), ("a a", -5.0)]
    assert best[0].language_model_score == -9.0
    assert [(word.text, word.start) for word in best[0].words] == [("a", 0.5), ("b", 20.5)]
    assert best[0].token_ids == (1, 3, 2)
    assert joined_hypotheses([], 2, CharacterTokenizer("ab ")) == [Hypothesis("", (), 0.0, 0.0)]
    [without_space] = joined_hypotheses(parts, 1, CharacterTokenizer("ab"))
    assert (without_space.text, without_space.token_ids) == ("ab", (1, 2))
    twice = [(0.0, [hypothesis("a", -1.0), hypothesis("", -2.0)]), (9.0, [hypothesis("", -1.0), hypothesis("a", -2.0)])]
    assert [h.text for h in joined_hypotheses(twice, 4, CharacterTokenizer("ab "))] == ["a", "a a", ""]


@once
def test_weights_that_are_not_numbers(clips):
    model = Jasper(((8, 5, 0.0),), repeat=1, prologue=(8, 5, 0.0), epilogue=())
    model.set_weights([np.full(weight.shape, np.nan) for weight in model.get_weights()])
    for use in (model.transcribe, lambda audio: model.align(audio, "yes"), model.stream().accept):
        with pytest.raises(ValueError, match="not numbers"):
            use(clips[0])
