import struct

import keras
import numpy as np
import pytest
from keras import ops
from matplotlib.figure import Figure

from s2s_keras.applications import Jasper, Tacotron2
from s2s_keras.data import load_manifest, speech_dataset
from s2s_keras.layers import MelSpectrogram
from s2s_keras.metrics import word_error_rate
from s2s_keras.optimizers import StaticLossScale
from s2s_keras.optimizers.schedules import WarmUp
from s2s_keras.training import TensorBoardLogger, distribution, tensorboard
from tests.test_without_tensorflow import CLIPS

pytest.importorskip("tensorboardX")


def events(folder):
    """{tag: [(step, value)]} of the event files of a folder; a value is a float, or bytes of a text, sound, picture."""
    from tensorboardX.proto.event_pb2 import Event

    found, purged = {}, []
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            event = Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]
            if event.session_log.status:
                purged.append(event.step)
            for value in event.summary.value:
                kind = value.WhichOneof("value")
                data = {"tensor": lambda v: v.tensor.string_val[0], "audio": lambda v: v.audio.encoded_audio_string}
                data["image"] = lambda v: v.image.encoded_image_string
                found.setdefault(value.tag, []).append(
                    (event.step, data.get(kind, lambda v: v.simple_value)(value)),
                )
    return found, purged


def values(found, tag):
    return [value for _, value in found[tag]]


def small():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="dense")], name="net")
    model.compile(StaticLossScale(keras.optimizers.SGD(WarmUp(0.1, 10)), 8.0), "mse", metrics=["mae"])
    return model


X = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")


def fit(model, *callbacks, epochs=2):
    options = dict(validation_data=(X, X[:, :1]), batch_size=2, shuffle=False, verbose=0, epochs=epochs)
    return model.fit(X, X[:, :1], callbacks=list(callbacks), **options).history


class EveryStep(keras.callbacks.Callback):
    """What the logger should have seen."""

    def __init__(self):
        super().__init__()
        self.norms, self.rates, self.losses = [], [], []

    def on_train_batch_end(self, batch, logs=None):
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.norms.append(float(ops.convert_to_numpy(self.model.optimizer.gradient_norm)))
        self.rates.append(float(ops.convert_to_numpy(self.model.optimizer.learning_rate)))
        self.losses.append(float(logs["loss"]))


def test_curves_are_what_training_computed(tmp_path):
    model, seen = small(), EveryStep()
    history = fit(model, seen, TensorBoardLogger(tmp_path, every_steps=4, per_variable=True))
    found, _ = events(tmp_path)
    assert [step for step, _ in found["learning_rate"]] == [4, 8, 12]
    np.testing.assert_allclose(values(found, "learning_rate"), [seen.rates[n] for n in (3, 7, 11)], rtol=1e-6)
    np.testing.assert_allclose(values(found, "learning_rate"), [0.04, 0.08, 0.1], rtol=1e-5)
    np.testing.assert_allclose(values(found, "steps/loss"), [seen.losses[n] for n in (3, 7, 11)], rtol=1e-6)
    np.testing.assert_allclose(values(found, "gradient_norm"), [seen.norms[n] for n in (3, 7, 11)], rtol=1e-6)
    assert len(set(values(found, "gradient_norm"))) == 3
    assert values(found, "loss_scale") == [8.0] * 3 and values(found, "skipped_updates") == [0.0] * 3
    for name in ("loss", "mae", "val_loss", "val_mae"):
        np.testing.assert_allclose(values(found, f"epochs/{name}"), history[name], rtol=1e-5)
    weights = [ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    assert values(found, "variable_norm")[-1] == pytest.approx(np.sqrt(sum((w**2).sum() for w in weights)), rel=1e-5)
    assert values(found, "variable_norms/dense/kernel")[-1] == pytest.approx(np.linalg.norm(weights[0]), rel=1e-5)
    assert all(value > 0 for value in values(found, "mean_changes/dense/kernel"))


def test_logging_leaves_training_alone(tmp_path):
    logged, plain = small(), small()
    losses = fit(logged, TensorBoardLogger(tmp_path, every_steps=1))["loss"], fit(plain)["loss"]
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_a_resumed_run_goes_on_where_it_was(tmp_path):
    class Resume(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.params["resumed"] = (3, 2)
            self.model._initial_epoch = 3

    fit(small(), TensorBoardLogger(tmp_path, every_steps=1), Resume(), epochs=4)
    found, purged = events(tmp_path)
    assert purged == [20]  # steps beyond the checkpoint, from before the crash, are not shown twice
    assert [step for step, _ in found["learning_rate"]][:2] == [21, 22]


def test_only_the_first_process_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(distribution, "is_chief", lambda: False)
    fit(small(), TensorBoardLogger(tmp_path / "events"))
    assert not (tmp_path / "events").exists()


def test_samples_as_text_sound_and_picture(tmp_path, monkeypatch):
    if keras.backend.backend() == "jax":  # the picture costs 8 s of compilation, and has a test of its own
        monkeypatch.setattr(tensorboard, "plot_transcription", lambda model, audio: Figure())
    keras.utils.set_random_seed(0)
    model = Jasper(blocks=((8, 5, 0.0),), repeat=1, prologue=(8, 5, 0.0), epilogue=((8, 1, 0.0),))
    data = speech_dataset(str(CLIPS), model.tokenizer, batch_size=5)
    logger = TensorBoardLogger(tmp_path, data, num_samples=2)
    logger.set_model(model)
    logger.set_params({"steps": 1})
    logger.on_train_begin()
    logger.on_epoch_begin(0)
    logger.on_train_batch_end(0)
    logger.on_epoch_end(0, {"loss": 1.0})
    logger.on_train_end()
    found, _ = events(tmp_path)
    utterances = load_manifest(CLIPS)
    (text,) = values(found, "samples/text_summary")
    said = [line.split(" | ")[0].removeprefix("| ") for line in text.decode().splitlines()[2:]]
    assert len(said) == 2 and set(said) <= {utterance.text for utterance in utterances}
    recognized = [line.split(" | ")[1] for line in text.decode().splitlines()[2:]]
    rates = [f"{100 * word_error_rate(a, b).rate:.0f} % |" for a, b in zip(said, recognized, strict=True)]
    assert [line.split(" | ")[2] for line in text.decode().splitlines()[2:]] == rates
    assert found["samples/0"][0][1][:4] == b"RIFF" and found["samples/1"][0][1][:4] == b"RIFF"
    assert found["samples/0"][1][1][:4] == b"\x89PNG"
    assert [step for step, _ in found["samples/0"]] == [0, 1]


def test_a_model_that_recognizes_nothing_has_no_samples(tmp_path):
    fit(small(), TensorBoardLogger(tmp_path, [(X, X[:, :1])]))
    assert not [tag for tag in events(tmp_path)[0] if tag.startswith("samples")]


def test_a_synthesizer_is_heard_and_seen(tmp_path):
    from tests.applications.test_tacotron2 import SMALL, SynthesisTokenizer, TestTacotron2, end_after

    front_end = MelSpectrogram(sample_rate=8000, fft_length=64, hop_length=16, num_mel_bins=6)
    arguments = {**SMALL, "vocabulary_size": None, "flavour": "nvidia", "reduction_factor": 4}
    model = Tacotron2(**arguments, tokenizer=SynthesisTokenizer(), front_end=front_end)
    end_after(model, 9.0)
    case = TestTacotron2()
    case.compile(model, keras.optimizers.SGD(0.0))
    batch = (case.inputs(), case.targets())
    model.fit(*batch, verbose=0, callbacks=[TensorBoardLogger(tmp_path, [batch], num_samples=2)])
    found, _ = events(tmp_path)
    assert {"samples/0", "samples/1"} <= set(found)
    sounds = [value for tag in ("samples/0", "samples/1") for value in values(found, tag) if value[:4] == b"RIFF"]
    pictures = [value for value in values(found, "samples/0") if value[1:4] == b"PNG"]
    assert len(sounds) == 2 and len(pictures) == 1
    end_after(model, -9.0)
    model.fit(*batch, verbose=0, callbacks=[TensorBoardLogger(tmp_path / "lost", [batch], num_samples=1)])
    assert b"did not come to an end" in values(events(tmp_path / "lost")[0], "samples/0/text_summary")[0]
