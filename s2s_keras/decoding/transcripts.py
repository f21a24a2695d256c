"""Words with times as files for other programs: CTM, TextGrid, SRT, WebVTT."""

import math

CAPTION_LENGTH = 42  # characters of a line that is read at a glance
CAPTION_SECONDS = 6.0
CAPTION_PAUSE = 1.0  # a longer one ends a caption
SHORTEST = 0.001  # second, the resolution of captions and of CTM as it is written here


def to_ctm(words, recording, channel="1"):
    """NIST's time-marked conversation format, a line per word: recording, channel, start, duration, word, confidence.

    Args:
        words: sequence of `Word`.
        recording: str, the name of the recording, without spaces.
        channel: str. Default "1".

    Returns:
        str.

    Raises:
        ValueError: the name of the recording is empty or holds a space.

    Example:

    >>> from s2s_keras.decoding import Word
    >>> to_ctm([Word("yes", 0.25, 0.5, 0.98)], "clip")
    'clip 1 0.250 0.250 yes 0.980\\n'
    """
    if len(recording.split()) != 1 or len(channel.split()) != 1:
        raise ValueError(f"A field of CTM has no spaces. Received: recording={recording!r}, channel={channel!r}.")
    return "".join(
        f"{recording} {channel} {word.start:.3f} {word.end - word.start:.3f} {word.text} {word.confidence:.3f}\n"
        for word in words
    )


def to_textgrid(words, seconds, tier="words"):
    """A TextGrid of Praat with one tier of intervals; between words they are empty.

    Args:
        words: sequence of `Word`, in order; where two overlap, the second one begins when the first one ends.
        seconds: float, length of the recording.
        tier: str, name of the tier. Default "words".

    Returns:
        str, of the long text format.

    Example:

    >>> from s2s_keras.decoding import Word
    >>> print(to_textgrid([Word("yes", 0.25, 0.5, 0.98)], 0.75).splitlines()[-1].strip())
    text = ""
    """
    seconds = max([seconds, *(word.end for word in words)])
    intervals, now = [], 0.0
    for word in words:
        start = max(now, word.start)
        if start > now:
            intervals.append((now, start, ""))
        if word.end > start:
            intervals.append((start, word.end, word.text))
            now = word.end
    if now < seconds or not intervals:
        intervals.append((now, seconds, ""))
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {seconds:.6f}",
        "tiers? <exists>",
        "size = 1",
        "item []:",
        "    item [1]:",
        '        class = "IntervalTier"',
        f'        name = "{_quoted(tier)}"',
        "        xmin = 0",
        f"        xmax = {seconds:.6f}",
        f"        intervals: size = {len(intervals)}",
    ]
    for n, (start, end, text) in enumerate(intervals, 1):
        lines += [
            f"        intervals [{n}]:",
            f"            xmin = {start:.6f}",
            f"            xmax = {end:.6f}",
            f'            text = "{_quoted(text)}"',
        ]
    return "\n".join(lines) + "\n"


def to_srt(words, length=CAPTION_LENGTH, seconds=CAPTION_SECONDS):
    """SubRip subtitles: numbered captions of a few words each.

    Args:
        words: sequence of `Word`.
        length: int, most characters of a caption; a longer word stands alone.
        seconds: float, most seconds of a caption.

    Returns:
        str.

    Example:

    >>> from s2s_keras.decoding import Word
    >>> print(to_srt([Word("yes", 0.25, 0.5, 0.98), Word("sir", 0.75, 1.0, 0.9)]), end="")
    1
    00:00:00,250 --> 00:00:01,000
    yes sir
    """
    blocks = [
        f"{n}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n"
        for n, (start, end, text) in enumerate(captions(words, length, seconds), 1)
    ]
    return "\n".join(blocks)


def to_vtt(words, length=CAPTION_LENGTH, seconds=CAPTION_SECONDS):
    """WebVTT captions, as `to_srt`; browsers show them over audio and video.

    Example:

    >>> from s2s_keras.decoding import Word
    >>> print(to_vtt([Word("yes", 0.25, 0.5, 0.98)]), end="")
    WEBVTT
    <BLANKLINE>
    00:00:00.250 --> 00:00:00.500
    yes
    """
    escape = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
    blocks = [
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text.translate(str.maketrans(escape))}\n"
        for start, end, text in captions(words, length, seconds)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def captions(words, length=CAPTION_LENGTH, seconds=CAPTION_SECONDS):
    """Words in groups that are read at a glance: list of (start, end, text), a millisecond long at least."""
    groups = []
    for word in words:
        group = groups[-1] if groups else None
        if (
            group is None
            or len(group[2]) + 1 + len(word.text) > length
            or word.end - group[0] > seconds
            or word.start - group[1] > CAPTION_PAUSE
        ):
            groups.append([word.start, word.end, word.text])
        else:
            group[1:] = word.end, f"{group[2]} {word.text}"
    return [(start, max(end, start + SHORTEST), text) for start, end, text in groups]


def _clock(seconds, point):
    milliseconds = math.floor(1000 * seconds + 0.5)
    minutes, milliseconds = divmod(milliseconds, 60000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def _quoted(text):
    return text.replace('"', '""')
