"""What a CTC prefix beam search works on: arrays that are allocated once."""

from typing import NamedTuple

import numpy as np

NODES, BEAM, SLOTS = range(3)  # of State.counts
BOUND = 0  # of State.limits: a score that does not exceed it is of no use
NO_MODEL, WORDS, TOKENS = range(3)  # what a language model scores

NODE = np.dtype(
    [
        ("parent", "i4"),
        ("token", "i4"),
        ("position", "i4"),  # in the beam, -1 outside
        ("lexicon", "i4"),  # node of the lexicon, -1 off it
        ("hot", "i4"),  # state of the hot words' automaton
        ("pending", "i4"),  # 1 where a word has begun
        ("extra", "f8"),  # what is added to the acoustic score
        ("context", "i8"),  # state of the language model
        ("word_score", "f8"),  # what the pending word adds if it ends here; NaN until it is asked for
        ("word_context", "i8"),
    ]
)
PREFIX = np.dtype(
    [
        ("node", "i4"),
        ("token", "i4"),
        ("extra", "f8"),
        ("blank", "f8"),  # log probability of the paths that end in blank,
        ("label", "f8"),  # in the last token,
        ("total", "f8"),  # in either
        ("next_blank", "f8"),
        ("next_label", "f8"),
        ("next_total", "f8"),
        ("score", "f8"),
        ("ending", "f8"),  # what the pending word adds if it ends in this frame
    ]
)
TOKEN = np.dtype(
    [
        ("starts_word", "i4"),  # 1 where the token ends the word before it
        ("first_char", "i4"),  # where its characters begin in `chars`
        ("end_char", "i4"),
        ("word", "i4"),  # the language model's id of the token
    ]
)
ENTRY = np.dtype(
    [
        ("label", "i4"),  # the character that leads to a node of the lexicon
        ("first_child", "i4"),  # children stand side by side
        ("end_child", "i4"),
        ("word", "i4"),  # the language model's id of the word that ends here, -1 for none
    ]
)
HOT = np.dtype(
    [
        ("promise", "f8"),  # credit for the part of a hot word that is there
        ("reward", "f8"),  # the weight of the hot words that end here
    ]
)
SLOT = np.dtype([("log_prob", "f8"), ("token", "i4"), ("starts_word", "i4"), ("is_space", "i4")])
FOLLOWER = np.dtype([("score", "f8"), ("context", "i8")])
CANDIDATE = np.dtype([("score", "f8"), ("origin", "i4"), ("slot", "i4")])


class Rules(NamedTuple):
    """What tokens mean: words, lexicon and hot words (made in `_ctc_beam_rules`)."""

    tokens: np.ndarray  # (V,) TOKEN
    chars: np.ndarray  # int32, from 1; 0 is the boundary of words
    lexicon: np.ndarray  # (N,) ENTRY, the first one is the root
    follow: np.ndarray  # (S, C + 1) int32: the hot words' automaton
    hot: np.ndarray  # (S,) HOT
    level: int  # NO_MODEL, WORDS or TOKENS
    constrained: bool  # words outside of the lexicon are impossible
    has_hot_words: bool
    walks: bool  # the lexicon or hot words count within words, too


class Options(NamedTuple):
    """Numbers of a search."""

    alpha: float  # times log10, for the natural log
    beta: float
    unknown: float
    lost: float  # for a word that leaves the lexicon, if that is the language model's
    gain: float  # the most that a token can add to its acoustic score,
    hot_gain: float  # and that hot words can
    token_cutoff: float
    beam_cutoff: float
    beam_width: int
    end_id: int


class State(NamedTuple):
    """The tree of prefixes, the beam, and what one frame needs."""

    nodes: np.ndarray  # (N,) NODE; 0 is the empty prefix
    table: np.ndarray  # int32 hash table of nodes, 0 where free: nothing looks for the empty prefix
    beam: np.ndarray  # (beam width,) PREFIX
    log_probs: np.ndarray  # (V,) of the frame
    slots: np.ndarray  # (V,) SLOT: the tokens that may extend a prefix in this frame
    slot_of: np.ndarray  # (V,) int32: the slot of a token, -1 for none
    taken: np.ndarray  # (beam width, V) bool: this extension is in the beam already
    followers: np.ndarray  # (beam width, V) FOLLOWER: what a language model over tokens says
    asked: np.ndarray  # (beam width,) int32: the nodes whose pending word needs a score
    pool: np.ndarray  # CANDIDATEs for the next beam; slot -1 is the prefix as it is
    counts: np.ndarray  # int64 (3,)
    limits: np.ndarray  # float64 (1,)


def new_state(vocabulary_size, beam_width, level, num_nodes=None):
    """Room for a search; it grows with `grown` if `num_nodes` do not suffice."""
    num_nodes = num_nodes or 32 * beam_width + 1024
    grid = (beam_width, vocabulary_size)
    return State(
        nodes=np.zeros(num_nodes, NODE),
        table=_hash_table(num_nodes),
        beam=np.zeros(beam_width, PREFIX),
        log_probs=np.zeros(vocabulary_size),
        slots=np.zeros(vocabulary_size, SLOT),
        slot_of=np.zeros(vocabulary_size, "int32"),
        taken=np.zeros(grid, bool),
        followers=np.zeros(grid if level == TOKENS else (1, 1), FOLLOWER),
        asked=np.zeros(beam_width, "int32"),
        pool=np.zeros(4 * beam_width, CANDIDATE),
        counts=np.zeros(3, "int64"),
        limits=np.zeros(1),
    )


def grown(state):
    """The same state with room for twice the nodes."""
    nodes = np.concatenate([state.nodes, np.zeros_like(state.nodes)])
    return state._replace(nodes=nodes, table=_hash_table(len(nodes)))


def _hash_table(num_nodes):
    return np.zeros(1 << (2 * num_nodes - 1).bit_length(), "int32")
