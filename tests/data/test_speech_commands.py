import collections
import os

import numpy as np
import pytest
import soundfile

from s2s_keras.data import (
    commands_dataset,
    load_manifest,
    load_speech_commands,
    speech_commands_labels,
    write_manifest,
)
from s2s_keras.data.speech_commands import COMMANDS, UNKNOWN, hashed_part

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
OTHERS = ("zero", "bed")


def make(root, version="v1", speakers=20, noise_seconds=(12,)):
    """A folder tree of Speech Commands: every word by the same speakers, four clips of each list."""
    for word in speech_commands_labels(version):
        (root / word).mkdir(parents=True)
        for speaker in range(speakers):
            (root / word / f"{speaker:08x}_nohash_0.wav").touch()
    (root / "_background_noise_").mkdir()
    (root / "_background_noise_" / "README.md").touch()
    for n, seconds in enumerate(noise_seconds):
        samples = np.random.default_rng(n).normal(0, 0.1, seconds * 16000)
        soundfile.write(root / "_background_noise_" / f"noise_{n}.wav", samples, 16000)
    for name, speaker in (("validation_list.txt", 0), ("testing_list.txt", 1)):
        files = [f"{word}/{speaker:08x}_nohash_0.wav\n" for word in speech_commands_labels(version)]
        (root / name).write_text("".join(files))
    return root


def by_speaker(utterances):
    return {utterance.speaker for utterance in utterances}


def counts(utterances):
    return collections.Counter(utterance.text for utterance in utterances)


def test_words_and_classes():
    assert [len(speech_commands_labels(v)) for v in ("v1", "v2", "v2-35", "v1-12", "v2-12")] == [30, 35, 35, 12, 12]
    assert speech_commands_labels("v1-12")[2:] == COMMANDS
    with pytest.raises(ValueError, match="`version` is one of v1, v1-12, v2.* Received: version='v3'"):
        speech_commands_labels("v3")


# Speakers of version 2's own lists.
@pytest.mark.parametrize(
    ("part", "speakers"),
    [
        ("test", ("bb05582b", "97f4c236", "f2e59fea", "837a0f64", "893705bb", "0c40e715")),
        ("dev", ("a69b9b3e", "439c84f4", "3cc595de", "7fd25f7c", "525eaa62", "c4cfbe43")),
    ],
)
def test_the_hash_of_a_speaker_agrees_with_the_lists(part, speakers):
    for speaker in speakers:
        assert {
            hashed_part(f"{word}{speaker}_nohash_{n}.wav") for word in ("", "bed/", "/a/b/cat/") for n in (0, 7)
        } == {part}


def test_hashed_parts_are_a_tenth_each():
    found = collections.Counter(hashed_part(f"{n:08x}_nohash_0.wav") for n in range(4000))
    assert 340 < found["dev"] < 460 and 340 < found["test"] < 460


def test_lists_come_first_and_the_hash_decides_on_the_rest(tmp_path):
    corpus = load_speech_commands(make(tmp_path), "v1")
    assert {part: sum(counts(corpus[part]).values()) for part in corpus} == {
        part: 30 * sum((hashed(n) if n > 1 else ("dev", "test")[n]) == part for n in range(20)) for part in corpus
    }
    assert "00000000" in by_speaker(corpus["dev"]) and "00000001" in by_speaker(corpus["test"])
    assert not by_speaker(corpus["train"]) & (by_speaker(corpus["dev"]) | by_speaker(corpus["test"]))
    for name in ("validation_list.txt", "testing_list.txt"):
        (tmp_path / name).unlink()
    corpus = load_speech_commands(tmp_path, "v1")
    for part, utterances in corpus.items():
        assert by_speaker(utterances) == {f"{n:08x}" for n in range(20) if hashed(n) == part}


def hashed(speaker):
    return hashed_part(f"{speaker:08x}_nohash_0.wav")


def test_unknown_and_silence_are_a_tenth_of_the_commands(tmp_path):
    corpus = load_speech_commands(make(tmp_path, noise_seconds=(12, 5, 20)), "v1-12")
    for part, utterances in corpus.items():
        found, speakers = counts(utterances), len(by_speaker(utterances) - {None})
        assert set(found) == set(speech_commands_labels("v1-12"))
        assert all(found[word] == speakers for word in COMMANDS)
        assert found[UNKNOWN] == found["_silence_"] == -(-10 * speakers // 10)
        unknown = {u.audio.split(os.sep)[-2] for u in utterances if u.text == UNKNOWN}
        assert not unknown & set(COMMANDS)
        for silence in [u for u in utterances if u.text == "_silence_"]:
            seconds = {"noise_0.wav": 12, "noise_2.wav": 20}[os.path.basename(silence.audio)]  # 5 s are too few
            first, last = {"train": (0, 0.8), "dev": (0.8, 0.9), "test": (0.9, 1.0)}[part]
            assert first * seconds <= silence.offset + 1e-3
            assert silence.duration == 1.0 and silence.offset + 1.0 <= last * seconds + 1e-3
    again = load_speech_commands(tmp_path, "v1-12")
    assert again == corpus and load_speech_commands(tmp_path, "v1-12", seed=1) != corpus


def test_version_2_has_five_more_words(tmp_path):
    assert len(counts(load_speech_commands(make(tmp_path, "v2", 9), "v2")["train"])) == 35
    (tmp_path / "visual" / "00000000_nohash_0.wav").unlink()
    with pytest.raises(ValueError, match=r"validation_list.txt, line 35: the audio file .*00000000_nohash_0.wav does"):
        load_speech_commands(tmp_path, "v2")


def test_a_folder_that_is_not_speech_commands(tmp_path):
    with pytest.raises(ValueError, match=r"yes holds no wav file; expected the folder that the archive"):
        load_speech_commands(tmp_path)
    with pytest.raises(ValueError, match="split='random'"):
        load_speech_commands(tmp_path, split="random")
    make(tmp_path, noise_seconds=(9,))
    assert load_speech_commands(tmp_path, "v1")
    with pytest.raises(ValueError, match=r"_background_noise_ holds no wav file of ten seconds or more"):
        load_speech_commands(tmp_path, "v1-12")


def test_the_rebalanced_split(tmp_path):
    make(tmp_path, speakers=40, noise_seconds=(12,))
    corpus = load_speech_commands(tmp_path, "v1-12", split="rebalanced")
    # int(0.1 * 40) is 4, rounded up to 16; 8 are left to train and repeated.
    assert set(counts(corpus["dev"]).values()) == set(counts(corpus["test"]).values()) == {16}
    assert set(counts(corpus["train"]).values()) == {5000}
    yes = collections.Counter(u.audio for u in corpus["train"] if u.text == "yes")
    assert len(yes) == 8 and set(yes.values()) == {625}
    for text in ("yes", UNKNOWN, "_silence_"):
        recordings = [{(u.audio, u.offset) for u in corpus[part] if u.text == text} for part in corpus]
        assert len(set.union(*recordings)) == sum(map(len, recordings))  # none is in two parts
    assert {u.offset % 0.125 for u in corpus["train"] if u.text == "_silence_"} == {0.0}
    make(tmp_path / "small", speakers=20)
    with pytest.raises(ValueError, match="has 20 recordings, which do not fill two parts of 16"):
        load_speech_commands(tmp_path / "small", "v1", split="rebalanced")


def test_as_manifests_to_batches(tmp_path):
    make(tmp_path / "corpus")
    for word in (*COMMANDS, *OTHERS):
        soundfile.write(tmp_path / "corpus" / word / "00000001_nohash_0.wav", np.zeros(8000), 16000)
    test = [u for u in load_speech_commands(tmp_path / "corpus", "v1-12")["test"] if u.speaker in (None, "00000001")]
    test = [u for u in test if u.text != UNKNOWN]
    path = write_manifest(tmp_path / "test.jsonl", test)
    assert (
        '{"audio_filepath": "corpus/yes/00000001_nohash_0.wav", "text": "yes", "speaker": "00000001"}'
        in open(path).read()
    )
    read = load_manifest(path)
    assert [(u.audio, u.text, u.offset, u.speaker) for u in read] == [
        (u.audio, u.text, u.offset, u.speaker) for u in test
    ]
    inputs, classes = commands_dataset(path, speech_commands_labels("v1-12"), 64).batch(0, 0)
    assert sorted(set(classes.tolist())) == [0, *range(2, 12)]
    assert set(inputs["audio_lengths"].tolist()) == {8000, 16000}
