"""An n-gram model as arrays: every n-gram is a node of one trie, shorter n-grams first."""

import collections

import numpy as np

Tables = collections.namedtuple(
    "Tables",
    [
        "starts",  # int64 (order + 2,): first node of every order; node 0 is the empty context, nodes 1... the words
        "words",  # uint32 (nodes,): the last word of an n-gram; sorted among the children of a node
        "children",  # int64 (words + 2,): first child of the empty context and of every word, and of the node after
        "child_shift",  # int: the first child of a later node i is child_bases[i >> child_shift] + child_deltas[i],
        "child_bases",  # int64, where i counts from the first bigram
        "child_deltas",  # uint16
        "suffixes",  # uint32: node of the longest proper suffix of an n-gram of order 2 and more, as far as contexts go
        "probabilities",  # float32: log10 p(last word | words before) of the first nodes, and of the others
        "probability_codes",  # uint16: scales[0] + scales[1] * code
        "backoffs",  # float32: log10 of the weight with which the shorter context is used, and of the others
        "backoff_codes",  # uint16: scales[2] + scales[3] * code
        "scales",  # float64 (4,)
    ],
)
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
    if starts[-1] >= 2**32:
        raise ValueError(f"A model holds less than 2**32 n-grams. Received: {starts[-1]}; prune it.")
    bigrams = starts[2]
    rest = firsts[bigrams:]
    for shift in range(_LARGEST_SHIFT, -1, -1):
        bases = rest[:: 1 << shift]
        deltas = rest - np.repeat(bases, 1 << shift)[: len(rest)]
        if not len(deltas) or deltas.max() <= _LARGEST_CODE:
            break
    none = np.zeros(0, "uint16")
    return Tables(
        starts=starts,
        words=words.astype("uint32"),
        children=firsts[: bigrams + 1].astype("int64"),
        child_shift=shift,
        child_bases=bases.astype("int64"),
        child_deltas=deltas.astype("uint16"),
        suffixes=suffixes[bigrams:].astype("uint32"),
        probabilities=np.where(np.isneginf(probabilities), LOG_ZERO, probabilities).astype("float32"),
        probability_codes=none,
        backoffs=np.where(np.isneginf(backoffs), LOG_ZERO, backoffs).astype("float32"),
        backoff_codes=none,
        scales=np.zeros(4),
    )


def compact(tables):
    """The same with 16 bits for each value above order 1; the largest error is a half of scales[1] or scales[3]."""
    words = tables.starts[2]
    if len(tables.probabilities) == words:
        return tables
    probability_codes, *probability_scale = _codes(tables.probabilities[words:])
    backoff_codes, *backoff_scale = _codes(tables.backoffs[words:])
    return tables._replace(
        probabilities=tables.probabilities[:words].copy(),
        probability_codes=probability_codes,
        backoffs=tables.backoffs[:words].copy(),
        backoff_codes=backoff_codes,
        scales=np.array([*probability_scale, *backoff_scale]),
    )


def _codes(values):
    """uint16 codes on an even grid, its offset and its step; 0 is on the grid."""
    low, high = min(values.min(initial=0.0), 0.0), max(values.max(initial=0.0), 0.0)
    step = (float(high) - float(low)) / (_LARGEST_CODE - 1)
    if not step:
        return np.zeros(len(values), "uint16"), 0.0, 0.0
    zero = np.ceil(-float(low) / step)
    return np.rint(values.astype("float64") / step + zero).astype("uint16"), -zero * step, step


def values(tables):
    """(log10 probabilities of all nodes, log10 back-offs of all contexts), float32, as they are used."""
    offset, step, backoff_offset, backoff_step = tables.scales
    probabilities = (offset + step * tables.probability_codes).astype("float32")
    backoffs = (backoff_offset + backoff_step * tables.backoff_codes).astype("float32")
    return np.concatenate([tables.probabilities, probabilities]), np.concatenate([tables.backoffs, backoffs])


def parents(tables):
    """For every order from 2, the context of each n-gram: its index among the n-grams of the order below."""
    order = len(tables.starts) - 2
    deltas = tables.child_deltas.astype("int64")
    rest = np.repeat(tables.child_bases, 1 << tables.child_shift)[: len(deltas)] + deltas
    firsts = np.concatenate([tables.children[:-1], rest])
    for n in range(1, order):
        first, last = tables.starts[n], tables.starts[n + 1]
        yield np.repeat(np.arange(last - first), np.diff(firsts[first : last + 1]))
