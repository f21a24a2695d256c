"""Utterances of AN4's kind with other contents, in voices of espeak-ng and flite, for `jasper_small_an4_en` to learn.

    apt install espeak-ng flite
    python recipes/synthetic_an4.py --names ../shared/data/lm_wikitext2/train.txt --count 6000 --seed 10 \
        --output runs/synthetic_an4_0
    python recipes/synthetic_an4.py --names ../shared/data/lm_wikitext2/train.txt --count 6000 --seed 11 \
        --output runs/synthetic_an4_1

In AN4's 40 minutes of training speech letters, digits and dates have few neighbours each, and some number words and
months do not occur. Here letters and digits are drawn at random, names to spell from the proper nouns of a text. Each
is said by a synthesizer in a voice, at a pitch and a speed that are drawn, with silence before and after, and noise.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile
from synthetic_speech import SAMPLE_RATE, VARIED, need_synthesizers, say, trim

from s2s_keras.data import Utterance, write_manifest

MAX_SECONDS = 6.5
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
MONTHS = "january february march april may june july august september october november december".split()
STREETS = "street avenue road drive lane".split()
COMMANDS = "start stop yes no go help erase rubout repeat enter".split()
VOICES = VARIED._replace(accents=("en-us",) * 7 + ("en-gb",), speeds=(110, 200), stretches=(0.85, 1.4))


class Texts:
    """Draws utterances: `text()` is spelled names and letters, numbers, dates, addresses and commands.

    Args:
        names: dict from names to how often they occur; those that do three times or more are equally likely.
        rng: `numpy.random.Generator`.
    """

    def __init__(self, names, rng):
        self.names, self.rng = [name for name, count in names.items() if count > 2], rng

    def text(self):
        kind = self.rng.random()
        if kind < 0.22:
            return self.name()
        if kind < 0.40:
            return self.letters(self.between(1, 10))
        if kind < 0.62:
            command = self.one_of(("", "", "rubout ", "erase "))
            return f"{command}{self.letters(self.between(2, 7))} {self.number()}"
        if kind < 0.68:
            return f"enter {self.number()}"
        if kind < 0.80:
            return self.digits(self.between(3, 11))
        if kind < 0.90:
            return self.date()
        if kind < 0.94:
            return f"{self.digits(self.between(2, 5))} {self.name()} {' '.join(self.one_of(STREETS))}"
        if kind < 0.96:
            return f"{self.name()} {ordinal(self.between(1, 100))} {' '.join('street')}"
        return self.one_of(COMMANDS) if self.chance(0.5) else self.number()

    def number(self):
        kind = self.rng.random()
        first, second, digit = self.between(1, 100), self.between(1, 100), ONES[self.between(1, 10)]
        if kind < 0.2:
            return digit
        if kind < 0.5:
            return cardinal(first)
        if kind < 0.6:
            return f"{cardinal(first)} {cardinal(second) if second > 9 else 'oh ' + ONES[second]}"
        if kind < 0.7:
            return f"{digit} hundred{self.rest(second) if self.chance(0.8) else ''}"
        if kind < 0.8:
            hundreds = f" {digit} hundred" if self.chance(0.6) else ""
            return f"{cardinal(first)} thousand{hundreds}{self.rest(second) if self.chance(0.7) else ''}"
        return self.digits(self.between(2, 6))

    def rest(self, number):
        """What follows hundred or thousand."""
        return f"{' and' if self.chance(0.6) else ''} {cardinal(number)}"

    def date(self):
        month, day, year = self.one_of(MONTHS), self.between(1, 32), cardinal(self.between(10, 100))
        if self.chance(0.8):
            day = ordinal(day) if self.chance(0.7) else cardinal(day)
            return f"{month} {day}{' nineteen' if self.chance(0.6) else ''} {year}"
        return f"{cardinal(self.between(1, 13))} {cardinal(day)} {year}"

    def digits(self, count):
        zero = "oh" if self.chance(0.75) else "zero"
        return " ".join(ONES[digit] if digit else zero for digit in self.rng.integers(0, 10, count))

    def letters(self, count):
        return " ".join(self.rng.choice(LETTERS, count))

    def name(self):
        return " ".join(self.one_of(self.names))

    def one_of(self, things):
        return things[self.rng.integers(len(things))]

    def between(self, low, high):
        return int(self.rng.integers(low, high))

    def chance(self, probability):
        return self.rng.random() < probability


def cardinal(number):
    """Of 1 to 99."""
    if number < 20:
        return ONES[number]
    return TENS[number // 10 - 2] + (f" {ONES[number % 10]}" if number % 10 else "")


def ordinal(number):
    """Of 1 to 99."""
    *before, last = cardinal(number).split()
    return " ".join([*before, ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")])


def proper_nouns(text):
    """Words that are mostly written with a capital, in lower case: dict from each to how often it occurs."""
    small, capital = Counter(re.findall(r"\b[a-z]+\b", text)), Counter(re.findall(r"\b[A-Z][a-z]{2,9}\b", text))
    return {word.lower(): count for word, count in sorted(capital.items()) if count > small[word.lower()]}


def pronounced(text, program, rng):
    """The text with the letters' American names, for a synthesizer to read; "a" would be an article."""
    words = text.split()
    names = {
        "a": "[[eI]]" if program == "espeak-ng" else "ay",
        "z": "zee",
        "w": "double you" if rng.random() < 0.3 else "w",
    }
    pauses = rng.random() < 0.25
    spoken = [names.get(word, word) + ("," if pauses and len(word) == 1 else "") for word in words[:-1]]
    return " ".join([*spoken, names.get(words[-1], words[-1])])


def recorded(audio, rng):
    """With silence before and after, at a level that is drawn, in noise 15 to 45 dB below it, white or darker."""
    audio = np.pad(audio, rng.integers(1600, 8000, 2))
    audio = audio / np.abs(audio).max() * rng.uniform(0.1, 0.6)
    level, snr = np.sqrt(np.mean(audio**2)), rng.uniform(15, 45)
    noise = rng.normal(size=len(audio))
    if rng.random() < 0.6:
        spectrum = np.fft.rfft(noise)
        spectrum /= np.sqrt(np.arange(1, len(spectrum) + 1)) ** rng.uniform(0.5, 1.5)
        noise = np.fft.irfft(spectrum, len(audio))
    return np.clip(audio + noise / noise.std() * level * 10 ** (-snr / 20), -1, 1).astype("float32")


def parser_of(description, count, seed):
    """What this script and kokoro_an4.py are told alike."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", required=True, type=Path, help="English text, whose proper nouns are spelled")
    parser.add_argument("--output", required=True, type=Path, help="folder")
    parser.add_argument("--count", type=int, default=count, help="of utterances")
    parser.add_argument("--seed", type=int, default=seed)
    return parser


def write_utterances(parser, args, kind, say, rng, noise, max_seconds):
    """Draws texts, has them said, and writes recordings and a manifest into the folder.

    Args:
        parser, args: of the command line.
        kind: `Texts`, or another class like it.
        say: function from a text to audio and the name of a voice.
        rng, noise: `numpy.random.Generator` that draws the texts, and what is around the speech.
        max_seconds: of speech; what takes longer, or less than 0.2 s, is left out, and silence.
    """
    if args.count < 1:
        parser.error(f"--count: expected at least one utterance. Received: {args.count}.")
    try:
        names = proper_nouns(args.names.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        parser.error(f"{args.names} is not a text in UTF-8 that can be read: {error}")
    texts = kind(names, rng)
    if not texts.names:
        parser.error(f"{args.names} has no proper noun three times. Expected English text, mostly in lower case.")
    args.output.mkdir(parents=True, exist_ok=True)
    utterances = []
    while len(utterances) < args.count:
        text = texts.text()
        audio, voice = say(text)
        audio = trim(audio)
        if np.abs(audio).max() > 0.01 and 3000 <= len(audio) <= max_seconds * SAMPLE_RATE:
            audio, path = recorded(audio, noise), args.output / f"{len(utterances):05d}.flac"
            soundfile.write(path, audio, SAMPLE_RATE)
            utterances.append(Utterance(str(path), text, duration=len(audio) / SAMPLE_RATE, speaker=voice))
    print(f"{len(utterances)} utterances: {write_manifest(args.output / 'manifest.jsonl', utterances)}")


def main():
    parser = parser_of(__doc__, 6000, 10)
    args = parser.parse_args()
    need_synthesizers(parser)
    rng = np.random.default_rng(args.seed)

    def speak(text):
        audio, _, voice = say(text, rng, 0.55, VOICES, lambda text, program: pronounced(text, program, rng))
        return audio, voice

    write_utterances(parser, args, Texts, speak, rng, rng, MAX_SECONDS)


if __name__ == "__main__":
    main()
