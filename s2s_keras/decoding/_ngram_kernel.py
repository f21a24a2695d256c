"""Compiled: walks over the tables of an n-gram model. A state is the node of a context, 0 the empty one."""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def advance(tables, state, word_id):
    """(log10 p(word | state) with back-off, the state after the word), float64 and int64."""
    probability, context, node = _match(tables, state, word_id)
    return probability, _next_state(tables, context, node, word_id)


@njit(nogil=True, cache=True)
def score_words(tables, state, word_ids, probabilities, lengths):
    """Fills log10 probabilities and the length of the n-gram that was found, for each word after another."""
    for i in range(len(word_ids)):
        probability, context, node = _match(tables, state, word_ids[i])
        probabilities[i] = probability
        lengths[i] = _order(tables, node)
        state = _next_state(tables, context, node, word_ids[i])
    return state


@njit(nogil=True, cache=True)
def score_sentences(tables, state, word_ids, end_id, probabilities):
    """As `score_words`, for many sentences: each starts in `state` and ends with `end_id`."""
    now = np.int64(state)
    for i in range(len(word_ids)):
        word_id = np.int64(word_ids[i])
        probabilities[i], now = advance(tables, now, word_id)
        if word_id == end_id:
            now = np.int64(state)


@njit(nogil=True, cache=True)
def _match(tables, state, word_id):
    """The longest n-gram of context and word: its probability with back-off, the context it has, its node."""
    context = np.int64(state)
    weight = 0.0
    while True:
        node = _find(tables, context, word_id)
        if node > 0:
            return weight + _probability(tables, node), context, node
        weight += _backoff(tables, context)
        context = _suffix(tables, context)


@njit(nogil=True, cache=True)
def _next_state(tables, context, node, word_id):
    """The longest context that may matter: one without longer n-grams and back-off is as good as its suffix."""
    while node >= tables.starts[len(tables.starts) - 2]:  # of the highest order: the longest suffix that is a context
        if context == 0:
            return np.int64(0)
        context = _suffix(tables, context)
        node = _find(tables, context, word_id)
        while node == 0:
            context = _suffix(tables, context)
            node = _find(tables, context, word_id)
    while node > 0 and _first_child(tables, node) == _first_child(tables, node + 1) and _backoff(tables, node) == 0.0:
        node = _suffix(tables, node)
    return node


@njit(nogil=True, cache=True)
def _find(tables, context, word_id):
    """The node of context and word, or 0."""
    if context == 0:
        return np.int64(1) + np.int64(word_id)
    first, last = _first_child(tables, context), _first_child(tables, context + 1)
    return search(tables.words, first, last, word_id)


@njit(nogil=True, cache=True)
def search(words, first, last, word_id):
    """The index of a word in a sorted part of `words`, or 0."""
    end = last
    while first < last:
        middle = (first + last) >> 1
        if np.int64(words[middle]) < word_id:
            first = middle + 1
        else:
            last = middle
    if first < end and np.int64(words[first]) == word_id:
        return first
    return np.int64(0)


@njit(nogil=True, cache=True)
def _first_child(tables, node):
    bigrams = tables.starts[2]
    if node < bigrams:
        return tables.children[node]
    return tables.child_bases[(node - bigrams) >> tables.child_shift] + np.int64(tables.child_deltas[node - bigrams])


@njit(nogil=True, cache=True)
def _suffix(tables, node):
    bigrams = tables.starts[2]
    if node < bigrams:
        return np.int64(0)
    return np.int64(tables.suffixes[node - bigrams])


@njit(nogil=True, cache=True)
def _probability(tables, node):
    exact = len(tables.probabilities)
    if node < exact:
        return np.float64(tables.probabilities[node])
    return tables.scales[0] + tables.scales[1] * tables.probability_codes[node - exact]


@njit(nogil=True, cache=True)
def _backoff(tables, node):
    exact = len(tables.backoffs)
    if node < exact:
        return np.float64(tables.backoffs[node])
    return tables.scales[2] + tables.scales[3] * tables.backoff_codes[node - exact]


@njit(nogil=True, cache=True)
def _order(tables, node):
    order = 1
    while node >= tables.starts[order + 1]:
        order += 1
    return order
