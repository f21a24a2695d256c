"""Speech of one voice: the preset `tacotron2_mini_kathleen_en`.

The commands that made it, from the repository's root, with the corpus in ../shared/data:

    export KERAS_BACKEND=tensorflow
    python recipes/align_kathleen.py --output runs/kathleen_ends.json
    s2s-keras train recipes/tacotron2_mini_kathleen_en.py --output runs/voice_1 --epochs 150 --set held=0
    s2s-keras train recipes/tacotron2_mini_kathleen_en.py --output runs/voice_2 --epochs 110 --set start=runs/voice_1
    s2s-keras train recipes/tacotron2_mini_kathleen_en.py --output runs/voice_3 --epochs 44 --set start=runs/voice_2 \
        --set held=0.25 --set learning_rate=1e-3
    s2s-keras train recipes/tacotron2_mini_kathleen_en.py --output runs/voice_4 --epochs 60 --set start=runs/voice_3 \
        --set held=0.25 --set learning_rate=1e-3

The first was stopped after 11 epochs and the second after 53, whose best weights the third began with; the fourth began
with the last of the third (its preset, as below). An epoch takes 60 to 80 seconds on one core. The preset has the last
weights of the fourth, not its best by `monitor`: the difference of spectrograms stopped falling long before a
recognizer's word error rate did. It is stored without the input "held":

    model = load_model("runs/voice_4")
    model.load_weights("runs/voice_4/checkpoints/step-00003900/model.weights.h5")
    model.copy(held_attention=False).save_to_preset("tacotron2_mini_kathleen_en", half_precision=True)

One run with `held=0.5` and 160 epochs would be simpler; nobody has tried it.

    python recipes/measure_kathleen.py
"""

import json
import re
from pathlib import Path

import keras

from s2s_keras.applications import Tacotron2
from s2s_keras.applications.application import copy_weights
from s2s_keras.data import load_manifest, synthesis_dataset
from s2s_keras.layers import MelSpectrogram
from s2s_keras.losses import AlignmentLikelihood, StopTokenCrossEntropy
from s2s_keras.tokenizers import PhonemeTokenizer
from s2s_keras.training import Recipe, load_model

TRIM = 40.0  # decibels
CONTRAST = 1.85  # chosen on the development set
# What the dictionary lacks.
PRONUNCIATIONS = {
    "disconcerning": "D IH2 S K AH0 N S ER1 N IH0 NG",
    "nightglow": "N AY1 T G L OW2",
    "provocateurs": "P R OW0 V AA2 K AH0 T ER1 Z",
    "roadmate": "R OW1 D M EY2 T",
    "seafaring": "S IY1 F EH2 R IH0 NG",
    "springy": "S P R IH1 NG IY0",
    "tomfoolery": "T AA2 M F UW1 L ER0 IY0",
    "unquenchable": "AH0 N K W EH1 N CH AH0 B AH0 L",
}


class Tacotron2Kathleen(Recipe):
    """A quarter of Tacotron 2's width and two frames a step, of phonemes that are aligned already."""

    epochs = 85
    batch_size = 16
    learning_rate = 1.5e-3
    monitor = "val_mel_postnet_loss"
    monitor_mode = "min"
    data: str = "../shared/data/tts_en_kathleen"
    held: float = 0.5  # the share of the training utterances whose attention is held to the alignment
    reduction_factor: int = 2
    decoder_dim: int = 256
    dropout: float = 0.2
    zoneout: float = 0.05
    frame_dropout: float = 0.2
    part: float = 1.0  # of the training utterances
    ends: str = "runs/kathleen_ends.json"  # of `align_kathleen.py`; empty: attention finds out by itself
    mels: str = ""  # folder that keeps spectrograms for later runs
    start: str = ""  # run or preset whose weights to start from

    def model(self):
        model = Tacotron2(
            tokenizer=PhonemeTokenizer(),
            front_end=MelSpectrogram(name="front_end"),
            vocoder="vocos_mini_kathleen_en",
            embedding_dim=192,
            encoder_filters=256,
            encoder_dim=256,
            prenet_dim=128,
            decoder_dim=self.decoder_dim,
            postnet_filters=128,
            reduction_factor=self.reduction_factor,
            flavour="nvidia",
            dropout=self.dropout,
            zoneout=self.zoneout,
            frame_dropout=self.frame_dropout,
            held_attention=self.held > 0,
            contrast=CONTRAST,
            name="tacotron2_mini",
        )
        if self.start:
            copy_weights(load_model(self.start), model)
        return model

    def dataset(self, model, manifest, **options):
        utterances = load_manifest(f"{self.data}/{manifest}.jsonl")
        return synthesis_dataset(
            utterances[:: round(1 / self.part)],
            model.tokenizer,
            self.batch_size,
            features=model.front_end,
            reduction_factor=self.reduction_factor,
            end_frames=4,
            trim=TRIM,
            normalize=pronounced,
            seed=self.seed,
            cache=self.mels or True,
            token_ends=json.loads(Path(self.ends).read_text()) if self.ends else None,
            **options,
        )

    def training_data(self, model):
        return self.dataset(
            model, "manifest_train", hold=self.held or None, buckets=3, shuffle=True, drop_remainder=True
        )

    def validation_data(self, model):
        return self.dataset(model, "manifest_dev", hold=0.0 if self.held else None)

    def loss(self):
        guide = {"alignment": AlignmentLikelihood()} if self.ends else {}
        return guide | {
            "mel": keras.losses.MeanAbsoluteError(),
            "mel_postnet": keras.losses.MeanAbsoluteError(),
            "stop": StopTokenCrossEntropy(positive_weight=5.0),
        }

    def metrics(self, model):
        return {}

    def optimizer(self, steps_per_epoch):
        steps, warmup = self.epochs * steps_per_epoch, 2 * steps_per_epoch
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, max(steps - warmup, 1), warmup_target=self.learning_rate, warmup_steps=warmup, alpha=0.02
        )
        return keras.optimizers.Adam(schedule, global_clipnorm=1.0)


def pronounced(text):
    """The text with the phonemes of what the dictionary lacks."""
    for word, phonemes in PRONUNCIATIONS.items():
        text = re.sub(rf"\b{word}\b", f"{{{phonemes}}}", text, flags=re.IGNORECASE)
    return text
