"""A vocoder for the voice Kathleen: the preset `vocos_mini_kathleen_en`.

The commands that made it, from the repository's root, with the corpus in ../shared/data/tts_en_kathleen:

    export KERAS_BACKEND=jax
    s2s-keras train recipes/vocos_mini_kathleen_en.py --output runs/vocos

The network hears random pieces of a second. It is trained on distances of spectra alone: no discriminator.
"""

import keras

from s2s_keras.applications import VocosMini
from s2s_keras.data import MelSegments
from s2s_keras.layers import MelSpectrogram
from s2s_keras.losses import MultiResolutionSpectrum
from s2s_keras.training import Recipe, load_model


class VocosMiniKathleen(Recipe):
    """Five blocks of 192 channels at 62.5 frames a second."""

    epochs = 40
    batch_size = 8
    learning_rate = 2e-3
    data: str = "../shared/data/tts_en_kathleen"
    num_frames: int = 64
    pieces: int = 1  # of every recording in an epoch
    start: str = ""  # run or preset whose weights to start from

    def model(self):
        model = VocosMini(name="vocos_mini")
        if self.start:
            model.set_weights(load_model(self.start).get_weights())
        return model

    def segments(self, part, model, **options):
        mel = MelSpectrogram(model.sample_rate, model.fft_length, model.hop_length, model.num_mel_bins)
        sizes = {"num_frames": self.num_frames, "batch_size": self.batch_size, "seed": self.seed}
        return MelSegments(f"{self.data}/manifest_{part}.jsonl", mel, **sizes, **options)

    def training_data(self, model):
        return self.segments("train", model, shuffle=True, pieces=self.pieces)

    def validation_data(self, model):
        return self.segments("dev", model)

    def optimizer(self, steps_per_epoch):
        steps = self.epochs * steps_per_epoch
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, steps - 100, warmup_target=self.learning_rate, warmup_steps=100
        )
        return keras.optimizers.AdamW(schedule, weight_decay=1e-2, beta_1=0.8, beta_2=0.99, global_clipnorm=10.0)

    def loss(self):
        return MultiResolutionSpectrum()
