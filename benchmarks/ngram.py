"""N-gram language models: estimating, loading and scoring, beside KenLM where it is installed.

    python benchmarks/ngram.py [--text ../shared/data/lm_wikitext2] [--order 5] [--kenlm FOLDER] [--repeats 5] [--smoke]

The text is WikiText-2, its <unk> spelled _unk_, as KenLM's estimator does not take that word. The large model is of the
training text and a copy of it with the words of every line shuffled, which has more than ten million n-grams; discounts
fall back for it. KenLM takes part where its Python package is installed and --kenlm names the folder of lmplz
and build_binary.

Contestants take turns. Times are medians of process CPU time over all threads and, in brackets, the least wall time;
estimating is done once. Compiling is not counted. Files are in the disk's cache.
"""

import argparse
import importlib.util
import os
import random
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import _common
import numpy as np

from s2s_keras.decoding import NGramLanguageModel, train_ngram
from s2s_keras.decoding.ngram_training import DISCOUNT_FALLBACK

SHARED = Path(__file__).resolve().parents[1] / "../shared/data/lm_wikitext2"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--text", type=Path, default=SHARED, help="folder with train.txt and test.txt")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--kenlm", type=Path, help="folder with lmplz and build_binary")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="random words, once: shows that the benchmark runs")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.repeats, arguments.order = 1, 3
        numbers = np.random.default_rng(0).zipf(1.3, (300, 20)) % 1000
        train = [" ".join(map(str, row)) for row in numbers]
        test = train[:20]
    else:
        train, test = (read(arguments.text / f"{name}.txt") for name in ("train", "test"))
    train_ngram(train[:300], 2, discount_fallback=DISCOUNT_FALLBACK).score("compiles")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        models = estimate(train, arguments, folder)
        load(models, arguments, folder)
        score(models, test, arguments, folder)


def read(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return [line.replace("<unk>", "_unk_") for line in file]


def estimate(train, arguments, folder):
    """Prints what estimating takes; {name: model}, of the text and of the large text."""
    shuffled = [line.split() for line in train]
    shuffler = random.Random(0)
    for words in shuffled:
        shuffler.shuffle(words)
    texts = {"text": train, "large": [*train, *map(" ".join, shuffled)]}
    print(f"Estimating, order {arguments.order}\n\n| | n-grams | tokens | CPU s (wall) |\n|---|---|---|---|")
    models = {}
    for name, lines in texts.items():
        cpu, wall = time.process_time(), time.perf_counter()
        models[name] = train_ngram(lines, arguments.order, discount_fallback=DISCOUNT_FALLBACK)
        took = f"{time.process_time() - cpu:.1f} ({time.perf_counter() - wall:.1f})"
        tokens = sum(len(line.split()) + 1 for line in lines)
        print(f"| train_ngram, {name} | {sum(models[name].counts):,} | {tokens:,} | {took} |")
        if arguments.kenlm:
            path = folder / f"{name}.txt"
            path.write_text("".join(line.rstrip("\n") + "\n" for line in lines), encoding="utf-8")
            command = [arguments.kenlm / "lmplz", "-o", arguments.order, "-S", "20%", "-T", folder]
            command += ["--discount_fallback", *DISCOUNT_FALLBACK]
            print(f"| lmplz, {name} | | | {run([*command, '--text', path, '--arpa', folder / f'{name}.arpa'])} |")
    return models


def run(command):
    """What a program takes: CPU seconds (wall)."""
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{cpu:.1f} ({time.perf_counter() - wall:.1f})"


def load(models, arguments, folder):
    """Prints what files of the large model take, in bytes and to load."""
    model = models["large"]
    files = {"compact": folder / "large.s2slm", "compact, exact": folder / "large.exact.s2slm"}
    model.save(files["compact"])
    model.save(files["compact, exact"], exact=True)
    steps = {name: lambda path=path: NGramLanguageModel.load(path).score("a b") for name, path in files.items()}
    if arguments.kenlm:
        for kind in ("trie", "probing"):
            files[f"KenLM {kind}"] = folder / f"large.{kind}"
            run([arguments.kenlm / "build_binary", kind, folder / "large.arpa", files[f"KenLM {kind}"]])
            if importlib.util.find_spec("kenlm"):
                steps[f"KenLM {kind}"] = lambda path=files[f"KenLM {kind}"]: kenlm_model(path).score("a b")
    times = _common.take_turns(steps, arguments.repeats)
    entries = sum(model.counts)
    print(f"\nLoading {entries:,} n-grams and scoring two words\n\n| | bytes an entry | ms |\n|---|---|---|")
    for name, path in files.items():
        cpu, wall = times.get(name, (np.nan, np.nan))
        print(f"| {name} | {os.path.getsize(path) / entries:.2f} | {cpu:.1f} ({wall:.1f}) |")
    if not arguments.smoke:
        path = folder / "text.arpa"
        models["text"].write_arpa(path)
        cpu, wall = time.process_time(), time.perf_counter()
        NGramLanguageModel.load(path)
        took = f"{time.process_time() - cpu:.1f} s ({time.perf_counter() - wall:.1f})"
        print(f"\nLoading an ARPA file of {sum(models['text'].counts):,} n-grams: {took}")
    error = ", ".join(f"{value:.1e}" for value in model.rounding_error)
    print(f"Largest rounding of the compact file, log10 probability and back-off: {error}")


def kenlm_model(path):
    import kenlm

    return kenlm.Model(str(path))


def score(models, test, arguments, folder):
    """Prints what scoring a word takes."""
    paths = {kind: folder / f"{kind}.s2slm" for kind in ("rounded", "exact")}
    steps = {}
    for kind, path in paths.items():
        models["text"].save(path, exact=kind == "exact")
        model = NGramLanguageModel.load(path)
        steps[f"score, {kind}"] = lambda model=model: [model.score(text) for text in test]
        steps[f"perplexity, {kind}"] = lambda model=model: model.perplexity(test)
        steps[f"compiled, {kind}"] = compiled(model, test)
    if arguments.kenlm and importlib.util.find_spec("kenlm"):
        for kind in ("trie", "probing"):
            run([arguments.kenlm / "build_binary", kind, folder / "text.arpa", folder / f"text.{kind}"])
            model = kenlm_model(folder / f"text.{kind}")
            steps[f"KenLM score, {kind}"] = lambda model=model: [model.score(text) for text in test]
    times = _common.take_turns(steps, arguments.repeats)
    words = sum(len(text.split()) + 1 for text in test)
    print(f"\nScoring {words:,} words, {sum(models['text'].counts):,} n-grams\n\n| | ns a word |\n|---|---|")
    for name, (cpu, wall) in times.items():
        print(f"| {name} | {1e6 * cpu / words:.0f} ({1e6 * wall / words:.0f}) |")
    print(f"\n{models['text'].perplexity(test)}")


def compiled(model, test):
    """The walk over states alone, as a search does it."""
    from s2s_keras.decoding import _ngram_kernel

    ids = np.array([model.word_id(word) for text in test for word in [*text.split(), "</s>"]])
    scores = np.zeros(len(ids))
    return lambda: _ngram_kernel.score_sentences(model.tables, model.begin_state, ids, model.end_id, scores)


if __name__ == "__main__":
    main()
