"""A recognizer of one voice, to measure a synthesizer of that voice with. It is no preset: it knows nobody else.

From the repository's root, with the corpus in ../shared/data/tts_en_kathleen:

    s2s-keras train recipes/jasper_mini_kathleen_en.py --output runs/jasper_mini_kathleen_en
    python recipes/measure_kathleen.py --recognizer runs/jasper_mini_kathleen_en
"""

import re

import keras

from s2s_keras.applications import Jasper
from s2s_keras.data import SpeedPerturbation, load_manifest
from s2s_keras.training import Recipe


class JasperMiniKathleen(Recipe):
    """The network of `jasper_mini_an4.py`, on the recordings that the voice was trained on."""

    epochs = 60
    batch_size = 8
    learning_rate = 2e-3
    monitor = "val_wer"
    data: str = "../shared/data/tts_en_kathleen"
    dropout: float = 0.2
    part: float = 1.0  # of the training utterances

    def model(self):
        return Jasper(
            prologue=((96, 11, self.dropout), (128, 7, self.dropout)),
            blocks=((160, 5, self.dropout),) * 3,
            epilogue=((192, 3, self.dropout), (256, 1, self.dropout)),
            repeat=2,
            residual="plain",
            name="jasper_mini",
        )

    def training_data(self, model):
        return self.speech_dataset(
            load_manifest(f"{self.data}/manifest_train.jsonl")[:: round(1 / self.part)],
            model.tokenizer,
            normalize=letters,
            buckets=3,
            shuffle=True,
            cache=True,
            drop_remainder=True,
            augmentation=SpeedPerturbation((0.9, 1.0, 1.1)),
        )

    def validation_data(self, model):
        return self.speech_dataset(f"{self.data}/manifest_dev.jsonl", model.tokenizer, normalize=letters, cache=True)

    def optimizer(self, steps_per_epoch):
        steps = self.epochs * steps_per_epoch
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, steps - steps_per_epoch, warmup_target=self.learning_rate, warmup_steps=steps_per_epoch
        )
        return keras.optimizers.AdamW(schedule, weight_decay=1e-2, beta_2=0.98, global_clipnorm=100.0)


def letters(text):
    """The text in small letters, without punctuation."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())
