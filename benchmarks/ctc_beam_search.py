"""CTC beam search beside the decoders one would use instead, on the same logits.

    python benchmarks/ctc_beam_search.py --peers /path/to/peers/bin/python --an4 ../shared/data/an4 [--smoke]

The peers need NumPy 1 or other wheels, so they live in an environment of their own:

    python3.11 -m venv peers
    peers/bin/pip install "numpy<2" pyctcdecode kenlm fast-ctc-decode flashlight-text

Logits: random peaky ones (29 tokens, 750 frames, as 15 s of speech give), and those of the preset
`jasper_small_an4_en` on AN4's test set. Everybody decodes utterance by utterance, in turns within a round; the table
gives the least wall time of the rounds per utterance. Ours runs on one thread, as the peers, and on all cores. With a
language model it is the same word 3-gram for all. Compiling is not counted.
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

TEXTS = " abcdefghijklmnopqrstuvwxyz'"
TOKEN_CUTOFF, BEAM_CUTOFF, ALPHA, BETA = 10.0, 20.0, 0.5, 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", help="Python of the peers' environment")
    parser.add_argument("--an4", type=Path, help="folder with AN4's manifests")
    parser.add_argument("--utterances", type=int, default=8, help="random ones, and at most so many of AN4 if above 0")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="one short utterance, once: shows that the benchmark runs")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    if arguments.smoke:
        arguments.utterances, arguments.rounds = 1, 1
    with tempfile.TemporaryDirectory() as folder:
        sets = {"random peaky": peaky(arguments.utterances, 60 if arguments.smoke else 750)}
        if arguments.an4:
            sets["AN4 test"] = an4(arguments.an4)[: 16 * arguments.utterances]
        model = language_model(arguments.an4)
        model.write_arpa(f"{folder}/model.arpa")
        Path(folder, "words").write_text("\n".join(model.words[3:]))
        print("| logits | decoder | beam 16, ms | beam 128, ms | beam 128 and 3-gram, ms |\n|---|---|---|---|---|")
        for name, rows in sets.items():
            np.savez(f"{folder}/logits.npz", *rows)
            measure(name, rows, model, folder, arguments)


def measure(name, rows, model, folder, arguments):
    """Print the rows of one set of logits."""
    from s2s_keras.decoding import CTCBeamSearch
    from s2s_keras.tokenizers import CharacterTokenizer

    limits = {"token_cutoff": TOKEN_CUTOFF, "beam_cutoff": BEAM_CUTOFF}
    searches = [
        CTCBeamSearch(CharacterTokenizer(), beam_width=16, **limits),
        CTCBeamSearch(CharacterTokenizer(), beam_width=128, **limits),
        CTCBeamSearch(CharacterTokenizer(), model, ALPHA, BETA, 128, **limits),
    ]
    tight = [search.replace(token_cutoff=5.0, beam_cutoff=10.0) for search in searches]
    batch = padded(rows)
    contestants = {
        "s2s_keras, one thread": [lambda s=s: [s(row[None]) for row in rows] for s in searches],
        f"s2s_keras, {os.cpu_count()} cores": [lambda s=s: s(batch) for s in searches],
        "s2s_keras, one thread, pyctcdecode's cut-offs": [lambda s=s: [s(row[None]) for row in rows] for s in tight],
    }
    peer = Peer(arguments.peers, folder) if arguments.peers else None
    if peer:
        contestants |= {label: [steps.get(n) for n in range(3)] for label, steps in peer.steps().items()}
    print_rows(name, contestants, len(rows), arguments.rounds)
    if peer:
        peer.close()


def print_rows(name, contestants, utterances, rounds):
    least = {label: [np.inf] * 3 for label in contestants}
    for turn in range(rounds + 1):  # the first one warms up
        for label, steps in contestants.items():
            for n, step in enumerate(steps):
                if step is None:
                    continue
                started = time.perf_counter()
                seconds = step()
                seconds = seconds if isinstance(seconds, float) else time.perf_counter() - started
                if turn or rounds == 1:
                    least[label][n] = min(least[label][n], seconds)
    for label, times in least.items():
        cells = ["-" if value == np.inf else f"{1e3 * value / utterances:.2f}" for value in times]
        print(f"| {name} | {label} | {' | '.join(cells)} |", flush=True)


class Peer:
    """The peers' process: told a name, it decodes everything and says how many seconds that took."""

    def __init__(self, python, folder):
        self.process = subprocess.Popen(
            [python, __file__, "--serve", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.names = json.loads(self.process.stdout.readline())

    def steps(self):
        def step(label, n):
            self.process.stdin.write(json.dumps([label, n]) + "\n")
            self.process.stdin.flush()
            return float(self.process.stdout.readline())

        return {label: {n: lambda label=label, n=n: step(label, n) for n in ns} for label, ns in self.names.items()}

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def serve(folder):
    """In the peers' environment: say which decoders there are, then run one whenever asked."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    logits = list(np.load(f"{folder}/logits.npz").values())
    rows = [row - np.log(np.exp(row).sum(-1, keepdims=True)) for row in logits]
    steps = {}
    for make in (fast_ctc_decode_steps, pyctcdecode_steps, flashlight_steps):
        try:
            steps |= make(rows, folder)
        except ImportError as error:
            print(f"left out: {error}", file=sys.stderr)
    print(json.dumps({label: list(own) for label, own in steps.items()}), file=stdout, flush=True)
    for line in sys.stdin:
        label, n = json.loads(line)
        started = time.perf_counter()
        for row in range(len(rows)):
            steps[label][n](row)
        print(time.perf_counter() - started, file=stdout, flush=True)


def fast_ctc_decode_steps(rows, folder):
    from fast_ctc_decode import beam_search

    probabilities = [np.exp(row).astype("float32") for row in rows]

    def step(width):
        threshold = float(np.exp(-TOKEN_CUTOFF))
        return lambda n: beam_search(probabilities[n], f"_{TEXTS}", width, threshold)

    return {"fast-ctc-decode (Rust)": {0: step(16), 1: step(128)}}


def pyctcdecode_steps(rows, folder):
    from pyctcdecode import build_ctcdecoder

    plain = build_ctcdecoder(["", *TEXTS])
    words = Path(folder, "words").read_text().split("\n")
    fused = build_ctcdecoder(["", *TEXTS], f"{folder}/model.arpa", words, alpha=ALPHA, beta=BETA)

    def step(decoder, width):
        return lambda n: decoder.decode(rows[n], beam_width=width)  # its own cut-offs: tokens 5, beams 10

    return {"pyctcdecode": {0: step(plain, 16), 1: step(plain, 128), 2: step(fused, 128)}}


def flashlight_steps(rows, folder):
    from flashlight.lib.text import decoder as flashlight

    contiguous = [np.ascontiguousarray(row, "float32") for row in rows]
    vocabulary = len(TEXTS) + 1

    def free(width):
        options = flashlight.LexiconFreeDecoderOptions(
            beam_size=width, beam_size_token=vocabulary, beam_threshold=BEAM_CUTOFF, lm_weight=0.0, sil_score=0.0,
            log_add=True, criterion_type=flashlight.CriterionType.CTC,
        )  # fmt: skip
        decoder = flashlight.LexiconFreeDecoder(options, flashlight.ZeroLM(), 1, 0, [])
        return lambda n: decoder.decode(contiguous[n].ctypes.data, len(contiguous[n]), vocabulary)

    steps = {0: free(16), 1: free(128)}
    try:
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary

        words = Path(folder, "words").read_text().split("\n")
        dictionary = Dictionary()
        for word in [*words, "<unk>"]:
            dictionary.add_entry(word)
        model = KenLM(f"{folder}/model.arpa", dictionary)
    except (ImportError, RuntimeError) as error:
        print(f"flashlight without KenLM: {error}", file=sys.stderr)
        return {"flashlight (C++)": steps}
    trie = flashlight.Trie(vocabulary, 1)
    for word in words:
        spelled = [1 + TEXTS.index(c) for c in f"{word} " if c in TEXTS]
        _, score = model.score(model.start(False), dictionary.get_index(word))
        trie.insert(spelled, dictionary.get_index(word), score)
    trie.smear(flashlight.SmearingMode.MAX)
    options = flashlight.LexiconDecoderOptions(
        beam_size=128, beam_size_token=vocabulary, beam_threshold=BEAM_CUTOFF, lm_weight=ALPHA, word_score=BETA,
        unk_score=-np.inf, sil_score=0.0, log_add=True, criterion_type=flashlight.CriterionType.CTC,
    )  # fmt: skip
    unknown = dictionary.get_index("<unk>")
    decoder = flashlight.LexiconDecoder(options, trie, model, 1, 0, unknown, [], False)
    steps[2] = lambda n: decoder.decode(contiguous[n].ctypes.data, len(contiguous[n]), vocabulary)
    return {"flashlight (C++, as in torchaudio; 3-gram: its dictionary only)": steps}


def language_model(an4_folder):
    """A word 3-gram of AN4's training transcripts, or of random letters and words without them."""
    from s2s_keras.data import load_manifest
    from s2s_keras.decoding import train_ngram

    if an4_folder:
        texts = [utterance.text for utterance in load_manifest(an4_folder / "manifest_train.jsonl")]
    else:
        random = np.random.default_rng(0)
        texts = [" ".join(random.choice(list(TEXTS[1:27]), 8)) for _ in range(200)]
    return train_ngram(texts, 3, discount_fallback=(0.5, 1.0, 1.5))


def peaky(utterances, frames):
    """Logits as a trained network gives them: mostly blank with certainty, every sixth frame a letter or its rivals."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(utterances, frames, len(TEXTS) + 1))
    logits[..., 0] += 9.0
    spoken = np.arange(2, frames, 6)
    for row in logits:
        letters = random.integers(2, 28, len(spoken))
        letters[::5] = 1  # words of four letters
        row[spoken, 0] -= 9.0
        row[spoken, letters] += random.uniform(2.0, 12.0, len(spoken))
    return list(logits.astype("float32"))


def an4(folder):
    """Logits of the preset on the test set."""
    from s2s_keras.applications import from_preset
    from s2s_keras.data import AudioReader, load_manifest

    recognizer, rows = from_preset("jasper_small_an4_en"), []
    reader, rate = AudioReader(recognizer.sample_rate), recognizer.sample_rate
    for utterance in load_manifest(folder / "manifest_test.jsonl"):
        audio = reader(utterance)
        batch = np.zeros((1, -(-len(audio) // rate) * rate), "float32")
        batch[0, : len(audio)] = audio
        logits = recognizer.predict_on_batch({"audio": batch, "audio_lengths": np.array([len(audio)], "int32")})[0]
        rows.append(np.asarray(logits)[: round(len(audio) / rate / recognizer.frame_seconds)])
    return rows


def padded(rows):
    batch = np.full((len(rows), max(map(len, rows)), rows[0].shape[1]), -1e9, "float32")
    batch[..., 0] = 0.0
    for n, row in enumerate(rows):
        batch[n, : len(row)] = row
    return batch


if __name__ == "__main__":
    main()
