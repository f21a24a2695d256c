"""How far synthesized speech is from a recording, and what attention skipped or repeated."""

import typing

import keras
import numpy as np
from keras import ops

_DECIBELS = 20.0 / np.log(10.0)  # of a natural logarithm of a magnitude


class Distortion(typing.NamedTuple):
    """What `mel_cepstral_distortion` gives.

    Args:
        decibels: float, the mean distance along the path.
        path: int array (P, 2), pairs of a frame of the reference and one of the synthesized speech.
    """

    decibels: float
    path: np.ndarray


def mel_cepstral_distortion(reference, synthesized, num_coefficients=13):
    """The distance between two spectrograms of the same words, however slowly each is spoken.

    Cepstra say what the envelope of a spectrum is; the first, which is loudness, is left out. Dynamic time warping
    pairs the frames so that the distances along the path, of which the mean is taken, are least in sum.

    Args:
        reference: float (T, F), log-mel spectrogram of a recording: natural logarithm of magnitudes, `MelSpectrogram`
            with power 1. Padding and silence at the end count, so leave them out.
        synthesized: float (T', F), that of the synthesized speech.
        num_coefficients: int, cepstra compared, from the second on. Default 13.

    Returns:
        `Distortion`.

    Raises:
        ValueError: the spectrograms are not (frames, bins) of the same bins, or have fewer bins than cepstra.

    Example:

    >>> mel = np.random.default_rng(0).normal(size=(10, 80))
    >>> mel_cepstral_distortion(mel, np.repeat(mel, 2, axis=0) + 1.0).decibels  # half as fast, and louder
    0.0

    Reference:
        - Kubichek, Mel-cepstral distance measure for objective speech quality assessment, 1993. Cepstra are those of
          the log-mel spectrogram, c_m = 2 / F * sum of mel cos(pi m (f + 1/2) / F), so that with all of them the
          distance is the root mean square over bins of the decibels between two spectra without their means. Numbers
          compare only where spectrograms are made alike.
    """
    reference, synthesized = np.asarray(reference, "float64"), np.asarray(synthesized, "float64")
    bins = reference.shape[-1]
    if reference.ndim != 2 or synthesized.ndim != 2 or synthesized.shape[1] != bins or not 0 < num_coefficients < bins:
        raise ValueError(
            "Expected spectrograms (frames, bins) of the same bins, more than `num_coefficients`. Received: "
            f"{reference.shape}, {synthesized.shape}, num_coefficients={num_coefficients}."
        )
    if not len(reference) or not len(synthesized):
        raise ValueError(f"A spectrogram has no frame. Received: {reference.shape}, {synthesized.shape}.")
    order = np.arange(1, num_coefficients + 1)
    basis = np.cos(np.pi * order[:, None] * (np.arange(bins) + 0.5) / bins) * 2.0 / bins
    first, second = reference @ basis.T, synthesized @ basis.T
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2.0 * first @ second.T
    distances = _DECIBELS * np.sqrt(np.maximum(squares, 0.0) / 2.0)
    distances[squares < 1e-12 * (squares.max() + 1e-30)] = 0.0  # what rounding left of equal frames
    _, path = dynamic_time_warping(distances)
    return Distortion(float(distances[path[:, 0], path[:, 1]].mean()), path)


def dynamic_time_warping(cost):
    """The path from the first pair to the last one whose costs are least in sum.

    A step goes on in one sequence or in both.

    Args:
        cost: float (T, T').

    Returns:
        Tuple of float, the sum, and int array (P, 2), the pairs.

    Example:

    >>> total, path = dynamic_time_warping(np.array([[0.0, 5.0], [1.0, 5.0], [5.0, 0.0]]))
    >>> total, path.tolist()
    (1.0, [[0, 0], [1, 0], [2, 1]])
    """
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(rows + columns - 1):  # what does not depend on each other, at once
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        j = diagonal - i
        before = np.minimum(np.minimum(total[i, j], total[i, j + 1]), total[i + 1, j])
        total[i + 1, j + 1] = cost[i, j] + before
    i, j, path = rows, columns, []
    while i and j:
        path.append((i - 1, j - 1))
        steps = ((i - 1, j - 1), (i - 1, j), (i, j - 1))
        i, j = min(steps, key=lambda step: total[step])
    return float(total[rows, columns]), np.array(path[::-1])


class AlignmentReport(typing.NamedTuple):
    """What `inspect_alignment` gives.

    Args:
        diagonality: float from 0 to 1, the share of attention near the diagonal.
        focus: float from 0 to 1, the mean of the largest weight of a step.
        skipped: tuple of int, tokens that attention jumped over or never reached.
        repeated: tuple of int, tokens that it read again after it had gone on.
    """

    diagonality: float
    focus: float
    skipped: tuple
    repeated: tuple

    @property
    def is_sound(self):
        """bool, whether every token was read, and once."""
        return not self.skipped and not self.repeated


def inspect_alignment(alignment, width=0.2, longest_jump=4, longest_return=3, read=0.1):
    """Whether a synthesizer read its text from the beginning to the end.

    Where attention looks at a step is the token of the largest weight. A jump ahead of more than `longest_jump` tokens
    skips those in between that hold no weight of `read` at any step; one back by more than `longest_return` repeats
    those that it looks at again. The first and the last token, which start and end a text, need not be looked at.

    Args:
        alignment: float (S, U), weights of tokens at every step, padding left out.
        width: float, how far from the diagonal, as a share of the text, still counts as near. Default 0.2.
        longest_jump: int, tokens. A voice that makes few steps may pass several at once. Default 4.
        longest_return: int, tokens. Default 3.
        read: float, the weight from which a token counts as read. Default 0.1.

    Returns:
        `AlignmentReport`.

    Raises:
        ValueError: the alignment is not (steps, tokens).

    Example:

    >>> straight = np.eye(10)
    >>> inspect_alignment(straight).is_sound, inspect_alignment(straight[[0, 1, 2, 8, 9]]).skipped
    (True, (3, 4, 5, 6, 7))
    """
    alignment = np.asarray(alignment, "float64")
    if alignment.ndim != 2 or 0 in alignment.shape:
        raise ValueError(f"An alignment is (steps, tokens). Received: {alignment.shape}.")
    steps, tokens = alignment.shape
    distance = np.arange(tokens) / tokens - (np.arange(steps) / steps)[:, None]
    near = np.where(np.abs(distance) <= width, alignment, 0.0).sum() / max(alignment.sum(), 1e-9)
    places = alignment.argmax(axis=1)
    unread = alignment.max(axis=0) < read
    furthest, skipped, repeated = 0, set(), set()
    again = None  # the token that was the furthest when attention went back
    for place in (*places.tolist(), tokens - 1):
        if place > furthest + longest_jump:
            skipped.update(n for n in range(furthest + 1, place) if unread[n])
        if place < furthest - longest_return:
            again = furthest
        if again is not None and place <= again:
            repeated.add(place)
        elif again is not None:
            again = None
        furthest = max(furthest, place)
    last = {0, tokens - 1}
    return AlignmentReport(
        float(near),
        float(alignment.max(axis=1).mean()),
        tuple(sorted(skipped - last)),
        tuple(sorted(repeated - last)),
    )


@keras.saving.register_keras_serializable(package="s2s_keras")
class StopTokenError(keras.metrics.Metric):
    """How many frames too early or too late speech ends, on average: the first frame whose logit is above 0.

    Where there is none, the end is that of the frames. Rows without an end, as rows that fill up a batch are, do not
    count.

    Args:
        name: string. Default "stop_token_error".
        dtype: string or dtype policy. Default "float32" under every global policy.

    Call arguments:
        y_true: float (B, T), 1 where speech has ended, 0 elsewhere and in padding.
        y_pred: float (B, T), logits.
        sample_weight: float (B,) or None; a row of weight 0 does not count.

    Returns:
        float scalar, frames.

    Example:

    >>> metric = StopTokenError()
    >>> stop = np.array([[0.0, 0.0, 0.0, 1.0, 1.0]])
    >>> float(metric(stop, np.array([[-9.0, 9.0, 9.0, 9.0, 9.0]])))
    2.0
    """

    def __init__(self, name="stop_token_error", dtype="float32"):
        super().__init__(name=name, dtype=dtype)
        self.frames = self.add_variable((), initializer="zeros", name="frames")
        self.rows = self.add_variable((), initializer="zeros", name="rows")

    def update_state(self, y_true, y_pred, sample_weight=None):
        ended = ops.cast(y_true, "float32") > 0.5
        frames = ops.sum(ops.cast(_since_first(ops.flip(ended, axis=1)), "float32"), axis=1)  # without padding
        right = frames - ops.sum(ops.cast(ended, "float32"), axis=1)
        said = ops.sum(ops.cast(ops.logical_not(_since_first(ops.cast(y_pred, "float32") > 0.0)), "float32"), axis=1)
        counts = ops.cast(ops.any(ended, axis=1), "float32")
        if sample_weight is not None:
            counts *= ops.cast(ops.reshape(sample_weight, (-1,)) > 0, "float32")
        self.frames.assign_add(ops.sum(counts * ops.abs(ops.minimum(said, frames) - right)))
        self.rows.assign_add(ops.sum(counts))

    def result(self):
        return self.frames / ops.maximum(self.rows, 1.0)


def _since_first(true):
    """True from the first True of every row on."""
    return ops.cumsum(ops.cast(true, "int32"), axis=1) > 0
