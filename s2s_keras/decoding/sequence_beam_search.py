"""Beam search over models that make a sequence token by token."""

from keras import ops

IMPOSSIBLE = -1e30  # a log-probability that no sum comes back from, and still finite in float32
SHARED = "memory"  # what stands under this key of a state is the same for all hypotheses of an example


def beam_search(
    step,
    state,
    max_lengths,
    length_limit,
    start_id=0,
    end_id=1,
    beam_width=4,
    length_penalty=0.0,
    normalize=True,
):
    """The best sequences of a model that is asked token by token; with `beam_width=1` greedy search.

    A hypothesis ends with `end_id`, or where its example's `max_lengths` cuts it. Ended hypotheses keep their place in
    the beam and their score; the search stops when all have ended. It is one loop of the backend, inside a compiled
    function or outside.

    Args:
        step: callable `(token_ids, state) -> (logits, state)` with token ids int (N,) and logits (N, V), N rows being
            B or B times `beam_width`.
        state: nested dicts and lists of tensors, batch first: what `step` is given at the first token. Tensors below a
            key "memory" are repeated for the hypotheses of an example and never reordered, so nothing in them may
            depend on the hypothesis.
        max_lengths: int (B,), tokens at most, the end included.
        length_limit: int, the longest of them; may be a scalar tensor where the backend allows unknown shapes.
        start_id: int, the token before the first. It is never generated.
        end_id: int.
        beam_width: int, hypotheses that are followed.
        length_penalty: float, the exponent a of ((5 + length) / 6) ** a, by which log-probabilities are divided; the
            length is that without the end.
        normalize: bool. False takes what `step` returns as log-probabilities as they are.

    Returns:
        Dict of "token_ids", int32 (B, beam_width, length_limit), best first, filled up with `end_id`; "lengths", int32
        (B, beam_width), tokens without the end; "scores" and "log_probs", float32 (B, beam_width). Where there are less
        than `beam_width` sequences, scores of the others are below -1e29.

    Raises:
        ValueError: if a number is out of its range.

    Example:

    >>> import numpy as np
    >>> table = np.log(np.array([[0.1, 0.2, 0.3, 0.4], [1, 1, 1, 1], [0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.5, 0.3]]))
    >>> def step(token_ids, state):  # the next token depends on the last one only
    ...     return ops.take(ops.convert_to_tensor(table, "float32"), token_ids, axis=0), state
    >>> found = beam_search(step, {"none": np.zeros((1, 1))}, np.array([3]), 3, beam_width=2)
    >>> ops.convert_to_numpy(found["token_ids"])[0].tolist()
    [[2, 1, 1], [3, 2, 1]]

    Reference:
        - [Google's neural machine translation system](https://arxiv.org/abs/1609.08144), equation 14, for the length
          penalty. The length is that without the end, as at the step at which TensorFlow 1's `BeamSearchDecoder` meets
          it; from the next step on that counts the end too.
    """
    if beam_width < 1 or length_penalty < 0:
        raise ValueError(
            "`beam_width` must be 1 or more and `length_penalty` 0 or more. Received: "
            f"beam_width={beam_width}, length_penalty={length_penalty}."
        )
    max_lengths = ops.cast(max_lengths, "int32")
    rows = ops.cumsum(ops.ones_like(max_lengths)) - 1
    leaves = _repeat(state, beam_width)
    first = ops.cast(ops.arange(beam_width) == 0, "float32")
    log_probs = ops.ones_like(rows, dtype="float32")[:, None] * ((1.0 - first) * IMPOSSIBLE)
    lengths = ops.zeros_like(log_probs, dtype="int32")
    ended = ops.logical_and(max_lengths[:, None] < 1, lengths == 0)
    positions = ops.arange(length_limit)
    token_ids = end_id + lengths[..., None] * positions
    last = ops.reshape(lengths + start_id, (-1,))

    def search(t, last, token_ids, log_probs, lengths, ended, leaves):
        logits, after = step(last, leaves)
        vocabulary_size = logits.shape[-1]
        logits = ops.cast(logits, "float32")
        logits = ops.log_softmax(logits, axis=-1) if normalize else logits
        logits = ops.reshape(logits, (-1, beam_width, vocabulary_size))
        tokens = ops.arange(vocabulary_size)
        logits = ops.where(tokens == start_id, IMPOSSIBLE, logits)
        logits = ops.where(ended[..., None], ops.where(tokens == end_id, 0.0, IMPOSSIBLE), logits)
        candidates = ops.maximum(log_probs[..., None] + logits, IMPOSSIBLE)
        grown = lengths[..., None] + ops.cast(
            ops.logical_and(ops.logical_not(ended)[..., None], tokens != end_id), "int32"
        )
        scores = ops.reshape(candidates / _penalty(grown, length_penalty), (-1, beam_width * vocabulary_size))
        best = ops.cast(ops.top_k(scores, beam_width)[1], "int32")
        parents, chosen = best // vocabulary_size, best % vocabulary_size
        log_probs, lengths = (
            ops.take_along_axis(ops.reshape(x, ops.shape(scores)), best, axis=1) for x in (candidates, grown)
        )
        ended = ops.take_along_axis(ended, parents, axis=1)
        token_ids = ops.take_along_axis(token_ids, parents[..., None], axis=1)
        token_ids = ops.where(positions == t, chosen[..., None], token_ids)
        ended = ops.logical_or(ended, ops.logical_or(chosen == end_id, lengths >= max_lengths[:, None]))
        order = ops.reshape(rows[:, None] * beam_width + parents, (-1,))
        return t + 1, ops.reshape(chosen, (-1,)), token_ids, log_probs, lengths, ended, _reorder(after, order)

    def body(*variables):
        values = iter(variables[6:])
        *others, after = search(*variables[:6], _map(lambda _: next(values), state))
        return (*others, *_flatten(after))

    def going_on(t, last, token_ids, log_probs, lengths, ended, *leaves):
        return ops.logical_and(t < length_limit, ops.logical_not(ops.all(ended)))

    found = ops.while_loop(going_on, body, (0, last, token_ids, log_probs, lengths, ended, *_flatten(leaves)))
    _, _, token_ids, log_probs, lengths = found[:5]
    return {
        "token_ids": token_ids,
        "lengths": lengths,
        "scores": log_probs / _penalty(lengths, length_penalty),
        "log_probs": log_probs,
    }


def _penalty(lengths, exponent):
    return ((5.0 + ops.cast(lengths, "float32")) / 6.0) ** exponent


def _repeat(state, beam_width):
    return _map(lambda x: ops.repeat(ops.convert_to_tensor(x), beam_width, axis=0), state)


def _reorder(state, order):
    """A state whose rows are those of the chosen hypotheses; what all hypotheses share stays where it is."""
    if isinstance(state, dict):
        return {key: value if key == SHARED else _reorder(value, order) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return [_reorder(value, order) for value in state]
    return ops.take(state, order, axis=0)


def _flatten(state):
    """The tensors of a state in the order of `_map`; that of `keras.tree` is not the same on every backend."""
    tensors = []
    _map(tensors.append, state)
    return tensors


def _map(function, state):
    """The state with `function` of every tensor, in the order of sorted keys."""
    if isinstance(state, dict):
        return {key: _map(function, state[key]) for key in sorted(state)}
    if isinstance(state, (list, tuple)):
        return [_map(function, value) for value in state]
    return function(state)
