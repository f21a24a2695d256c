"""How well the preset `tacotron2_mini_kathleen_en` speaks sentences that it was not trained on.

    pip install pocketsphinx
    python recipes/measure_kathleen.py [--preset PRESET] [--part dev test] [--contrast 1.85] [--pictures FOLDER]
        [--recognizer PRESET [--language-model FILE [--alpha 0.5] [--beta 1.0]]]

speaks the sentences of parts of the corpus and prints, as JSON: the word and character error rates of PocketSphinx
with its generic English model, or of a recognizer of s2s_keras, on the recordings, on the recordings after spectrogram
and vocoder, and on the synthesized speech, the last word error rate as a multiple of the first with the interval that
holds 95 % of bootstrap samples of sentences; the mel-cepstral distortion between recording and synthesis, in dB; and
what `inspect_alignment` finds.
"""

import argparse
import functools
import json
import re
from pathlib import Path

import numpy as np

from s2s_keras.applications.speech_synthesizer import as_vocoder
from s2s_keras.data import load_manifest
from s2s_keras.decoding import CTCBeamSearch
from s2s_keras.metrics import character_error_rate, inspect_alignment, mel_cepstral_distortion, word_error_rate
from s2s_keras.ops.audio import load_audio
from s2s_keras.training import load_model
from s2s_keras.visualization import plot_synthesis

SILENCE = np.zeros(3200, "float32")  # at both ends of what is recognized, at 16 kHz


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tacotron2_mini_kathleen_en")
    parser.add_argument("--vocoder", help="another one than the preset's")
    parser.add_argument("--recognizer", help="a recognizer of s2s_keras instead of PocketSphinx")
    parser.add_argument("--language-model", help="n-gram model for that recognizer")
    parser.add_argument("--alpha", type=float, default=0.5, help="weight of the language model")
    parser.add_argument("--beta", type=float, default=1.0, help="bonus of a word")
    parser.add_argument("--contrast", type=float, help="another one than the preset's")
    parser.add_argument("--data", default="../shared/data/tts_en_kathleen")
    parser.add_argument("--part", nargs="+", default=["test"], choices=["train", "dev", "test"])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--pictures", type=Path, help="folder for a picture of every sentence")
    args = parser.parse_args()
    if args.language_model and not args.recognizer:
        parser.error(
            "--language-model is for a --recognizer of s2s_keras, PocketSphinx has its own: pass both or neither"
        )
    utterances = [u for part in args.part for u in load_manifest(f"{args.data}/manifest_{part}.jsonl")[: args.limit]]
    texts = [utterance.text for utterance in utterances]
    model = load_model(args.preset)
    model = model if args.contrast is None else model.copy(contrast=args.contrast)
    vocoder = as_vocoder(args.vocoder or model.vocoder, model.front_end)
    recordings = [load_audio(utterance.audio, model.sample_rate) for utterance in utterances]
    mels = [np.asarray(model.front_end([a[None], np.array([len(a)], "int32")]))[0] for a in recordings]
    spoken = model.spectrograms(texts)
    reports = [inspect_alignment(one.alignment) for one in spoken]
    if args.pictures:
        args.pictures.mkdir(parents=True, exist_ok=True)
        for n, (one, mel) in enumerate(zip(spoken, mels, strict=True)):
            names = [model.tokenizer.decode([k]).strip("{}") or "·" for k in one.token_ids]
            path = args.pictures / f"{n:02d}.png"
            plot_synthesis(one.mel, one.alignment, one.stop, names, reference=mel, path=path)
    speech = {
        "recordings": recordings,
        "vocoder": vocoder.vocode(mels),
        "synthesis": vocoder.vocode([one.mel for one in spoken]),
    }
    recognize = recognizer_of(args) if args.recognizer else pocketsphinx
    heard = {name: [words(text) for text in recognize(several)] for name, several in speech.items()}
    references = [words(text) for text in texts]
    distances = [mel_cepstral_distortion(m, one.mel).decibels for m, one in zip(mels, spoken, strict=True)]
    result = {
        "sentences": len(texts),
        "wer": {name: round(word_error_rate(references, several).rate, 4) for name, several in heard.items()},
        "cer": {name: round(character_error_rate(references, several).rate, 4) for name, several in heard.items()},
        "synthesis_to_recordings": multiple(references, heard["synthesis"], heard["recordings"]),
        "mel_cepstral_distortion": round(float(np.mean(distances)), 2),
        "diagonality": round(float(np.mean([report.diagonality for report in reports])), 3),
        "sentences_with_skips": sum(bool(len(report.skipped)) for report in reports),
        "sentences_with_repeats": sum(bool(len(report.repeated)) for report in reports),
    }
    print(json.dumps(result, indent=2))


def multiple(references, several, others):
    """The first word error rate divided by the second, and the bounds of 95 % of bootstrap samples of sentences."""
    edits = [
        [word_error_rate(*pair).edits for pair in zip(references, texts, strict=True)] for texts in (several, others)
    ]
    samples = np.random.default_rng(0).integers(len(references), size=(10000, len(references)))
    drawn = np.array(edits)[:, samples].sum(axis=2)
    bounds = np.quantile(drawn[0] / np.maximum(drawn[1], 1), (0.025, 0.975))
    return [round(float(x), 2) for x in (np.sum(edits[0]) / max(np.sum(edits[1]), 1), *bounds)]


def recognizer_of(args):
    """A function from recordings to texts, of the command line's arguments."""
    model = load_model(args.recognizer)
    if not args.language_model:
        return model.transcribe
    search = CTCBeamSearch.from_preset(args.language_model, model.tokenizer, alpha=args.alpha, beta=args.beta)
    return functools.partial(model.transcribe, language_model=search)


def pocketsphinx(recordings):
    from pocketsphinx import Decoder

    texts = []
    for audio in recordings:
        decoder = Decoder(samprate=16000, loglevel="FATAL")
        samples = np.clip(np.concatenate([SILENCE, audio, SILENCE]), -1.0, 1.0)
        decoder.start_utt()
        decoder.process_raw((samples * 32767).astype("int16").tobytes(), full_utt=True)
        decoder.end_utt()
        texts.append(decoder.hyp().hypstr if decoder.hyp() else "")
    return texts


def words(text):
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())


if __name__ == "__main__":
    main()
