"""Keyword spotting on a stream: what a threshold misses, what it hears that nobody said, and what listening costs.

    python benchmarks/keyword_spotting.py --preset NAME --keywords MANIFEST [--speech MANIFEST]
        [--noise MANIFEST [--fold 5]] [--minutes 10] [--snr 15] [--step 0.1] [--smoothing 0.3]
        [--picture FILE] [--smoke]

The stream has a keyword of the manifest about every six seconds and, if given, as many utterances of other speech
between them, over recordings of noise, `--snr` decibels below the keywords. What is detected within half a second after
a keyword counts as that keyword. The network listens once; every threshold is applied to what it heard.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from s2s_keras.applications import Application, KeywordSpotter, SpeechClassifier
from s2s_keras.data import AudioReader, load_manifest
from s2s_keras.metrics import spotting_errors

THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
EVERY = 6.0  # seconds from a keyword to the next


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset")
    parser.add_argument("--keywords", type=Path)
    parser.add_argument("--speech", type=Path)
    parser.add_argument("--noise", type=Path)
    parser.add_argument("--fold", type=int, help='of the noise: only lines of the manifest with this "fold"')
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--snr", type=float, default=15.0)
    parser.add_argument("--step", type=float, default=0.1)
    parser.add_argument("--smoothing", type=float, default=0.3)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--smoke", action="store_true", help="five seconds and a network that knows nothing")
    arguments = parser.parse_args()
    if arguments.smoke:
        made = smoke(arguments)
        model = made
    elif arguments.preset and arguments.keywords:
        model = Application.from_preset(arguments.preset)
    else:
        parser.error("--preset and --keywords are needed, or --smoke.")
    audio, references = make_stream(model, arguments)
    seconds = len(audio) / model.sample_rate
    heard, elapsed = listen(model, audio, arguments)
    print(f"{seconds / 60:.1f} minutes, {len(references)} keywords, {elapsed / seconds:.4f} of real time\n")
    print("| threshold | missed | false alarms per hour |\n|---|---|---|")
    rows = []
    for threshold in THRESHOLDS:
        errors = spotting_errors(decide(model, heard, threshold, arguments), references, seconds)
        rows.append((errors.miss_rate, errors.false_alarms_per_hour))
        print(
            f"| {threshold} | {errors.misses} of {errors.keywords} ({errors.miss_rate:.1%}) | "
            f"{errors.false_alarms_per_hour:.0f} |"
        )
    if arguments.picture:
        draw(rows, arguments.picture)


def smoke(arguments):
    import keras
    import soundfile

    folder = Path(tempfile.mkdtemp())
    soundfile.write(folder / "a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 16000), 16000)
    arguments.keywords = folder / "manifest.jsonl"
    arguments.keywords.write_text(json.dumps({"audio_filepath": "a.wav", "text": "yes"}))
    arguments.minutes, arguments.step = 0.1, 0.5
    return SpeechClassifier([keras.layers.Dense(4)], labels=("no", "yes"))


def make_stream(model, arguments):
    """Samples, and (label, start, end) of every keyword."""
    rng, reader, rate = np.random.default_rng(0), AudioReader(model.sample_rate), model.sample_rate
    keywords = load_manifest(arguments.keywords)
    speech = load_manifest(arguments.speech) if arguments.speech else []
    audio, references = np.zeros(int(60 * arguments.minutes * rate), "float32"), []
    for n in range(int(60 * arguments.minutes / EVERY)):
        utterance = keywords[rng.integers(len(keywords))]
        samples = level(reader(utterance))
        start = int((n + rng.uniform(0.0, 0.3)) * EVERY * rate)
        put(audio, samples, start)
        references.append((utterance.text, start / rate, (start + len(samples)) / rate))
        if speech:
            other = level(reader(speech[rng.integers(len(speech))]))[: int(2.5 * rate)]
            put(audio, other, int((n + rng.uniform(0.5, 0.58)) * EVERY * rate))
    if arguments.noise:
        noise = [reader(utterance) for utterance in rng.permutation(noises(arguments))]
        noise = np.concatenate([x / max(np.sqrt(np.mean(x**2)), 1e-4) for x in noise])
        noise = np.resize(noise, len(audio))
        audio += 0.1 * 10 ** (-arguments.snr / 20) * noise
    return np.clip(audio, -1, 1), references


def noises(arguments):
    utterances = load_manifest(arguments.noise)
    if arguments.fold is None:
        return utterances
    lines = arguments.noise.read_text(encoding="utf-8").splitlines()
    return [utterance for utterance in utterances if json.loads(lines[utterance.line - 1])["fold"] == arguments.fold]


def level(samples):
    """The loud part of a recording at an effective value of 0.1."""
    power = np.sort(samples**2)[len(samples) // 2 :]
    return samples * (0.1 / max(np.sqrt(np.mean(power)), 1e-4))


def put(audio, samples, start):
    part = audio[start : start + len(samples)]
    part += samples[: len(part)]


def listen(model, audio, arguments):
    """The probabilities of every window, and the seconds that took."""
    spotter = KeywordSpotter(model, 1.0, step_seconds=arguments.step, smoothing_seconds=arguments.smoothing)
    heard = []
    spotter._decide = lambda: heard.append(spotter._recent[-1]) or []
    spotter.accept(np.zeros(model.sample_rate, "float32"))  # compiles
    spotter.reset()
    heard.clear()
    start = time.process_time()
    spotter.accept(audio)
    return heard, time.process_time() - start


def decide(model, heard, threshold, arguments):
    """What a spotter with another threshold would have detected in the same windows."""
    spotter = KeywordSpotter(model, threshold, step_seconds=arguments.step, smoothing_seconds=arguments.smoothing)
    for probabilities in heard:
        spotter._heard += spotter.step
        spotter._recent.append(probabilities)
        yield from spotter._decide()


def draw(rows, path):
    from s2s_keras.visualization.figure import notebook_figure

    figure = notebook_figure(5, 4)
    axes = figure.subplots()
    axes.plot([alarms for _, alarms in rows], [100 * missed for missed, _ in rows], marker="o")
    axes.set(xlabel="false alarms per hour", ylabel="keywords missed (%)", xscale="symlog")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
