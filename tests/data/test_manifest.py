import json
import os

import pytest

from s2s_keras.data import Utterance, UtteranceError, load_manifest

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "wavs").mkdir()
    for name in ("a", "b"):
        (tmp_path / "wavs" / f"{name}.wav").touch()
    return tmp_path


def write_lines(folder, *lines):
    path = folder / "train.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return str(path)


def test_json_lines(folder):
    path = write_lines(
        folder,
        {"audio_filepath": "wavs/a.wav", "duration": 1.5, "text": "yes", "speaker": "x", "label": "dog"},
        "",
        {"audio_filepath": str(folder / "wavs/b.wav"), "text": "grüß", "offset": 0, "duration": 2, "speaker": 7},
    )
    a, b = str(folder / "wavs/a.wav"), str(folder / "wavs/b.wav")
    assert load_manifest(path) == [
        Utterance(a, "yes", 1.5, None, path, 1, "dog", speaker="x"),
        Utterance(b, "grüß", 2, 0, path, 3, speaker="7"),
    ]


def test_relative_manifest_path(folder, monkeypatch):
    write_lines(folder, {"audio_filepath": "wavs/a.wav", "text": "yes"})
    monkeypatch.chdir(folder)
    (utterance,) = load_manifest("train.jsonl")
    assert (utterance.audio, utterance.where) == ("wavs/a.wav", "train.jsonl, line 1")


def test_csv_of_open_seq2seq(folder):
    path = folder / "train.csv"
    path.write_text('\ufeffwav_filename,wav_filesize,transcript\nwavs/a.wav,44,"yes, sir"\nwavs/b.wav,44,no\n', "utf-8")
    assert [(u.audio, u.text, u.duration, u.line) for u in load_manifest(path)] == [
        (str(folder / "wavs/a.wav"), "yes, sir", None, 2),
        (str(folder / "wavs/b.wav"), "no", None, 3),
    ]


GOOD = {"audio_filepath": "wavs/a.wav", "text": "yes"}


@pytest.mark.parametrize(
    "line, reason, message",
    [
        ('{"audio_filepath": ', "bad line", "neither a JSON object .* nor part of a CSV"),
        ("[1, 2]", "bad line", r"expected a JSON object, got '\[1, 2\]'"),
        ({"text": "yes"}, "bad line", "expected text at the key 'audio_filepath'"),
        ({"audio_filepath": "wavs/a.wav"}, "bad line", "expected text at the key 'text'"),
        ({**GOOD, "text": 5}, "bad line", "expected text at the key 'text'"),
        ({**GOOD, "duration": "1.0"}, "bad line", "'duration' must be seconds above 0, got '1.0'"),
        ({**GOOD, "duration": 0}, "bad line", "'duration' must be seconds above 0, got 0"),
        ({**GOOD, "duration": float("nan")}, "bad line", "'duration' must be seconds above 0, got nan"),
        ({**GOOD, "duration": True}, "bad line", "'duration' must be"),
        ({**GOOD, "duration": 10**400}, "bad line", "'duration' must be"),
        ('{"duration": ' + "9" * 5000 + "}", "bad line", "neither a JSON object"),
        ("[" * 100_000, "bad line", "neither a JSON object"),
        ({**GOOD, "offset": -1.0}, "bad line", "'offset' must be seconds, 0 or above, got -1.0"),
        ({**GOOD, "audio_filepath": "wavs/c.wav"}, "missing file", "the audio file .*c.wav does not exist"),
    ],
)
def test_a_bad_line_is_named_or_handed_over(folder, line, reason, message):
    path = write_lines(folder, GOOD, line, GOOD)
    with pytest.raises(UtteranceError, match=rf"train\.jsonl, line 2: .*{message}") as error:
        load_manifest(path)
    assert error.value.reason == reason and isinstance(error.value, ValueError)
    errors = []
    assert [u.line for u in load_manifest(path, on_bad=errors.append)] == [1, 3]
    assert [(e.reason, e.where) for e in errors] == [(reason, f"{path}, line 2")]


@pytest.mark.parametrize("row", ["wavs/a.wav,44", "wavs/a.wav,44,yes, sir"])
def test_a_csv_row_of_another_width_is_named(folder, row):
    path = folder / "train.csv"
    path.write_text(f"wav_filename,wav_filesize,transcript\nwavs/b.wav,44,no\n{row}\n")
    with pytest.raises(UtteranceError, match=r"train\.csv, line 3: the number of fields differs"):
        load_manifest(path)


def test_a_quote_left_open_costs_one_line(folder):
    path = folder / "train.csv"
    path.write_text(
        'wav_filename,wav_filesize,transcript\nwavs/a.wav,44,"he said\nwavs/a.wav,44,yes\nwavs/b.wav,44,no\n'
    )
    with pytest.raises(UtteranceError, match=r"train\.csv, line 2: .*quote"):
        load_manifest(path)
    errors = []
    assert [u.text for u in load_manifest(path, errors.append)] == ["yes", "no"]
    assert len(errors) == 1


@pytest.mark.parametrize(
    "text",
    [
        '"wav_filename","wav_filesize","transcript"\n"wavs/a.wav","44","yes"\n',
        "wav_filesize,wav_filename,transcript\r\n44,wavs/a.wav,yes\r\n",
        "\nwav_filename, wav_filesize, transcript\nwavs/a.wav, 44, yes\n",
    ],
)
def test_other_ways_to_write_the_csv(folder, text):
    (folder / "train.csv").write_text(text, newline="")
    (utterance,) = load_manifest(folder / "train.csv")
    assert (utterance.audio, utterance.text) == (str(folder / "wavs/a.wav"), "yes")


def test_a_csv_without_transcripts_is_named(folder):
    path = folder / "train.csv"
    path.write_text("wav_filename,wav_filesize\nwavs/b.wav,44\n")
    with pytest.raises(UtteranceError, match=r"train\.csv, line 2: expected text at the key 'transcript'"):
        load_manifest(path)


def test_files_that_are_no_manifest(folder):
    (folder / "empty.jsonl").touch()
    (folder / "latin.jsonl").write_bytes('{"audio_filepath": "wavs/a.wav", "text": "grüß"}'.encode("latin-1"))
    for name, message in {
        "missing.jsonl": "no such manifest",
        "empty.jsonl": "holds no utterance",
        "latin.jsonl": "not UTF-8",
    }.items():
        with pytest.raises(ValueError, match=message) as error:
            load_manifest(folder / name)
        assert name in str(error.value)


@pytest.mark.parametrize(
    "name, count",
    [
        ("an4/manifest_train.jsonl", 848),
        ("an4/manifest_dev.jsonl", 100),
        ("an4/manifest_test.jsonl", 130),
        ("tts_en_kathleen/manifest_train.jsonl", 1052),
        ("asr_librispeech_test_other_100/manifest_test.jsonl", 100),
        ("noise_esc10/manifest_all.jsonl", 398),
    ],
)
def test_real_manifests(shared, name, count):
    assert len(load_manifest(shared / "data" / name)) == count
