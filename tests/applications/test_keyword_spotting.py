import numpy as np
import pytest
import soxr

from s2s_keras.applications import KeywordSpotter, SpeechClassifier
from s2s_keras.layers import JasperBlock
from s2s_keras.metrics import spotting_errors
from tests.test_case import SMALL

RATE = 1000


class Loudness:
    """A classifier that hears "loud" in the share of a window that is loud."""

    sample_rate, labels, num_classes = RATE, ("quiet", "loud"), 2

    def check_can(self, task):
        pass

    def predict_on_batch(self, inputs):
        share = np.mean(np.abs(inputs["audio"]) > 0.5, axis=1)
        return np.stack([np.zeros_like(share), 20 * (share - 0.5)], axis=1)


def stream(*bursts, seconds=10):
    audio = np.zeros(seconds * RATE, "float32")
    for second in bursts:
        audio[int(second * RATE) : int((second + 1) * RATE)] = 0.9
    return audio


def spotter(**kwargs):
    return KeywordSpotter(Loudness(), **{"threshold": {"loud": 0.6}, **kwargs})


def test_each_keyword_is_heard_once_whatever_the_chunks():
    audio = stream(2, 6.3)
    expected = list(spotter()([audio]))
    assert [label for label, _, _ in expected] == ["loud", "loud"]
    assert 2.5 < expected[0].time < 3.0 and 6.8 < expected[1].time < 7.4
    for size in (1, 37, 250, 4000):
        assert list(spotter()(audio[n : n + size] for n in range(0, len(audio), size))) == expected


def test_smoothing_ignores_what_is_short():
    click = stream()
    click[2000:2600] = 0.9
    assert [d.label for d in spotter(smoothing_seconds=0.1)([click])] == ["loud"]
    assert not list(spotter(smoothing_seconds=1.0)([click]))


def test_a_pause_silences_the_echo():
    audio = stream(2, 3, 4)  # three seconds without a gap
    assert len(list(spotter(pause_seconds=10.0)([audio]))) == 1
    assert len(list(spotter(pause_seconds=1.0)([audio]))) >= 3


def test_the_last_word_is_heard_at_the_end():
    assert [d.label for d in spotter()([stream(9.4)])] == ["loud"]


def test_another_sample_rate():
    audio = soxr.resample(stream(2), RATE, 1600)
    found = list(spotter(sample_rate=1600)(np.array_split(audio, 50)))
    assert len(found) == 1 and 2.5 < found[0].time < 3.1


def test_the_spotter_of_a_model_and_wrong_arguments():
    model = SpeechClassifier([JasperBlock(8, 3)], labels=("_silence_", "yes"), **SMALL)
    found = list(model.spotter(threshold=1e-6, window_seconds=0.2, pause_seconds=0.0)([np.zeros(1000)]))
    assert {detection.label for detection in found} == {"yes"}
    for kwargs, message in (
        ({"threshold": {"maybe": 0.5}}, "no class maybe"),
        ({"threshold": 0.0}, "above 0"),
        ({"step_seconds": 0.0}, "step_seconds=0.0"),
        ({"pause_seconds": -1.0}, "pause_seconds=-1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            model.spotter(**kwargs)
    with pytest.raises(ValueError, match="include_top"):
        SpeechClassifier([JasperBlock(8, 3)], include_top=False, **SMALL).spotter()


def test_what_was_said_and_what_was_heard():
    said = [("a", 1.0, 2.0), ("a", 2.1, 3.0), ("b", 5.0, 6.0)]
    heard = [("a", 0.9, 1.9), ("a", 0.9, 3.3), ("a", 0.9, 2.2), ("b", 0.9, 6.6), ("b", 0.9, 4.9)]
    errors = spotting_errors(heard, said, seconds=1800)
    assert errors == (3, 1, 3, 0.5)
    assert errors.miss_rate == 1 / 3 and errors.false_alarms_per_hour == 6
    assert spotting_errors(heard, said, 1800, tolerance=1.0).misses == 0
    with pytest.raises(ValueError, match="seconds=0"):
        spotting_errors([], [], 0)
