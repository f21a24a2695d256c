"""The HTML of a report on recognition. Whatever comes from data passes through `escape`."""

from html import escape
from pathlib import Path

from s2s_keras.reports import _scoring as scoring
from s2s_keras.reports._html import page, player, table
from s2s_keras.reports._pictures import draw_durations

_MOST_CONFUSIONS = 15  # of a kind
_MOST_SPEAKERS = 100
_MOST_UTTERANCES = 2000  # on the page
_KINDS = (
    (scoring.SUBSTITUTED, "Substitutions", "said, recognized as"),
    (scoring.DELETED, "Deletions", "said, not recognized"),
    (scoring.INSERTED, "Insertions", "recognized, not said"),
)
_ORDERS = {
    "rate -1": "worst first",
    "edits -1": "most errors first",
    "seconds -1": "longest first",
    "order 1": "as given",
}
_INTERVALS = (
    "Intervals are percentiles of 10,000 draws of as many utterances (bootstrap): what another test set of the same "
    "kind may give. Utterances of one speaker resemble each other, so the true uncertainty is larger."
)


def render(rows, title, facts, clips):
    """The page.

    Args:
        rows: list of pairs (order, `Scored`), the worst first; the order is that in which they were given.
        title: str.
        facts: dict from str to text or number.
        clips: dict from order to bytes of a FLAC file.

    Returns:
        str.
    """
    script = "\n" + Path(__file__).with_name("report.js").read_text(encoding="utf-8")
    scored = [row for _, row in sorted(rows, key=lambda row: row[0])]
    speakers, num_speakers = scoring.by_speaker(scored, _MOST_SPEAKERS)
    sections = {
        "confusions": ("Confusions", _confusions(scored)),
        "duration": ("Duration", _durations(scored)),
        "speakers": ("Speakers", _speakers(speakers, num_speakers)),
        "utterances": ("Utterances", _utterances(rows, clips)),
    }
    return page(title, facts, _summary(scored), sections, script)


def _summary(rows):
    kinds = {"WER": [row.words for row in rows], "CER": [row.characters for row in rows]}
    names = {"WER": ("Word error rate", "words"), "CER": ("Character error rate", "characters")}
    cards, columns = [], [["", "said", "substituted", "deleted", "inserted"]]
    for key, scores in kinds.items():
        score, name = scoring.total(scores), names[key]
        cards.append(
            f'<div class="card"><span class="of">{name[0]} ({key})</span><b id="{key.lower()}">{score.rate:.2%}</b>'
            f"<span>95 % interval {_interval(scoring.interval(scores))}</span>"
            f"<span>{score.edits:,} errors in {score.reference_length:,} {name[1]}</span></div>"
        )
        numbers = score.reference_length, score.substitutions, score.deletions, score.insertions
        columns.append([name[1], *(f"{number:,}" for number in numbers)])
    right = sum(not row.words.edits for row in rows)
    cards.append(
        f'<div class="card"><span class="of">Utterances without an error</span>'
        f'<b id="right">{right / len(rows):.1%}</b>'
        f"<span>{right:,} of {len(rows):,}</span></div>"
    )
    heads, *lines = zip(*columns, strict=True)
    counts = f'<div class="counts">{table("Counts", heads, lines)}</div>'
    return f'<div class="cards">{"".join(cards)}</div>{counts}<p class="note">{_INTERVALS}</p>'


def _confusions(rows):
    tables = []
    for kind, heading, note in _KINDS:
        found = scoring.confusions(rows, kind)
        times = sum(confusion.count for confusion in found)
        lines = []
        for pair, count, total in found[:_MOST_CONFUSIONS]:
            shown = f" {scoring.ARROW} ".join(word for word in (pair.reference, pair.hypothesis) if word)
            button = (
                f'<button type="button" data-edit="{escape(pair.edit)}" aria-pressed="false">{escape(shown)}</button>'
            )
            lines.append([button, f"{count:,}", *([f"{count / total:.0%}"] if total else [])])
        columns = ["words", "times", *(["of all"] if kind != scoring.INSERTED else [])]
        left_out = len(found) - len(lines)
        tables.append(
            f'<div><h3>{heading}: {times:,}</h3><p class="note">{note}</p>'
            + (table(heading, columns, lines) if lines else "<p>none</p>")
            + (f'<p class="note">and {left_out:,} others, rarer or as rare</p>' if left_out else "")
            + "</div>"
        )
    note = "“Of all” is the share of the times that the word was said. Press a row to see its utterances."
    return f'<p class="note">{note}</p><div class="columns">{"".join(tables)}</div>'


def _durations(rows):
    groups = scoring.by_duration(rows)
    if not groups:
        return ""
    lines = [
        [f"{group.name[0]:.1f} to {group.name[1]:.1f} s", f"{group.words.rate:.1%}", *_counts(group)]
        for group in groups
    ]
    picture = draw_durations(rows, groups).replace(
        "<svg", '<svg role="img" aria-label="Word error rate against duration; the table has the numbers"', 1
    )
    rates = table("Word error rate by duration", ["duration", "WER", *_COUNTS], lines)
    return f'<div class="columns">{picture}<div>{rates}</div></div>'


def _speakers(groups, num_speakers):
    if not groups:
        return ""
    longest = max(group.words.rate for group in groups) or 1.0
    lines = [
        [
            escape(str(group.name)),
            f"{group.words.rate:.1%}",
            f'<i style="width:{group.words.rate / longest:.1%}"></i>',
            *_counts(group),
            f"{group.characters.rate:.1%}",
        ]
        for group in groups
    ]
    note = f"The {len(groups)} worst of {num_speakers:,}." if num_speakers > len(groups) else "The worst first."
    return f'<p class="note">{note}</p>' + table(
        "Error rates by speaker", ["speaker", "WER", "", *_COUNTS, "CER"], lines
    )


_COUNTS = ["95 % interval", "utterances", "words"]


def _counts(group):
    return [_interval(group.interval), f"{group.utterances:,}", f"{group.words.reference_length:,}"]


def _utterances(rows, clips):
    shown = rows[:_MOST_UTTERANCES]
    items = "\n".join(_utterance(order, row, clips.get(order)) for order, row in shown)
    options = "".join(f'<option value="{key}">{text}</option>' for key, text in _ORDERS.items())
    legend = "".join(
        _pair(pair)
        for pair in (
            scoring.Pair(scoring.SUBSTITUTED, "said", "recognized instead"),
            scoring.Pair(scoring.DELETED, "said, not recognized", ""),
            scoring.Pair(scoring.INSERTED, "", "recognized, not said"),
        )
    )
    counts = f"The {len(shown):,} worst of {len(rows):,} utterances" if len(rows) > len(shown) else "The worst first"
    heard = f"; {len(clips):,} of them can be played." if clips else "."
    return (
        f'<p class="note">{counts}{heard}</p><div class="words legend">{legend}</div>'
        f'<div class="tools"><label>Find a text, name or speaker<input id="find" type="search"></label>'
        f'<label>Order<select id="sort">{options}</select></label>'
        '<button id="all" type="button" hidden>Show all</button></div>'
        f'<p class="note" id="shown" role="status"></p>\n<ol class="utterances">\n{items}\n</ol>'
    )


def _utterance(order, row, clip):
    recognition, pairs, words, _ = row
    texts = recognition.name, recognition.speaker or "", recognition.reference, recognition.hypothesis
    about = [
        f"<b>WER {words.rate:.0%}</b>",
        f"{words.edits:,} of {words.reference_length:,} words",
        *([f"{recognition.duration:.1f} s"] if recognition.duration is not None else []),
        *([f"speaker {escape(str(recognition.speaker))}"] if recognition.speaker is not None else []),
        f'<span dir="auto">{escape(recognition.name)}</span>',
    ]
    data = {
        "rate": f"{words.rate:.4f}",
        "edits": words.edits,
        "seconds": recognition.duration or 0,
        "order": order,
        "text": " ".join(map(str, texts)).lower(),
        "confusions": " ".join(pair.edit for pair in pairs if pair.kind != scoring.RIGHT),
    }
    attributes = "".join(f' data-{key}="{escape(str(value))}"' for key, value in data.items())
    audio = player(clip, recognition.name)
    return (
        f'<li{attributes}><div class="about">{"".join(f"<span>{x}</span>" for x in about)}</div>'
        f'<div class="words" dir="auto">{"".join(map(_pair, pairs)) or "(no words)"}</div>{audio}</li>'
    )


def _pair(pair):
    if pair.kind == scoring.RIGHT:
        content = f"<span>{escape(pair.reference)}</span>"
    else:
        said, heard = escape(pair.reference), escape(pair.hypothesis)
        content = f"<del>{said}</del>" if said else "<span></span>"
        content += f"<ins>{heard}</ins>" if heard else "<span></span>"
    return f'<span class="pair {pair.kind}">{content}</span>'


def _interval(ends):
    return f"{ends[0]:.1%} to {ends[1]:.1%}" if ends else "too few to say"
