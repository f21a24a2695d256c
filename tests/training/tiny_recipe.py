"""A tiny recipe on the clips that ship, for the tests of what is done with recipes."""

from pathlib import Path

import s2s_keras
from s2s_keras.applications import Jasper
from s2s_keras.training import Recipe

CLIPS = Path(s2s_keras.__file__).parent / "presets" / "clips" / "manifest.jsonl"


class Tiny(Recipe):
    epochs = 2
    batch_size = 2
    learning_rate = 1e-2
    filters: int = 8
    validate: bool = True

    def model(self):
        block = (self.filters, 3, 0.1)
        return Jasper(prologue=block, blocks=(block,), epilogue=(block,), repeat=1, name="tiny")

    def training_data(self, model):
        return self.speech_dataset(str(CLIPS), model.tokenizer, shuffle=True, drop_remainder=True)

    def validation_data(self, model):
        return self.speech_dataset(str(CLIPS), model.tokenizer, drop_remainder=True) if self.validate else None

    def metrics(self, model):
        return []  # the word error rate takes seconds to compile
