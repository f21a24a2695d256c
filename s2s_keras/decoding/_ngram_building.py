"""Compiled: finds nodes while a trie is built."""

import numpy as np

from s2s_keras.decoding._compiled import compiled
from s2s_keras.decoding._ngram_kernel import search


@compiled
def find_parents(ids, words, firsts):
    """The node of the first n - 1 words of every n-gram, or 0."""
    nodes = np.zeros(len(ids), np.int64)
    for i in range(len(ids)):
        node = np.int64(1) + np.int64(ids[i, 0])
        for j in range(1, ids.shape[1] - 1):
            if node > 0:
                node = search(words, firsts[node], firsts[node + 1], np.int64(ids[i, j]))
        nodes[i] = node
    return nodes


@compiled
def find_suffixes(words, firsts, suffixes, parents, first):
    """Fills the node of the longest proper suffix of the nodes from `first`, which have these parents."""
    for i in range(len(parents)):
        word_id = np.int64(words[first + i])
        context, node = parents[i], np.int64(0)
        while context > 0 and node == 0:
            context = suffixes[context]
            if context == 0:
                node = np.int64(1) + word_id
            else:
                node = search(words, firsts[context], firsts[context + 1], word_id)
        suffixes[first + i] = node


@compiled
def unpack(data, first_bit, step, width, count):
    """`count` numbers of `width` <= 57 bits, `step` bits apart, little-endian."""
    numbers = np.zeros(count, np.uint64)
    mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1)
    for i in range(count):
        bit = first_bit + i * step
        word = np.uint64(0)
        for j in range(min(8, len(data) - (bit >> 3))):
            word |= np.uint64(data[(bit >> 3) + j]) << np.uint64(8 * j)
        numbers[i] = (word >> np.uint64(bit & 7)) & mask
    return numbers
