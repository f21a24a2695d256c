"""Arabic commands: the preset `jasper_small_asc_arabic`.

The commands that made it, from the repository's root, with the corpora in ../shared/data:

    export KERAS_BACKEND=tensorflow
    recipe=recipes/jasper_small_asc_arabic.py
    s2s-keras train $recipe --output runs/arabic_1 --epochs 36
    s2s-keras train $recipe --output runs/arabic_2 --epochs 14 --set start=runs/arabic_1 --set everything=yes \
        --set learning_rate=1e-3 --set monitor=loss --set monitor_mode=min

The first run never trains on the six speakers of the development set, of whose commands it tells 98.0 %. The second
goes on with them. On one core of their own they take about half an hour and a quarter.
"""

import keras

from s2s_keras.applications import Jasper, SpeechClassifier
from s2s_keras.data import Mixup, NoiseAtSNR, SpeedPerturbation, TimeShift, commands_dataset, load_manifest
from s2s_keras.layers import LogMelSpectrogram, SpecAugment
from s2s_keras.training import Recipe, load_model

SPEEDS = tuple(round(0.85 + 0.025 * n, 3) for n in range(13))  # 0.85 to 1.15


class JasperSmallASC(Recipe):
    """Two halvings of the frame rate (40 ms a frame) and four residual blocks of two plain convolutions."""

    epochs = 36
    batch_size = 64
    learning_rate = 2e-3
    monitor = "val_accuracy"
    monitor_mode = "max"
    data: str = "../shared/data/commands_arabic_asc"
    noise: str = "../shared/data/noise_esc10/manifest_all.jsonl"
    part: float = 1.0  # of the training utterances
    width: float = 1.0
    everything: bool = False  # train on the development set, too
    start: str = ""  # run or preset whose weights to start from
    strength: float = 0.5  # of the regularization: 0 is none

    def model(self):
        strength, dropout = self.strength, 0.1 * self.strength

        def block(filters, kernel_size, dropout=dropout):
            return (int(filters * self.width), kernel_size, dropout)

        encoder = Jasper(
            prologue=(block(128, 11, 0.0), block(160, 9)),
            blocks=(block(160, 5),) * 4,
            repeat=2,
            epilogue=block(256, 1),
            epilogue_dilation=1,
            residual="plain",
            include_top=False,
            front_end=LogMelSpectrogram(window_ms=25, floor=1e-5, normalization="global", name="front_end"),
            spec_augment=SpecAugment(2, round(12 * strength), 2, round(15 * strength), name="spec_augment"),
        )
        model = SpeechClassifier(encoder, self.labels(), dropout=2 * dropout, name="jasper_small")
        if self.start:
            model.set_weights(load_model(self.start).get_weights())
        return model

    def labels(self):
        return sorted({utterance.text for utterance in load_manifest(f"{self.data}/manifest_train.jsonl")})

    def training_data(self, model):
        utterances = load_manifest(f"{self.data}/manifest_train.jsonl")
        if self.everything:
            utterances += load_manifest(f"{self.data}/manifest_dev.jsonl")
        data = commands_dataset(
            utterances[:: round(1 / self.part)],
            model.labels,
            self.batch_size,
            shuffle=True,
            seed=self.seed,
            drop_remainder=True,
            augmentation=(
                SpeedPerturbation(SPEEDS),
                TimeShift(0.1),
                NoiseAtSNR(self.noise, snr_db=(5, 30), probability=0.4),
            ),
        )
        return Mixup(
            data, model.labels, 0.4, 0.1 * self.strength, probability=min(0.5 * self.strength, 1.0), seed=self.seed
        )

    def validation_data(self, model):
        data = commands_dataset(f"{self.data}/manifest_dev.jsonl", model.labels, self.batch_size)
        return Mixup(data, model.labels, alpha=0)

    def loss(self):
        return keras.losses.CategoricalCrossentropy(from_logits=True)

    def metrics(self, model):
        return ["accuracy"]

    def optimizer(self, steps_per_epoch):
        steps, warmup = self.epochs * steps_per_epoch, steps_per_epoch
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, max(steps - warmup, 1), warmup_target=self.learning_rate, warmup_steps=warmup
        )
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=2e-2)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer
