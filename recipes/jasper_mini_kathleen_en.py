"""A recognizer of one voice, to measure a synthesizer of that voice with. It is no preset: it knows nobody else.

An hour of one speaker is too little to learn English spelling from, so it starts from eight hours of synthetic voices
that read other sentences, and a language model knows more words. From the repository's root, with the corpora in
../shared/data:

    export KERAS_BACKEND=jax
    recipe=recipes/jasper_mini_kathleen_en.py
    python recipes/english_texts.py --output runs/english
    python recipes/synthetic_speech.py runs/english/spoken.txt --clear --espeak 0.25 --output runs/english_voices
    s2s-keras lm train runs/english/corpus.txt --prune 0,0,1 --output runs/english/words.s2slm
    s2s-keras train $recipe --output runs/kathleen_1 --epochs 12 --set batch_size=16 --set dropout=0.1 \
        --set synthetic=runs/english_voices/manifest.jsonl
    s2s-keras train $recipe --output runs/kathleen_2 --epochs 30 --set start=runs/kathleen_1 --set learning_rate=5e-4
    python recipes/measure_kathleen.py --part dev test --recognizer runs/kathleen_2 \
        --language-model runs/english/words.s2slm --alpha 0.4 --beta 0.5

Of the recordings of the development set 70.0 % of the words were wrong after the first training and 57.0 % after the
second, 38.1 % with the language model at the best of six weights and four bonuses (`s2s_keras.decoding.tune`). The
second training was stopped after 27 epochs, as nothing got better any more.

(The sentences were said in two halves before there was `--clear`, by the same voices in the same ranges.) An epoch
takes five minutes of one core in the first training, half a minute in the second.
"""

import re

import keras

from s2s_keras.applications import Jasper
from s2s_keras.applications.application import copy_weights
from s2s_keras.data import SpeedPerturbation, load_manifest
from s2s_keras.training import Recipe, load_model


class JasperMiniKathleen(Recipe):
    """A small Jasper, on the recordings that the voice was trained on."""

    epochs = 60
    batch_size = 8
    learning_rate = 2e-3
    monitor = "val_wer"
    data: str = "../shared/data/tts_en_kathleen"
    dropout: float = 0.2
    part: float = 1.0  # of the training utterances
    synthetic: str = ""  # manifest of synthetic speech that is learned beside the recordings
    start: str = ""  # run whose weights to start from

    def model(self):
        model = Jasper(
            prologue=((96, 11, self.dropout), (160, 7, self.dropout)),
            blocks=((208, 5, self.dropout),) * 4,
            epilogue=((256, 3, self.dropout), (320, 1, self.dropout)),
            repeat=2,
            residual="plain",
            name="jasper_mini",
        )
        if self.start:
            copy_weights(load_model(self.start), model)
        return model

    def training_data(self, model):
        utterances = load_manifest(f"{self.data}/manifest_train.jsonl")[:: round(1 / self.part)]
        if self.synthetic:
            utterances = utterances + load_manifest(self.synthetic)
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
