"""Long recordings cut at pauses, without ever holding the whole of one."""

import dataclasses

import numpy as np

_STEP = 0.01  # seconds between two levels
_SILENCE = -120.0  # dB of digital silence
_SPREAD = 12.0  # dB; where quiet and loud parts are closer, nobody can tell pauses by their level
_SHARE = 0.3  # of the way from the noise to the speech, in dB: what is below is a pause
_MEMORY = 0.5  # dB by which the remembered level of speech falls in a second of silence
_PAUSE = 0.8  # seconds; a longer pause ends a piece
_EDGE = 0.25  # seconds of a pause that stay at the ends of a piece
_QUIET = 0.3  # seconds that must be quiet for a cut inside a piece that is too long
_DROP = 15.0  # dB by which they must be below the loud parts
OVERLAP = 4.0  # seconds that two pieces share where there is no such place


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of a recording.

    Args:
        start: int, sample of the recording at which it begins.
        audio: float32 (S,).
        overlaps: bool, whether it begins `OVERLAP` seconds before the end of the piece before it.

    Example:

    >>> Piece(16000, np.zeros(8000, "float32")).overlaps
    False
    """

    start: int
    audio: np.ndarray
    overlaps: bool = False


def split_at_pauses(blocks, sample_rate, max_seconds=30.0, grid=1):
    """Parts of a long recording, cut in pauses; pauses themselves are left out.

    A recording of up to `max_seconds` stays whole. In a longer one a pause is where the level lies nearer to that of
    the noise than to that of the speech. Where speech goes on for longer than `max_seconds`, it is cut at its quietest
    place; where that is not quiet, both parts contain the seconds around the cut.

    Args:
        blocks: iterable of float arrays, the recording in blocks of any size.
        sample_rate: int, samples per second.
        max_seconds: float, longest part, at least 10. No more than twice as much is held at a time.
        grid: int; a part that overlaps the one before begins a multiple of so many samples after it.

    Yields:
        `Piece`.

    Raises:
        ValueError: `max_seconds` is below 10.

    Example:

    >>> noise = np.random.default_rng(0).normal(size=16000 * 40).astype("float32")
    >>> noise[16000 * 10 : 16000 * 20] *= 0.001
    >>> [(round(p.start / 16000, 1), round(len(p.audio) / 16000, 1)) for p in split_at_pauses([noise], 16000)]
    [(0.0, 10.2), (19.8, 20.2)]
    """
    if not max_seconds >= 10:
        raise ValueError(f"Pieces are 10 seconds or longer. Received: max_seconds={max_seconds}.")
    longest, overlap = int(max_seconds * sample_rate), int(OVERLAP * sample_rate)
    source, held, start = iter(blocks), np.zeros(0, "float32"), 0
    speech_level, overlaps, ended = -np.inf, False, False
    while True:
        parts = [held]
        size = len(held)
        while not ended and size <= longest:
            block = next(source, None)
            ended = block is None
            if not ended:
                parts.append(np.asarray(block, "float32"))
                size += len(block)
        held = np.concatenate(parts)
        if size <= longest and start == 0:
            yield Piece(0, held)
            return
        if not size:
            return
        window = held[:longest]
        levels = levels_of(window, sample_rate)
        speech_level, speech = _speech(levels, speech_level)
        steps = _next_piece(levels, speech, overlaps, last=ended and size <= longest)
        begin, end, used = (min(int(step) * round(_STEP * sample_rate), len(window)) for step in steps)
        if end > begin:
            yield Piece(start + begin, held[begin:end].copy(), overlaps)
        overlaps = used == 0
        if overlaps:
            used = begin + (end - begin - overlap) // grid * grid
        held, start = held[used:], start + used
        speech_level -= _MEMORY * used / sample_rate


def _next_piece(levels, speech, overlaps, last):
    """(first step of the next piece, its end, where to go on), in steps; to go on at 0 stands for an overlap."""
    total, edge, pause = len(levels), round(_EDGE / _STEP), round(_PAUSE / _STEP)
    spoken = np.flatnonzero(speech)
    if not len(spoken):
        return 0, 0, total if last else max(total - edge, 1)
    begin = 0 if overlaps else max(spoken[0] - edge, 0)
    pauses = np.flatnonzero(np.diff(spoken, append=total if last else total - 1) > pause)
    if last and not len(pauses):
        return begin, total, total
    if len(pauses):
        end = min(spoken[pauses[0]] + 1 + edge, total)
        return begin, end, end
    if begin > total // 3:  # come back with more of what follows
        return 0, 0, begin
    width = round(_QUIET / _STEP)
    power = np.convolve(10 ** (levels / 10), np.full(width, 1 / width), "valid")
    cut = total // 3 + int(np.argmin(power[total // 3 :]))
    if 10 * np.log10(power[cut]) < np.quantile(levels, 0.9) - _DROP:
        return begin, cut + width // 2, cut + width // 2
    return begin, total, 0


def levels_of(audio, sample_rate):
    """Level of every hundredth of a second of float (S,), in dB of full scale."""
    unit = round(_STEP * sample_rate)
    steps = -(-len(audio) // unit)
    padded = np.pad(audio, (0, steps * unit - len(audio)))
    power = np.square(padded.reshape(steps, unit)).mean(axis=1)
    return 10 * np.log10(np.maximum(power, 10 ** (_SILENCE / 10)))


def _speech(levels, remembered):
    """(level of speech, bool per step: whether there is speech)"""
    noise, loud = np.quantile(levels, (0.1, 0.95))
    loud = max(loud, remembered)
    if loud - noise < _SPREAD:
        return loud, np.ones(len(levels), bool)
    return loud, levels > noise + _SHARE * (loud - noise)
