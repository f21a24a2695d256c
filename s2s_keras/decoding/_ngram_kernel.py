"""Compiled: walks over the tables of an n-gram model. A state is the node of a context, 0 the empty one.

Small functions are inlined and given what they need: the tables as a whole would cost more than what is done with them.
"""

import numpy as np
from numba import njit

from s2s_keras.decoding._compiled import compiled


@compiled
def advance(tables, state, word_id):
    """(log10 p(word | state) with back-off, the state after the word), float64 and int64."""
    probability, _, next_state = match(tables, state, word_id)
    return probability, next_state


@compiled
def score_words(tables, state, word_ids, probabilities, lengths):
    """Fills log10 probabilities and the length of the n-gram that was found, for each word after another."""
    now = np.int64(state)
    for i in range(len(word_ids)):
        probabilities[i], node, now = match(tables, now, word_ids[i])
        lengths[i] = 1
        while node >= tables.starts[lengths[i] + 1]:
            lengths[i] += 1


@compiled
def score_sentences(tables, state, word_ids, end_id, probabilities):
    """As `score_words`, for many sentences: each starts in `state` and ends with `end_id`."""
    now = np.int64(state)
    for i in range(len(word_ids)):
        probabilities[i], _, now = match(tables, now, word_ids[i])
        if word_ids[i] == end_id:
            now = np.int64(state)


@compiled
def match(tables, state, word_id):
    """log10 p(word | state) with back-off, the node of the longest n-gram that ends so, the state after the word."""
    longs, children, shorts, floats = tables.longs, tables.children, tables.shorts, tables.floats
    bigrams, shift, contexts = tables.num_words + 1, tables.child_shift, tables.num_contexts
    exact, step, zero = tables.num_exact_contexts, tables.backoff_step, tables.backoff_zero
    suffixes, codes = tables.num_nodes - bigrams, contexts + 1 - bigrams - exact  # where node 0 would have its own
    context, word, score = np.int64(state), np.int64(word_id), 0.0
    node = _find(longs, children, shorts, bigrams, shift, context, word)
    while node == 0:
        score += _backoff(shorts, floats, exact, codes, zero, step, context)
        context = _suffix(longs, bigrams, suffixes, context)
        node = _find(longs, children, shorts, bigrams, shift, context, word)
    if node < tables.num_exact_nodes:
        score += np.float64(floats[exact + node])
    else:
        score += (shorts[len(shorts) - tables.num_nodes + node] - tables.probability_zero) * tables.probability_step
    # The state is the longest context that may matter. A node of the highest order is none: its longest suffix may be.
    after = node if node < contexts or context > 0 else np.int64(0)
    while after >= contexts:
        context = _suffix(longs, bigrams, suffixes, context)
        after = _find(longs, children, shorts, bigrams, shift, context, word)
        while after == 0:
            context = _suffix(longs, bigrams, suffixes, context)
            after = _find(longs, children, shorts, bigrams, shift, context, word)
    # Without longer n-grams and back-off a context is as good as its suffix.
    while (
        after > 0
        and _backoff(shorts, floats, exact, codes, zero, step, after) == 0.0
        and _child(children, shorts, bigrams, shift, after) == _child(children, shorts, bigrams, shift, after + 1)
    ):
        after = _suffix(longs, bigrams, suffixes, after)
    return score, node, after


@njit(inline="always")
def _find(longs, children, shorts, bigrams, shift, context, word):
    """The node of context and word, or 0."""
    node = word + 1
    if context > 0:
        first = _child(children, shorts, bigrams, shift, context)
        last = _child(children, shorts, bigrams, shift, context + 1)
        node = search(longs, first, last, word)
    return node


@njit(inline="always")
def search(words, first, last, word):
    """The index of a word in a sorted part of `words`, or 0."""
    low, high = first, last
    while low < high:
        middle = (low + high) >> 1
        if np.int64(words[middle]) < word:
            low = middle + 1
        else:
            high = middle
    found = np.int64(0)
    if low < last and np.int64(words[low]) == word:
        found = low
    return found


@njit(inline="always")
def _child(children, shorts, bigrams, shift, node):
    """The first child of a context; where it would be if there is none."""
    first = np.int64(0)
    if node < bigrams:
        first = children[node]
    else:
        later = node - bigrams
        first = children[bigrams + 1 + (later >> shift)] + np.int64(shorts[later])
    return first


@njit(inline="always")
def _suffix(longs, bigrams, suffixes, node):
    suffix = np.int64(0)
    if node >= bigrams:
        suffix = np.int64(longs[suffixes + node])
    return suffix


@njit(inline="always")
def _backoff(shorts, floats, exact, codes, zero, step, node):
    value = 0.0
    if node < exact:
        value = np.float64(floats[node])
    else:
        value = (shorts[codes + node] - zero) * step
    return value
