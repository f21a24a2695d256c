"""The tree of prefixes of a CTC beam search: numba functions."""

import numpy as np

from s2s_keras.decoding._compiled import compiled, inner
from s2s_keras.decoding._ctc_beam_state import BEAM, NODES


@compiled
def start(state, rules, context):
    """The beam of the empty prefix."""
    state.table[:] = 0
    state.taken[:] = False
    state.counts[NODES] = state.counts[BEAM] = 1
    root, prefix = state.nodes[0], state.beam[0]
    root.parent, root.token, root.position, root.lexicon, root.pending = -1, 0, 0, 0, 0
    root.hot, root.extra, root.context, root.word_score = rules.follow[0, 0], 0.0, context, np.nan
    prefix.node, prefix.token, prefix.extra = 0, 0, 0.0
    prefix.blank, prefix.label, prefix.total = 0.0, -np.inf, 0.0


@inner
def find_place(nodes, table, parent, token):
    """Where in the hash table the node (parent, token) stands or would stand."""
    mask = len(table) - 1
    key = np.uint64(parent) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(token) * np.uint64(0xC2B2AE3D27D4EB4F)
    k = np.int64((key ^ (key >> np.uint64(29))) & np.uint64(mask))
    while table[k] != 0 and (nodes[table[k]].parent != parent or nodes[table[k]].token != token):
        k = (k + 1) & mask
    return k


@compiled
def compact(state):
    """Forget the nodes that no prefix in the beam descends from; parents stay before their children."""
    nodes, table, count = state.nodes, state.table, state.counts[NODES]
    moved = np.full(count, -1, np.int32)
    for i in range(state.counts[BEAM]):
        n = state.beam[i].node
        while n >= 0 and moved[n] < 0:
            moved[n] = 0
            n = nodes[n].parent
    kept = 0
    table[:] = 0
    for n in range(count):
        if moved[n] < 0:
            continue
        moved[n] = kept
        nodes[kept] = nodes[n]
        node = nodes[kept]
        if kept > 0:
            node.parent = moved[node.parent]
            table[find_place(nodes, table, node.parent, node.token)] = kept
        if node.position >= 0:
            state.beam[node.position].node = kept
        kept += 1
    state.counts[NODES] = kept


@compiled
def has_room(options, state):
    """Whether the nodes of one more frame fit, after forgetting those of no use. A quarter stays free, as it costs."""
    if state.counts[NODES] + options.beam_width <= len(state.nodes):
        return True
    compact(state)
    return state.counts[NODES] + options.beam_width <= 3 * len(state.nodes) // 4


@compiled
def tokens_of(state, node):
    """The tokens of a prefix."""
    length, n = 0, node
    while n > 0:
        length, n = length + 1, state.nodes[n].parent
    tokens = np.empty(length, np.int64)
    for k in range(length - 1, -1, -1):
        tokens[k] = state.nodes[node].token
        node = state.nodes[node].parent
    return tokens
