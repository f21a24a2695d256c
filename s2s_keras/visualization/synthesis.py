"""Pictures of what a synthesizer says and where it reads."""

import numpy as np

from s2s_keras.visualization.figure import notebook_figure

LINE_COLOR = "#c00000"
MOST_LABELS = 60  # of tokens, that have room


def plot_synthesis(mel, alignment=None, stop=None, tokens=None, frame=0.016, reference=None, path=None):
    """Draw a synthesized spectrogram, the alignment that made it and the probability of its end on one time axis.

    Args:
        mel: float (T, F), log-mel spectrogram.
        alignment: float (S, U), where attention looked at every step, or None. A step may make several frames.
        stop: float (T,), the probability at every frame that speech has ended, or None.
        tokens: sequence of U str, names of the tokens: characters, phonemes; or a str of U characters. Default None.
        frame: float, seconds between frames. Default 0.016: 256 samples at 16 kHz.
        reference: float (T', F), the spectrogram of a recording of the same text, drawn above; or None.
        path: str or path, where to write the picture (.png, .svg, .pdf); None writes nothing.

    Returns:
        A `matplotlib.figure.Figure`. A notebook shows it; `savefig` writes it.

    Raises:
        ValueError: a shape is not that of its array, or the number of tokens differs from the alignment's.

    Example:

    >>> figure = plot_synthesis(np.zeros((6, 80)), np.eye(3), np.linspace(0, 1, 6), tokens="yes")
    >>> [axes.get_ylabel() for axes in figure.axes[:3]]
    ['mel bin', 'token', 'end']
    """
    mel = np.asarray(mel, "float32")
    rows = _rows(mel, alignment, stop, reference)
    if alignment is not None and tokens is not None and len(tokens) != np.shape(alignment)[1]:
        raise ValueError(f"There is a name for each of {np.shape(alignment)[1]} tokens. Received: {len(tokens)} names.")
    seconds = len(mel) * frame
    heights = {"reference": 1.6, "mel": 1.6, "alignment": 2.4, "stop": 0.7}
    figure = notebook_figure(max(8.0, min(24.0, 3.0 * seconds)), 2.2 * sum(heights[name] for name in rows) ** 0.8)
    axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False, height_ratios=[heights[name] for name in rows])
    limits = np.percentile(mel, 1), np.percentile(mel, 99.5)
    for name, part in zip(rows, axes[:, 0], strict=True):
        if name in ("mel", "reference"):
            _draw_mel(part, rows[name], frame, limits)
            part.set_ylabel("mel bin" if name == "mel" else "recording")
        elif name == "alignment":
            _draw_alignment(figure, part, rows[name], seconds, tokens)
        else:
            part.plot((np.arange(len(rows[name])) + 0.5) * frame, rows[name], color=LINE_COLOR)
            part.set_ylim(-0.05, 1.05)
            part.set_ylabel("end")
    axes[0, 0].set_xlim(0, max(len(rows[name]) * frame for name in rows if name in ("mel", "reference")))
    axes[-1, 0].set_xlabel("time (s)")
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def _rows(mel, alignment, stop, reference):
    """What is drawn, from the top, as arrays."""
    rows = {"reference": reference, "mel": mel, "alignment": alignment, "stop": stop}
    rows = {name: np.asarray(array, "float32") for name, array in rows.items() if array is not None}
    right = all(array.ndim == (1 if name == "stop" else 2) and array.size for name, array in rows.items())
    if not right or any(len(rows.get(name, mel)) != len(mel) for name in ("mel", "stop")):
        raise ValueError(
            "Expected mel (T, bins), alignment (steps, tokens), stop (T,) and reference (T', bins). Received: "
            f"{ {name: array.shape for name, array in rows.items()} }."
        )
    return rows


def _draw_mel(axes, mel, frame, limits):
    axes.imshow(
        mel.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, len(mel) * frame, 0, mel.shape[1]),
        interpolation="nearest",
        vmin=limits[0],
        vmax=max(limits[1], limits[0] + 1e-3),
    )


def _draw_alignment(figure, axes, alignment, seconds, tokens):
    count = alignment.shape[1]
    image = axes.imshow(
        alignment.T,
        origin="lower",
        aspect="auto",
        cmap="viridis",
        extent=(0, seconds, -0.5, count - 0.5),
        interpolation="nearest",
        vmin=0.0,
        vmax=1.0,
    )
    if tokens is not None and count <= MOST_LABELS:
        axes.set_yticks(range(count), ["\u2423" if token == " " else token for token in tokens])
        axes.tick_params("y", labelsize=max(4.0, min(9.0, 200.0 / count)), length=1.0)
    axes.set_ylabel("token")
    figure.colorbar(image, ax=axes, pad=0.01, fraction=0.02, aspect=30)
