"""When each phoneme of the voice Kathleen is said, for the recipe `tacotron2_mini_kathleen_en`.

    pip install pocketsphinx
    python recipes/align_kathleen.py --output runs/kathleen_ends.json

aligns every text, in the phonemes of its tokenizer, with its trimmed recording by PocketSphinx and its English acoustic
model, and writes the seconds at which each token ends. It takes two minutes.
"""

import argparse
import json
import tempfile
from itertools import groupby
from pathlib import Path

import numpy as np
from pocketsphinx import Decoder
from tacotron2_mini_kathleen_en import TRIM, pronounced

from s2s_keras.data import load_manifest
from s2s_keras.ops.audio import load_audio
from s2s_keras.ops.trimming import trim_silence
from s2s_keras.tokenizers import PHONEMES, PhonemeTokenizer

FRAME_SECONDS = 0.01  # PocketSphinx'
PAUSE = 20  # frames of silence that are put around what is aligned
WIDE = {"beam": 1e-100, "pbeam": 1e-100, "wbeam": 1e-80, "bestpath": False}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/tts_en_kathleen")
    parser.add_argument("--output", default="runs/kathleen_ends.json")
    args = parser.parse_args()
    ends = {}
    for part in ("train", "dev"):
        ends |= token_ends(load_manifest(f"{args.data}/manifest_{part}.jsonl"))
    Path(args.output).parent.mkdir(parents=True, exist_ok=True)
    Path(args.output).write_text(json.dumps(ends))
    print(f"{len(ends)} utterances: {args.output}")


def token_ends(utterances):
    """{audio: seconds at which each token ends}."""
    tokenizer = PhonemeTokenizer(unknown_words="error")
    sentences = [words_of(tokenizer, tokenizer.encode(pronounced(utterance.text))) for utterance in utterances]
    entries = sorted({word for sentence in sentences for word in sentence if isinstance(word, tuple)})
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as file:
        file.writelines(f"{'_'.join(word)} {' '.join(word)}\n" for word in entries)
        file.flush()
        decoder = Decoder(samprate=16000, loglevel="FATAL", lm=None, dict=file.name, **WIDE)
    ends = {}
    for utterance, sentence in zip(utterances, sentences, strict=True):
        audio = trim_silence(load_audio(utterance.audio, 16000), top_db=TRIM)
        ends[utterance.audio] = ends_of(decoder, audio, sentence)
    return ends


def words_of(tokenizer, ids):
    """Words as tuples of phonemes without stress, other tokens as ids."""
    names = [tokenizer.decode([n]).strip("{}") for n in ids]
    sentence = []
    for spoken, tokens in groupby(zip(ids, names, strict=True), lambda token: token[1] in PHONEMES):
        tokens = list(tokens)
        sentence += [tuple(name.rstrip("012") for _, name in tokens)] if spoken else [n for n, _ in tokens]
    return sentence


def ends_of(decoder, audio, sentence):
    """The end of every token; those between two words share the pause there."""
    words = [word for word in sentence if isinstance(word, tuple)]
    decoder.set_align_text(" ".join("_".join(word) for word in words))
    padded = np.pad(np.clip(audio, -1.0, 1.0), round(16000 * FRAME_SECONDS * PAUSE))
    samples = (padded * 32767).astype("int16").tobytes()
    recognize(decoder, samples)
    decoder.set_alignment()
    recognize(decoder, samples)
    found, seconds = [], len(audio) / 16000
    for word in decoder.get_alignment():  # its words do not outlive the loop
        if not word.name.startswith(("<", "[")):
            spans = [(phone.start, phone.start + phone.duration) for phone in word]
            found.append(np.clip(FRAME_SECONDS * (np.array(spans) - PAUSE), 0.0, seconds))
    if [len(spans) for spans in found] != [len(word) for word in words]:
        raise ValueError(f"Not aligned to its end: {words}.")
    starts = [spans[0, 0] for spans in found] + [seconds]
    ends, at, n = [], 0.0, 0
    for is_word, tokens in groupby(sentence, lambda token: isinstance(token, tuple)):
        if is_word:
            for _ in tokens:
                ends += found[n][:, 1].tolist()
                n += 1
            at = ends[-1]
        else:
            count = len(list(tokens))
            ends += np.linspace(at, starts[n], count + 1)[1:].tolist()
    return [round(end, 3) for end in ends]


def recognize(decoder, samples):
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()


if __name__ == "__main__":
    main()
