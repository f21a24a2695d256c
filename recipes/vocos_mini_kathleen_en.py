"""A vocoder for the voice Kathleen: the preset `vocos_mini_kathleen_en`.

The commands that made it, from the repository's root, with the corpus in ../shared/data/tts_en_kathleen:

    export KERAS_BACKEND=jax
    recipe=recipes/vocos_mini_kathleen_en.py
    s2s-keras train $recipe --output runs/vocos_1 --set epochs=80    # stopped by SIGTERM after 1,962 steps
    s2s-keras train $recipe --output runs/vocos_2 --set epochs=30 --set start=runs/vocos_1
    s2s-keras train $recipe --output runs/vocos_3 --set epochs=26 --set start=runs/vocos_2    # stopped at 1,893
    s2s-keras train $recipe --output runs/vocos_4 --set start=runs/vocos_3 --set epochs=60 --set learning_rate=1.5e-3

A step takes about 0.2 s of one core. The loss on the development set was 1.45 after the first run, then 1.23, 1.25 and
1.15. The network is trained on distances of spectra alone: there is no discriminator.
"""

import keras

from s2s_keras.applications import VocosMini
from s2s_keras.data import MelSegments, load_manifest
from s2s_keras.layers import MelSpectrogram
from s2s_keras.losses import MultiResolutionSpectrum
from s2s_keras.training import Recipe, load_model


class VocosMiniKathleen(Recipe):
    """Five blocks of 192 channels at 62.5 frames a second."""

    epochs = 40
    batch_size = 8
    learning_rate = 2e-3
    data: str = "../shared/data/tts_en_kathleen"
    part: float = 1.0  # of the recordings
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
        utterances = load_manifest(f"{self.data}/manifest_{part}.jsonl")[:: round(1 / self.part)]
        return MelSegments(utterances, mel, **sizes, **options)

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
