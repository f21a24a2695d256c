"""A synthesizer as a folder that speaks: its networks for another runtime, its settings and the program."""

import gzip
import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np

from s2s_keras.applications import _export, _speak
from s2s_keras.applications.speech_synthesizer import CHUNK, FRAMES_PER_TOKEN, PAUSE, STOP, Stage
from s2s_keras.applications.vocoder import Vocoder
from s2s_keras.ops.exporting import exporting
from s2s_keras.ops.masks import sequence_mask
from s2s_keras.tokenizers import letter_to_sound

FORMATS = ("onnx", "tf_saved_model")
PROGRAM = "speak.py"
_BY_TOKEN = ("batch", "tokens", "units")
_AXES = {"token_ids": _BY_TOKEN, "drawn": ("steps",), "alignment": ("batch", "steps", "tokens")}


def export(model, path, format, int8, calibration, vocoder):
    """What `SpeechSynthesizer.export` does; `vocoder` is an object here."""
    _check(path, format, int8, calibration, vocoder)
    model = model if model.dtype_policy.name == "float32" else model.copy(dtype="float32")
    table = model.tokenizer.table() if hasattr(model.tokenizer, "table") else None
    with _export.written_aside(path) as folder, _export.quiet(), exporting(format):
        os.mkdir(folder)
        networks = {**_networks(model), "vocoder": _export.float32(vocoder)}
        (_write_onnx if format == "onnx" else _write_saved_model)(networks, folder)
        settings = {"format": format, "has_table": table is not None, **_settings(model)}
        Path(folder, _speak.SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
        if table is not None:
            if "rules" in table:
                shutil.copyfile(letter_to_sound.__file__, Path(folder, _speak.GUESSER))
            with gzip.open(Path(folder, _speak.TABLE), "wt", encoding="utf-8") as file:
                json.dump(table, file)
        shutil.copyfile(_speak.__file__, Path(folder, PROGRAM))


def _check(path, format, int8, calibration, vocoder):
    if format not in FORMATS or int8 or calibration is not None:
        raise ValueError(
            f"A synthesizer is exported as {' or '.join(map(repr, FORMATS))}, in float32. Received: format={format!r}, "
            f"int8={int8!r}, calibration={type(calibration).__name__}."
        )
    _export.check_format(format)
    if not isinstance(vocoder, Vocoder):
        raise ValueError(
            'A synthesizer is exported with a vocoder that is one network, a Vocos or "griffin_lim". Received: '
            f"{type(vocoder).__name__}."
        )
    ours = os.path.isdir(path) and (not os.listdir(path) or os.path.isfile(Path(path, _speak.SETTINGS)))
    if os.path.exists(path) and not ours:
        raise ValueError(
            f"{path} is there already and is no folder that a synthesizer was exported to: nothing was written. Name "
            "another path."
        )


def _settings(model):
    """What the program needs to know besides the networks."""
    encoder = getattr(model, "style_encoder", None)
    tokens = [] if encoder is None else np.eye(encoder.num_tokens)
    styles = [keras.ops.convert_to_numpy(encoder.style_of(token))[0].tolist() for token in tokens]
    return {
        "sample_rate": model.sample_rate,
        "vocabulary_size": model.vocabulary_size,
        "num_speakers": getattr(model, "num_speakers", 0),
        "styles": styles,  # a mixture of tokens has the mixture of their styles
        "chunk": CHUNK,
        "dropout": model.step_dropout,
        "drawn_dim": model.draw(1, np.random.default_rng(0)).shape[-1],
        "stop": STOP,
        "frames_per_token": FRAMES_PER_TOKEN,
        "least_limit": model.most_frames(0),
        "pause": PAUSE,
    }


def _networks(model):
    """The parts of a model in the order in which they run: functional models from and to named tensors."""
    inputs = {"token_ids": keras.Input((None,), name="token_ids", dtype="int32")}
    for name, value in model.conditions(1).items():
        inputs[name] = keras.Input(value.shape[1:], name=name, dtype=str(value.dtype))
    state = Stage(model, model.initial_state)(inputs)
    names = ["_".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(state)]

    def named(state):
        return dict(zip(names, keras.tree.flatten(state), strict=True))

    def steps(inputs):
        before = keras.tree.pack_sequence_as(state, [inputs[name] for name in names])
        outputs, after = model.steps(before, inputs["drawn"])
        after = {f"next_{name}": x for name, x in named(after).items() if name.partition("_")[0] != "memory"}
        return {**outputs, **after}

    def correct(inputs):
        outputs = model.correct(inputs["mel"], sequence_mask(inputs["lengths"], inputs["mel"]))
        return {"mel_postnet" if name == "mel" else name: x for name, x in outputs.items()}

    drawn = model.draw(1, np.random.default_rng(0))
    before = {name: keras.Input(x.shape[1:], name=name, dtype=x.dtype) for name, x in named(state).items()}
    frames = {
        "mel": keras.Input((None, model.num_mel_bins), name="mel"),
        "lengths": keras.Input((), name="lengths", dtype="int32"),
    }
    return {
        "start": _functional(model, lambda inputs: named(model.initial_state(inputs)), inputs),
        "steps": _functional(model, steps, {**before, "drawn": keras.Input(drawn.shape[1:], name="drawn")}),
        "correct": _functional(model, correct, frames),
    }


def _functional(model, function, inputs):
    return keras.Model(inputs, Stage(model, function)(inputs), name=model.name)


def _write_onnx(networks, folder):
    for name, network in networks.items():
        states = [x for x in (*network.input, *network.output) if x not in ("mel", "mel_lengths", "stop", "magnitude")]
        by_token = dict.fromkeys(states, _BY_TOKEN) if name in ("start", "steps") else {}
        _export.convert(network, str(Path(folder, f"{name}.onnx")), "onnx", {**by_token, **_AXES})


def _write_saved_model(networks, folder):
    archive = keras.export.ExportArchive()
    for name, network in networks.items():
        archive.track_and_add_endpoint(name, network, _export.signature(network))
    archive.write_out(str(Path(folder, _speak.SAVED_MODEL)), verbose=False)
