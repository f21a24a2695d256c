"""Edit distance of token and word sequences inside a compiled graph, exact, for a whole batch at once.

A sequence travels as a pair: `tokens`, int32 (B, N), left-justified with zeros behind, and `lengths`, int32 (B,).
"""

from keras import ops

FAR = 2**30  # above every position


def pack(tokens, keep):
    """Moves the tokens that are kept to the left, in their order.

    Args:
        tokens: int32 (B, N).
        keep: bool (B, N).

    Returns:
        Tuple of `tokens`, int32 (B, N + 1) with zeros behind the last kept token (one at least), and `lengths`, int32
        (B,).
    """
    tokens, keep = (ops.pad(x, ((0, 0), (0, 1))) for x in (tokens, keep))
    order = ops.argsort(_positions(tokens) + ops.where(keep, 0, FAR), axis=1)
    tokens = ops.take_along_axis(ops.where(keep, tokens, 0), order, axis=1)
    return tokens, ops.sum(ops.cast(keep, "int32"), axis=1)


def greedy_tokens(logits):
    """The most probable alignment of a CTC network without repetitions and blanks.

    Args:
        logits: float (B, T, V), blank at 0.

    Returns:
        Sequence as of `pack`, at most T tokens long.
    """
    frames = ops.cast(ops.argmax(logits, axis=-1), "int32")
    previous = ops.pad(frames, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    return pack(frames, (frames != previous) & (frames != 0))


def strip(sequence, space):
    """Drops the spaces at both ends of every sequence."""
    tokens, _ = sequence
    solid = ops.cast((tokens != 0) & (tokens != space), "int32")
    before = ops.cumsum(solid, axis=1)
    after = ops.sum(solid, axis=1, keepdims=True) - before + solid
    return pack(tokens, (before > 0) & (after > 0))


def number_words(reference, hypothesis, space):
    """Turns characters into words: equal words get equal numbers, different words different ones.

    A word's number is one plus the place of the first reference word of the same utterance that is spelled like it;
    words of the hypothesis that the reference lacks are 0. Spelling is compared letter by letter, so there is nothing
    to collide.

    Args:
        reference: sequence of characters.
        hypothesis: sequence of characters.
        space: int, the token between words; several in a row count as one.

    Returns:
        Tuple of two sequences of word numbers, for reference and hypothesis.
    """
    words, references = _find_words(reference, space)
    other_words, hypotheses = _find_words(hypothesis, space)
    lengths = ops.concatenate([words[1], other_words[1]], axis=1)

    def unfinished(offset, same):
        return offset < ops.max(words[1])

    def compare(offset, same):
        letters, other_letters = _letters(reference, words, offset), _letters(hypothesis, other_words, offset)
        others = ops.concatenate([letters, other_letters], axis=1)
        return offset + 1, same & (letters[:, :, None] == others[:, None, :])

    same = words[1][:, :, None] == lengths[:, None, :]
    _, same = ops.while_loop(unfinished, compare, (ops.zeros((), "int32"), same))

    places = _positions(words[1]) + 1
    first = ops.min(ops.where(same, places[:, :, None], FAR), axis=1)
    numbers = ops.where(first < FAR, first, 0)
    width = ops.shape(words[1])[1]
    return (numbers[:, :width], references), (numbers[:, width:], hypotheses)


def edit_distance(reference, hypothesis):
    """Levenshtein distance between two sequences of every batch item.

    Fills the table of distances along its anti-diagonals, whose cells do not depend on each other, and stops at the
    longest pair of the batch, whatever the padding.

    Args:
        reference: sequence.
        hypothesis: sequence.

    Returns:
        int32 (B,), the least number of substitutions, insertions and deletions.
    """
    (tokens, lengths), (others, other_lengths) = reference, hypothesis
    rows = ops.pad(_positions(tokens) + 1, ((0, 0), (1, 0)))  # (B, N + 1): 0 ... N
    last_diagonal = lengths + other_lengths
    width = ops.shape(others)[1]

    def unfinished(diagonal, *_):
        return diagonal <= ops.max(last_diagonal)

    def advance(diagonal, last, last_but_one, distance):
        columns = ops.clip(diagonal - rows[:, 1:] - 1, 0, width - 1)
        differ = ops.cast(tokens != ops.take_along_axis(others, columns, axis=1), "int32")
        cells = ops.minimum(ops.minimum(last[:, 1:], last[:, :-1]) + 1, last_but_one[:, :-1] + differ)
        cells = ops.pad(cells, ((0, 0), (1, 0)))
        cells = ops.where((rows == 0) | (rows == diagonal), diagonal, cells)
        corner = ops.take_along_axis(cells, lengths[:, None], axis=1)[:, 0]
        return diagonal + 1, cells, last, ops.where(last_diagonal == diagonal, corner, distance)

    start = (ops.ones((), "int32"), ops.zeros_like(rows), ops.zeros_like(rows), ops.zeros_like(lengths))
    return ops.while_loop(unfinished, advance, start)[-1]


def _positions(tokens):
    """0 ... N - 1 in every row, int32 (B, N)."""
    return ops.zeros_like(tokens) + ops.arange(ops.shape(tokens)[1], dtype="int32")


def _find_words(sequence, space):
    """First positions and lengths of the words, both int32 (B, W), and the number of words, int32 (B,)."""
    tokens, _ = sequence
    inside = (tokens != 0) & (tokens != space)
    begins = inside & ~ops.pad(inside, ((0, 0), (1, 0)))[:, :-1]
    ends = inside & ~ops.pad(inside, ((0, 0), (0, 1)))[:, 1:]
    first, num_words = pack(_positions(tokens), begins)
    last, _ = pack(_positions(tokens) + 1, ends)
    most = (ops.shape(tokens)[1] + 1) // 2
    return (first[:, :most], (last - first)[:, :most]), num_words


def _letters(sequence, words, offset):
    """The letters of all words at one offset from their beginning, int32 (B, W), 0 behind the end."""
    (tokens, _), (first, lengths) = sequence, words
    columns = ops.minimum(first + offset, ops.shape(tokens)[1] - 1)
    return ops.where(offset < lengths, ops.take_along_axis(tokens, columns, axis=1), 0)
