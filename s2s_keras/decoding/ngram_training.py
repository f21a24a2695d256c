"""Estimates n-gram language models from text."""

import array
import collections

import numpy as np

from s2s_keras.decoding import _arpa, _ngram_tables
from s2s_keras.decoding.ngram import NGramLanguageModel, as_texts, split_words

_UNKNOWN, _BEGIN, _END = range(3)  # ids
DISCOUNT_FALLBACK = (0.5, 1.0, 1.5)  # lmplz' own

# The n-grams of one order, sorted; parents (all words but the last) and suffixes are indices in the order below.
_Level = collections.namedtuple("_Level", "parents words suffixes counts")


def train_ngram(texts, order=3, prune=(), discount_fallback=None, skip_symbols=False):
    """Estimates an n-gram model from texts, with interpolated modified Kneser-Ney smoothing.

    Each text is a sentence: the model learns how it begins and ends. Unknown words get the share of a word that was
    never seen. The texts' words are kept as numbers, 4 bytes each, so that an iterable of lines may be long.

    Args:
        texts: iterable of str, words with spaces between them, such as a file opened for reading.
        order: int, length of the longest n-grams. Default 3.
        prune: sequence of int, for each order from 1 the count up to which n-grams are left out; the last one counts
            for all longer ones. Must not fall. Default: none are left out.
        discount_fallback: None or three floats, the discounts of n-grams seen once, twice and more often for orders
            whose own cannot be estimated, as happens with characters, classes or a few sentences; (0.5, 1, 1.5) is
            usual. None raises an error instead. Default None.
        skip_symbols: bool, whether `<s>`, `</s>` and `<unk>` in the texts are skipped, instead of an error. Default
            False.

    Returns:
        `NGramLanguageModel`.

    Raises:
        ValueError: the texts hold no word or a reserved one, or discounts cannot be estimated.

    Example:

    >>> model = train_ngram(["yes no", "yes yes no", "no"], order=2, discount_fallback=(0.5, 1, 1.5))
    >>> model.counts
    [5, 5]
    >>> model.score("yes no") > model.score("no yes")
    True

    Reference: Chen and Goodman, An empirical study of smoothing techniques for language modeling, 1998, as Heafield et
    al., Scalable modified Kneser-Ney language model estimation, 2013, and its program lmplz do it. This computes in
    float64 and in memory. lmplz 0.3.0 counts one n-gram of each order, the last one that it sorts, by its occurrences
    where discounts are estimated, so that its discounts may differ a little: by 1e-4 in a log10 probability of a text
    of two million words, by 5e-7 once that is made equal.
    """
    order, thresholds = _checked(order, prune)
    tokens, depths, words = _read(texts, skip_symbols)
    levels, raw = _count(tokens, depths, len(words), order)
    kept = [counts > threshold for counts, threshold in zip(raw, thresholds, strict=True)]
    kept[0][: _END + 1] = True
    discounts = [_discounts(level.counts, n, discount_fallback) for n, level in enumerate(levels, 1)]
    probabilities, backoffs = _estimate(levels, kept, discounts)
    return NGramLanguageModel(*_assemble(levels, kept, probabilities, backoffs, words))


def _checked(order, prune):
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"order is the length of the longest n-grams, 1 or more. Received: {order!r}.")
    prune = list(prune)
    if len(prune) > order or prune != sorted(prune) or any(not isinstance(n, int) or n < 0 for n in prune):
        raise ValueError(
            f"prune takes at most {order} counts, one for each order, that do not fall; otherwise n-grams would lose "
            f"the shorter ones in them. Received: {prune}."
        )
    return order, prune + [prune[-1] if prune else 0] * (order - len(prune))


def _read(texts, skip_symbols):
    """Word ids of all texts, each one with <s> and </s>; how far each is from its <s>; the words by id."""
    specials = (_arpa.UNKNOWN, _arpa.BEGIN, _arpa.END)
    ids = collections.defaultdict()
    ids.default_factory = ids.__len__
    for special in specials:
        ids[special]
    tokens, lengths = array.array("I"), array.array("I")
    for text in as_texts(texts):
        words = split_words(text)
        if not set(specials).isdisjoint(words):
            if not skip_symbols:
                found = next(word for word in words if word in specials)
                raise ValueError(
                    f"The texts hold {found}, which is reserved. Clean them, or skip the reserved words with "
                    f"skip_symbols. Text {len(lengths) + 1}: {text[:60]!r}"
                )
            words = [word for word in words if word not in specials]
        tokens.append(_BEGIN)
        tokens.extend(map(ids.__getitem__, words))
        tokens.append(_END)
        lengths.append(len(words) + 2)
    if len(ids) == len(specials):
        raise ValueError("The texts hold no word to learn from.")
    lengths = np.array(lengths, "int64")
    depths = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.array(tokens, "int64"), depths, list(ids)


def _count(tokens, depths, num_words, order):
    """N-grams of every order with adjusted counts, and how often each occurs."""
    raw = [np.bincount(tokens[tokens != _BEGIN], minlength=num_words)]
    none = np.zeros(num_words, "int64")
    levels = [_Level(none, np.arange(num_words), none, raw[0])]
    found = tokens  # the n-gram that ends at each position, by index among those of its order
    begins = np.arange(num_words) == _BEGIN  # n-grams with <s> first: nothing can be before them
    for n in range(2, order + 1):
        ends = np.flatnonzero(depths >= n - 1)
        keys, inverse, counts = np.unique(
            found[ends - 1] * num_words + tokens[ends], return_inverse=True, return_counts=True
        )
        parents, words = np.divmod(keys, num_words)
        suffixes = np.zeros(len(keys), "int64")
        suffixes[inverse] = found[ends]
        continuations = np.bincount(suffixes, minlength=len(raw[-1]))
        levels[-1] = levels[-1]._replace(counts=np.where(begins, raw[-1], continuations))
        begins = begins[parents]
        raw.append(counts)
        levels.append(_Level(parents, words, suffixes, counts))
        found = np.zeros(len(tokens), "int64")
        found[ends] = inverse
    return levels, raw


def _discounts(counts, n, fallback):
    """What n-grams of one order lose that were counted 0 times, once, twice, more often (Chen and Goodman, eq. 26)."""
    seen = np.bincount(np.minimum(counts, 5), minlength=6)
    if fallback is not None and (len(fallback) != 3 or any(not 0 <= d <= i for i, d in enumerate(fallback, 1))):
        raise ValueError(f"discount_fallback takes three numbers in [0, 1], [0, 2] and [0, 3]. Received: {fallback}.")
    if np.all(seen[1:4]):
        share = seen[1] / (seen[1] + 2 * seen[2])
        discounts = [0.0, *(i - (i + 1) * share * seen[i + 1] / seen[i] for i in (1, 2, 3))]
        if all(0 <= discount <= i for i, discount in enumerate(discounts)):
            return np.array(discounts)
    if fallback is None:
        raise ValueError(
            f"The discounts of order {n} cannot be estimated: {', '.join(map(str, seen[1:5]))} {n}-grams have the "
            "counts 1, 2, 3, 4. Is it little text, or one of characters or classes? Then give discount_fallback, "
            f"usually {DISCOUNT_FALLBACK}."
        )
    return np.array([0.0, *fallback])


def _estimate(levels, kept, discounts):
    """Probabilities of the n-grams of all orders, and the weights of their back-off."""
    level = levels[0]
    discount = discounts[0][np.minimum(level.counts, 3)]
    num_predicted = np.sum(kept[0]) - 1  # <s> is never predicted
    weight = np.sum(np.where(kept[0], discount, level.counts)) / np.sum(level.counts)
    lower = (level.counts - discount) / np.sum(level.counts) + weight / num_predicted
    lower[_BEGIN] = 1.0  # as lmplz writes it
    probabilities, backoffs = [lower], []
    for level, keep, amounts in zip(levels[1:], kept[1:], discounts[1:], strict=True):
        discount = amounts[np.minimum(level.counts, 3)]
        totals = np.bincount(level.parents, weights=level.counts, minlength=len(lower))
        freed = np.bincount(level.parents, np.where(keep, discount, level.counts), len(lower))
        weights = np.divide(freed, totals, out=np.ones(len(lower)), where=totals > 0)
        lower = (level.counts - discount) / totals[level.parents] + weights[level.parents] * lower[level.suffixes]
        probabilities.append(lower)
        backoffs.append(weights)
    return probabilities, backoffs


def _assemble(levels, kept, probabilities, backoffs, words):
    """(tables, words) of the n-grams that are kept."""
    starts = _ngram_tables.node_starts([np.sum(keep) for keep in kept])
    nodes = [start + np.cumsum(keep) - 1 for start, keep in zip(starts[1:], kept, strict=False)]
    root = np.zeros(1, "int64")
    last_words, suffixes, firsts = [root], [root, np.zeros(np.sum(kept[0]), "int64")], [root + 1]
    for n, (level, keep) in enumerate(zip(levels, kept, strict=True), 1):
        last_words.append(nodes[0][level.words[keep]] - 1)
        if n > 1:
            contexts = nodes[n - 2][level.parents[keep]]
            firsts.append(starts[n] + np.searchsorted(contexts, np.arange(starts[n - 1], starts[n])))
            suffixes.append(nodes[n - 2][level.suffixes[keep]])
    firsts.append(starts[-1:])
    with np.errstate(divide="ignore"):
        values = [np.log10(p[keep]) for p, keep in zip(probabilities, kept, strict=True)]
        weights = [np.log10(weight[keep]) for weight, keep in zip(backoffs, kept, strict=False)]
    tables = _ngram_tables.assemble(
        starts,
        np.concatenate(last_words),
        np.concatenate(firsts),
        np.concatenate(suffixes)[: starts[-2]],
        np.minimum(np.concatenate([np.zeros(1), *values]), 0),
        np.concatenate([np.zeros(1), *weights]),
    )
    return tables, [word for word, keep in zip(words, kept[0], strict=True) if keep]
