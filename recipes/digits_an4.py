"""The digits of AN4, for recipes of spoken digits that need more voices.

    python recipes/digits_an4.py --output runs/digits_an4.jsonl

writes a manifest of the digits that 74 speakers say in the training and development sets of AN4, each as a part of its
recording: `jasper_small_an4_en` finds them with `align`.
"""

import argparse

from s2s_keras.data import Utterance, load_manifest, write_manifest
from s2s_keras.ops.audio import load_audio
from s2s_keras.training import load_model

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MARGIN = 0.12  # seconds before and after a word, where its neighbours are further away than twice that
LEAST = 0.2  # seconds of a digit


def digits(utterance, words):
    """The digits among the aligned words of an utterance, as `Utterance`s."""
    bounds = [0.0, *(0.5 * (a.end + b.start) for a, b in zip(words, words[1:], strict=False)), utterance.duration]
    found = []
    for n, word in enumerate(words):
        start, end = max(word.start - MARGIN, bounds[n]), min(word.end + MARGIN, bounds[n + 1])
        if word.text in DIGITS and end - start >= LEAST:
            part = {"duration": round(end - start, 3), "offset": round(start, 3), "speaker": utterance.speaker}
            found.append(Utterance(utterance.audio, word.text, **part))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/an4", help="folder with manifest_train.jsonl")
    parser.add_argument("--output", required=True, help="manifest to write")
    args = parser.parse_args()
    utterances = load_manifest(f"{args.data}/manifest_train.jsonl") + load_manifest(f"{args.data}/manifest_dev.jsonl")
    utterances = [u for u in utterances if set(u.text.split()) & set(DIGITS)]
    recognizer = load_model("jasper_small_an4_en")
    recordings = [load_audio(u.audio, recognizer.sample_rate) for u in utterances]
    aligned = recognizer.align(recordings, [u.text for u in utterances])
    found = [digit for u, words in zip(utterances, aligned, strict=True) for digit in digits(u, words)]
    print(f"{len(found)} digits of {len({u.speaker for u in found})} speakers: {write_manifest(args.output, found)}")


if __name__ == "__main__":
    main()
