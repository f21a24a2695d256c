"""Pictures as SVG that stands inside a page."""

import io

DARK, ACCENT = "#1f2933", "#0b5394"
_MOST_VECTORS = 2000  # points; more are drawn as pixels


def draw_durations(rows, groups):
    """Word error rate against duration: a point for each utterance, a cross for each `Group` of them.

    Args:
        rows: list of `Scored`.
        groups: list of `Group` named by (shortest, longest), as `by_duration` gives.

    Returns:
        str, an <svg> element.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.3), layout="constrained")
    axes = figure.subplots()
    known = [row for row in rows if row.recognition.duration is not None]
    axes.scatter(
        [row.recognition.duration for row in known],
        [100 * row.words.rate for row in known],
        s=16,
        color=DARK,
        alpha=0.25,
        linewidth=0,
        rasterized=len(known) > _MOST_VECTORS,
        label="an utterance",
    )
    rates = [100 * group.words.rate for group in groups]
    ends = [group.interval or [group.words.rate] * 2 for group in groups]
    below, above = ([abs(100 * pair[n] - rate) for pair, rate in zip(ends, rates, strict=True)] for n in (0, 1))
    axes.errorbar(
        [sum(group.name) / 2 for group in groups],
        rates,
        xerr=[(group.name[1] - group.name[0]) / 2 for group in groups],
        yerr=[below, above],
        fmt="o",
        markersize=5,
        color=ACCENT,
        linewidth=2,
        label="utterances of a range, 95 % interval",
    )
    axes.set_xlabel("duration (s)")
    axes.set_ylabel("word error rate (%)")
    axes.set_ylim(bottom=-4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=9, borderaxespad=0)
    return as_svg(figure)


def as_svg(figure):
    """A matplotlib `Figure` as an <svg> element: the same bytes every time, no addresses, text that can be selected."""
    import matplotlib

    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "s2s_keras"}):
        figure.savefig(file, format="svg", metadata=nothing)
    text = file.getvalue()
    return text[text.index("<svg") :]
