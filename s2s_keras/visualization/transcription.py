"""Pictures of what a model heard."""

import keras
import numpy as np

from s2s_keras.ops.audio import load_audio
from s2s_keras.visualization.figure import notebook_figure

BLANK = 0
BLANK_LABEL, SPACE_LABEL = "blank", "space"
TEXT_COLOR = "#c00000"
SHOWN_PROBABILITY = 0.05  # a token that is neither emitted nor ever reaches it gets no row


def plot_transcription(model, audio, path=None, timed_words=None):
    """Draw a recording and what a CTC recognizer made of it on one time axis.

    From the top: the words, the waveform, the features of the front end, and the probability of every token
    that matters at each frame, with each recognized character at the frame where it was emitted.

    Args:
        model: a CTC recognizer with a front end and a tokenizer, such as a `Jasper`.
        audio: path of an audio file, or float array (S,) in [-1, 1] at `model.sample_rate`.
        path: str or path, where to write the picture (.png, .svg, .pdf); None writes nothing.
        timed_words: sequence of `Word`, such as those of a beam search or of `align`, drawn with their confidence; None
            draws what greedy search recognizes. Default None.

    Returns:
        A `matplotlib.figure.Figure`. A notebook shows it; `savefig` writes it.

    Raises:
        ValueError: if the model has no front end or no tokenizer, or the audio cannot be read.

    Example:

    >>> from s2s_keras.applications import Jasper
    >>> model = Jasper(blocks=((16, 5, 0.0),), repeat=1, prologue=(16, 5, 0.0), epilogue=((16, 1, 0.0),))
    >>> figure = plot_transcription(model, np.zeros(16000, "float32"))
    >>> [axes.get_ylabel() for axes in figure.axes[:3]]
    ['audio', 'mel bin', 'token probability']
    """
    if model.front_end is None or model.tokenizer is None:
        raise ValueError(
            "`plot_transcription` needs a model with a front end and a tokenizer. Received: "
            f"front_end={model.front_end}, tokenizer={model.tokenizer}."
        )
    audio = np.asarray(audio, "float32") if isinstance(audio, np.ndarray) else load_audio(audio, model.sample_rate)
    features, probabilities = _activations(model, audio)
    seconds = len(audio) / model.sample_rate
    stride = -(-len(features) // len(probabilities))  # the last output frame may cover fewer features than the others
    frame = stride * model.front_end.hop_length / model.sample_rate
    tokens = emitted_tokens(probabilities)

    figure = notebook_figure(max(10.0, min(24.0, 3.0 * seconds)), 8.5)
    waveform, spectrogram, heat_map = figure.subplots(3, 1, sharex=True, height_ratios=(1.0, 1.6, 2.4))
    _draw_waveform(waveform, audio, model.sample_rate)
    _draw_features(spectrogram, features, model.front_end.hop_length / model.sample_rate)
    spectrogram.set_ylabel("mel bin" if hasattr(model.front_end, "num_mel_bins") else "feature")
    _draw_probabilities(figure, heat_map, probabilities, tokens, model.tokenizer, frame)
    if timed_words is None:
        spans = words(tokens, model.tokenizer, frame)
    else:
        spans = [(word.text, word.start, word.end) for word in timed_words]
        _draw_confidences(waveform, timed_words)
    _draw_words(waveform, spans, letter=0.13 * seconds / figure.get_figwidth())
    for axes in (waveform, heat_map):
        for _, start, end in spans:
            axes.axvspan(start, end, color=TEXT_COLOR, alpha=0.1, linewidth=0, zorder=0)
    heat_map.set_xlim(0, seconds)
    heat_map.set_xlabel("time (s)")
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def emitted_tokens(probabilities):
    """The (frame, token id) pairs of greedy CTC search: the most probable tokens, repeats merged, blanks left out.

    Args:
        probabilities: float array (T, V), or logits.

    Returns:
        List of (int, int). The frame is the most certain one of those that were merged.

    Example:

    >>> emitted_tokens(np.array([[0.1, 0.9], [0.3, 0.7], [0.8, 0.2], [0.2, 0.8]]))
    [(0, 1), (3, 1)]
    """
    best = np.argmax(probabilities, axis=-1)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    tokens = []
    for start, end in zip(starts, [*starts[1:], len(best)], strict=True):
        if best[start] != BLANK:
            tokens.append((int(start + np.argmax(probabilities[start:end, best[start]])), int(best[start])))
    return tokens


def words(tokens, tokenizer, frame):
    """The words that tokens spell, with the time of each.

    Args:
        tokens: list of (frame, token id) as `emitted_tokens` gives.
        tokenizer: object with `decode`.
        frame: float, seconds per frame.

    Returns:
        List of (word, first second, last second).
    """
    spans = []
    open_word = False
    for n, token_id in tokens:
        text = tokenizer.decode([token_id])
        if not text.strip():
            open_word = False
        elif open_word:
            spans[-1] = (spans[-1][0] + text, spans[-1][1], (n + 1) * frame)
        else:
            spans.append((text, n * frame, (n + 1) * frame))
            open_word = True
    return spans


def _activations(model, audio):
    """Features (T, F) and token probabilities (T', V) of one recording, as NumPy arrays."""
    batch = {"audio": audio[None], "audio_lengths": np.array([len(audio)], "int32")}
    features = keras.ops.convert_to_numpy(model.front_end(list(batch.values())))[0]
    logits = np.asarray(model.predict_on_batch(batch), "float64")[0]
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return features, odds / odds.sum(axis=-1, keepdims=True)


def _draw_waveform(axes, audio, sample_rate):
    axes.plot(np.arange(len(audio)) / sample_rate, audio, linewidth=0.4, color="#1f4e79")
    peak = max(1e-3, float(np.abs(audio).max()))
    axes.set_ylim(-1.1 * peak, 1.1 * peak)
    axes.set_ylabel("audio")


def _draw_features(axes, features, hop):
    axes.imshow(
        features.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, len(features) * hop, 0, features.shape[1]),
        interpolation="nearest",
        vmin=np.percentile(features, 1),
        vmax=np.percentile(features, 99.5),
    )


def _draw_probabilities(figure, axes, probabilities, tokens, tokenizer, frame):
    """Rows from the top: blank, space, then the other tokens as the vocabulary orders them."""
    from matplotlib.patheffects import withStroke

    likely = np.flatnonzero(probabilities.max(axis=0) >= SHOWN_PROBABILITY)
    shown = sorted({BLANK, *map(int, likely), *(token_id for _, token_id in tokens)})
    rows = {token_id: row for row, token_id in enumerate(shown)}
    image = axes.imshow(
        probabilities[:, shown].T,
        aspect="auto",
        cmap="Greys",
        alpha=0.9,
        extent=(0, len(probabilities) * frame, len(shown) - 0.5, -0.5),
        interpolation="nearest",
        vmin=0.0,
        vmax=1.0,
    )
    names = [BLANK_LABEL if n == BLANK else tokenizer.decode([n]).replace(" ", SPACE_LABEL) for n in shown]
    axes.set_yticks(range(len(shown)), names, fontsize=8)
    axes.set_ylabel("token probability")
    for n, token_id in tokens:
        text = tokenizer.decode([token_id])
        if text.strip():
            axes.annotate(
                text,
                ((n + 0.5) * frame, rows[token_id]),
                xytext=(7, 0),
                textcoords="offset points",
                color=TEXT_COLOR,
                fontsize=10,
                fontweight="bold",
                va="center",
                path_effects=[withStroke(linewidth=3, foreground="white")],  # readable on a dark cell
            )
    figure.colorbar(image, ax=axes, pad=0.01, fraction=0.02, aspect=30)


def _draw_words(axes, spans, letter):
    """Words above the axes; on a second level where the first one is taken. `letter` is a letter's width in seconds."""
    taken = [-np.inf, -np.inf]
    for word, start, end in spans:
        center, half = (start + end) / 2, letter * (len(word) + 1) / 2
        level = 0 if center - half >= taken[0] else 1
        taken[level] = center + half
        axes.annotate(
            word,
            (center, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 5 + 16 * level),
            textcoords="offset points",
            ha="center",
            color=TEXT_COLOR,
            fontsize=12,
            fontweight="bold",
        )


def _draw_confidences(axes, timed_words):
    bottom, top = axes.get_ylim()
    axes.set_ylim(1.3 * bottom, top)  # room below the waveform
    for word in timed_words:
        axes.annotate(
            f"{word.confidence:.2f}",
            ((word.start + word.end) / 2, 0.03),
            xycoords=("data", "axes fraction"),
            ha="center",
            fontsize=8,
            color=TEXT_COLOR,
        )


def plot_tuning(trials, path=None):
    """Draw the word error rates of a search's weights: a map of a grid, points of random draws.

    Args:
        trials: list of `Trial`, as `s2s_keras.decoding.tune` gives.
        path: str or path, where to write the picture; None writes nothing.

    Returns:
        A `matplotlib.figure.Figure`. The best trial is marked.

    Raises:
        ValueError: there is no trial.

    Example:

    >>> from s2s_keras.decoding import Trial
    >>> plot_tuning([Trial(0.5, 1.0, 0.06), Trial(0.5, 0.0, 0.09)]).axes[0].get_xlabel()
    'alpha'
    """
    from matplotlib.patches import Rectangle

    if not trials:
        raise ValueError("`plot_tuning` needs at least one trial. Received: none.")
    alphas, betas, rates = (np.array(column) for column in zip(*trials, strict=True))
    figure = notebook_figure(8, 6)
    axes = figure.subplots()
    columns, rows = np.unique(alphas), np.unique(betas)
    if len(columns) * len(rows) == len(trials):
        grid = np.empty((len(rows), len(columns)))
        grid[np.searchsorted(rows, betas), np.searchsorted(columns, alphas)] = rates
        image = axes.imshow(100 * grid, origin="lower", aspect="auto", cmap="viridis_r")
        axes.set_xticks(range(len(columns)), [f"{value:g}" for value in columns])
        axes.set_yticks(range(len(rows)), [f"{value:g}" for value in rows])
        for (row, column), rate in np.ndenumerate(grid):
            color = "white" if image.norm(100 * rate) > 0.5 else "black"  # low rates are yellow
            axes.text(column, row, f"{100 * rate:.2f}", ha="center", va="center", fontsize=9, color=color)
        column, row = np.searchsorted(columns, trials[0].alpha), np.searchsorted(rows, trials[0].beta)
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=TEXT_COLOR, linewidth=3))
    else:
        image = axes.scatter(alphas, betas, c=100 * rates, cmap="viridis_r", s=60)
        best = {"facecolors": "none", "edgecolors": TEXT_COLOR, "linewidths": 2}
        axes.scatter(trials[0].alpha, trials[0].beta, marker="s", s=300, **best)
    axes.set_xlabel("alpha")
    axes.set_ylabel("beta")
    axes.set_title(f"best: alpha {trials[0].alpha:g}, beta {trials[0].beta:g}, WER {trials[0].wer:.2%}")
    figure.colorbar(image, ax=axes, label="WER (%)")
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure
