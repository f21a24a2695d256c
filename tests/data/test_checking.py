import json
import logging
import os

import numpy as np
import pytest
import soundfile

from s2s_keras.data import AudioReader, Limits, SkipReport, Utterance, UtteranceError, check_utterances, speech_dataset

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")


def noise(seconds, sample_rate=16000):
    return np.random.default_rng(0).normal(0.0, 0.1, round(seconds * sample_rate)).astype("float32")


@pytest.fixture
def bad_corpus(tmp_path):
    """A manifest whose line 1 and last line are good; each line between has one fault. Returns (path, faults)."""
    soundfile.write(tmp_path / "good.wav", noise(1.0), 16000)
    soundfile.write(tmp_path / "short.wav", noise(0.1), 16000)
    soundfile.write(tmp_path / "long.wav", noise(3.0), 16000)
    soundfile.write(tmp_path / "slow.wav", noise(1.0, 8000), 8000)
    soundfile.write(tmp_path / "damaged.flac", noise(2.0), 16000)
    soundfile.write(tmp_path / "nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no audio")
    data = (tmp_path / "damaged.flac").read_bytes()
    (tmp_path / "damaged.flac").write_bytes(data[: len(data) // 2])
    faults = [
        ("bad line", "{", "neither a JSON object"),
        ("missing file", {"audio_filepath": "missing.wav", "text": "yes"}, r"missing\.wav does not exist"),
        ("unreadable audio", {"audio_filepath": "empty.wav", "text": "yes"}, r"empty\.wav: the file is empty"),
        ("unreadable audio", {"audio_filepath": "text.wav", "text": "yes"}, r"text\.wav: cannot be read as audio"),
        ("unreadable audio", {"audio_filepath": "damaged.flac", "text": "yes"}, r"damaged\.flac: .* damaged or cut"),
        ("unreadable audio", {"audio_filepath": "nan.wav", "text": "yes"}, r"nan\.wav: .* finite values"),
        ("wrong sample rate", {"audio_filepath": "slow.wav", "text": "yes"}, r"slow\.wav has 8000 Hz where 16000 Hz"),
        ("wrong duration", {"audio_filepath": "good.wav", "text": "yes", "duration": 3}, r"lasts 1\.000 s, the manif"),
        ("wrong duration", {"audio_filepath": "long.wav", "text": "yes", "duration": 1}, r"lasts 3\.000 s, the manif"),
        ("wrong duration", {"audio_filepath": "long.wav", "text": "yes", "offset": 2.5, "duration": 1}, "the manifest"),
        ("wrong duration", {"audio_filepath": "long.wav", "text": "yes", "offset": 4.0}, "the manifest"),
        ("too short", {"audio_filepath": "short.wav", "text": "no"}, r"lasts 0\.100 s, min_duration is 0\.5"),
        ("too long", {"audio_filepath": "long.wav", "text": "yes"}, r"lasts 3\.000 s, max_duration is 2"),
        ("empty text", {"audio_filepath": "good.wav", "text": " "}, "the text is empty"),
        ("unknown label", {"audio_filepath": "good.wav", "text": "Yes"}, "character 'Y' is not in the vocabulary"),
        ("too many labels", {"audio_filepath": "good.wav", "text": "aabbccddee"}, "needs 15 output frames"),
    ]
    good = {"audio_filepath": "good.wav", "text": "yes", "duration": 1.0}
    rows = [good, *(row for _, row, _ in faults), good]
    path = tmp_path / "train.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path), faults


OPTIONS = {"resample": False, "min_duration": 0.5, "max_duration": 2.0, "frames_per_second": 14}


def test_every_fault_is_one_error_with_file_and_line(bad_corpus, tokenizer):
    path, faults = bad_corpus
    lines = open(path).read().splitlines()
    for number, (reason, _, message) in enumerate(faults, 2):
        with open(path, "w") as file:
            file.write("\n" * (number - 1) + lines[number - 1])
        with pytest.raises(UtteranceError, match=rf"train\.jsonl, line {number}: .*{message}") as error:
            speech_dataset(path, tokenizer, 1, **OPTIONS)
        assert error.value.reason == reason and isinstance(error.value, ValueError)
        assert "\n" not in str(error.value)


def test_every_fault_is_skipped_and_counted(bad_corpus, tokenizer, caplog):
    path, faults = bad_corpus
    with caplog.at_level(logging.WARNING, "s2s_keras"):
        dataset = speech_dataset(path, tokenizer, 1, on_error="skip", **OPTIONS)
    assert [e.utterance.line for e in dataset.examples] == [1, len(faults) + 2]
    assert [x["audio"].shape for x, _ in dataset] == [(1, 16000)] * 2
    expected = sorted((reason, f"{path}, line {n}") for n, (reason, _, _) in enumerate(faults, 2))
    assert sorted((e.reason, e.where) for e in dataset.report.errors) == expected
    assert dataset.report.counts["wrong duration"] == 4 and sum(dataset.report.counts.values()) == len(faults)
    assert [r.getMessage() for r in caplog.records] == [dataset.report.summary()]
    assert dataset.report.summary().startswith(f"Skipped {len(faults)} utterances: ")
    assert f"1 too short ({path}, line 13)" in dataset.report.summary()


def test_nothing_left_is_an_error(tmp_path, tokenizer):
    path = tmp_path / "train.jsonl"
    path.write_text("{\n{\n")
    with pytest.raises(ValueError, match=r"No utterance is left .* Skipped 2 utterances: 2 bad line"):
        speech_dataset(path, tokenizer, on_error="skip")
    with pytest.raises(ValueError, match="No utterance is left"):
        speech_dataset([], tokenizer)


def test_nothing_skipped_logs_nothing(write_corpus, tokenizer, caplog):
    with caplog.at_level(logging.WARNING, "s2s_keras"):
        dataset = speech_dataset(write_corpus([1.0]), tokenizer, on_error="skip")
    assert dataset.report.summary() == "Skipped no utterance." and not caplog.records


def check(utterance, tokenizer, **limits):
    return check_utterances([utterance], tokenizer, AudioReader(), Limits(**limits))[0]


def test_without_a_manifest_the_audio_file_is_named(tmp_path, tokenizer):
    with pytest.raises(UtteranceError, match=r"^/.*/missing\.wav: "):
        check(Utterance(str(tmp_path / "missing.wav"), "yes"), tokenizer)


def test_the_blank_is_no_label(tmp_path):
    class FromZero:
        vocabulary_size = 3

        def encode(self, text):
            return [int(c) for c in text]

    soundfile.write(tmp_path / "a.wav", noise(1.0), 16000)
    assert check(Utterance(str(tmp_path / "a.wav"), "12"), FromZero()).labels.tolist() == [1, 2]
    for text in ("01", "23"):
        with pytest.raises(UtteranceError, match=r"labels must lie in 1\.\.2"):
            check(Utterance(str(tmp_path / "a.wav"), text), FromZero())


def test_a_text_may_become_empty(tmp_path, tokenizer):
    soundfile.write(tmp_path / "a.wav", noise(1.0), 16000)
    utterance = Utterance(str(tmp_path / "a.wav"), "[laughs]")
    with pytest.raises(UtteranceError, match=r"the text is empty \('\[laughs\]'\)"):
        check_utterances([utterance], tokenizer, AudioReader(), Limits(), normalize=lambda text: "")

    class Words:
        vocabulary_size = 2

        def encode(self, text):
            return [1 for word in text.split() if word == "yes"]

    with pytest.raises(UtteranceError, match="the text is empty"):
        check(utterance, Words())


def test_durations_come_from_the_file(tmp_path, tokenizer):
    soundfile.write(tmp_path / "a.wav", noise(2.04, 8000), 8000)
    audio = str(tmp_path / "a.wav")
    assert check(Utterance(audio, "yes"), tokenizer).duration == pytest.approx(2.04)
    assert check(Utterance(audio, "yes", duration=2.0), tokenizer).duration == pytest.approx(2.04)
    assert check(Utterance(audio, "yes", duration=0.5, offset=0.0), tokenizer).duration == 0.5
    assert check(Utterance(audio, "yes", offset=1.0), tokenizer).duration == pytest.approx(1.04)


def test_believing_the_manifest_opens_no_file(tmp_path, tokenizer):
    (tmp_path / "a.wav").touch()
    utterance = Utterance(str(tmp_path / "a.wav"), "yes", duration=2.0)
    (example,) = check_utterances([utterance], tokenizer, AudioReader(), Limits(), verify="manifest")
    assert example.duration == 2.0
    with pytest.raises(UtteranceError, match="the file is empty"):
        check_utterances([utterance], tokenizer, AudioReader(), Limits(), verify="header")


def test_ctc_needs_a_frame_between_equal_labels(tmp_path, tokenizer):
    soundfile.write(tmp_path / "a.wav", noise(1.0), 16000)
    utterance = Utterance(str(tmp_path / "a.wav"), "aab")
    check(utterance, tokenizer, frames_per_second=4)
    with pytest.raises(UtteranceError, match="needs 4 output frames, .* gives 3;"):
        check(utterance, tokenizer, frames_per_second=3)


def test_order_is_kept_over_many_utterances(tmp_path, tokenizer):
    soundfile.write(tmp_path / "a.wav", noise(0.01), 16000)
    texts = ["a" * (n % 7 + 1) for n in range(600)]
    examples = check_utterances(
        [Utterance(str(tmp_path / "a.wav"), text) for text in texts], tokenizer, AudioReader(), Limits()
    )
    assert [e.utterance.text for e in examples] == texts


def test_the_cache_reads_once(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1.0), 16000)
    whole, part = Utterance(str(path), "yes"), Utterance(str(path), "no", duration=0.5, offset=0.25)
    cached, plain = AudioReader(cache=True), AudioReader()
    first = [cached(whole), cached(part)]
    np.testing.assert_array_equal(first[0][4000:12000], first[1])
    path.unlink()
    assert cached(whole) is first[0] and cached(part) is first[1]
    with pytest.raises(UtteranceError, match="no such audio file"):
        plain(whole)


def test_report_names_the_first_of_each_reason():
    report = SkipReport()
    for n in (3, 4):
        report.add(UtteranceError("too long", f"a.jsonl, line {n}", "x"))
    report.add(UtteranceError("empty text", "a.jsonl, line 5", "x"))
    assert report.summary() == (
        "Skipped 3 utterances: 2 too long (a.jsonl, line 3, ...); 1 empty text (a.jsonl, line 5)."
    )
