"""When each token of the voice Kathleen is said, for the recipe `tacotron2_mini_kathleen_en`.

    python recipes/align_kathleen.py --output runs/kathleen_ends.json

goes on training the recognizer `jasper_small_an4_en` with the voice for some epochs, aligns every text with its trimmed
recording, and writes the seconds at which each token of `SynthesisTokenizer` ends. `--recognizer FOLDER` keeps the
recognizer there, or takes the one that is there.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np

from s2s_keras.applications import Application, Jasper
from s2s_keras.applications.recordings import padded_batches
from s2s_keras.data import load_manifest, speech_dataset
from s2s_keras.decoding import ctc_alignment
from s2s_keras.losses import CTC
from s2s_keras.ops.audio import load_audio
from s2s_keras.ops.trimming import trim_silence
from s2s_keras.tokenizers import SynthesisTokenizer

TRIM = 40.0  # decibels, as in the recipe
EPOCHS = 7


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/tts_en_kathleen")
    parser.add_argument("--recognizer", default="runs/kathleen_recognizer")
    parser.add_argument("--output", default="runs/kathleen_ends.json")
    args = parser.parse_args()
    if Path(args.recognizer, "config.json").is_file():
        recognizer = Application.from_preset(args.recognizer)
    else:
        recognizer = train(args.data)
        recognizer.save_to_preset(args.recognizer)
    ends = {}
    for part in ("train", "dev"):
        ends |= token_ends(recognizer, load_manifest(f"{args.data}/manifest_{part}.jsonl"))
    Path(args.output).write_text(json.dumps(ends))
    print(f"{len(ends)} utterances: {args.output}")


def train(data):
    """The recognizer of AN4, which has heard no such texts, after some epochs of the voice."""
    model = Jasper.from_preset("jasper_small_an4_en")
    options = {"batch_size": 16, "normalize": lambda text: letters(SynthesisTokenizer(), text)}
    dataset = speech_dataset(f"{data}/manifest_train.jsonl", model.tokenizer, shuffle=True, buckets=3, **options)
    steps = EPOCHS * len(dataset)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, steps - 60, warmup_target=1.5e-3, warmup_steps=60)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-2), CTC())
    model.fit(dataset.for_fit(), epochs=EPOCHS, verbose=2)
    return model


def letters(tokenizer, text):
    """What the recognizer knows of a text: letters, apostrophes and single spaces."""
    spoken = tokenizer.decode(tokenizer.encode(text))
    return " ".join("".join(c if c.isalpha() or c == "'" else " " for c in spoken).split())


def token_ends(recognizer, utterances):
    """{audio: seconds at which each token ends}."""
    tokenizer, ends = SynthesisTokenizer(), {}
    recordings = [trim_silence(load_audio(u.audio, recognizer.sample_rate), top_db=TRIM) for u in utterances]
    for indices, batch in padded_batches(recordings, recognizer.sample_rate, 16):
        for n, logits in zip(indices, recognizer.predict_on_batch(batch), strict=False):
            seconds = len(recordings[n]) / recognizer.sample_rate
            frames = min(len(logits), round(seconds / recognizer.frame_seconds) + 1)
            characters = [tokenizer.decode([k]) for k in tokenizer.encode(utterances[n].text)]
            ends[utterances[n].audio] = ends_of(recognizer, logits[:frames], characters, seconds)
    return ends


def ends_of(recognizer, logits, characters, seconds):
    """The end of every character, of which those that the recognizer does not know lie between their neighbours."""
    known, text = [], ""
    for n, character in enumerate(characters):
        character = character if character.isalpha() or character == "'" else " "
        if character != " " or (text and text[-1] != " "):
            known.append(n)
            text += character
    while text.endswith(" "):
        known.pop()
        text = text[:-1]
    spans = ctc_alignment(logits, recognizer.tokenizer.encode(text)) * recognizer.frame_seconds
    places = np.interp(np.arange(len(characters)), known, spans.mean(axis=1), left=0.0, right=seconds)
    return [*(0.5 * (places[1:] + places[:-1])).round(3).tolist(), round(seconds, 3)]


if __name__ == "__main__":
    main()
