"""An hour in one file against its utterances one by one: words, memory and speed.

    python benchmarks/long_audio.py

The hour is made of the recordings of LibriSpeech test-other and AN4 in ../shared/data, in random order, once with
pauses of up to two seconds between them and once without any. What the preset makes of it is compared with what it
makes of the utterances alone: the "difference" is the word error rate between the two texts. `--corpora` picks others.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RATE = 16000
CORPORA = (
    "asr_librispeech_test_other_100/manifest_test.jsonl",
    "an4/manifest_test.jsonl",
    "an4/manifest_dev.jsonl",
    "an4/manifest_train.jsonl",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--preset", default="jasper_small_an4_en")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--corpora", nargs="+", default=CORPORA, help="manifests below --data")
    parser.add_argument("--smoke", action="store_true", help="one minute: shows that the benchmark runs")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
        return
    if arguments.smoke:
        arguments.minutes = 1.0
    if not Path(arguments.data).is_dir():
        print(f"There is no folder {arguments.data}: nothing to measure.")
        return
    from s2s_keras.metrics import word_error_rate

    utterances = gather(arguments.data, arguments.corpora, arguments.minutes)
    reference = " ".join(text for _, text in utterances)
    print(f"{len(utterances)} utterances, {len(reference.split())} words, preset {arguments.preset}")
    with tempfile.TemporaryDirectory() as folder:
        alone = run(arguments.preset, "list", write_list(utterances, folder))
        show("utterance by utterance", alone, reference, alone["text"], word_error_rate)
        files = (("one file, pauses up to 2 s", 2.0), ("one file, no pauses", 0.0))
        for name, longest in files[:1] if arguments.smoke else files:
            found = run(arguments.preset, "file", write_file(utterances, longest, folder))
            show(name, found, reference, alone["text"], word_error_rate)


def gather(data, corpora, minutes):
    """(path, text) of utterances in random order, `minutes` together."""
    from s2s_keras.data import load_manifest

    found = [u for corpus in corpora for u in load_manifest(Path(data, corpus))]
    chosen, seconds = [], 0.0
    for n in np.random.default_rng(0).permutation(len(found)):
        if seconds >= 60 * minutes:
            break
        chosen.append((str(found[n].audio), found[n].text))
        seconds += found[n].duration
    return chosen


def write_list(utterances, folder):
    path = Path(folder, "list.json")
    path.write_text(json.dumps([audio for audio, _ in utterances]))
    return path


def write_file(utterances, longest_pause, folder):
    """One recording of all; the pauses hold the noise of a quiet room, 60 dB below full scale."""
    import soundfile

    from s2s_keras.ops.audio import load_audio

    rng, path = np.random.default_rng(1), Path(folder, "hour.flac")
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for audio, _ in utterances:
            file.write(load_audio(audio, RATE))
            file.write(rng.normal(0, 1e-3, int(rng.uniform(0, longest_pause) * RATE)).astype("float32"))
    return path


def run(preset, kind, path):
    """The numbers of a process of its own, whose memory is its own too."""
    arguments = [sys.executable, __file__, "--measure", preset, kind, str(path)]
    output = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def measure(preset, kind, path):
    import resource

    from s2s_keras.training import load_model

    model = load_model(preset)
    audio = json.loads(Path(path).read_text()) if kind == "list" else path
    model.transcribe(np.zeros(RATE))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, done = time.perf_counter(), [0.0]
    text = model.transcribe(audio, progress=done.append)
    seconds = time.perf_counter() - seconds
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    text = text if isinstance(text, str) else " ".join(filter(None, text))
    print(json.dumps({"text": text, "seconds": seconds, "audio": done[-1], "memory": memory}))


def show(name, found, reference, alone, word_error_rate):
    error, difference = (word_error_rate(text, found["text"]) for text in (reference, alone))
    print(
        f"{name:27} {found['audio'] / 60:5.1f} min  real-time factor {found['seconds'] / found['audio']:.4f}  "
        f"{found['memory']:5.0f} MB more  WER {error.rate:6.2%}  difference {difference.rate:6.2%} "
        f"({difference.substitutions} other, {difference.deletions} lost, {difference.insertions} more words)"
    )


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
