"""Jasper on AN4: the preset `jasper_small_an4_en`.

The command that made it, from the repository's root, with the AN4 manifests in ../shared/data/an4:

    KERAS_BACKEND=jax python recipes/jasper_small_an4_en.py --data ../shared/data/an4 --output jasper_small_an4_en

Stage one learns to align: no regularization, small batches, a constant learning rate. Stage two starts from its weights
with SpecAugment, dropout and a cosine decay. `--quick` is the same on a tenth of the data with a smaller network and
takes two minutes; it is there to see everything run, not to recognize.
"""

import argparse
import os
from pathlib import Path

import keras

from s2s_keras.applications import Jasper
from s2s_keras.data import SpeedPerturbation, load_manifest, speech_dataset
from s2s_keras.layers import SpecAugment
from s2s_keras.losses import CTC
from s2s_keras.tokenizers import CharacterTokenizer

BATCH_SIZE = 8
PEAK_LEARNING_RATE = 2e-3


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


def datasets(folder, quick):
    """Training and development batches; speed perturbation makes seven voices of each."""
    folder, tokenizer = Path(folder), CharacterTokenizer()
    utterances = load_manifest(folder / "manifest_train.jsonl")
    train = speech_dataset(
        utterances[:: 10 if quick else 1],
        tokenizer,
        BATCH_SIZE,
        buckets=2 if quick else 8,
        shuffle=True,
        cache=True,
        augmentation=None if quick else SpeedPerturbation((0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15)),
    )
    dev = speech_dataset(folder / "manifest_dev.jsonl", tokenizer, BATCH_SIZE, buckets=2, cache=True)
    return train, dev


def fit(model, train, dev, schedule, epochs, folder):
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
        validation_freq=5,
        epochs=epochs,
        callbacks=callbacks,
        verbose=2,
    )


def checkpoint(model, folder):
    """Written aside and renamed, so that what is there is always whole."""
    model.save_weights(folder / "next.weights.h5")
    os.replace(folder / "next.weights.h5", folder / "last.weights.h5")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/an4", help="folder with manifest_{train,dev}.jsonl")
    parser.add_argument("--output", default="jasper_small_an4_en", help="preset folder to write")
    parser.add_argument("--align-epochs", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--quick", action="store_true", help="two minutes: small network, a tenth of the data")
    args = parser.parse_args()
    folder = Path(args.output)
    logs = folder / "training"
    logs.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(1)
    train, dev = datasets(args.data, args.quick)
    width, align_epochs, epochs = (0.25, 2, 8) if args.quick else (1.0, args.align_epochs, args.epochs)

    aligned = build(width)
    warmup = keras.optimizers.schedules.PolynomialDecay(1e-4, 2 * len(train), PEAK_LEARNING_RATE)
    fit(aligned, train, dev, warmup, align_epochs, logs)

    model = build(width, dropout=0.2, spec_augment=True)
    model.set_weights(aligned.get_weights())
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, (epochs - 1) * len(train), warmup_target=PEAK_LEARNING_RATE, warmup_steps=len(train)
    )
    fit(model, train, dev, schedule, epochs, logs)
    model.save_to_preset(folder, half_precision=True)
    print(f"Measure it: s2s-keras evaluate {folder} --manifest {args.data}/manifest_test.jsonl")


if __name__ == "__main__":
    main()
