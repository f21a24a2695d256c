"""Deep Speech 2 on AN4: the preset `deep_speech_mini_an4_en`.

The commands that made it, from the repository's root, with the AN4 manifests in ../shared/data/an4:

    export KERAS_BACKEND=jax
    recipe=recipes/deep_speech_mini_an4_en.py
    s2s-keras train $recipe --output runs/ds2_1 --epochs 8
    s2s-keras train $recipe --output runs/ds2_2 --epochs 28 --set start=runs/ds2_1 --set regularize=yes
    python recipes/splice_an4.py --store runs/ds2_2 --output s2s_keras/presets/deep_speech_mini_an4_en

Stage one learns to align: no regularization, small batches. Stage two starts from its weights with SpecAugment and
dropout; its loss on the development set still fell slowly when it ended. What would come next, and was not run, are
utterances spliced from words of one speaker, as `jasper_small_an4_en.py` explains:

    python recipes/splice_an4.py --output runs/spliced_an4
    s2s-keras train $recipe --output runs/ds2_3 --epochs 5 --set start=runs/ds2_2 --set regularize=yes \
        --set spliced=runs/spliced_an4/manifest.jsonl --set learning_rate=5e-4
"""

import keras

from s2s_keras.applications import DeepSpeech2
from s2s_keras.data import SpeedPerturbation, load_manifest
from s2s_keras.layers import SpecAugment
from s2s_keras.training import Recipe, load_model

SPEEDS = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15)


class DeepSpeechMiniAN4(Recipe):
    """Two halvings of the frame rate (40 ms a frame), log-mel features, three bidirectional GRU layers."""

    epochs = 80
    batch_size = 8
    learning_rate = 1e-3
    monitor = "val_wer"
    data: str = "../shared/data/an4"
    part: float = 1.0  # of the training utterances
    width: float = 1.0
    start: str = ""  # run or preset whose weights to start from
    regularize: bool = False
    spliced: str = ""  # manifest of spliced utterances

    def model(self):
        units = int(256 * self.width)
        model = DeepSpeech2(
            convolutions=((32, (11, 21), (2, 2)), (32, (7, 11), (2, 2))),
            num_layers=3,
            units=units,
            hidden_dim=2 * units,
            dropout=0.3 if self.regularize else 0.0,
            front_end="log_mel",
            num_mel_bins=64,
            spec_augment=SpecAugment(2, 16, 2, 40, name="spec_augment") if self.regularize else None,
            name="deep_speech_mini",
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
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-2, beta_2=0.98, global_clipnorm=50.0)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer
