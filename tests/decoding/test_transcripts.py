import os
import re

import pytest

from s2s_keras.decoding import Word, to_ctm, to_srt, to_textgrid, to_vtt
from s2s_keras.decoding.transcripts import captions

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")

WORDS = [Word("yes", 0.24, 0.5, 0.984), Word('"sir"', 0.5, 1.0, 1.0), Word("<no>", 3723.4567, 3724.0, 0.25)]


def test_ctm():
    assert to_ctm(WORDS[:2], "clip", channel="A") == 'clip A 0.240 0.260 yes 0.984\nclip A 0.500 0.500 "sir" 1.000\n'
    assert to_ctm([], "clip") == ""
    with pytest.raises(ValueError, match="my clip"):
        to_ctm(WORDS, "my clip")


def test_srt():
    assert to_srt(WORDS) == ('1\n00:00:00,240 --> 00:00:01,000\nyes "sir"\n\n2\n01:02:03,457 --> 01:02:04,000\n<no>\n')
    assert to_srt([]) == ""


def test_vtt_escapes_what_would_be_tags():
    assert to_vtt(WORDS) == (
        'WEBVTT\n\n00:00:00.240 --> 00:00:01.000\nyes "sir"\n\n01:02:03.457 --> 01:02:04.000\n&lt;no&gt;\n'
    )
    assert to_vtt([]) == "WEBVTT\n"


def test_captions_are_short_and_end_at_pauses():
    spoken = [Word("word", n + 0.1, n + 0.8, 1.0) for n in range(20)]
    groups = captions(spoken, length=13, seconds=10.0)
    assert [text for _, _, text in groups] == ["word word"] * 10  # three have 14 characters and spaces
    assert max(end - start for start, end, _ in captions(spoken, seconds=4.0)) < 4.0
    assert len(captions([Word("a", 0.0, 0.1, 1.0), Word("b", 1.2, 1.3, 1.0)])) == 2
    assert captions([Word("a", 1.0, 1.0, 1.0)]) == [(1.0, 1.001, "a")]


def intervals(text):
    """(xmin, xmax, text) of every interval, read as the definition of the format has it."""
    pattern = r'intervals \[(\d+)\]:\s+xmin = (\S+)\s+xmax = (\S+)\s+text = "((?:[^"]|"")*)"'
    found = re.findall(pattern, text)
    assert [int(n) for n, *_ in found] == list(range(1, len(found) + 1))
    assert f"intervals: size = {len(found)}" in text
    return [(float(start), float(end), label.replace('""', '"')) for _, start, end, label in found]


def test_textgrid_covers_the_recording_without_gaps():
    text = to_textgrid([*WORDS[:2], Word("late", 0.9, 1.4, 1.0)], 2.0)
    assert intervals(text) == [
        (0.0, 0.24, ""), (0.24, 0.5, "yes"), (0.5, 1.0, '"sir"'), (1.0, 1.4, "late"), (1.4, 2.0, ""),
    ]  # fmt: skip
    assert text.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 2.000000\n')
    assert intervals(to_textgrid([], 1.0)) == [(0.0, 1.0, "")]
