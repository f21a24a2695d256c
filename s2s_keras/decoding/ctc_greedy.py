"""Greedy search over CTC logits."""

import numpy as np
from keras import ops


def ctc_greedy(logits, return_frames=False):
    """Token ids of the best path: the most likely token of every frame, repeats merged, then blanks dropped.

    Args:
        logits: float (B, T, V), array or tensor of any backend, blank first. Frames that say blank, such as padded
            ones, add nothing.
        return_frames: bool, whether to tell at which frame each token starts. Default False.

    Returns:
        List of B lists of int, token ids. With `return_frames`, a tuple of it and an equal list of frame indices.

    Raises:
        ValueError: logits are not (B, T, V).

    Example:

    >>> import numpy as np
    >>> logits = np.eye(3)[[[0, 1, 1, 0, 1, 2]]]
    >>> ctc_greedy(logits)
    [[1, 1, 2]]
    >>> ctc_greedy(logits, return_frames=True)
    ([[1, 1, 2]], [[1, 4, 5]])
    """
    if len(logits.shape) != 3:
        raise ValueError(
            "Greedy search expects logits of shape (batch, frames, vocabulary); for one utterance pass `logits[None]`. "
            f"Received: logits.shape={tuple(logits.shape)}"
        )
    in_memory = isinstance(logits, np.ndarray)  # JAX would compile for every length
    path = logits.argmax(axis=-1) if in_memory else ops.convert_to_numpy(ops.argmax(logits, axis=-1))
    starts = path != 0
    starts[:, 1:] &= path[:, 1:] != path[:, :-1]
    utterances, frames = np.nonzero(starts)
    bounds = np.cumsum(np.bincount(utterances, minlength=len(path)))[:-1]
    token_ids = [ids.tolist() for ids in np.split(path[utterances, frames], bounds)]
    if not return_frames:
        return token_ids
    return token_ids, [indices.tolist() for indices in np.split(frames, bounds)]
