"""What a classifier got right and wrong on a set of recordings or pictures, as one page."""

import dataclasses
import math
from html import escape

from s2s_keras.reports._html import page, player, table, thumbnail
from s2s_keras.reports._pictures import as_svg
from s2s_keras.reports.recognition import check_report_path, playable_clips, write_page

_MOST_ROWS = 500


@dataclasses.dataclass(frozen=True, slots=True)
class Classified:
    """The class of a recording or a picture and what was answered.

    Args:
        label: str, the true class.
        answer: str, the class that was answered.
        probability: float, of the answer.
        name: str, how the page calls the recording. Default "".
        speaker: str or None. Default None.
        audio: how the recording is heard, as of `Recognition`. Default None.
        picture: str or path of a picture file, or None. Default None.

    Example:

    >>> Classified("yes", "no", 0.6).answer
    'no'
    """

    label: str
    answer: str
    probability: float
    name: str = ""
    speaker: str | None = None
    audio: object = None
    picture: object = None


def classification_report(
    path, rows, scores, pictures, title="Classification", facts=None, num_playable=20, sample_rate=16000
):
    """Writes a page about a classifier's errors: one HTML file that needs no network and no other file.

    It shows the accuracy with its 95 % confidence interval, the pictures, recall, precision and F1 of each class, and
    every error, the most certain first (the 500 most certain, of more). The file is written aside and appears when it
    is complete.

    Args:
        path: str or path, the file to write.
        rows: list of `Classified`.
        scores: dict from label to `ClassScore`.
        pictures: dict from heading to `matplotlib.figure.Figure`.
        title: str, the heading.
        facts: dict from str to text or number, shown below the heading. Default None.
        num_playable: int, how many of the errors can be played or seen. Default 20.
        sample_rate: int, of the audio. Default 16000.

    Returns:
        The path.

    Raises:
        ValueError: there is no row, the folder does not exist, or audio cannot be read.

    Example:

    >>> import os, tempfile
    >>> from s2s_keras.metrics import ClassScore
    >>> path = os.path.join(tempfile.mkdtemp(), "report.html")
    >>> rows = [Classified("yes", "no", 0.6, "a.wav"), Classified("no", "no", 0.9, "b.wav")]
    >>> scores = {"no": ClassScore(1, 1.0, 0.5, 0.67), "yes": ClassScore(1, 0.0, 0.0, 0.0)}
    >>> "50.00%" in open(classification_report(path, rows, scores, {}), encoding="utf-8").read()
    True
    """
    path = check_report_path(path)
    if not rows:
        raise ValueError("A report needs one example at least. Received none.")
    wrong = sorted((row for row in rows if row.answer != row.label), key=lambda row: -row.probability)[:_MOST_ROWS]
    clips = playable_clips([(n, row.audio) for n, row in enumerate(wrong)], num_playable, sample_rate)
    sections = {
        f"picture-{n}": (
            heading,
            as_svg(figure).replace("<svg", f'<svg style="width:60rem" role="img" aria-label="{escape(heading)}"', 1),
        )
        for n, (heading, figure) in enumerate(pictures.items())
    }
    sections |= {"classes": ("Classes", _classes(scores)), "errors": ("Errors", _errors(wrong, clips, num_playable))}
    return write_page(path, page(title, facts or {}, _summary(rows), sections))


def _summary(rows):
    right, count = sum(row.answer == row.label for row in rows), len(rows)
    low, high = wilson_interval(right, count)
    return (
        f'<div class="cards"><div class="card"><span class="of">Accuracy</span><b id="accuracy">{right / count:.2%}</b>'
        f"<span>95 % interval {low:.1%} to {high:.1%}</span>"
        f"<span>{count - right:,} errors in {count:,} examples</span></div></div>"
        '<p class="note">The interval is Wilson\'s: it takes recordings for independent of each other, which those of '
        "one speaker are not, so the true uncertainty is larger.</p>"
    )


def wilson_interval(right, count, deviations=1.96):
    """Wilson's confidence interval of a share.

    Args:
        right: int.
        count: int, above 0.
        deviations: float, 1.96 for 95 %.

    Returns:
        Tuple (low, high) of floats.

    Example:

    >>> [round(end, 3) for end in wilson_interval(10, 10)]
    [0.722, 1.0]
    """
    share, z = right / count, deviations**2 / count
    middle = (share + z / 2) / (1 + z)
    half = deviations * math.sqrt(share * (1 - share) / count + z / (4 * count)) / (1 + z)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _classes(scores):
    lines = [
        [escape(label), f"{score.count:,}", *(_percent(x) for x in (score.recall, score.precision, score.f1))]
        for label, score in sorted(scores.items(), key=lambda item: item[1].f1)
    ]
    note = '<p class="note">The worst first. Recall: the share of its examples that was told.</p>'
    return note + table("Classes", ["class", "examples", "recall", "precision", "F1"], lines)


def _percent(value):
    return "none" if value != value else f"{value:.1%}"


def _errors(wrong, clips, num_pictures):
    if not wrong:
        return "<p>none</p>"
    lines = []
    for n, row in enumerate(wrong):
        cells = (row.name, row.speaker or "", row.label, row.answer)
        shown = player(clips.get(n), row.name)
        if row.picture is not None and n < num_pictures:
            shown = thumbnail(row.picture, row.name)
        lines.append([*(escape(str(cell)) for cell in cells), f"{row.probability:.1%}", shown])
    columns = ["example", "speaker", "true class", "answer", "probability", ""]
    return '<p class="note">The most certain first.</p>' + table("Errors", columns, lines)
