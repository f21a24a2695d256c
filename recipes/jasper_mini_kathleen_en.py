"""A recognizer of one voice, to measure a synthesizer of that voice with. It is no preset: it knows nobody else.

From the repository's root, with the corpus in ../shared/data/tts_en_kathleen:

    s2s-keras train recipes/jasper_mini_kathleen_en.py --output runs/jasper_mini_kathleen_en
    python recipes/measure_kathleen.py --recognizer runs/jasper_mini_kathleen_en
"""

import re

import keras

from s2s_keras.applications import Jasper
from s2s_keras.applications.application import copy_weights
from s2s_keras.data import SpeedPerturbation, load_manifest
from s2s_keras.layers import SpecAugment
from s2s_keras.training import Recipe, load_model


class JasperMiniKathleen(Recipe):
    """The network of `jasper_mini_an4.py`, on the recordings that the voice was trained on."""

    epochs = 60
    batch_size = 8
    learning_rate = 2e-3
    monitor = "val_wer"
    data: str = "../shared/data/tts_en_kathleen"
    dropout: float = 0.2
    spec_augment: bool = False
    part: float = 1.0  # of the training utterances
    synthetic: str = ""  # manifests of synthetic speech that is learned beside the recordings, separated by commas
    start: str = ""  # run whose weights to start from

    def model(self):
        model = Jasper(
            prologue=((96, 11, self.dropout), (160, 7, self.dropout)),
            blocks=((208, 5, self.dropout),) * 4,
            epilogue=((256, 3, self.dropout), (320, 1, self.dropout)),
            repeat=2,
            residual="plain",
            spec_augment=SpecAugment(2, 16, 2, 40, name="spec_augment") if self.spec_augment else None,
            name="jasper_mini",
        )
        if self.start:
            copy_weights(load_model(self.start), model)
        return model

    def training_data(self, model):
        utterances = load_manifest(f"{self.data}/manifest_train.jsonl")[:: round(1 / self.part)]
        for manifest in filter(None, self.synthetic.split(",")):
            utterances = utterances + load_manifest(manifest)
        return self.speech_dataset(
            utterances,
            model.tokenizer,
            normalize=letters,
            buckets=5,
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
