"""What a keyword spotter misses and what it hears that nobody said."""

import typing


class SpottingErrors(typing.NamedTuple):
    """Misses and false alarms of a stream.

    Args:
        keywords: int, how many were said.
        misses: int, how many of them were not detected.
        false_alarms: int, detections of what nobody said.
        hours: float, how long the stream lasted.
    """

    keywords: int
    misses: int
    false_alarms: int
    hours: float

    @property
    def miss_rate(self):
        """float, the share of keywords that was not detected; 0 where none was said."""
        return self.misses / max(self.keywords, 1)

    @property
    def false_alarms_per_hour(self):
        """float."""
        return self.false_alarms / self.hours


def spotting_errors(detections, references, seconds, tolerance=0.5):
    """Compares what was detected with what was said.

    A detection is right if a keyword of its label that no earlier detection was about was said in a time that, widened
    by `tolerance` at its end and not at all at its beginning, holds the detection.

    Args:
        detections: iterable of (label, probability, time), such as `Detection`s.
        references: iterable of (label, start, end), in seconds.
        seconds: float, how long the stream lasts.
        tolerance: float, seconds that a detection may come late. Default 0.5.

    Returns:
        `SpottingErrors`.

    Raises:
        ValueError: `seconds` is not above 0.

    Example:

    >>> errors = spotting_errors([("yes", 0.9, 1.2), ("no", 0.9, 7.0)], [("yes", 0.5, 1.0), ("no", 3.0, 3.5)], 3600)
    >>> errors.miss_rate, errors.false_alarms_per_hour
    (0.5, 1.0)
    """
    if not seconds > 0:
        raise ValueError(f"A stream lasts longer than 0 seconds. Received: seconds={seconds}.")
    open_ones = sorted(references, key=lambda reference: reference[1])
    said, false_alarms = len(open_ones), 0
    for label, _, time in sorted(detections, key=lambda detection: detection[2]):
        for reference in open_ones:
            if reference[0] == label and reference[1] <= time <= reference[2] + tolerance:
                open_ones.remove(reference)
                break
        else:
            false_alarms += 1
    return SpottingErrors(said, len(open_ones), false_alarms, seconds / 3600)
