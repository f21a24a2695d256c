import os

import numpy as np
import pytest

from s2s_keras.ops.pauses import OVERLAP, split_at_pauses

RATE = 8000
pytestmark = pytest.mark.skipif(
    os.environ["KERAS_BACKEND"] != "tensorflow", reason="NumPy alone: one backend is enough"
)


def recording(*parts, seed=0):
    """Noise of (seconds, level in dB) one after the other, as far as a recording goes."""
    rng = np.random.default_rng(seed)
    sizes = [(int(seconds * RATE), 10 ** (level / 20)) for seconds, level in parts]
    return np.concatenate([rng.normal(0, scale, size) for size, scale in sizes]).astype("float32")


def spans(pieces):
    return [(piece.start / RATE, (piece.start + len(piece.audio)) / RATE) for piece in pieces]


def test_what_fits_stays_whole_even_silence():
    audio = recording((3, -20), (20, -80), (7, -20))
    [piece] = split_at_pauses([audio], RATE)
    assert piece.start == 0
    np.testing.assert_array_equal(piece.audio, audio)


def test_cuts_lie_in_pauses_and_nothing_spoken_is_left_out():
    audio = recording((2, -80), (5, -20), (1.5, -80), (9, -30), (40, -80), (4, -20), (0.5, -80), (12, -20), (5, -80))
    found = list(split_at_pauses([audio], RATE))
    np.testing.assert_allclose(
        spans(found), [(1.75, 7.25), (8.25, 17.75), (57.25, 74.25)], rtol=0, atol=0.021
    )  # a pause of half a second is inside
    for piece in found:
        np.testing.assert_array_equal(piece.audio, audio[piece.start : piece.start + len(piece.audio)])
        assert not piece.overlaps


def test_the_size_of_blocks_changes_nothing():
    audio = recording((12, -20), (1, -70), (45, -25), (0.4, -60), (8, -20), (2, -70), seed=1)
    whole = spans(split_at_pauses([audio], RATE))
    for size in (1000, 12345, 8000 * 31):
        blocks = [audio[n : n + size] for n in range(0, len(audio), size)]
        assert spans(split_at_pauses(blocks, RATE)) == whole


def test_speech_without_a_pause_is_cut_where_it_is_quiet():
    audio = recording((14, -20), (0.4, -50), (30, -20))
    first, second = spans(split_at_pauses([audio], RATE))[:2]
    assert first[1] == second[0] == pytest.approx(14.2, abs=0.06)


def test_without_any_quiet_place_pieces_overlap_on_the_grid():
    found = list(split_at_pauses([recording((70, -20))], RATE, max_seconds=20, grid=320))
    assert [piece.overlaps for piece in found] == [False, *[True] * (len(found) - 1)]
    assert spans(found)[0] == (0, 20) and spans(found)[-1][1] == 70
    for left, right in zip(found, found[1:], strict=False):
        assert (right.start - left.start) % 320 == 0
        assert left.start + len(left.audio) - right.start == pytest.approx(OVERLAP * RATE, abs=320)


def test_an_hour_of_silence_after_speech_is_no_speech():
    """Noise alone, made as loud as speech by the front end, would be heard as some."""
    audio = recording((20, -20), (35, -75), (35, -75.5), (3, -20))
    assert [round(end - start) for start, end in spans(split_at_pauses([audio], RATE))] == [20, 3]


def test_only_a_few_pieces_are_held():
    asked = []

    def blocks():
        for n in range(30):
            asked.append(n)
            yield recording((9, -20), (1, -80), seed=n)

    for piece in split_at_pauses(blocks(), RATE, max_seconds=20):
        assert 10 * len(asked) - piece.start / RATE <= 2 * 20


def test_too_short_pieces():
    with pytest.raises(ValueError, match="max_seconds=5"):
        next(split_at_pauses([np.zeros(8)], RATE, max_seconds=5))
