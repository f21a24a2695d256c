"""What a search knows of tokens, words and hot words before it starts, as arrays for its kernel."""

import numpy as np

from s2s_keras.decoding._ctc_beam_state import ENTRY, HOT, NO_MODEL, TOKEN, TOKENS, WORDS, Rules
from s2s_keras.decoding.hypothesis import BOUNDARY

_SYMBOLS = ("<unk>", "<s>", "</s>")


def make_rules(texts, language_model=None, dictionary=None, hot_words=None):
    """`Rules` of a search.

    Args:
        texts: list of str, of every token, blank first.
        language_model: object with `words`, or None.
        dictionary: iterable of str, the only words there are; or None.
        hot_words: dict of phrase to weight, or None.
    """
    level = NO_MODEL if language_model is None else WORDS
    if any(word.startswith(BOUNDARY) for word in getattr(language_model, "words", ())):
        level = TOKENS
    odd = [text for text in texts if " " in text[1:]]
    if odd:
        raise ValueError(f"A token holds a space at its beginning only. Received: {odd[:3]}.")
    ids = {c: n for n, c in enumerate(sorted(set("".join(texts)) - {" "}), 1)}
    chars = [[ids[c] for c in text if c != " "] for text in texts]
    words = {} if dictionary is None else dict.fromkeys([*dictionary, *_words_of(hot_words)], 0)
    if level == WORDS:
        known = {word: n for n, word in enumerate(getattr(language_model, "words", ())) if word not in _SYMBOLS}
        words = known if dictionary is None else {word: known.get(word, 0) for word in words}
    ends = np.cumsum([0, *map(len, chars)])
    tokens = np.zeros(len(texts), TOKEN)
    tokens["starts_word"] = [text.startswith(" ") for text in texts]
    tokens["first_char"], tokens["end_char"] = ends[:-1], ends[1:]
    if level == TOKENS:
        tokens["word"][1:] = [language_model.word_id(text.replace(" ", BOUNDARY)) for text in texts[1:]]
    follow, hot = hot_word_automaton(hot_words or {}, ids)
    return Rules(
        tokens=tokens,
        chars=np.array([c for row in chars for c in row], "int32"),
        lexicon=lexicon(words, ids),
        follow=follow,
        hot=hot,
        level=level,
        constrained=dictionary is not None,
        has_hot_words=bool(hot_words),
        walks=bool(words) or bool(hot_words),
    )


def _words_of(phrases):
    return [word for phrase in phrases or () for word in phrase.split()]


def lexicon(words, ids):
    """A tree of words over characters, breadth first, so that the children of a node stand side by side.

    Args:
        words: dict of word to the id it has in the language model.
        ids: dict of character to id. Words with other characters are left out: no token spells them.
    """
    entries = sorted((tuple(ids[c] for c in word), n) for word, n in words.items() if word and set(word) <= ids.keys())
    nodes = [[0, 0, 0, -1]]  # ENTRY
    level, depth = [(0, len(entries))], 0  # the entries below each node of this depth
    number = 0
    while level:
        below = []
        for low, high in level:
            nodes[number][1] = len(nodes)
            while low < high:
                spelled, n = entries[low]
                if len(spelled) == depth:  # it ends here, and stands first
                    low += 1
                    continue
                end = low
                while end < high and entries[end][0][depth] == spelled[depth]:
                    end += 1
                nodes.append([spelled[depth], 0, 0, n if len(spelled) == depth + 1 else -1])
                below.append((low, end))
                low = end
            nodes[number][2] = len(nodes)
            number += 1
        level, depth = below, depth + 1
    return np.array([tuple(node) for node in nodes], ENTRY)


def hot_word_automaton(hot_words, ids):
    """Aho and Corasick's automaton of hot words, each between boundaries of words.

    Args:
        hot_words: dict of phrase to weight.
        ids: dict of character to id, from 1; 0 is the boundary.

    Returns:
        (follow (S, C + 1), hot (S,)): the next state by a character, and of each state its `HOT`. The credit for the
        part of a hot word that is there is in proportion to its length.
    """
    children, promise, reward = [{}], [0.0], [0.0]
    for phrase, weight in hot_words.items():
        words = phrase.split()
        if not words or not set("".join(words)) <= ids.keys():
            raise ValueError(f"The tokens of this model cannot spell the hot word {phrase!r}. Leave it out.")
        path = [0, *(c for word in words for c in (*(ids[c] for c in word), 0))]
        state = 0
        for depth, char in enumerate(path):
            if char not in children[state]:
                children[state][char] = len(children)
                children.append({})
                promise.append(0.0)
                reward.append(0.0)
            state = children[state][char]
            if depth < len(path) - 1:
                promise[state] = max(promise[state], weight * depth / (len(path) - 1), key=abs)
        reward[state] += weight
    follow = np.zeros((len(children), len(ids) + 1), "int32")
    fallback = [0] * len(children)
    queue = [0]
    for state in queue:
        if state:
            follow[state] = follow[fallback[state]]
            reward[state] += reward[fallback[state]]
            promise[state] = promise[state] or promise[fallback[state]]
        for char, child in children[state].items():
            fallback[child] = follow[state, char]
            follow[state, char] = child
            queue.append(child)
    return follow, np.array(list(zip(promise, reward, strict=True)), HOT)
