"""What has to work where TensorFlow is not installed; skipped elsewhere. `.ci/run` has such an environment."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None, reason="shows what works where TensorFlow is not installed"
)
CLIPS = Path(__file__).resolve().parents[1] / "s2s_keras" / "presets" / "clips" / "manifest.jsonl"


def test_fit_on_arrays():
    import keras

    from s2s_keras.applications import Jasper
    from s2s_keras.data import load_manifest
    from s2s_keras.losses import CTC
    from s2s_keras.metrics import WordErrorRate
    from s2s_keras.ops.audio import load_audio
    from s2s_keras.optimizers import NovoGrad

    keras.utils.set_random_seed(0)
    model = Jasper(blocks=((16, 5, 0.0),), repeat=1, prologue=(16, 5, 0.0), epilogue=((16, 1, 0.0),))
    recordings = [(load_audio(u.audio), model.tokenizer.encode(u.text)) for u in load_manifest(CLIPS)]
    audio = np.zeros((len(recordings), max(len(a) for a, _ in recordings)), "float32")
    labels = np.zeros((len(recordings), max(len(ids) for _, ids in recordings)), "int32")
    for row, (samples, ids) in enumerate(recordings):
        audio[row, : len(samples)], labels[row, : len(ids)] = samples, ids
    lengths = np.array([len(samples) for samples, _ in recordings], "int32")
    model.compile(NovoGrad(0.01), CTC(), metrics=[WordErrorRate(model.tokenizer)])
    history = model.fit({"audio": audio, "audio_lengths": lengths}, labels, epochs=5, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert "tensorflow" not in sys.modules


def test_fit_on_a_manifest():
    from s2s_keras.applications import Jasper
    from s2s_keras.data import speech_dataset
    from s2s_keras.losses import CTC

    model = Jasper(blocks=((16, 5, 0.0),), repeat=1, prologue=(16, 5, 0.0), epilogue=((16, 1, 0.0),))
    train = speech_dataset(str(CLIPS), model.tokenizer, batch_size=2, shuffle=True)
    model.compile("adam", CTC())
    history = model.fit(train.for_fit(), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert "tensorflow" not in sys.modules


def test_transcribe_with_the_shipped_preset():
    from s2s_keras.applications import from_preset
    from s2s_keras.data import load_manifest
    from s2s_keras.metrics import word_error_rate
    from s2s_keras.presets import list_presets

    name = next(card["name"] for card in list_presets() if "an4" in card["name"])
    utterances = load_manifest(CLIPS)
    hypotheses = from_preset(name).transcribe([utterance.audio for utterance in utterances])
    assert word_error_rate([utterance.text for utterance in utterances], hypotheses).rate <= 0.2
    assert "tensorflow" not in sys.modules
