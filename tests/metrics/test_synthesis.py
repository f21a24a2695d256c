import os

import keras
import numpy as np
import pytest

from s2s_keras.metrics import StopTokenError, dynamic_time_warping, inspect_alignment, mel_cepstral_distortion

once = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
RNG = np.random.default_rng(0)


def shortest(cost):
    """Brute force: every path from the first pair to the last."""

    def paths(i, j):
        if i == j == 0:
            return [cost[0, 0]]
        before = [p for p in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if min(p) >= 0]
        return [total + cost[i, j] for place in before for total in paths(*place)]

    return min(paths(*(n - 1 for n in cost.shape)))


@once
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1), (4, 5), (5, 3)])
def test_time_warping_is_the_best_of_all_paths(shape):
    cost = RNG.random(shape)
    total, path = dynamic_time_warping(cost)
    assert total == pytest.approx(shortest(cost)) and total == pytest.approx(cost[tuple(path.T)].sum())
    assert path[0].tolist() == [0, 0] and (path[-1] + 1).tolist() == list(shape)
    assert {tuple(step) for step in np.diff(path, axis=0)} <= {(1, 1), (1, 0), (0, 1)}


@once
def test_time_warping_is_that_of_librosa():
    librosa = pytest.importorskip("librosa")
    cost = RNG.random((70, 90))
    expected, _ = librosa.sequence.dtw(C=cost)
    assert dynamic_time_warping(cost)[0] == pytest.approx(expected[-1, -1])


@once
def test_distortion_of_equal_frames_is_that_of_kubichek():
    """Cepstra by another library's transform; 10 / ln 10 * sqrt(2 * sum of squares), frame by frame."""
    dct = pytest.importorskip("scipy.fft").dct
    first, second = RNG.normal(size=(2, 1, 80))
    difference = dct(first - second, norm=None)[0] / 80  # scipy's has a factor of 2
    expected = 10 / np.log(10) * np.sqrt(2 * (difference[1:14] ** 2).sum())
    assert mel_cepstral_distortion(first, second).decibels == pytest.approx(expected)
    assert mel_cepstral_distortion(first, first - 3.0).decibels == 0.0  # louder is no other sound


@once
def test_all_cepstra_are_the_decibels_between_two_spectra():
    first, second = RNG.normal(size=(2, 1, 20))
    decibels = 20 / np.log(10) * (first - second)[0]
    expected = np.sqrt(np.mean((decibels - decibels.mean()) ** 2))
    assert mel_cepstral_distortion(first, second, num_coefficients=19).decibels == pytest.approx(expected)


@once
def test_distortion_follows_the_speed():
    mel = np.cumsum(RNG.normal(size=(40, 80)), axis=0)
    slow = mel[np.sort(RNG.integers(0, 40, 60))]
    slow[0], slow[-1] = mel[0], mel[-1]
    warped, other = mel_cepstral_distortion(mel, slow), mel_cepstral_distortion(mel, slow[::-1])
    assert warped.decibels < 0.5 * other.decibels and warped.path.shape[1] == 2
    repeated = np.repeat(mel, 3, axis=0)
    assert mel_cepstral_distortion(repeated, mel).decibels == 0.0


@once
@pytest.mark.parametrize("shapes", [((5, 80), (5, 40)), ((5, 80), (80,)), ((5, 13), (5, 13)), ((5, 80), (0, 80))])
def test_spectrograms_must_fit(shapes):
    with pytest.raises(ValueError, match=r"Received: \(5, "):
        mel_cepstral_distortion(*map(np.zeros, shapes))


def attended(places, tokens):
    return np.eye(tokens)[places]


@once
def test_sound_alignments():
    straight = attended([0, 1, 1, 2, 3, 5, 4, 6, 8, 9, 9], 10)
    assert inspect_alignment(straight) == (1.0, 1.0, (), ())
    blurred = 0.6 * straight + 0.04
    report = inspect_alignment(blurred)
    assert report.is_sound and report.focus == pytest.approx(0.64) and 0.7 < report.diagonality < 0.95
    assert inspect_alignment(np.full((10, 10), 0.1)).diagonality < 0.5
    assert inspect_alignment(straight[:, ::-1]).diagonality < 0.3


@once
@pytest.mark.parametrize(
    "places, skipped, repeated",
    [
        ([0, 1, 2, 8, 9], (3, 4, 5, 6, 7), ()),
        ([6, 7, 8, 9], (1, 2, 3, 4, 5), ()),
        ([0, 1, 2, 3], (4, 5, 6, 7, 8), ()),
        ([0, 1, 2, 3, 4, 5, 6], (), ()),  # what is left is within a jump
        ([0, 1, 2, 3, 4, 5, 6, 2, 3, 4, 5, 6, 7, 8, 9], (), (2, 3, 4, 5, 6)),
        ([0, 1, 2, 3, 4, 1, 4, 5, 6, 7, 8, 9], (), ()),
        ([0, 2, 4, 6, 8, 1, 2, 9], (), (1, 2)),
        ([3, 3, 3, 3], (4, 5, 6, 7, 8), ()),
    ],
)
def test_skipped_and_repeated_tokens(places, skipped, repeated):
    report = inspect_alignment(attended(places, 10))
    assert (report.skipped, report.repeated) == (skipped, repeated)
    assert report.is_sound == (not skipped and not repeated)


@once
def test_a_token_of_little_weight_is_read():
    alignment = attended([0, 1, 2, 8, 9], 10)
    alignment[2, 3:8] = 0.15
    assert inspect_alignment(alignment).is_sound
    with pytest.raises(ValueError, match=r"\(steps, tokens\). Received: \(10,\)"):
        inspect_alignment(alignment[0])


STOP = np.array([[0, 0, 0, 1, 1, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0]], "float32")
LOGITS = np.array(
    [
        [-1, -1, 1, -1, 1, 0],  # one too early
        [-1, -1, -1, 0, 0, 0],  # never: where the frames end, two too late
        [-1, -1, -1, -1, -1, 3],  # one too late
        [5, 5, 5, 5, 5, 5],  # no utterance
    ],
    "float32",
)


def test_stop_token_error():
    metric = StopTokenError()
    assert float(metric(STOP, LOGITS)) == pytest.approx(4 / 3)
    metric.update_state(STOP[:1], LOGITS[:1] * 0.0 - 1.0)
    assert float(metric.result()) == pytest.approx((4 + 2) / 4)
    metric.reset_state()
    assert float(metric(STOP, LOGITS, sample_weight=np.array([1.5, 0.0, 0.0, 1.5]))) == 1.0
    assert float(StopTokenError()(STOP[3:], LOGITS[3:])) == 0.0


def test_stop_token_error_in_fit_and_after_saving():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, {"stop": keras.layers.Activation("linear")(inputs)})
    metric = StopTokenError.from_config(StopTokenError(name="late").get_config())
    model.compile(loss={"stop": "mse"}, metrics={"stop": metric})
    result = model.evaluate(LOGITS, {"stop": STOP}, batch_size=3, verbose=0, return_dict=True)
    assert next(value for name, value in result.items() if "late" in name) == pytest.approx(4 / 3)
