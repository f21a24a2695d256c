"""The voice that ships is understood by somebody else's recognizer."""

import keras
import numpy as np
import pytest

from s2s_keras.applications import Tacotron2
from s2s_keras.metrics import inspect_alignment

pocketsphinx = pytest.importorskip("pocketsphinx")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="once is enough")


def test_a_recognizer_reads_back_what_is_said():
    voice = Tacotron2.from_preset("tacotron2_mini_kathleen_en")
    text = "the quick brown fox"
    audio, sample_rate = voice.synthesize(text)
    silence = np.zeros(sample_rate // 5, "float32")
    samples = np.clip(np.concatenate([silence, audio, silence]), -1.0, 1.0)
    decoder = pocketsphinx.Decoder(samprate=sample_rate, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw((samples * 32767).astype("int16").tobytes(), full_utt=True)
    decoder.end_utt()
    assert decoder.hyp().hypstr == text
    report = inspect_alignment(voice.spectrograms([text])[0].alignment)
    assert not len(report.skipped) and not len(report.repeated)
