"""Texts in the voices of espeak-ng and flite, and of a preset of s2s_keras: more speech for recognition to learn from.

    apt install espeak-ng flite
    python recipes/synthetic_speech.py ../shared/data/an4/manifest_train.jsonl --output runs/synthetic_an4
    python recipes/synthetic_speech.py zero one two three four five six seven eight nine --copies 300 \
        --output runs/synthetic_digits

says every text of a manifest, every line of a text file or every word, `--copies` times, each time in a voice, at a
pitch and a speed that are drawn, and writes FLAC files and `manifest.jsonl` into the folder. `--clear` draws from fewer
voices, which are easily understood, `--trim` cuts away what is quiet at both ends, and `--preset` adds a voice of
s2s_keras.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from s2s_keras.data import Utterance, load_manifest, write_manifest
from s2s_keras.ops.audio import load_audio
from s2s_keras.training import load_model

SAMPLE_RATE = 16000


class Voices(NamedTuple):
    """What is drawn from: for espeak-ng accents, variants, pitches and words a minute; for flite voices, how many times
    longer and mean pitches in Hz."""

    accents: tuple
    variants: tuple
    pitches: tuple
    speeds: tuple
    flite: tuple
    stretches: tuple
    flite_pitches: tuple


VARIED = Voices(
    ("en-us", "en-us", "en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029"),
    tuple(
        "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 klatt klatt2 klatt3 klatt4 klatt5 adam Alex Alicia Andrea Andy Annie "
        "antonio aunty belinda benjamin boris caleb david Denis Diogo ed edward Gene gustave Henrique Hugo iven Jacky "
        "john Lee linda marcelo Marco Mario max Michael michel miguel Mike Nguyen pablo paul pedro quincy rob robert "
        "steph steph2 travis victor zac anika croak grandma grandpa norbert sandro shelby".split()
    ),
    (20, 80),
    (120, 210),
    ("kal16", "awb", "rms", "slt"),
    (0.8, 1.3),
    (80.0, 230.0),
)
CLEAR = Voices(
    ("en-us", "en-us", "en-gb"),
    tuple("f1 f2 f3 f4 f5 Alicia Andrea Annie linda anika steph m1 m3 m7".split()),
    (35, 70),
    (130, 185),
    ("slt", "slt", "awb", "rms", "kal16"),
    (0.9, 1.3),
    (100.0, 220.0),
)
SPEEDS = (0.85, 1.0, 1.15)  # of the preset


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", help="a manifest, a text file (.txt) of a sentence a line, or words")
    parser.add_argument("--output", required=True, type=Path, help="folder")
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--espeak", type=float, default=0.6, help="share of espeak-ng; the rest is flite's")
    parser.add_argument("--clear", action="store_true", help="fewer voices, easily understood")
    parser.add_argument("--trim", action="store_true", help="without what is quiet at both ends")
    parser.add_argument("--preset", help="a synthesizer of s2s_keras, whose share is a fifth")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    need_synthesizers(parser)
    try:
        texts = [text for text in texts_of(args.texts) for _ in range(args.copies)]
    except (OSError, ValueError) as error:
        parser.error(f"{args.texts[0]}: no texts can be read of it: {error}")
    if not texts:
        parser.error(f"{args.texts[0]} has no texts. Expected a sentence a line.")
    rng = np.random.default_rng(args.seed)
    own = rng.random(len(texts)) < (0.2 if args.preset else 0.0)
    spoken = {}
    if args.preset:
        model = load_model(args.preset)
        for k, speed in enumerate(SPEEDS):
            some = np.flatnonzero(own)[k :: len(SPEEDS)]
            if len(some):
                audio, rate = model.synthesize([texts[n] for n in some], speed=speed, seed=args.seed)
                spoken |= {n: (one, rate, args.preset) for n, one in zip(some, audio, strict=True)}
    args.output.mkdir(parents=True, exist_ok=True)
    utterances = []
    for n, text in enumerate(texts):
        audio, rate, voice = spoken[n] if n in spoken else say(text, rng, args.espeak, CLEAR if args.clear else VARIED)
        audio = trim(audio) if args.trim else audio
        path = args.output / f"{n:05d}.flac"
        soundfile.write(path, audio, rate)
        utterances.append(Utterance(str(path), text, duration=len(audio) / rate, speaker=voice))
    manifest = write_manifest(args.output / "manifest.jsonl", utterances)
    print(f"{len(utterances)} utterances, {len({u.speaker for u in utterances})} voices: {manifest}")


def need_synthesizers(parser):
    """Ends the program where one is missing."""
    if missing := [name for name in ("espeak-ng", "flite") if shutil.which(name) is None]:
        parser.error(f"{' and '.join(missing)} not found: apt install espeak-ng flite")


def texts_of(arguments):
    """The texts that the command line names."""
    path = Path(arguments[0])
    if len(arguments) == 1 and path.suffix in (".jsonl", ".csv"):
        return [utterance.text for utterance in load_manifest(path)]
    if len(arguments) == 1 and path.suffix == ".txt":
        return list(filter(None, map(str.strip, path.read_text().splitlines())))
    return arguments


def say(text, rng, espeak, voices, pronounce=lambda text, program: text):
    """A text in a voice that is drawn: float32 array (S,), the sample rate, and the voice's name.

    `pronounce` writes the text as "espeak-ng" or "flite" should read it.
    """
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        if rng.random() < espeak:
            voice = f"{rng.choice(voices.accents)}+{rng.choice(voices.variants)}"
            pitch, speed = rng.integers(*voices.pitches), rng.integers(*voices.speeds)
            command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", file.name]
            command.append(pronounce(text, "espeak-ng"))
        else:
            voice = rng.choice(voices.flite)
            stretch, pitch = rng.uniform(*voices.stretches), rng.uniform(*voices.flite_pitches)
            command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.2f}"]
            command += ["--setf", f"int_f0_target_mean={pitch:.0f}", "-t", pronounce(text, "flite"), "-o", file.name]
        subprocess.run(command, check=True, capture_output=True)
        return load_audio(file.name, SAMPLE_RATE), SAMPLE_RATE, str(voice)


def trim(audio):
    """Without what is quieter than 40 dB below the loudest sample at both ends."""
    sounding = np.flatnonzero(np.abs(audio) >= 0.01 * np.abs(audio).max())
    return audio[sounding[0] : sounding[-1] + 1]


if __name__ == "__main__":
    main()
