"""Exported files say what the model says, in the runtimes they are for."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import s2s_keras.presets
from s2s_keras import cli
from s2s_keras.applications import Application, CTCRecognizer, DeepSpeech2, Jasper, QuartzNet, Wav2Letter
from s2s_keras.data import load_manifest
from s2s_keras.layers import GRU, LSTM, MFCC, LogMelSpectrogram, MaskedConv1D, PythonSpeechFeatures, Spectrogram
from s2s_keras.ops.audio import load_audio
from tests.checks import randomize
from tests.test_case import SMALL

TENSORFLOW = keras.backend.backend() == "tensorflow"
exports = pytest.mark.skipif(not TENSORFLOW, reason="TensorFlow exports")
LENGTHS = (400, 250, 130)  # samples, at 1000 Hz
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
SPECTROGRAM = {"front_end": Spectrogram(8, sample_rate=1000, name="front_end"), "num_mel_bins": 8}
DEEP_SPEECH = {**SPECTROGRAM, "convolutions": ((2, (5, 3), (2, 2)),), "units": 8, "hidden_dim": 8}


def jasper(**changes):
    sizes = {"blocks": ((8, 3, 0.1), (8, 3, 0.1)), "repeat": 1, "prologue": (8, 3, 0.1), "epilogue": ((8, 3, 0.1),)}
    return Jasper(**{**sizes, **SMALL, **changes})


def quartznet():
    sizes = {"blocks": ((8, 3),), "repeat": 1, "prologue": (8, 3), "epilogue": (8, 3), "head_filters": 8}
    return QuartzNet(**sizes, **SMALL)


def wav2letter():
    front_end = PythonSpeechFeatures("log_mel", 8, sample_rate=1000, name="front_end")
    return Wav2Letter(blocks=((8, 3, 1, 2, 1, 0.1), (8, 3, 1, 1, 2, 0.1)), front_end=front_end)


def deep_speech():
    return DeepSpeech2(num_layers=1, cell="lstm", **DEEP_SPEECH)


def deep_speech_forward():
    return DeepSpeech2(num_layers=1, cell="gru_reset_before", directions="forward", row_convolution=3, **DEEP_SPEECH)


def generic():
    layers = [MaskedConv1D(8, 3, dilation_rate=2, separable=True), LSTM(8, return_sequences=True)]
    return CTCRecognizer(layers, front_end=MFCC(8, sample_rate=1000, name="front_end"))


def recurrent():
    return CTCRecognizer([GRU(8, return_sequences=True), keras.layers.Dense(8, "relu")], **SMALL)


def batches():
    """A batch with padding that holds garbage, and a recording alone."""
    rng = np.random.default_rng(0)
    audio = rng.normal(scale=0.1, size=(3, 450)).astype("float32")
    for row, length in zip(audio, LENGTHS, strict=True):
        row[length:] = 1e4
    lengths = np.array(LENGTHS, "int32")
    return [{"audio": audio, "audio_lengths": lengths}, {"audio": audio[1:2, :250], "audio_lengths": lengths[1:2]}]


def run_saved_model(path, inputs):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return [loaded.serve(x)["logits"].numpy() for x in inputs]


def run_onnx(path, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [session.run(["logits"], x)[0] for x in inputs]


def run_litert(path, inputs):
    from ai_edge_litert.interpreter import Interpreter

    interpreter, results = Interpreter(str(path)), []
    assert interpreter.get_signature_list()["serving_default"]["outputs"] == ["logits"]
    index = {
        x["name"].removeprefix("serving_default_").split(":")[0]: x["index"] for x in interpreter.get_input_details()
    }
    for batch in inputs:
        for name, value in batch.items():
            interpreter.resize_tensor_input(index[name], value.shape)
        interpreter.allocate_tensors()
        for name, value in batch.items():
            interpreter.set_tensor(index[name], value)
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return results


def litert_operations(path):
    """(name, shapes of 8-bit constants that it takes) of every operation of a file."""
    from ai_edge_litert.tools import flatbuffer_utils

    file, found = flatbuffer_utils.read_model(path), []
    for graph in file.subgraphs:
        for operator in graph.operators:
            inputs = [graph.tensors[n] for n in operator.inputs if n >= 0]
            int8 = [x for x in inputs if x.type == flatbuffer_utils.TensorType.INT8]
            weights = [tuple(x.shape) for x in int8 if file.buffers[x.buffer].data is not None]
            found.append((flatbuffer_utils.opcode_to_name(file, operator.opcodeIndex), weights))
    return found


RUN = {"tf_saved_model": run_saved_model, "onnx": run_onnx, "litert": run_litert}


def check_agreement(model, path, format, tolerance=TOLERANCE):
    inputs = batches()
    for x, result in zip(inputs, RUN[format](path, inputs), strict=True):
        expected = model.predict_on_batch(x)
        assert result.dtype == np.float32 and expected[..., 1].max() > -1e8
        np.testing.assert_allclose(result, expected, **tolerance)


@exports
@pytest.mark.parametrize(
    "family, format",
    [  # each kind of layer in each format; benchmarks/export.py has the others
        (quartznet, "onnx"),
        (wav2letter, "litert"),
        (deep_speech, "onnx"),
        (deep_speech_forward, "litert"),
        (generic, "litert"),
        (recurrent, "tf_saved_model"),
    ],
)
def test_agreement(family, format, tmp_path):
    model = family()
    randomize(model)
    model.export(tmp_path / "model", format=format)
    check_agreement(model, tmp_path / "model", format)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@exports
def test_mixed_precision_is_exported_in_float32(tmp_path):
    def make(dtype):
        model = jasper(blocks=((8, 3, 0.1),), front_end=None, dtype=dtype)
        randomize(model)
        return model

    make("mixed_float16").export(tmp_path / "model", format="onnx")
    features = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    inputs = {"features": features, "feature_lengths": np.array([3, 2], "int32")}
    result = run_onnx(tmp_path / "model", [inputs])[0]
    np.testing.assert_allclose(result, make("float32").predict_on_batch(inputs), **TOLERANCE)


@exports
def test_int8_onnx(tmp_path):
    import onnx

    model = jasper()
    randomize(model)
    recordings = [np.random.default_rng(seed).normal(scale=0.1, size=400) for seed in range(4)]
    model.export(tmp_path / "model", format="onnx", int8=True, calibration=recordings)
    check_agreement(model, tmp_path / "model", "onnx", {"rtol": 0.0, "atol": 0.1})
    graph = onnx.load(tmp_path / "model").graph
    kernels = {node.name.split("/")[1]: node.input[1] for node in graph.node if node.op_type in ("Conv", "MatMul")}
    float32 = {layer for layer, kernel in kernels.items() if "DequantizeLinear" not in kernel}
    assert len(kernels) == 6 and {layer.removesuffix("_1") for layer in float32} == {"front_end", "logits"}


@exports
def test_int8_litert(tmp_path):
    model = recurrent()
    randomize(model)
    model.export(tmp_path / "model", format="litert", int8=True)
    check_agreement(model, tmp_path / "model", "litert", {"rtol": 0.0, "atol": 0.1})
    operations = [(name, *int8) for name, int8 in litert_operations(tmp_path / "model") if int8]
    filters, logits = ("DEQUANTIZE", (8, 17)), ("DEQUANTIZE", (29, 8))  # they compute in float32
    gru, dense = ("FULLY_CONNECTED", (24, 8)), ("FULLY_CONNECTED", (8, 8))
    assert sorted(operations) == [filters, logits, dense, gru, gru]


@exports
@pytest.mark.parametrize("fft_length, operation", [(32, "RFFT2D"), (40, "CONV_2D")])
def test_litert_transforms_powers_of_two(fft_length, operation, tmp_path):
    front_end = LogMelSpectrogram(8, sample_rate=1000, fft_length=fft_length, name="front_end")
    model = CTCRecognizer([keras.layers.Dense(8)], front_end=front_end, num_mel_bins=8)
    randomize(model)
    model.export(tmp_path / "model", format="litert")
    check_agreement(model, tmp_path / "model", "litert")
    operations = {"RFFT2D", "CONV_2D"} & {name for name, _ in litert_operations(tmp_path / "model")}
    assert operations == {operation}


@exports
def test_the_smallest_preset_is_small(tmp_path):
    """Under 200 kB with its front end, and as good as the Keras model within 8 bits."""
    model = Application.from_preset("matchboxnet_spotting_arabic")
    clips = load_manifest(Path(s2s_keras.presets.__file__).parent / "command_clips" / "manifest_arabic.jsonl")
    recordings = [load_audio(utterance.audio, model.sample_rate) for utterance in clips]
    model.export(tmp_path / "model", format="litert", int8=True)
    assert (tmp_path / "model").stat().st_size < 200_000
    inputs = [{"audio": x[None], "audio_lengths": np.array([len(x)], "int32")} for x in recordings]
    for x, logits in zip(inputs, run_litert(tmp_path / "model", inputs), strict=True):
        expected = model.predict_on_batch(x)
        assert np.argmax(logits) == np.argmax(expected)
        np.testing.assert_allclose(logits, expected, rtol=0.0, atol=0.2)


@exports
def test_what_no_format_can_do_leaves_nothing_behind(tmp_path):
    model = CTCRecognizer([keras.layers.GRU(4, return_sequences=True)], front_end=None)
    with pytest.raises(
        ValueError, match="litert, which has no operation TensorListReserve. Use the layers of s2s_keras"
    ):
        model.export(tmp_path / "model", format="litert")
    assert list(tmp_path.iterdir()) == []


@exports
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"format": "onnx", "int8": True}, "`calibration` is a list of recordings.*Received: format='onnx', int8=True"),
        ({"format": "litert", "int8": True, "calibration": ["a.wav"]}, "and of nothing else"),
        ({"format": "tf_saved_model", "int8": True}, 'int8 is for format="onnx" or "litert"'),
        ({"format": "onnx"}, "is a folder: nothing was written"),
        ({"format": "tf_saved_model"}, "a folder with something else than a SavedModel"),
    ],
)
def test_arguments_that_do_not_fit(arguments, message, tmp_path):
    (tmp_path / "thesis.txt").write_text("the only copy")
    with pytest.raises(ValueError, match=message):
        CTCRecognizer([keras.layers.Dense(8)]).export(tmp_path, **arguments)
    assert (tmp_path / "thesis.txt").read_text() == "the only copy"


@exports
def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs onnx, tf2onnx, not installed here: pip install 's2s_keras"):
        CTCRecognizer([keras.layers.Dense(8)]).export(tmp_path / "model", format="onnx")


@pytest.mark.skipif(TENSORFLOW, reason="TensorFlow exports")
def test_other_backends_say_where_to_export(tmp_path):
    with pytest.raises(ValueError, match="load it under KERAS_BACKEND=tensorflow"):
        CTCRecognizer([keras.layers.Dense(8)]).export(tmp_path / "model", format="onnx")


@exports
def test_command(monkeypatch, capsys, tmp_path):
    model = CTCRecognizer([keras.layers.Dense(8)], front_end=None, num_mel_bins=8)
    model.save_to_preset(tmp_path / "preset")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # file descriptor 2 belongs to pytest here
    arguments = [str(tmp_path / "preset"), "--format", "litert", "--output", str(tmp_path / "new" / "model.tflite")]
    monkeypatch.setattr(sys, "argv", ["s2s-keras", "export", *arguments])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert not exit.value.code
    size = (tmp_path / "new" / "model.tflite").stat().st_size
    assert capsys.readouterr().out == f"CTCRecognizer, {size:,} bytes: {tmp_path / 'new' / 'model.tflite'}\n"
