"""Wav2Letter on AN4: the preset `wav2letter_mini_an4_en`.

The commands that made it, from the repository's root, with the AN4 manifests in ../shared/data/an4:

    export KERAS_BACKEND=jax
    recipe=recipes/wav2letter_mini_an4_en.py
    s2s-keras train $recipe --output runs/w2l_1 --epochs 8
    s2s-keras train $recipe --output runs/w2l_2 --epochs 80 --set start=runs/w2l_1 --set regularize=yes
    python recipes/splice_an4.py --output runs/spliced_an4
    s2s-keras train $recipe --output runs/w2l_3 --epochs 2 --set start=runs/w2l_2 --set regularize=yes \
        --set spliced=runs/spliced_an4/manifest.jsonl --set learning_rate=1.5e-3
    s2s-keras train $recipe --output runs/w2l_4 --epochs 14 --set start=runs/w2l_3 --set learning_rate=1e-3
    python recipes/splice_an4.py --store runs/w2l_4 --output s2s_keras/presets/wav2letter_mini_an4_en

Stage one learns to align: no regularization, small batches. Stage two starts from its weights with SpecAugment and
dropout. Stage three goes on with utterances spliced from words of one speaker, as `jasper_small_an4_en.py` explains;
stage four without regularization on the real ones. It took five minutes and brought the WER on the development set from
21.3 to 15.7 %, while stages two and three left the training loss at 11 and 18: they regularize this network too much.
"""

import keras

from s2s_keras.applications import Wav2Letter
from s2s_keras.data import SpeedPerturbation, load_manifest
from s2s_keras.layers import SpecAugment
from s2s_keras.training import Recipe, load_model

SPEEDS = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15)


class Wav2LetterMiniAN4(Recipe):
    """Two halvings of the frame rate (40 ms a frame) and twelve convolutions."""

    epochs = 80
    batch_size = 8
    learning_rate = 2e-3
    monitor = "val_wer"
    data: str = "../shared/data/an4"
    part: float = 1.0  # of the training utterances
    width: float = 1.0
    start: str = ""  # run or preset whose weights to start from
    regularize: bool = False
    spliced: str = ""  # manifest of spliced utterances

    def model(self):
        dropout = 0.2 if self.regularize else 0.0

        def block(filters, kernel_size, repeat=1, strides=1, dropout=dropout):
            return (int(filters * self.width), kernel_size, repeat, strides, 1, dropout)

        model = Wav2Letter(
            blocks=(
                block(128, 11, strides=2, dropout=0.0),
                block(192, 7, strides=2, dropout=0.0),
                *((block(256, 5, repeat=2),) * 4),
                block(320, 3),
                block(384, 1),
            ),
            spec_augment=SpecAugment(2, 16, 2, 40, name="spec_augment") if self.regularize else None,
            name="wav2letter_mini",
        )
        if self.start:
            model.set_weights(load_model(self.start).get_weights())
        return model

    def training_data(self, model):
        utterances = load_manifest(f"{self.data}/manifest_train.jsonl")[:: round(1 / self.part)]
        if self.spliced:
            utterances = utterances * 4 + load_manifest(self.spliced)[:: round(1 / self.part)]
        return self.speech_dataset(
            utterances,
            model.tokenizer,
            buckets=8 if self.part == 1.0 else 1,
            shuffle=True,
            cache=True,
            drop_remainder=True,
            augmentation=SpeedPerturbation(SPEEDS),
        )

    def validation_data(self, model):
        return self.speech_dataset(f"{self.data}/manifest_dev.jsonl", model.tokenizer, buckets=2, cache=True)

    def optimizer(self, steps_per_epoch):
        steps, warmup = self.epochs * steps_per_epoch, steps_per_epoch // (4 if self.spliced else 1)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, max(steps - warmup, 1), warmup_target=self.learning_rate, warmup_steps=warmup
        )
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-2, beta_2=0.98, global_clipnorm=100.0)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer
