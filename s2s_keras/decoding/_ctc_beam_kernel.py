"""The machine code of CTC prefix beam search: numba functions over preallocated arrays, without Python's lock.

A prefix is a node of a tree: its parent and its last token. The beam holds the nodes that are alive, and for each the
log probabilities of all paths so far that read as the prefix and end in blank or in its last token. A frame takes two
halves: `begin_frame` lets every prefix stay as it is, which also says how good a longer one must be to be of use;
`end_frame` extends prefixes, keeps the best and makes nodes of the new ones. In between, whoever holds the language
model fills in the scores of the words that may end at this frame; each is asked for once, as nodes remember it.

Nodes are found again by a hash of (parent, token), so that a prefix that left the beam and comes back is the same node.
Functions read the arrays of their tuples once, at the top: each reading counts references, too slow for inner loops.
"""

import math

import numpy as np

from s2s_keras.decoding._compiled import compiled, inner
from s2s_keras.decoding._ctc_beam_state import BEAM, BOUND, NO_MODEL, NODES, SLOTS, TOKENS, WORDS
from s2s_keras.decoding._ctc_beam_tree import find_place, has_room
from s2s_keras.decoding._ctc_beam_words import score_ends, score_frame, walk

_NEGLIGIBLE = -40.0  # log of what a float64 does not add to one


@inner
def log_add(a, b):
    """log(exp(a) + exp(b))"""
    if a < b:
        a, b = b, a
    if b == -np.inf or b - a < _NEGLIGIBLE:
        return a
    return a + math.log1p(math.exp(b - a))


@inner
def read_frame(row, rules, options, state):
    """Log probabilities of a frame, and the tokens that are likely enough to extend a prefix."""
    highest = np.float64(row[0])
    for c in range(len(row)):
        highest = max(highest, np.float64(row[c]))
    mass = 0.0
    for c in range(len(row)):
        mass += math.exp(row[c] - highest)
    mass = highest + math.log(mass)
    slots, slot_of, log_probs, tokens, count = state.slots, state.slot_of, state.log_probs, rules.tokens, 0
    for c in range(len(row)):
        log_probs[c] = row[c] - mass
        slot_of[c] = -1
        if c > 0 and log_probs[c] >= -options.token_cutoff:
            slot, token = slots[count], tokens[c]
            slot.log_prob, slot.token, slot.starts_word = log_probs[c], c, token.starts_word
            slot.is_space = token.starts_word and token.first_char == token.end_char and not rules.has_hot_words
            slot_of[c] = count
            count += 1
    state.counts[SLOTS] = count


@compiled
def begin_frame(row, rules, options, state):
    """Read a frame and let every prefix stay as it is."""
    read_frame(row, rules, options, state)
    nodes, beam, log_probs, slot_of, taken = state.nodes, state.beam, state.log_probs, state.slot_of, state.taken
    best, worst = -np.inf, np.inf
    for i in range(state.counts[BEAM]):
        prefix = beam[i]
        token, above = prefix.token, nodes[prefix.node].parent
        prefix.next_blank = prefix.total + log_probs[0]
        prefix.next_label = prefix.label + log_probs[token]
        if above >= 0 and nodes[above].position >= 0:
            p = nodes[above].position
            before = beam[p].blank if beam[p].token == token else beam[p].total
            prefix.next_label = log_add(prefix.next_label, before + log_probs[token])
            if slot_of[token] >= 0:
                taken[p, slot_of[token]] = True
        prefix.next_total = log_add(prefix.next_blank, prefix.next_label)
        prefix.score = prefix.next_total + prefix.extra
        best, worst = max(best, prefix.score), min(worst, prefix.score)
    state.limits[BOUND] = best - options.beam_cutoff
    if state.counts[BEAM] == options.beam_width:
        state.limits[BOUND] = max(state.limits[BOUND], worst)


@inner
def select(pool, size, count):
    """Move the `count` best of `size` candidates to the front of the pool, in no order."""
    low, high = 0, size - 1
    while low < high:
        pivot = pool[(low + high) // 2].score
        i, j = low, high
        while i <= j:
            while pool[i].score > pivot:
                i += 1
            while pool[j].score < pivot:
                j -= 1
            if i <= j:
                a, b = pool[i], pool[j]
                a.score, b.score = b.score, a.score
                a.origin, b.origin = b.origin, a.origin
                a.slot, b.slot = b.slot, a.slot
                i += 1
                j -= 1
        if count - 1 <= j:
            high = j
        elif count - 1 >= i:
            low = i
        else:
            return


@inner
def reduce(pool, count, bound):
    """Leave the `count` best candidates in a full pool; returns what a further one has to exceed."""
    select(pool, len(pool), count)
    worst = np.inf
    for k in range(count):
        worst = min(worst, pool[k].score)
    return max(bound, worst)


@inner
def rate_inside(rules, options, node):
    """What all tokens within a word add, where that is the same, as the lexicon ends here; else NaN."""
    if not rules.walks:
        return 0.0
    if rules.has_hot_words:
        return np.nan
    if node.lexicon < 0:
        return 0.0
    if rules.lexicon[node.lexicon].first_child < rules.lexicon[node.lexicon].end_child:
        return np.nan
    return -np.inf if rules.constrained else options.lost


@inner
def propose(rules, options, state):
    """Fill the pool with the prefixes as they are and the extensions that may be among the best; how many."""
    nodes, beam, slots, taken, pool = state.nodes, state.beam, state.slots, state.taken, state.pool
    num_slots, gain, bound = state.counts[SLOTS], options.gain, state.limits[BOUND]
    followers, tokens, by_token = state.followers, rules.tokens, rules.level == TOKENS
    likeliest = -np.inf
    for s in range(num_slots):
        likeliest = max(likeliest, slots[s].log_prob)
    size = state.counts[BEAM]
    for i in range(size):
        pool[i].score, pool[i].origin, pool[i].slot = beam[i].score, i, -1
    for i in range(state.counts[BEAM]):
        token, extra, blank, total = beam[i].token, beam[i].extra, beam[i].blank, beam[i].total
        if total + extra + likeliest + gain <= bound:
            continue
        within = rate_inside(rules, options, nodes[beam[i].node])
        for s in range(num_slots):
            score = extra + slots[s].log_prob + (blank if slots[s].token == token else total)
            if slots[s].starts_word:
                score += beam[i].ending
            elif not np.isnan(within):
                score += within
            if by_token:
                score += followers[i, s].score
            if score + options.hot_gain <= bound or taken[i, s]:
                continue
            if rules.walks and not slots[s].is_space and (slots[s].starts_word or np.isnan(within)):
                score += walk(rules, nodes[beam[i].node], tokens[slots[s].token], options.lost)[2]
            if score > bound:  # not so where a word or token has no score, which is NaN
                if size == len(pool):
                    size, bound = options.beam_width, reduce(pool, options.beam_width, bound)
                pool[size].score, pool[size].origin, pool[size].slot = score, i, s
                size += 1
    return size


@inner
def make_node(rules, node, parent, token, lost, ending, follower):
    """Fill in what a new node inherits and what its token adds; its parent and token are there."""
    node.position, node.word_score = -1, np.nan
    if rules.level == NO_MODEL and not rules.walks:
        node.lexicon, node.hot, node.pending, node.extra, node.context = 0, 0, 0, 0.0, 0
        return
    node.lexicon, node.hot, score, node.pending = walk(rules, parent, token, lost)
    node.extra, node.context = parent.extra + score, parent.context
    if rules.level == TOKENS:
        node.extra += follower.score
        node.context = follower.context
    if token.starts_word:
        node.extra += ending
        if rules.level == WORDS and parent.pending:
            node.context = parent.word_context


@compiled
def end_frame(rules, options, state):
    """The next beam: the best of the prefixes as they are and of their extensions."""
    nodes, table, beam, pool, slots = state.nodes, state.table, state.beam, state.pool, state.slots
    followers, tokens, by_token = state.followers, rules.tokens, rules.level == TOKENS
    size, num_nodes = propose(rules, options, state), state.counts[NODES]
    count = min(size, options.beam_width)
    if count < size:
        select(pool, size, count)
    best = -np.inf
    for k in range(count):
        best = max(best, pool[k].score)
    kept = 0
    for k in range(count):  # the old beam is read to the end before the new one is written
        if pool[k].score < best - options.beam_cutoff:
            continue
        i, s = pool[k].origin, pool[k].slot
        prefix, candidate = beam[i], pool[kept]
        if s < 0:
            candidate.origin, candidate.slot = i, prefix.node
        else:
            token = slots[s].token
            place = find_place(nodes, table, prefix.node, token)
            if table[place] == 0:
                table[place] = num_nodes
                node = nodes[num_nodes]
                node.parent, node.token = prefix.node, token
                follower = followers[i if by_token else 0, s if by_token else 0]
                make_node(rules, node, nodes[prefix.node], tokens[token], options.lost, prefix.ending, follower)
                num_nodes += 1
            candidate.score = slots[s].log_prob + (prefix.blank if token == prefix.token else prefix.total)
            candidate.origin, candidate.slot = -1, table[place]
        kept += 1
    state.counts[NODES] = num_nodes
    forget_beam(state)
    write_beam(state, kept)


@inner
def stay(state):
    """The next beam where no token extends a prefix."""
    beam = state.beam
    for i in range(state.counts[BEAM]):
        beam[i].blank, beam[i].label, beam[i].total = beam[i].next_blank, beam[i].next_label, beam[i].next_total


@inner
def forget_beam(state):
    """Nothing is in the beam, and no extension either."""
    nodes, beam, taken = state.nodes, state.beam, state.taken
    for i in range(state.counts[BEAM]):
        above, slot = nodes[beam[i].node].parent, state.slot_of[beam[i].token]
        if above >= 0 and nodes[above].position >= 0 and slot >= 0:
            taken[nodes[above].position, slot] = False
    for i in range(state.counts[BEAM]):
        nodes[beam[i].node].position = -1


@inner
def write_beam(state, count):
    """The beam of the first candidates of the pool, whose slots are nodes by now; those of origin -1 are new in it."""
    nodes, beam, pool = state.nodes, state.beam, state.pool
    for k in range(count):
        candidate, prefix = pool[k], beam[k]
        node = nodes[candidate.slot]
        node.position = k
        prefix.node, prefix.token, prefix.extra = candidate.slot, node.token, node.extra
        if candidate.origin < 0:
            prefix.blank, prefix.label, prefix.total = -np.inf, candidate.score, candidate.score
        else:
            old = beam[candidate.origin]
            prefix.blank, prefix.label, prefix.total = old.next_blank, old.next_label, old.next_total
    state.counts[BEAM] = count


@compiled
def search(logits, first, tables, rules, options, state):
    """Search from frame `first` on; returns the frame at which room for nodes ran out, or the number of frames."""
    for t in range(first, len(logits)):
        if not has_room(options, state):
            return t
        begin_frame(logits[t], rules, options, state)
        if state.counts[SLOTS] == 0:
            stay(state)
            continue
        score_frame(tables, rules, options, state)
        end_frame(rules, options, state)
    score_ends(tables, rules, options, state)
    return len(logits)
