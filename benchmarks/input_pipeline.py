"""The input pipeline alone, in hours of audio a minute, beside plain soundfile reading and what a model consumes.

    python benchmarks/input_pipeline.py [--manifest train.jsonl] [--threads 1 2] [--rounds 5] [--consumer] [--smoke]

"soundfile" reads every file with `soundfile.read`, one after another or mapped over a pool of as many threads, and
keeps nothing. The pipeline reads, checks the samples, pads and collates, in shuffled order, from the files and from tar
shards of them that are written for the purpose; nothing is cached, but by the operating system. Contestants take turns;
the table gives the best and the median round. `--consumer` trains a small Jasper on the same batches for some steps.
"""

import argparse
import concurrent.futures
import os
import statistics
import tempfile
import time

import soundfile

from s2s_keras.data import load_manifest, speech_dataset, write_shards

AN4 = os.path.join(os.path.dirname(__file__), "../../shared/data/an4/manifest_train.jsonl")
CLIPS = os.path.join(os.path.dirname(__file__), "../s2s_keras/presets/clips/manifest.jsonl")
BATCH_SIZE, BUCKETS, STEPS = 16, 3, 20


class AnyText:
    """A tokenizer that costs nothing: what texts become is not measured."""

    vocabulary_size = 29

    def encode(self, text):
        return [1] * len(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--manifest", default=AN4 if os.path.isfile(AN4) else CLIPS)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--consumer", action="store_true", help="also train a small Jasper on the batches")
    parser.add_argument("--smoke", action="store_true", help="a few recordings, once: shows that the benchmark runs")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.manifest, arguments.rounds = CLIPS, 1
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments, write_shards(arguments.manifest, folder))
    if arguments.consumer:
        consume(arguments)


def compare(arguments, shards):
    utterances = load_manifest(arguments.manifest)
    hours = sum(soundfile.info(u.audio).duration for u in utterances) / 3600
    contestants = {}
    for threads in arguments.threads:
        contestants["soundfile", threads] = plain([u.audio for u in utterances], threads)
        for name, manifest in (("files", arguments.manifest), ("tar shards", shards)):
            contestants[f"speech_dataset, {name}", threads] = pipeline(manifest, threads)
    times = {key: [] for key in contestants}
    for turn in range(arguments.rounds + 1):  # the first warms the disk's cache
        for key, step in contestants.items():
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            if turn or arguments.smoke:
                times[key].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(f"{len(utterances)} recordings, {hours:.2f} hours, {arguments.rounds} round(s)\n")
    print("| threads | | hours a minute: best (median) | / soundfile | per minute of CPU | / soundfile |")
    print("|---|---|---|---|---|---|")
    for (name, threads), seconds in times.items():
        wall, cpu = zip(*seconds, strict=True)
        peer_wall, peer_cpu = map(min, zip(*times["soundfile", threads], strict=True))
        rates = f"{60 * hours / min(wall):.1f} ({60 * hours / statistics.median(wall):.1f})"
        ratios = f"{peer_wall / min(wall):.2f} | {60 * hours / min(cpu):.1f} | {peer_cpu / min(cpu):.2f}"
        print(f"| {threads} | {name} | {rates} | {ratios} |")


def plain(paths, threads):
    """Reads every file; a pool where there is more than one thread."""

    def read(path):
        return len(soundfile.read(path, dtype="float32")[0])

    def step():
        if threads == 1:
            return sum(map(read, paths))
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(read, paths))

    return step


def pipeline(manifest, threads):
    """Reads an epoch of batches; one thread is the one that takes them."""
    threads = threads if threads > 1 else 0
    dataset = speech_dataset(
        manifest, AnyText(), BATCH_SIZE, buckets=BUCKETS, shuffle=True, num_threads=threads, verify="manifest"
    )
    return lambda: sum(len(labels) for _, labels in dataset)


def consume(arguments):
    """Prints what training takes from the pipeline."""
    import keras

    from s2s_keras.applications import Jasper
    from s2s_keras.losses import CTC
    from s2s_keras.optimizers import NovoGrad

    blocks = ((128, 11, 0.0), (128, 13, 0.0), (192, 15, 0.0))
    model = Jasper(blocks=blocks, repeat=2, prologue=(128, 11, 0.0), epilogue=((192, 17, 0.0), (256, 1, 0.0)))
    model.compile(NovoGrad(0.01), CTC())
    dataset = speech_dataset(arguments.manifest, model.tokenizer, BATCH_SIZE, shuffle=True, pad_to_boundary=True)
    batches = [dataset.batch(0, index) for index in range(min(len(dataset), 2 if arguments.smoke else STEPS))]
    model.train_on_batch(*batches[0])
    start = time.perf_counter()
    for inputs, labels in batches:
        model.train_on_batch(inputs, labels)
    seconds = time.perf_counter() - start
    hours = sum(inputs["audio_lengths"].sum() for inputs, _ in batches) / 16000 / 3600
    size, rate = model.count_params() / 1e6, 60 * hours / seconds
    print(f"\nJasper of {size:.1f} M parameters on {keras.backend.backend()}: {rate:.2f} hours a minute")


if __name__ == "__main__":
    main()
