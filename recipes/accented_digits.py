"""English digits as speakers of other languages say them, for recognizers of voices that they have not heard.

    apt install espeak-ng
    python recipes/accented_digits.py --copies 20 --output runs/accented_digits

The voices of espeak-ng for eight other languages read each digit as it would be spelled in theirs, with variants,
pitches and speeds that are drawn as in `synthetic_speech.py`; FLAC files without silence at their ends and
`manifest.jsonl` go into the folder.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import soundfile
from digits_an4 import DIGITS
from synthetic_speech import VARIED, say, trim

from s2s_keras.data import Utterance, write_manifest

SPELLINGS = {
    "de": "siro wann tu srih for feif sicks sewwen eht nein",
    "nl": "ziero wan toe trie for faif siks sewwen eet nain",
    "fr": "ziro ouane tou sri fore faïve sixe sévenne ète naïne",
    "es": "siro uan tu zri for faiv siks seven eit nain",
    "it": "ziro uan tu tri for faiv siks seven eit nain",
    "el": "ζίρο ουάν του θρι φορ φάιβ σιξ σέβεν έιτ νάιν",
    "pl": "ziro łan tu tri for fajw siks sewen ejt najn",
    "ru": "зиро уан ту сри фор файв сикс севен эйт найн",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, type=Path, help="folder")
    parser.add_argument("--copies", type=int, default=20, help="of each digit in each language")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.copies < 1:
        parser.error(f"--copies is 1 or more. Received: {args.copies}.")
    if shutil.which("espeak-ng") is None:
        parser.error("espeak-ng not found: apt install espeak-ng")
    rng = np.random.default_rng(args.seed)
    args.output.mkdir(parents=True, exist_ok=True)
    utterances = []
    for language, spellings in SPELLINGS.items():
        voices = VARIED._replace(accents=(language,))
        for digit, spelling in list(zip(DIGITS, spellings.split(), strict=True)) * args.copies:
            audio, rate, voice = say(spelling, rng, 1.0, voices)
            audio = trim(audio)
            path = args.output / f"{len(utterances):05d}.flac"
            soundfile.write(path, audio, rate)
            utterances.append(Utterance(str(path), digit, duration=len(audio) / rate, speaker=voice))
    manifest = write_manifest(args.output / "manifest.jsonl", utterances)
    print(f"{len(utterances)} utterances, {len({u.speaker for u in utterances})} voices: {manifest}")


if __name__ == "__main__":
    main()
