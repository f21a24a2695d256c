import os

import pytest
import soundfile

from s2s_keras.data import (
    AudioReader,
    load_an4,
    load_librispeech,
    load_ljspeech,
    load_mailabs,
    load_manifest,
)

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")


def test_an4_splits_as_published(shared, tmp_path):
    """The original folder, rebuilt from links, gives the utterances of the three manifests."""
    an4 = shared / "data/an4"
    expected = {part: load_manifest(an4 / f"manifest_{part}.jsonl") for part in ("train", "dev", "test")}
    (tmp_path / "etc").symlink_to(an4 / "etc")
    for part, folder in {"train": "an4_clstk", "test": "an4test_clstk"}.items():
        for speaker in (an4 / part).iterdir():
            (tmp_path / "wav" / folder / speaker.name).mkdir(parents=True)
            for file in speaker.iterdir():
                (tmp_path / "wav" / folder / speaker.name / f"{file.stem}.sph").symlink_to(file)
    corpus = load_an4(tmp_path)
    assert {part: len(utterances) for part, utterances in corpus.items()} == {"train": 848, "dev": 100, "test": 130}

    def content(utterances):
        return {(os.path.splitext(os.path.basename(u.audio))[0], u.text) for u in utterances}

    assert {part: content(corpus[part]) for part in corpus} == {part: content(expected[part]) for part in expected}
    first = corpus["test"][0]
    assert (AudioReader()(first) == AudioReader()(expected["test"][0])).all()


def make_an4(root, train, test):
    (root / "etc").mkdir()
    for part, folder, names in (("train", "an4_clstk", train), ("test", "an4test_clstk", test)):
        (root / "wav" / folder).mkdir(parents=True)
        (root / "etc" / f"an4_{part}.fileids").write_text("".join(f"{folder}/{name}\n" for name in names))
        (root / "etc" / f"an4_{part}.transcription").write_text("".join(f"<s> YES </s> ({name})\n" for name in names))
        for name in names:
            soundfile.write(root / "wav" / folder / f"{name}.wav", [0.0] * 100, 16000)


def test_an4_holds_out_by_speaker(tmp_path):
    names = [f"an{n}-{speaker}-b" for n in range(60) for speaker in ("mzzz", "faaa")]
    make_an4(tmp_path, names, ["cen1-mxxx-b"])
    corpus = load_an4(tmp_path)
    assert [len(corpus[part]) for part in ("train", "dev", "test")] == [20, 100, 1]
    assert all("mzzz" in u.audio for u in corpus["train"])
    assert sum("faaa" in u.audio for u in corpus["dev"]) == 60
    assert {u.speaker for u in corpus["train"]} == {"mzzz"} and corpus["test"][0].speaker == "mxxx"
    assert corpus["test"][0].text == "yes" and corpus["test"][0].where.endswith("an4_test.transcription, line 1")


def test_an4_errors_name_the_place(tmp_path):
    with pytest.raises(ValueError, match=r"an4_train\.fileids does not exist; expected the folder"):
        load_an4(tmp_path)
    make_an4(tmp_path, ["an1-mzzz-b"], ["cen1-mxxx-b"])
    (tmp_path / "wav/an4test_clstk/cen1-mxxx-b.wav").unlink()
    with pytest.raises(ValueError, match=r"an4_test\.transcription, line 1: none of .*cen1-mxxx-b\{\.sph,\.wav"):
        load_an4(tmp_path)
    with open(tmp_path / "etc/an4_train.transcription", "a") as file:
        file.write("YES\n")
    with pytest.raises(ValueError, match=r"an4_train\.transcription, line 2: expected 'TEXT \(NAME\)'"):
        load_an4(tmp_path)


def test_librispeech(tmp_path):
    for subset, speaker in (("dev-clean", "84"), *(("dev-other", str(n)) for n in range(116, 122))):
        folder = tmp_path / subset / speaker / "1"
        folder.mkdir(parents=True)
        lines = [f"{speaker}-1-000{n} HE SAID IT'S {word}\n" for n, word in enumerate(("ONE", "TWO"))]
        (folder / f"{speaker}-1.trans.txt").write_text("".join(lines))
        for n in range(2):
            soundfile.write(folder / f"{speaker}-1-000{n}.flac", [0.0] * 100, 16000)
    assert [u.text for u in load_librispeech(tmp_path, "dev-clean")] == ["he said it's one", "he said it's two"]
    both = load_librispeech(tmp_path, ("dev-other", "dev-clean"))
    assert [os.path.basename(u.audio) for u in both] == [
        f"{speaker}-1-000{n}.flac" for speaker in (*range(116, 122), 84) for n in range(2)
    ]
    assert [u.speaker for u in both][::2] == [*map(str, range(116, 122)), "84"]
    os.unlink(both[1].audio)
    with pytest.raises(ValueError, match=r"116-1\.trans\.txt, line 2: the audio file .* does not exist"):
        load_librispeech(tmp_path, "dev-other")
    with pytest.raises(ValueError, match=r"test-clean holds no \*\.trans\.txt"):
        load_librispeech(tmp_path, "test-clean")


def make_book(folder, lines):
    (folder / "wavs").mkdir(parents=True)
    (folder / "metadata.csv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for line in lines:
        soundfile.write(folder / "wavs" / f"{line.split('|')[0]}.wav", [0.0] * 100, 16000)


def test_ljspeech(tmp_path):
    lines = ['LJ001|"Dr. Who" came, in 5.|"Doctor Who" came, in five.', "LJ002|Yes.|", "LJ003|No."]
    make_book(tmp_path, lines)
    utterances = load_ljspeech(tmp_path)
    assert [u.text for u in utterances] == ['"Doctor Who" came, in five.', "Yes.", "No."]
    assert utterances[2].where.endswith("metadata.csv, line 3") and utterances[0].speaker is None
    os.unlink(utterances[1].audio)
    with pytest.raises(ValueError, match=r"metadata\.csv, line 2: none of .*LJ002\{\.wav,\.flac,\.ogg\} exists"):
        load_ljspeech(tmp_path)
    (tmp_path / "metadata.csv").write_text("LJ001|a|b|c\n")
    with pytest.raises(ValueError, match=r"line 1: expected NAME\|TEXT\|NORMALIZED TEXT, got 'LJ001\|a\|b\|c'"):
        load_ljspeech(tmp_path)
    with pytest.raises(ValueError, match=r"wavs.metadata\.csv does not exist; expected a folder"):
        load_ljspeech(tmp_path / "wavs")


def test_ljspeech_reads_the_voice_beside_the_repository(shared):
    folder = shared / "data/tts_en_kathleen"
    texts = {
        u.audio: u.text for part in ("train", "dev", "test") for u in load_manifest(folder / f"manifest_{part}.jsonl")
    }
    assert {u.audio: u.text for u in load_ljspeech(folder)} == texts


def test_mailabs(tmp_path):
    for folder in ("female/ann/emma", "female/ann/alice", "mix/tales"):
        make_book(tmp_path / "en_US/by_book" / folder, [f"{folder[-4:]}_01|One 1.|One one."])
    utterances = load_mailabs(tmp_path / "en_US")
    assert [u.speaker for u in utterances] == ["ann", "ann", None]
    assert [os.path.basename(u.audio) for u in utterances] == ["lice_01.wav", "emma_01.wav", "ales_01.wav"]
    assert [u.speaker for u in load_mailabs(tmp_path / "en_US/by_book/female/ann/emma")] == ["ann"]
    with pytest.raises(ValueError, match=r"holds no metadata.csv; expected a part of M-AILABS"):
        load_mailabs(tmp_path / "en_US/by_book/mix/tales/wavs")
