"""Two families in one network, on AN4: QuartzNet's separable blocks below, Deep Speech's recurrent layer above.

    s2s-keras train recipes/mixed_families_an4.py

Every layer hands the mask on, so any of them may stand on any other. `CTCRecognizer` adds front end and head.
"""

import keras

from s2s_keras.applications import CTCRecognizer
from s2s_keras.data import SpeedPerturbation, load_manifest
from s2s_keras.layers import JasperBlock
from s2s_keras.training import Recipe


class QuartzSpeechAN4(Recipe):
    epochs = 30
    batch_size = 8
    monitor = "val_wer"
    data: str = "../shared/data/an4"
    part: float = 1.0  # of the training utterances
    filters: tuple[int, ...] = (96, 128, 160)  # of the blocks
    hidden_dim: int = 96  # of the recurrent layer, in each direction

    def model(self):
        quartznet = [
            JasperBlock(filters, kernel_size=11, strides=2 if n < 2 else 1, repeat=1 if n < 2 else 2, separable=True)
            for n, filters in enumerate(self.filters)
        ]
        deep_speech = keras.layers.Bidirectional(keras.layers.GRU(self.hidden_dim, return_sequences=True))
        return CTCRecognizer([*quartznet, deep_speech], name="quartz_speech")

    def training_data(self, model):
        utterances = load_manifest(f"{self.data}/manifest_train.jsonl")[:: round(1 / self.part)]
        speeds = SpeedPerturbation((0.9, 1.0, 1.1))
        return self.speech_dataset(
            utterances, model.tokenizer, buckets=3, shuffle=True, cache=True, drop_remainder=True, augmentation=speeds
        )

    def validation_data(self, model):
        return self.speech_dataset(f"{self.data}/manifest_dev.jsonl", model.tokenizer, cache=True)

    def optimizer(self, steps_per_epoch):
        schedule = keras.optimizers.schedules.CosineDecay(self.learning_rate, self.epochs * steps_per_epoch)
        return keras.optimizers.AdamW(schedule, weight_decay=1e-2, global_clipnorm=100.0)
