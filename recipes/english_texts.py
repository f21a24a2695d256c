"""English sentences to be spoken by synthetic voices, and text for a language model, for `jasper_mini_kathleen_en.py`.

From the repository's root, with the corpora in ../shared/data:

    python recipes/english_texts.py --output runs/english

writes `spoken.txt`, 9,000 sentences of Tatoeba of many different words, all known to CMUdict, and the training
sentences of the voice Kathleen twice; and `corpus.txt`: Tatoeba, WikiText-2 and the training sentences five times. The
voice's development and test sentences are in neither.
"""

import argparse
import json
import random
import re
from collections import Counter
from pathlib import Path

from s2s_keras.tokenizers.phonemes import read_pronunciations

KNOWN = frozenset(read_pronunciations())
SPOKEN = 9000
USUAL = 6  # sentences of a word after which another one is not needed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", required=True, type=Path, help="folder")
    args = parser.parse_args()
    try:
        write(args.data, args.output)
    except FileNotFoundError as error:
        parser.error(f"{error.filename} is not there. --data is the folder of the corpora.")


def write(data, output):
    """Writes both files to a folder."""
    manifests = [data / f"tts_en_kathleen/manifest_{part}.jsonl" for part in ("train", "dev", "test")]
    train, dev, test = map(transcripts, manifests)
    held_out = {*dev, *test}
    tatoeba = (data / "nmt_tatoeba_en_de/train.en").read_text().splitlines()
    articles = (data / "lm_wikitext2/train.txt").read_text().splitlines()
    rng = random.Random(0)
    spoken = with_rare_words({words(line) for line in tatoeba if sayable(line)} - held_out, rng)[:SPOKEN]
    spoken += train * 2
    rng.shuffle(spoken)
    corpus = [line for line in (*map(words, tatoeba), *clauses(articles)) if line and line not in held_out]
    output.mkdir(parents=True, exist_ok=True)
    for name, lines in {"spoken": spoken, "corpus": corpus + train * 5}.items():
        path = output / f"{name}.txt"
        path.write_text("\n".join(lines) + "\n")
        print(f"{path}: {len(lines)} lines, {sum(len(line.split()) for line in lines)} words")


def transcripts(manifest):
    return [words(json.loads(line)["text"]) for line in manifest.read_text().splitlines()]


def words(text):
    """The text in small letters, without punctuation."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())


def sayable(line):
    """Whether a line is one sentence of 4 to 14 words that the voices know how to say."""
    spelled = words(line).split()
    return not re.search(r"[^A-Za-z' .,!?;:\"-]", line) and 4 <= len(spelled) <= 14 and KNOWN.issuperset(spelled)


def with_rare_words(lines, rng):
    """Lines in an order that is drawn, of which each has a word that few lines before it have."""
    lines, seen, picked = sorted(lines), Counter(), []
    rng.shuffle(lines)
    for line in lines:
        if any(seen[word] < USUAL for word in line.split()):
            picked.append(line)
            seen.update(line.split())
    rng.shuffle(picked)
    return picked


def clauses(articles):
    """The clauses of WikiText-2 of three words and more that have neither digits nor unknown words."""
    for line in articles:
        if not line.strip().startswith("="):
            for clause in re.split(r" [.;?!] ", line.replace(" 's", "'s").replace(" n't", "n't")):
                if "<unk>" not in clause and not re.search(r"\d", clause) and len(words(clause).split()) >= 3:
                    yield words(clause)


if __name__ == "__main__":
    main()
