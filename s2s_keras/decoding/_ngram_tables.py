"""An n-gram model as arrays: every n-gram is a node of one trie, shorter n-grams first."""

import collections

import numpy as np

# Few arrays, as compiled code counts references to each one, at every call.
Tables = collections.namedtuple(
    "Tables",
    [
        "starts",  # int64 (order + 2,): first node of every order; node 0 is the empty context, nodes 1... the words
        "longs",  # uint32: the last word of every node, sorted among the children of a context; from `num_nodes` the
        # node of the longest proper suffix of every context of order 2 and more
        "children",  # int64: first child of the empty context, of every word and of the node after; then of every
        # 2**child_shift-th context from the first bigram
        "shorts",  # uint16: from the first bigram, how far the first child of a context is from the one in `children`,
        # then codes of back-offs, then of probabilities
        "floats",  # float32: log10 of the weight with which a shorter context is used, for the first contexts; then
        # log10 p(last word | words before) of the first nodes; the others have codes
        "num_words",
        "num_contexts",  # nodes of less than the highest order
        "num_nodes",
        "num_exact_contexts",
        "num_exact_nodes",
        "child_shift",
        "probability_zero",  # log10 probability = (code - zero) * step
        "probability_step",
        "backoff_zero",
        "backoff_step",
    ],
)
INTEGERS = Tables._fields[5:11]
REALS = Tables._fields[11:]
LOG_ZERO = -99.0  # how ARPA files write log10(0)
_LARGEST_SHIFT = 6  # 64 nodes share a base: an eighth of a byte each
_LARGEST_CODE = np.iinfo("uint16").max


def node_starts(counts):
    """First node of every order, from the number of n-grams of each; the last one is the number of nodes."""
    return np.concatenate([[0, 1], 1 + np.cumsum(counts)]).astype("int64")


def from_ngrams(levels):
    """Tables of n-grams in any sequence.

    Args:
        levels: list of (ids (K, n), log10 probabilities (K,), log10 back-offs (K,)), for n from 1; unigrams are there
            in the sequence of their ids.

    Raises:
        ValueError: an n-gram is there twice, or its first n - 1 words are not.
    """
    from s2s_keras.decoding import _ngram_building as kernel  # numba takes a second to import

    order = len(levels)
    starts = node_starts([len(level[1]) for level in levels])
    num_words = len(levels[0][1])
    words = np.zeros(starts[-1], "uint32")
    words[1 : starts[2]] = np.arange(num_words)
    firsts = np.ones(starts[order] + 1, "int64")  # first child of every context
    firsts[1:] = starts[2]
    suffixes = np.zeros(starts[order], "int64")
    probabilities, backoffs = [np.zeros(1), levels[0][1]], [np.zeros(1), levels[0][2]]
    for n, (ids, probability, backoff) in enumerate(levels[1:], 2):
        parents = kernel.find_parents(np.ascontiguousarray(ids, "uint32"), words, firsts)
        if np.any(parents == 0):
            raise ValueError(f"a {n}-gram lacks its context, the {n - 1}-gram of its first words")
        keys = parents * num_words + ids[:, -1]
        sequence = np.argsort(keys)
        if np.any(np.diff(keys[sequence]) == 0):
            raise ValueError(f"a {n}-gram is there twice")
        first, last = starts[n], starts[n + 1]
        parents = parents[sequence]
        words[first:last] = ids[sequence, -1]
        firsts[starts[n - 1] : first + 1] = first + np.searchsorted(parents, np.arange(starts[n - 1], first + 1))
        firsts[first + 1 :] = last
        probabilities.append(probability[sequence])
        if n < order:
            backoffs.append(backoff[sequence])
            kernel.find_suffixes(words, firsts, suffixes, parents, first)
    contexts = np.concatenate(backoffs)[: starts[order]]
    return assemble(starts, words, firsts, suffixes, np.concatenate(probabilities), contexts)


def assemble(starts, words, firsts, suffixes, probabilities, backoffs):
    """Tables with exact values. `firsts`, `suffixes`, `backoffs`: one for every context; `firsts` one more."""
    num_contexts, num_nodes, bigrams = int(starts[-2]), int(starts[-1]), starts[2]
    if num_nodes >= 2**32:
        raise ValueError(f"a model holds less than 2**32 n-grams, not {num_nodes}; prune it")
    rest = firsts[bigrams:]
    for shift in range(_LARGEST_SHIFT, -1, -1):
        bases = rest[:: 1 << shift]
        deltas = rest - np.repeat(bases, 1 << shift)[: len(rest)]
        if deltas.max(initial=0) <= _LARGEST_CODE:
            break
    floats = np.concatenate([backoffs, probabilities])
    return Tables(
        starts=starts,
        longs=np.concatenate([words, suffixes[bigrams:]]).astype("uint32"),
        children=np.concatenate([firsts[: bigrams + 1], bases]).astype("int64"),
        shorts=deltas.astype("uint16"),
        floats=np.where(np.isneginf(floats), LOG_ZERO, floats).astype("float32"),
        num_words=int(bigrams) - 1,
        num_contexts=num_contexts,
        num_nodes=num_nodes,
        num_exact_contexts=num_contexts,
        num_exact_nodes=num_nodes,
        child_shift=shift,
        probability_zero=0.0,
        probability_step=0.0,
        backoff_zero=0.0,
        backoff_step=0.0,
    )


def compact(tables):
    """The same with 16 bits for each value above order 1, off by half a step at most."""
    exact = tables.num_words + 1
    if tables.num_exact_nodes == exact:
        return tables
    backoffs, probabilities = np.split(tables.floats, [tables.num_exact_contexts])
    backoff_codes, backoff_zero, backoff_step = _codes(backoffs[exact:])
    probability_codes, probability_zero, probability_step = _codes(probabilities[exact:])
    return tables._replace(
        shorts=np.concatenate([tables.shorts, backoff_codes, probability_codes]),
        floats=np.concatenate([backoffs[:exact], probabilities[:exact]]),
        num_exact_contexts=min(exact, tables.num_contexts),
        num_exact_nodes=exact,
        probability_zero=probability_zero,
        probability_step=probability_step,
        backoff_zero=backoff_zero,
        backoff_step=backoff_step,
    )


def _codes(values):
    """uint16 codes on an even grid, the code of 0, which is on it, and the step."""
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    step = (high - low) / (_LARGEST_CODE - 1)
    if not step:
        return np.zeros(len(values), "uint16"), 0.0, 0.0
    zero = float(np.ceil(-low / step))
    return np.rint(values.astype("float64") / step + zero).astype("uint16"), zero, step


def values(tables):
    """(log10 probabilities of all nodes, log10 back-offs of all contexts), float32, as they are used."""
    backoffs, probabilities = np.split(tables.floats, [tables.num_exact_contexts])
    num_codes = tables.num_nodes - tables.num_exact_nodes
    first, middle = len(tables.shorts) - num_codes - tables.num_contexts + len(backoffs), len(tables.shorts) - num_codes
    backoff_codes, probability_codes = tables.shorts[first:middle], tables.shorts[middle:]
    more_backoffs = (backoff_codes - tables.backoff_zero) * tables.backoff_step
    more_probabilities = (probability_codes - tables.probability_zero) * tables.probability_step
    return (
        np.concatenate([probabilities, more_probabilities.astype("float32")]),
        np.concatenate([backoffs, more_backoffs.astype("float32")]),
    )


def parents(tables):
    """For every order from 2, the context of each n-gram: its index among the n-grams of the order below."""
    starts, bigrams = tables.starts, tables.num_words + 1
    deltas = tables.shorts[: tables.num_contexts + 1 - bigrams].astype("int64")
    rest = np.repeat(tables.children[bigrams + 1 :], 1 << tables.child_shift)[: len(deltas)] + deltas
    firsts = np.concatenate([tables.children[:bigrams], rest])
    for n in range(1, len(starts) - 2):
        first, last = starts[n], starts[n + 1]
        yield np.repeat(np.arange(last - first), np.diff(firsts[first : last + 1]))
