"""Small corpora, made where the tests need them."""

import json

import numpy as np
import pytest
import soundfile

from s2s_keras.tokenizers import CharacterTokenizer


def noise(seconds, sample_rate=16000, seed=0):
    return np.random.default_rng(seed).normal(0.0, 0.1, round(seconds * sample_rate)).astype("float32")


@pytest.fixture
def tokenizer():
    return CharacterTokenizer()


@pytest.fixture
def write_corpus(tmp_path):
    """Function (durations, texts="yes", name) -> path of a manifest of wav files, one per duration."""

    def write(durations, texts=None, name="train.jsonl"):
        rows = []
        for n, seconds in enumerate(durations):
            audio = f"{name}-{n}.wav"
            soundfile.write(tmp_path / audio, noise(seconds, seed=n), 16000)
            text = "yes" if texts is None else texts[n]
            rows.append({"audio_filepath": audio, "duration": round(float(seconds), 2), "text": text})
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    return write
