"""Jasper on AN4: the preset `jasper_small_an4_en`.

The commands that made it, from the repository's root, with the AN4 manifests in ../shared/data/an4, and with the
synthetic speech that recipes/synthetic_an4.py tells how to make:

    KERAS_BACKEND=jax python recipes/jasper_small_an4_en.py --output runs/jasper_small_an4_en
    KERAS_BACKEND=tensorflow python recipes/jasper_small_an4_en.py --start runs/jasper_small_an4_en \
        --synthetic runs/synthetic_an4_0/manifest.jsonl runs/synthetic_an4_1/manifest.jsonl --output runs/jasper_2
    KERAS_BACKEND=tensorflow python recipes/jasper_small_an4_en.py --start runs/jasper_2 \
        --synthetic runs/synthetic_an4_0/manifest.jsonl --kokoro runs/kokoro_an4_[1234]/manifest.jsonl \
        --output jasper_small_an4_en

Stage one learns to align: no regularization, small batches, a constant learning rate. Stage two starts from its weights
with SpecAugment, dropout and a cosine decay. Its network misses 3 % of the words of the training set, and 23 % of the
same words cut out and put together in another order: from 40 minutes of speech it has learned the neighbours as well as
the sounds. So stage three goes on with 10,000 utterances, each spliced from words of one speaker, beside the real ones.
The second command goes on from there through `STAGES`, with 12,000 synthetic utterances of other contents, then without
them; then with both and, besides, utterances among pauses, noise and knocks, and at last recordings in which nobody
speaks: without these a knock before a pause sounds like letters. The weights are a mean along the way.

Single letters stayed what it errs in, however long it went on. So the third command has 1,037 utterances in voices of
Kokoro (recipes/kokoro_an4.py), mostly spelled: seven epochs in two rounds, under an hour on two cores. AN4's official
training set contains what `manifest_dev` has, eight more speakers, and once nothing was left to choose the second round
took these, too. Errors in the 773 words of the test set, greedily and with `an4` of the 848 transcripts: 35 and 28
before, 32 and 27 after the first round, 29 and 23 after the second; 21 with `an4` of all 948. The weights are the last.

`--quick` is the same on a tenth of the data with a smaller network and takes two minutes, then four, then three; it is
there to see all of it run, not to recognize.
"""

import argparse
import json
import os
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import soundfile

from s2s_keras.applications import Jasper
from s2s_keras.data import SpeedPerturbation, Utterance, load_manifest, speech_dataset
from s2s_keras.decoding import ctc_alignment
from s2s_keras.layers import SpecAugment
from s2s_keras.losses import CTC
from s2s_keras.ops.audio import load_audio
from s2s_keras.tokenizers import CharacterTokenizer
from s2s_keras.training import load_model

BATCH_SIZE = 8
PEAK_LEARNING_RATE = 2e-3
SAMPLE_RATE = 16000
FRAME = 640  # samples of an output frame
PAUSE_DB = 15  # a cut lies this much below the loud parts of the recording
MAX_SPLICED, MAX_TWO = 6.5, 8.0  # seconds
SIZES = {False: (1.0, 10176), True: (0.25, 80)}  # width of the network and number of spliced utterances, by `--quick`


class Stage(NamedTuple):
    """One fit of the second command, and its data beside the real and the spliced utterances."""

    epochs: int
    peak: float  # of the learning rate
    synthetic: bool  # whether the synthetic utterances take part
    surrounded: int = 0  # utterances among pauses, noise and knocks
    without_speech: int = 0  # recordings of noise and knocks alone
    spliced: float = 1.0  # share of the spliced utterances that takes part
    weight: float = 0.0  # what its last weights count in the mean; what is left to 1 the first ones do


STAGES = (
    Stage(4, 1.5e-3, True),
    Stage(1, 3e-4, False, weight=0.15),
    Stage(4, 1.2e-3, True, surrounded=3600),
    Stage(1, 3e-4, False, surrounded=3600),
    Stage(1, 3e-4, False, surrounded=2400, without_speech=900, spliced=0.22, weight=0.7),
)


class Round(NamedTuple):
    """Two fits of the third command: `epochs` at the rate `peak`, and one at a lower rate with fewer utterances."""

    seed: int
    whole: bool  # whether the development set takes part
    epochs: int
    peak: float  # of the learning rate
    copies: int  # of Kokoro's utterances in the first fit; one in the second
    synthetic: int  # of the other synthetic utterances in the first fit; none in the second
    spliced: tuple  # of the training set's spliced utterances, in either fit
    without_speech: int


ROUNDS = (
    Round(8, False, 3, 1.2e-3, 3, 3000, (3000, 2200), 900),
    Round(9, True, 2, 8e-4, 2, 1500, (3000, 1500), 600),
)


def build(width=1.0, dropout=0.0, spec_augment=False):
    """Two halvings of the frame rate (40 ms a frame), four residual blocks of two.

    An output frame sees 0.8 s on either side. A network with kernels of 7 to 15 (2 s on either side, 192 filters, decay
    over 110 epochs) had a development loss of 15.5 after 20 epochs of stage two where this had 12.7; one run each.
    """

    def block(filters, kernel_size, rate=dropout):
        return (int(filters * width), kernel_size, rate)

    return Jasper(
        prologue=(block(128, 11, 0.0), block(192, 7, 0.0)),
        blocks=(block(256, 5),) * 4,
        epilogue=(block(320, 3), block(384, 1)),
        repeat=2,
        residual="plain",
        spec_augment=SpecAugment(2, 16, 2, 40, name="spec_augment") if spec_augment else None,
        name="jasper_small",
    )


def datasets(folder, quick, utterances=None, batch_size=BATCH_SIZE, buckets=8):
    """Training and development batches; speed perturbation makes seven voices of each.

    Args:
        folder: path of AN4.
        quick: bool, whether few utterances are real.
        utterances: list of `Utterance` instead of the real ones.
        batch_size, buckets: of the training batches.
    """
    folder, tokenizer, given = Path(folder), CharacterTokenizer(), utterances is not None
    speeds = (0.82, 0.88, 0.94, 1.0, 1.06, 1.12, 1.18) if given else (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15)
    train = speech_dataset(
        utterances if given else training_utterances(folder, quick),
        tokenizer,
        batch_size,
        buckets=1 if quick else buckets,
        shuffle=True,
        cache=True,
        drop_remainder=given,
        augmentation=None if quick else SpeedPerturbation(speeds),
        allow_empty=given,
    )
    dev = speech_dataset(folder / "manifest_dev.jsonl", tokenizer, BATCH_SIZE, buckets=1 if quick else 2, cache=True)
    return train, dev


def training_utterances(folder, quick):
    return load_manifest(Path(folder) / "manifest_train.jsonl")[:: 10 if quick else 1]


def fit(model, train, dev, schedule, epochs, folder, validation_freq=1):
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-2, beta_2=0.98, global_clipnorm=100.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, CTC())
    callbacks = [
        keras.callbacks.CSVLogger(folder / "log.csv", append=True),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: checkpoint(model, folder)),
    ]
    model.fit(
        train.for_fit(),
        validation_data=dev.for_fit(),
        validation_freq=validation_freq,
        epochs=epochs,
        callbacks=callbacks,
        verbose=2,
    )


def checkpoint(model, folder):
    """Written aside and renamed, so that what is there is always whole."""
    model.save_weights(folder / "next.weights.h5")
    os.replace(folder / "next.weights.h5", folder / "last.weights.h5")


def go_on(start, data, manifests, logs, quick):
    """Trains a model that knows AN4 through all `STAGES`; it gets a mean of their weights."""
    said, (width, count) = [load_manifest(manifest) for manifest in manifests], SIZES[quick]
    real = training_utterances(data, quick)
    spliced = load_manifest(splice(cut_into_words(start, real), count, logs / "spliced"))
    keras.utils.set_random_seed(3)
    model = build(width, dropout=0.15, spec_augment=True)
    model.set_weights(start.get_weights())
    first = 1.0 - sum(stage.weight for stage in STAGES)
    mean = [first * weight for weight in model.get_weights()]
    for stage in STAGES:
        part, epochs = (90, 1) if quick else (1, stage.epochs)
        few = np.random.default_rng(1).permutation(len(spliced))[: int(stage.spliced * len(spliced))]
        utterances = real * 4 + [spliced[n] for n in few]
        if stage.synthetic:
            utterances += [utterance for each in said for utterance in each]
        if stage.surrounded:
            sources = real, spliced, said[0]
            utterances += surround(sources, stage.surrounded // part, logs / "surrounded")
        if stage.without_speech:
            utterances += record_nothing(stage.without_speech // part, logs / "without_speech")
        train, dev = datasets(data, quick, utterances, batch_size=16, buckets=10)
        fit(model, train, dev, cosine(epochs * len(train), stage.peak, len(train) // 8), epochs, logs)
        mean = [so_far + stage.weight * weight for so_far, weight in zip(mean, model.get_weights(), strict=True)]
    model.set_weights(mean)
    return model


def finish(start, data, synthetic, kokoro, logs, quick):
    """Trains a model that knows AN4 through both `ROUNDS`; returns it."""
    data, part, (width, _) = Path(data), 90 if quick else 1, SIZES[quick]
    synthetic = load_manifest(synthetic[0])
    voices = [utterance for manifest in kokoro for utterance in load_manifest(manifest)]
    real, dev = training_utterances(data, quick), load_manifest(data / "manifest_dev.jsonl")
    spliced = load_manifest(splice(cut_into_words(start, real), 5000 // part, logs / "spliced"))
    more = load_manifest(splice(cut_into_words(start, dev), 700 // part, logs / "spliced_dev"))
    model = build(width, dropout=0.15, spec_augment=True)
    model.set_weights(start.get_weights())
    for n, turn in enumerate(ROUNDS):
        keras.utils.set_random_seed(turn.seed)
        people, others = (real + dev, more) if turn.whole else (real, [])
        order, (first, last) = np.random.default_rng(n + 1).permutation(len(spliced)), turn.spliced
        around = surround((people, spliced + others, voices), 2400 // part, logs / f"surrounded_{n}")
        around += record_nothing(turn.without_speech // part, logs / f"without_speech_{n}")
        fits = (
            (1 if quick else turn.epochs, turn.peak, order[:first], synthetic[: turn.synthetic], voices * turn.copies),
            (1, 3e-4, order[-last:], [], voices),
        )
        for epochs, peak, chosen, said, spelled in fits:
            utterances = people * 4 + [spliced[k] for k in chosen] + others + said + spelled + around
            train, validation = datasets(data, quick, utterances, batch_size=16, buckets=10)
            fit(model, train, validation, cosine(epochs * len(train), peak, len(train) // 8), epochs, logs)
    return model


def cut_into_words(model, utterances):
    """The utterances cut at pauses: list of (speaker, list of (audio, text))."""
    cut = []
    order = sorted(range(len(utterances)), key=lambda n: utterances[n].duration)
    for start in range(0, len(order), BATCH_SIZE):
        batch = [utterances[n] for n in order[start : start + BATCH_SIZE]]
        recordings = [load_audio(utterance.audio, SAMPLE_RATE) for utterance in batch]
        seconds = -(-max(map(len, recordings)) // SAMPLE_RATE)
        audio = np.stack([np.pad(x, (0, seconds * SAMPLE_RATE - len(x))) for x in recordings])
        lengths = np.array([len(x) for x in recordings], "int32")
        logits = model.predict_on_batch({"audio": audio, "audio_lengths": lengths})
        for utterance, x, frames in zip(batch, recordings, np.asarray(logits), strict=True):
            words, cuts = utterance.text.split(" "), pauses(model.tokenizer, utterance.text, x, frames)
            bounds = [(0, 0), *cuts, (len(words), len(x))]
            pieces = [(x[a:b], " ".join(words[m:n])) for (m, a), (n, b) in zip(bounds, bounds[1:], strict=False)]
            cut.append((Path(utterance.audio).parent.name, pieces))
    return cut


def pauses(tokenizer, text, audio, logits):
    """Where two words can be cut apart: list of (number of words before, sample), the quietest place between them."""
    logits = logits[: -(-len(audio) // FRAME) + 1]
    spans = ctc_alignment(logits, tokenizer.encode(text)) * FRAME
    level = 10 * np.log10(np.convolve(audio**2, np.full(320, 1 / 320), "same") + 1e-10)
    loud, cuts, space = np.quantile(level, 0.9), [], -1
    for n, word in enumerate(text.split(" ")[:-1], start=1):
        space += len(word) + 1
        low = max(spans[space - 1, 1] - FRAME, 0)
        high = min(max(spans[space + 1, 0] + FRAME, low + 320), len(audio))
        if low < high and level[(at := low + int(np.argmin(level[low:high])))] < loud - PAUSE_DB:
            cuts.append((n, at))
    return cuts


def splice(cut, count, folder):
    """Writes `count` utterances of runs of one to three pieces of one speaker, and a manifest; returns its path."""
    rng = np.random.default_rng(1)
    names = sorted({name for name, _ in cut})
    speakers = {name: [pieces for speaker, pieces in cut if speaker == name] for name in names}
    num_words = [sum(len(text.split()) for _, text in pieces) for _, pieces in cut]
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for n in range(count):
        utterances = speakers[names[rng.integers(len(names))]]
        wanted = num_words[rng.integers(len(num_words))] + 1
        parts, words = [], []
        while len(words) < wanted:
            pieces = utterances[rng.integers(len(utterances))]
            size, first = int(rng.integers(1, 4)), int(rng.integers(len(pieces)))
            run = pieces[first : first + size]
            if sum(len(x) for x in parts) + sum(len(x) for x, _ in run) > MAX_SPLICED * SAMPLE_RATE:
                if parts:
                    break
                continue
            parts += [x for x, _ in run]
            words += [word for _, text in run for word in text.split()]
        audio = cross_fade(parts)
        if len(audio) < 0.4 * SAMPLE_RATE:
            continue
        soundfile.write(folder / f"{n:05d}.flac", audio, SAMPLE_RATE)
        duration = round(len(audio) / SAMPLE_RATE, 4)
        rows.append({"audio_filepath": f"{n:05d}.flac", "duration": duration, "text": " ".join(words)})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "manifest.jsonl"


def surround(sources, count, folder):
    """Writes `count` recordings among pauses, noise and knocks, one in four of two utterances; list of `Utterance`."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    utterances = []
    for n in range(count):
        source = sources[n % len(sources)]
        some = [source[int(rng.integers(len(source)))] for _ in range(2 if rng.random() < 0.25 else 1)]
        if sum(utterance.duration for utterance in some) > MAX_TWO:
            some = some[:1]
        audio = among_noise([load_audio(utterance.audio, SAMPLE_RATE) for utterance in some], rng)
        path, text = folder / f"{n:05d}.flac", " ".join(utterance.text for utterance in some)
        soundfile.write(path, audio, SAMPLE_RATE)
        utterances.append(Utterance(str(path), text, duration=len(audio) / SAMPLE_RATE))
    return utterances


def among_noise(parts, rng):
    """Recordings at another level, with pauses before, between and after, a knock in every other, and faint noise."""
    gain = 10 ** rng.uniform(-1.5, 0)
    parts = [gain * part for part in parts]
    pauses = [np.zeros(int(rng.choice([1.0, 3.0]) * rng.uniform(0.2, 1) * SAMPLE_RATE)) for _ in range(len(parts) + 1)]
    for pause in pauses:
        if rng.random() < 0.5:
            knock(pause, rng, 0.9, 800)
    audio = np.concatenate([piece for pair in zip(pauses, [*parts, []], strict=True) for piece in pair])
    level = min(10 ** rng.uniform(-5, -2.7), np.abs(np.concatenate(parts)).max() / 30)
    return np.clip(audio + level * rng.normal(size=len(audio)), -1, 1).astype("float32")


def knock(audio, rng, loudest, slowest, anywhere=1.0):
    """Puts a click or a burst of noise that fades into silence; with probability 1 - `anywhere` at its start."""
    length = int(rng.integers(80, 800))
    at = int(rng.integers(0, len(audio) - length)) if anywhere == 1.0 or rng.random() < anywhere else 0
    wave = rng.normal(size=length) if rng.random() < 0.5 else rng.choice([-1.0, 1.0])
    audio[at : at + length] = rng.uniform(0.1, loudest) * wave * np.exp(-np.arange(length) / rng.uniform(50, slowest))


def record_nothing(count, folder):
    """Writes recordings of noise and up to two knocks, in which nobody speaks; list of `Utterance`."""
    rng = np.random.default_rng(11)
    folder.mkdir(parents=True, exist_ok=True)
    utterances = []
    for n in range(count):
        audio = rng.normal(size=int(SAMPLE_RATE * rng.uniform(0.8, 5))) * 10 ** rng.uniform(-5, -1.7)
        for _ in range(rng.integers(0, 3)):
            knock(audio, rng, 0.95, 3000, anywhere=0.7)
        path = folder / f"{n:05d}.flac"
        soundfile.write(path, np.clip(audio, -1, 1).astype("float32"), SAMPLE_RATE)
        utterances.append(Utterance(str(path), "", duration=len(audio) / SAMPLE_RATE))
    return utterances


def cross_fade(parts, overlap=160):
    """One recording after another, 10 ms of each faded into the next."""
    audio, ramp = parts[0], np.linspace(0, 1, overlap, dtype="float32")
    for part in parts[1:]:
        if min(len(audio), len(part)) >= overlap:
            joint = audio[-overlap:] * ramp[::-1] + part[:overlap] * ramp
            audio = np.concatenate([audio[:-overlap], joint, part[overlap:]])
        else:
            audio = np.concatenate([audio, part])
    return audio


def cosine(steps, peak, warmup):
    return keras.optimizers.schedules.CosineDecay(0.0, steps - warmup, warmup_target=peak, warmup_steps=warmup)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/an4", help="folder with manifest_{train,dev}.jsonl")
    parser.add_argument("--output", default="jasper_small_an4_en", help="preset folder to write")
    parser.add_argument("--align-epochs", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=90, help="of stage two")
    parser.add_argument("--splice-epochs", type=int, default=11, help="of stage three, each 16 times as long")
    parser.add_argument("--start", help="what the first command wrote; trained on with --synthetic")
    parser.add_argument("--synthetic", nargs="+", default=[], help="manifests of recipes/synthetic_an4.py")
    parser.add_argument("--kokoro", nargs="+", default=[], help="manifests of recipes/kokoro_an4.py: the third command")
    parser.add_argument("--quick", action="store_true", help="two minutes: small network, a tenth of the data")
    args = parser.parse_args()
    if bool(args.start) != bool(args.synthetic):
        parser.error("--start and --synthetic go together. Give both, or neither to begin from random weights.")
    if args.kokoro and not args.start:
        parser.error("--kokoro goes on from what the second command wrote. Give --start and --synthetic, too.")
    folder = Path(args.output)
    logs = folder / "training"
    logs.mkdir(parents=True, exist_ok=True)
    if args.start:
        start = load_model(args.start)
        if args.kokoro:
            model = finish(start, args.data, args.synthetic, args.kokoro, logs, args.quick)
        else:
            model = go_on(start, args.data, args.synthetic, logs, args.quick)
        model.save_to_preset(folder, half_precision=True)
        return
    keras.utils.set_random_seed(1)
    train, dev = datasets(args.data, args.quick)
    width, count = SIZES[args.quick]
    epochs = (2, 6, 1) if args.quick else (args.align_epochs, args.epochs, args.splice_epochs)

    aligned = build(width)
    warmup = keras.optimizers.schedules.PolynomialDecay(1e-4, 2 * len(train), PEAK_LEARNING_RATE)
    fit(aligned, train, dev, warmup, epochs[0], logs, validation_freq=5)

    model = build(width, dropout=0.2, spec_augment=True)
    model.set_weights(aligned.get_weights())
    schedule = cosine(epochs[1] * len(train), PEAK_LEARNING_RATE, len(train))
    fit(model, train, dev, schedule, epochs[1], logs, validation_freq=5)

    real = training_utterances(args.data, args.quick)
    spliced = splice(cut_into_words(model, real), count, logs / "spliced")
    train, dev = datasets(args.data, args.quick, real * 4 + load_manifest(spliced))
    keras.utils.set_random_seed(2)
    fit(model, train, dev, cosine(epochs[2] * len(train), 1.5e-3, len(train) // 4), epochs[2], logs)
    model.save_to_preset(folder, half_precision=True)
    print(f"Measure it: s2s-keras evaluate {folder} --manifest {args.data}/manifest_test.jsonl")


if __name__ == "__main__":
    main()
