"""Attention and CTC on one encoder, on AN4: the preset `jca_mini_an4_en`.

The commands that made it, from the repository's root, with the AN4 manifests in ../shared/data/an4:

    KERAS_BACKEND=jax s2s-keras train recipes/jca_mini_an4_en.py --output runs/jca_mini_an4_en
    python recipes/splice_an4.py --store runs/jca_mini_an4_en --output s2s_keras/presets/jca_mini_an4_en
    s2s-keras evaluate jca_mini_an4_en --manifest ../shared/data/an4/manifest_test.jsonl

The CTC half learns to align in the first epochs, and attention finds its way along the encoder that this makes. Both
losses are means over tokens, so that their weights are what they seem.
"""

import keras

from s2s_keras.applications import JointCTCAttention
from s2s_keras.data import SpeedPerturbation, load_manifest
from s2s_keras.losses import CTC, CrossEntropy
from s2s_keras.metrics import WordErrorRate
from s2s_keras.training import Recipe


class JCAMiniAN4(Recipe):
    epochs = 80
    batch_size = 8
    learning_rate = 2e-3
    monitor = "val_loss"
    data: str = "../shared/data/an4"
    part: float = 1.0  # of the training utterances
    width: float = 1.0
    dropout: float = 0.1
    ctc_share: float = 0.5  # of the loss

    def model(self):
        def block(filters, kernel_size, strides, repeat, dropout=self.dropout):
            return (int(filters * self.width), kernel_size, strides, repeat, dropout)

        return JointCTCAttention(
            blocks=(block(128, 11, 2, 1, 0.0), block(192, 7, 2, 1, 0.0), block(256, 5, 1, 4)),
            recurrent_layers=(int(128 * self.width),),
            rnn="gru",
            hidden_dim=int(192 * self.width),
            embedding_dim=64,
            attention_dim=128,
            dropout=self.dropout,
            max_positions=0,
            name="jca_mini",
        )

    def training_data(self, model):
        utterances = load_manifest(f"{self.data}/manifest_train.jsonl")[:: round(1 / self.part)]
        speeds = SpeedPerturbation((0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15))
        return self.speech_dataset(
            utterances,
            model.tokenizer,
            targets="joint",
            buckets=4,
            shuffle=True,
            cache=True,
            drop_remainder=True,
            augmentation=speeds,
        )

    def validation_data(self, model):
        return self.speech_dataset(
            f"{self.data}/manifest_dev.jsonl", model.tokenizer, targets="joint", buckets=2, cache=True
        )

    def loss(self):
        return {"attention": CrossEntropy(label_smoothing=0.1), "ctc": CTC(normalize_by_label_length=True)}

    def loss_weights(self):
        return {"attention": 1.0 - self.ctc_share, "ctc": self.ctc_share}

    def metrics(self, model):
        return {"ctc": [WordErrorRate(model.tokenizer)]}

    def optimizer(self, steps_per_epoch):
        steps = self.epochs * steps_per_epoch
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, steps - steps_per_epoch, warmup_target=self.learning_rate, warmup_steps=steps_per_epoch
        )
        return keras.optimizers.AdamW(schedule, weight_decay=1e-2, beta_2=0.98, global_clipnorm=5.0)
