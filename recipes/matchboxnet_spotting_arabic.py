"""MatchboxNet that hears Arabic commands in a stream: the preset `matchboxnet_spotting_arabic`.

The commands that made it, from the repository's root:

    export KERAS_BACKEND=tensorflow
    s2s-keras train recipes/matchboxnet_spotting_arabic.py --output runs/spotting --epochs 26

Forty commands, `_silence_` and `_unknown_`: seconds of environmental noise (folds 1 to 4 of ESC-10; the fifth is there
to measure on) and of other speech (AN4 and Kathleen, English), as many together as of five commands. Half of all
recordings have noise under them.
"""

import json
from pathlib import Path

import keras
import numpy as np

from s2s_keras.applications import MatchboxNet3x2x64
from s2s_keras.data import Mixup, NoiseAtSNR, SpeedPerturbation, TimeShift, Utterance, commands_dataset, load_manifest
from s2s_keras.layers import LogMelSpectrogram, SpecAugment
from s2s_keras.training import Recipe

SPEEDS = tuple(round(0.85 + 0.025 * n, 3) for n in range(13))  # 0.85 to 1.15


class MatchboxNetSpotting(Recipe):
    epochs = 26
    batch_size = 64
    learning_rate = 3e-3
    monitor = "val_accuracy"
    monitor_mode = "max"
    data: str = "../shared/data"
    part: float = 1.0  # of the training utterances
    num_others: int = 900  # of `_silence_` and of `_unknown_` each

    def model(self):
        return MatchboxNet3x2x64(
            labels=[*self.keywords(), "_silence_", "_unknown_"],
            front_end=LogMelSpectrogram(64, window_ms=25, name="front_end"),
            spec_augment=SpecAugment(2, 10, 2, 12, name="spec_augment"),
            name="matchboxnet",
        )

    def keywords(self):
        manifest = f"{self.data}/commands_arabic_asc/manifest_train.jsonl"
        return sorted({utterance.text for utterance in load_manifest(manifest)})

    def noise(self, folds):
        manifest = Path(f"{self.data}/noise_esc10/manifest_all.jsonl")
        rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
        return [u for u, row in zip(load_manifest(manifest), rows, strict=True) if row["fold"] in folds]

    def seconds_of(self, utterances, label, count, rng):
        """Single seconds of recordings, as utterances of a class."""
        for _ in range(count):
            utterance = utterances[rng.integers(len(utterances))]
            begin = (utterance.offset or 0.0) + rng.uniform(0.0, max(utterance.duration - 1.0, 0.01))
            yield Utterance(utterance.audio, label, min(1.0, utterance.duration), round(float(begin), 3))

    def utterances(self, part, folds, speech, count, seed):
        rng = np.random.default_rng(seed)
        commands = load_manifest(f"{self.data}/commands_arabic_asc/manifest_{part}.jsonl")[:: round(1 / self.part)]
        count = round(count * self.part)
        silence = self.seconds_of(self.noise(folds), "_silence_", count, rng)
        return [*commands, *silence, *self.seconds_of(speech, "_unknown_", count, rng)]

    def training_data(self, model):
        speech = [u for name in ("an4/manifest_train", "tts_en_kathleen/manifest_train") for u in self.speech(name)]
        data = commands_dataset(
            self.utterances("train", (1, 2, 3, 4), speech, self.num_others, 0),
            model.labels,
            self.batch_size,
            shuffle=True,
            seed=self.seed,
            drop_remainder=True,
            augmentation=(
                SpeedPerturbation(SPEEDS),
                TimeShift(0.15),
                NoiseAtSNR([u.audio for u in self.noise((1, 2, 3, 4))], snr_db=(5, 30), probability=0.5),
            ),
        )
        return Mixup(data, model.labels, 0.2, 0.05, probability=0.3, seed=self.seed)

    def speech(self, name):
        return load_manifest(f"{self.data}/{name}.jsonl")

    def validation_data(self, model):
        speech = self.speech("an4/manifest_dev")
        data = commands_dataset(self.utterances("dev", (4,), speech, 100, 1), model.labels, self.batch_size)
        return Mixup(data, model.labels, alpha=0)

    def loss(self):
        return keras.losses.CategoricalCrossentropy(from_logits=True)

    def metrics(self, model):
        return ["accuracy"]

    def optimizer(self, steps_per_epoch):
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0,
            max((self.epochs - 1) * steps_per_epoch, 1),
            warmup_target=self.learning_rate,
            warmup_steps=steps_per_epoch,
        )
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-3)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer
