"""How words that no dictionary has are said: the table `s2s_keras/tokenizers/cmudict/letters.txt.gz`.

    python recipes/letter_to_sound.py --output s2s_keras/tokenizers/cmudict/letters.txt.gz

aligns every letter of CMUdict's words with none, one or two phonemes (expectation maximization, best paths only) and
keeps, for every letter in ever more context, what it is said as where that differs from what less context says. Every
tenth word is held out, and the error rates on these are printed: 48.5 % of words are wrong, 11.3 % of phonemes, stress
set aside. It takes minutes.
"""

import argparse
import collections
import gzip
import math

from rapidfuzz.distance import Levenshtein

from s2s_keras.tokenizers.letter_to_sound import CONTEXTS, context_of, guess, padded, said_as
from s2s_keras.tokenizers.phonemes import read_pronunciations

ROUNDS = 4
LEAST = 3  # times that a context must have been met
MOST = 2  # phonemes of a letter


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    entries = sorted((w, p) for w, p in read_pronunciations().items() if w.isascii() and w.isalpha())
    train = [entry for n, entry in enumerate(entries) if n % 10]
    table = table_of(align(train))
    wrong = errors = total = 0
    for word, phonemes in entries[::10]:
        guessed = guess(word, table)
        errors += Levenshtein.distance(bare(phonemes), bare(guessed))
        wrong += bare(phonemes) != bare(guessed)
        total += len(phonemes)
    held_out = len(entries[::10])
    print(f"{held_out} words held out: {wrong / held_out:.1%} wrong, {errors / total:.1%} of phonemes")
    table = table_of(align(entries))
    lines = [f"{context} {' '.join(said)}\n" for context, said in sorted(table.items())]
    with open(args.output, "wb") as file:
        file.write(gzip.compress("".join(lines).encode(), 9, mtime=0))
    print(f"{len(table)} rules: {args.output}")


def bare(phonemes):
    """Phonemes without stress."""
    return [phoneme.rstrip("012") for phoneme in phonemes]


def align(entries):
    """For each word what its letters are said as: a list of (word, [tuple of phonemes])."""
    counts = collections.Counter()
    for word, phonemes in entries:  # the first counts: words of as many letters as phonemes
        if len(word) == len(phonemes):
            counts.update(zip(word, ((p,) for p in phonemes), strict=True))
    found = []
    for _ in range(ROUNDS):
        totals = collections.Counter()
        for (letter, _), count in counts.items():
            totals[letter] += count
        cost = {key: -math.log(count / totals[key[0]]) for key, count in counts.items()}
        found = [(word, path) for word, phonemes in entries if (path := best_path(word, phonemes, cost)) is not None]
        counts = collections.Counter(pair for word, path in found for pair in zip(word, path, strict=True))
    return found


def best_path(word, phonemes, cost):
    """The cheapest way to share out the phonemes among the letters, or None if there are too many."""
    count = len(phonemes)
    best = {0: (0.0, ())}
    for letter in word:
        after = {}
        for at, (spent, path) in best.items():
            for size in range(MOST + 1):
                if at + size <= count:
                    said = phonemes[at : at + size]
                    price = spent + cost.get((letter, said), 6.0 + 3.0 * abs(size - 1))
                    if at + size not in after or price < after[at + size][0]:
                        after[at + size] = (price, (path, said))
        best = after
    if count not in best:
        return None
    path, found = best[count][1], []
    while path:
        path, said = path
        found.append(said)
    return found[::-1]


def table_of(found):
    """{context: tuple of phonemes}, what is said most where less context says something else."""
    table = {}
    for depth, (left, right) in enumerate(CONTEXTS):
        counts, places = collections.defaultdict(collections.Counter), {}
        for word, path in found:
            text = padded(word)
            for n, said in enumerate(path):
                context = context_of(text, n, left, right)
                counts[context][said] += 1
                places[context] = text, n
        longer = {}
        for context, some in counts.items():
            said, count = some.most_common(1)[0]
            if count >= LEAST and said != said_as(*places[context], table, CONTEXTS[:depth]):
                longer[context] = said
        table |= longer
    return table


if __name__ == "__main__":
    main()
