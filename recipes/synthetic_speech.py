"""Texts in the voices of espeak-ng and flite, and of a preset of s2s_keras: more speech for recognition to learn from.

    apt install espeak-ng flite
    python recipes/synthetic_speech.py ../shared/data/an4/manifest_train.jsonl --output runs/synthetic_an4
    python recipes/synthetic_speech.py zero one two three four five six seven eight nine --copies 300 \
        --output runs/synthetic_digits

says every text of a manifest, or every word, `--copies` times, each time in a voice, at a pitch and a speed that are
drawn, and writes FLAC files and `manifest.jsonl` into the folder. `--preset` adds a voice of s2s_keras.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from s2s_keras.data import Utterance, load_manifest, write_manifest
from s2s_keras.ops.audio import load_audio
from s2s_keras.training import load_model

SAMPLE_RATE = 16000
ACCENTS = ("en-us", "en-us", "en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029")
VARIANTS = (
    "m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 klatt klatt2 klatt3 klatt4 klatt5 adam Alex Alicia Andrea Andy Annie "
    "antonio aunty belinda benjamin boris caleb david Denis Diogo ed edward Gene gustave Henrique Hugo iven Jacky john "
    "Lee linda marcelo Marco Mario max Michael michel miguel Mike Nguyen pablo paul pedro quincy rob robert steph "
    "steph2 travis victor zac anika croak grandma grandpa norbert sandro shelby"
).split()
SPEEDS = (0.85, 1.0, 1.15)  # of the preset
FLITE_VOICES = ("kal16", "awb", "rms", "slt")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", help="a manifest, or words")
    parser.add_argument("--output", required=True, type=Path, help="folder")
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--espeak", type=float, default=0.6, help="share of espeak-ng; the rest is flite's")
    parser.add_argument("--preset", help="a synthesizer of s2s_keras, whose share is a fifth")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if missing := [name for name in ("espeak-ng", "flite") if shutil.which(name) is None]:
        parser.error(f"{' and '.join(missing)} not found: apt install espeak-ng flite")
    is_manifest = len(args.texts) == 1 and args.texts[0].endswith((".jsonl", ".csv"))
    texts = [u.text for u in load_manifest(args.texts[0])] if is_manifest else args.texts
    texts = [text for text in texts for _ in range(args.copies)]
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
        audio, rate, voice = spoken[n] if n in spoken else say(text, rng, args.espeak)
        path = args.output / f"{n:05d}.flac"
        soundfile.write(path, audio, rate)
        utterances.append(Utterance(str(path), text, duration=len(audio) / rate, speaker=voice))
    manifest = write_manifest(args.output / "manifest.jsonl", utterances)
    print(f"{len(utterances)} utterances, {len({u.speaker for u in utterances})} voices: {manifest}")


def say(text, rng, espeak):
    """A text in a voice that is drawn: float32 array (S,), the sample rate, and the voice's name."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        if rng.random() < espeak:
            voice = f"{rng.choice(ACCENTS)}+{rng.choice(VARIANTS)}"
            pitch, speed = rng.integers(20, 80), rng.integers(120, 210)
            command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", file.name, text]
        else:
            voice = rng.choice(FLITE_VOICES)
            stretch, pitch = rng.uniform(0.8, 1.3), rng.uniform(80.0, 230.0)
            command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.2f}"]
            command += ["--setf", f"int_f0_target_mean={pitch:.0f}", "-t", text, "-o", file.name]
        subprocess.run(command, check=True, capture_output=True)
        return load_audio(file.name, SAMPLE_RATE), SAMPLE_RATE, str(voice)


if __name__ == "__main__":
    main()
