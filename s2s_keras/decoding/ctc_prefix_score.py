"""What a CTC output says of the beginning of a sentence, token by token."""

from keras import ops

from s2s_keras.layers._recurrent import scan

IMPOSSIBLE = -1e30


def ctc_prefix_start(logits):
    """The state of the empty prefix.

    Args:
        logits: float (B, T, V), blank first; padded frames say blank with certainty.

    Returns:
        Dict of tensors, batch first, as `beam_search` takes states: "memory" with the log-probabilities; "endings",
        float32 (B, T + 1, 2), the log-probabilities of all paths over the first frames that read as the prefix and
        whose last frame is its last token, or blank; "last", int32 (B,), the last token, 0 for none.
    """
    log_probs = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    blank = ops.pad(ops.cumsum(log_probs[..., 0], axis=1), [[0, 0], [1, 0]])
    endings = ops.stack([ops.full_like(blank, IMPOSSIBLE), blank], axis=-1)
    return {
        "memory": {"log_probs": log_probs},
        "endings": endings,
        "last": ops.cast(ops.zeros_like(blank[:, 0]), "int32"),
    }


def ctc_prefix_scores(state):
    """How likely the prefix goes on with each token, and how likely it is all.

    Args:
        state: of `ctc_prefix_start` or `ctc_prefix_extend`.

    Returns:
        Tuple of float32 (B, V), the log-probability that a sentence begins with the prefix and the token (blank has no
        meaning), and float32 (B,), that the sentence is the prefix.

    Example:

    >>> import numpy as np
    >>> state = ctc_prefix_start(np.zeros((1, 2, 3), "float32"))  # nine paths, all equally likely
    >>> scores, whole = ctc_prefix_scores(state)
    >>> round(9 * float(ops.exp(scores)[0, 1])), round(9 * float(ops.exp(whole)[0]))  # 11, 10, 12, 01; and 00
    (4, 1)
    >>> scores, whole = ctc_prefix_scores(ctc_prefix_extend(state, np.array([1])))
    >>> round(9 * float(ops.exp(scores)[0, 2])), round(9 * float(ops.exp(whole)[0]))  # 12; and 11, 10, 01
    (1, 3)

    Reference:
        - [Hybrid CTC/attention architecture for end-to-end speech recognition](https://arxiv.org/abs/1609.06773) and
          Watanabe et al. 2017, algorithm 2. All tokens are scored at once without a loop over frames; the loop is in
          `ctc_prefix_extend`, for the chosen ones only.
    """
    log_probs, endings, last = state["memory"]["log_probs"], state["endings"], state["last"]
    token, blank = endings[:, :-1, 0], endings[:, :-1, 1]
    scores = ops.logsumexp(ops.logaddexp(token, blank)[..., None] + log_probs, axis=1)
    repeated = ops.logsumexp(blank + _of_token(log_probs, last), axis=1)  # a blank has to come between
    same = ops.arange(log_probs.shape[-1]) == last[:, None]
    return ops.where(same, repeated[:, None], scores), ops.logaddexp(endings[:, -1, 0], endings[:, -1, 1])


def ctc_prefix_extend(state, token_ids):
    """The state of prefixes that are one token longer.

    Args:
        state: of `ctc_prefix_start` or of this function.
        token_ids: int (B,); 0 leaves a prefix as it is.

    Returns:
        The next state.
    """
    log_probs, endings = state["memory"]["log_probs"], state["endings"]
    token_ids = ops.minimum(ops.cast(token_ids, "int32"), log_probs.shape[-1] - 1)
    blank = endings[:, :-1, 1]
    arrival = ops.where((token_ids == state["last"])[:, None], blank, ops.logaddexp(endings[:, :-1, 0], blank))

    def step(carry, frame):
        [before], (arrival, token, blank) = carry, frame
        spoken = ops.logaddexp(before[:, 0], arrival) + token
        silent = ops.logaddexp(before[:, 0], before[:, 1]) + blank
        carry = (ops.maximum(ops.stack([spoken, silent], axis=-1), IMPOSSIBLE),)
        return carry, carry

    frames = tuple(ops.transpose(x) for x in (arrival, _of_token(log_probs, token_ids), log_probs[..., 0]))
    first = ops.full_like(endings[:, 0], IMPOSSIBLE)
    _, [longer] = scan(step, (first,), frames)
    longer = ops.concatenate([first[:, None], ops.moveaxis(longer, 0, 1)], axis=1)
    grows = token_ids > 0
    return {
        **state,
        "endings": ops.where(grows[:, None, None], longer, endings),
        "last": ops.where(grows, token_ids, state["last"]),
    }


def _of_token(log_probs, token_ids):
    """(B, T), the column of one token for every row."""
    return ops.take_along_axis(log_probs, token_ids[:, None, None], axis=2)[..., 0]
