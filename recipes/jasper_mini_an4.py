"""A small Jasper on AN4: the recipe to copy.

s2s-keras train recipes/jasper_mini_an4.py
s2s-keras evaluate runs/jasper_mini_an4 --manifest ../shared/data/an4/manifest_test.jsonl
"""

import keras

from s2s_keras.applications import Jasper
from s2s_keras.data import SpeedPerturbation, load_manifest
from s2s_keras.training import Recipe


class JasperMiniAN4(Recipe):
    """Two halvings of the frame rate and three residual blocks; learns to align in the first two epochs or so."""

    epochs = 40
    batch_size = 8
    learning_rate = 2e-3
    monitor = "val_wer"
    data: str = "../shared/data/an4"
    part: float = 1.0  # of the training utterances
    width: float = 1.0
    dropout: float = 0.0
    synthetic: str = ""  # manifest of synthetic speech to mix in, of synthetic_speech.py
    synthetic_share: float = 0.5  # of the training utterances

    def model(self):
        def block(filters, kernel_size, dropout=self.dropout):
            return (int(filters * self.width), kernel_size, dropout)

        return Jasper(
            prologue=(block(96, 11, 0.0), block(128, 7, 0.0)),
            blocks=(block(160, 5),) * 3,
            epilogue=(block(192, 3), block(256, 1)),
            repeat=2,
            residual="plain",
            name="jasper_mini",
        )

    def training_data(self, model):
        utterances = load_manifest(f"{self.data}/manifest_train.jsonl")[:: round(1 / self.part)]
        speeds = SpeedPerturbation((0.9, 1.0, 1.1))
        return self.speech_dataset(
            utterances,
            model.tokenizer,
            synthetic=self.synthetic or None,
            synthetic_share=self.synthetic_share,
            buckets=3,
            shuffle=True,
            cache=True,
            drop_remainder=True,
            augmentation=speeds,
        )

    def validation_data(self, model):
        return self.speech_dataset(f"{self.data}/manifest_dev.jsonl", model.tokenizer, cache=True)

    def optimizer(self, steps_per_epoch):
        steps = self.epochs * steps_per_epoch
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, steps - steps_per_epoch, warmup_target=self.learning_rate, warmup_steps=steps_per_epoch
        )
        return keras.optimizers.AdamW(schedule, weight_decay=1e-2, beta_2=0.98, global_clipnorm=100.0)
