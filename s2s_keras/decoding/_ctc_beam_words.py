"""What words, lexicon, hot words and the n-gram model add to the acoustic score of a prefix: numba functions."""

import numpy as np

from s2s_keras.decoding._compiled import compiled, inner
from s2s_keras.decoding._ctc_beam_state import BEAM, BOUND, NO_MODEL, SLOTS, TOKENS, WORDS
from s2s_keras.decoding._ngram_kernel import advance


@inner
def lexicon_step(lexicon, node, char):
    """The child of a lexicon node by a character, or -1."""
    if node < 0:
        return -1
    low, high = lexicon[node].first_child, lexicon[node].end_child
    while low < high:
        middle = (low + high) // 2
        if lexicon[middle].label < char:
            low = middle + 1
        else:
            high = middle
    return low if low < lexicon[node].end_child and lexicon[low].label == char else -1


@inner
def walk(rules, node, token, unknown):
    """Where a token leads from a node: (lexicon node, hot words' state, score, whether a word has begun).

    A word that leaves the lexicon is unknown, however it ends: it pays at once. Else words without end fill the beam.
    """
    chars, lexicon, follow, hot = rules.chars, rules.lexicon, rules.follow, rules.hot
    entry, state, pending = node.lexicon, node.hot, node.pending
    score, was_lost = -hot[state].promise, pending and entry < 0
    if token.starts_word:
        if pending:
            state = follow[state, 0]
            score += hot[state].reward
        entry, pending, was_lost = 0, 0, 0
    for k in range(token.first_char, token.end_char):
        entry = lexicon_step(lexicon, entry, chars[k])
        state = follow[state, chars[k]]
        score += hot[state].reward
        pending = 1
    if entry < 0 and not was_lost:
        score += -np.inf if rules.constrained else unknown
    return entry, state, score + hot[state].promise, pending


@inner
def may_end(rules, node):
    """Whether the pending word, if any, may end here."""
    return not rules.constrained or not node.pending or (node.lexicon >= 0 and rules.lexicon[node.lexicon].word >= 0)


@inner
def word_id(lexicon, node):
    """The language model's id of the word that is pending at a node; 0 is unknown."""
    return max(0, lexicon[node.lexicon].word) if node.lexicon >= 0 else 0


@inner
def boundary(state):
    """The log probability of the likeliest token of the frame that ends a word; -inf without one."""
    slots, log_prob = state.slots, -np.inf
    for s in range(state.counts[SLOTS]):
        if slots[s].starts_word:
            log_prob = max(log_prob, slots[s].log_prob)
    return log_prob


@compiled
def words_to_score(rules, options, state, bound):
    """List the nodes whose pending word needs a score: it may end, is of use then, and has none yet; how many."""
    nodes, beam, asked, count = state.nodes, state.beam, state.asked, 0
    likeliest = boundary(state) + options.gain if bound > -np.inf else np.inf
    for i in range(state.counts[BEAM]):
        node = nodes[beam[i].node]
        if node.pending and np.isnan(node.word_score) and beam[i].total + beam[i].extra + likeliest > bound:
            if may_end(rules, node):
                asked[count] = beam[i].node
                count += 1
    return count


@inner
def tokens_to_score(options, state):
    """Mark the extensions that need a score of their token: those of use get 0, the others NaN."""
    beam, slots, taken, followers, bound = state.beam, state.slots, state.taken, state.followers, state.limits[BOUND]
    for i in range(state.counts[BEAM]):
        reached = beam[i].total + beam[i].extra + options.gain if bound > -np.inf else np.inf
        for s in range(state.counts[SLOTS]):
            useful = reached + slots[s].log_prob > bound and not taken[i, s]
            followers[i, s].score = 0.0 if useful else np.nan


@compiled
def weighted(options, log10_prob, is_unknown):
    """What a word or token adds to a score."""
    return options.alpha * log10_prob + options.beta + (options.unknown if is_unknown else 0.0)


@inner
def score_words(tables, rules, options, state, bound):
    """Ask the n-gram model for words that may end."""
    nodes, lexicon, asked = state.nodes, rules.lexicon, state.asked
    for k in range(words_to_score(rules, options, state, bound)):
        node = nodes[asked[k]]
        word = word_id(lexicon, node)
        log10_prob, node.word_context = advance(tables, node.context, word)
        node.word_score = weighted(options, log10_prob, word == 0 and node.lexicon >= 0)  # else it has paid


@inner
def score_tokens(tables, rules, options, state):
    """Ask the n-gram model for tokens that may follow."""
    nodes, beam, slots, followers, tokens = state.nodes, state.beam, state.slots, state.followers, rules.tokens
    tokens_to_score(options, state)
    for i in range(state.counts[BEAM]):
        context = nodes[beam[i].node].context
        for s in range(state.counts[SLOTS]):
            if not np.isnan(followers[i, s].score):
                word = tokens[slots[s].token].word
                log10_prob, followers[i, s].context = advance(tables, context, word)
                followers[i, s].score = weighted(options, log10_prob, word == 0)


@compiled
def rate_endings(rules, options, state):
    """Tell every prefix what its pending word, if any, adds if it ends here."""
    nodes, beam, by_word = state.nodes, state.beam, rules.level == WORDS
    otherwise = options.beta if rules.level == NO_MODEL else 0.0
    for i in range(state.counts[BEAM]):
        node = nodes[beam[i].node]
        beam[i].ending = 0.0
        if node.pending:
            beam[i].ending = node.word_score if by_word else otherwise
            if rules.constrained and not may_end(rules, node):
                beam[i].ending = -np.inf


@inner
def score_frame(tables, rules, options, state):
    """Everything between the two halves of a frame."""
    if tables is not None and rules.level == TOKENS:
        score_tokens(tables, rules, options, state)
    if boundary(state) > -np.inf:
        if tables is not None and rules.level == WORDS:
            score_words(tables, rules, options, state, state.limits[BOUND])
        rate_endings(rules, options, state)


@inner
def score_ends(tables, rules, options, state):
    """At the end of the utterance, ask for the words that are pending and for the end of the sentence."""
    nodes, beam = state.nodes, state.beam
    state.counts[SLOTS] = 0
    if tables is not None and rules.level == WORDS:
        score_words(tables, rules, options, state, -np.inf)
    rate_endings(rules, options, state)
    for i in range(state.counts[BEAM]):
        node = nodes[beam[i].node]
        beam[i].score = finish(rules, beam[i], node)
        if tables is not None:
            context = node.word_context if rules.level == WORDS and node.pending else node.context
            beam[i].score += options.alpha * advance(tables, context, options.end_id)[0]


@compiled
def finish(rules, prefix, node):
    """The score at the end of the utterance, without that of the end itself; -inf in the middle of a word."""
    score = prefix.total + prefix.extra + prefix.ending - rules.hot[node.hot].promise
    return score + rules.hot[rules.follow[node.hot, 0]].reward if node.pending else score
