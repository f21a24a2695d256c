"""A recognizer as SavedModel, ONNX and LiteRT, in float32 and in int8, beside the Keras model that it comes from.

    python benchmarks/export.py [--preset jasper_small_an4_en] [--data ../shared/data/an4] [--threads 1] [--rounds 15]
        [--families] [--smoke]

Size of the files; largest difference of a logit, over the largest logit of the recording; WER of greedy search on the
test set, or the share of recordings that a classifier gets wrong, every recording alone; and the time of one recording,
the formats taking turns: median of process CPU time and, in brackets, the least wall time. int8 of ONNX is calibrated
on 64 recordings of the training set. MatchboxNet comes to LiteRT without its front end, too. --data is the folder with
manifest_train and manifest_test; without it a recognizer gets the clips that ship. With --families the differences of a
small network of every family, too.
"""

import argparse
import os
import tempfile
from pathlib import Path

import _common
import numpy as np

FORMATS = {
    "SavedModel": ("tf_saved_model", False),
    "ONNX": ("onnx", False),
    "ONNX int8": ("onnx", True),
    "LiteRT": ("litert", False),
    "LiteRT int8": ("litert", True),
}
KERAS = "Keras"
NUM_CALIBRATION = 64
FLOAT32 = [name for name, (_, int8) in FORMATS.items() if not int8]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="jasper_small_an4_en")
    parser.add_argument("--data", type=Path, help="folder with manifest_train.jsonl and manifest_test.jsonl")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--families", action="store_true", help="a small network of every family as well")
    parser.add_argument("--smoke", action="store_true", help="a tiny model, once: shows that the benchmark runs")
    arguments = parser.parse_args()
    threads = str(arguments.threads)
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": threads}
    os.environ |= {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
    compare(arguments)
    if arguments.families:
        compare_families(arguments.threads)


def compare(arguments):
    import keras

    import s2s_keras
    from s2s_keras.applications import Application, CTCRecognizer, SpeechClassifier
    from s2s_keras.data import load_manifest
    from s2s_keras.ops.audio import load_audio

    model = CTCRecognizer([keras.layers.Dense(8)]) if arguments.smoke else Application.from_preset(arguments.preset)
    classifies = isinstance(model, SpeechClassifier)
    if classifies and not arguments.data:
        raise SystemExit("--data is needed: no recordings of commands with a manifest ship.")
    clips = Path(s2s_keras.__file__).parent / "presets" / "clips" / "manifest.jsonl"
    train, test = (
        load_manifest(arguments.data / f"manifest_{name}.jsonl" if arguments.data else clips)
        for name in ("train", "test")
    )
    test = test[:1] if arguments.smoke else test
    calibration = [u.audio for u in train[:: -(-len(train) // NUM_CALIBRATION)]]
    batches = [batch([load_audio(utterance.audio, model.sample_rate)]) for utterance in test]
    expected = [model.predict_on_batch(x) for x in batches]
    calls = {KERAS: (model.predict_on_batch, sum(4 * np.prod(w.shape) for w in model.weights), batches)}
    with tempfile.TemporaryDirectory() as folder:
        for name, (format, int8) in FORMATS.items():
            path = Path(folder, name)
            model.export(path, format, int8=int8, calibration=calibration if int8 and format == "onnx" else None)
            calls[name] = (runner(format, path, arguments.threads), size(path), batches)
        network = model.copy(front_end=None) if classifies else model
        if "features" in network.input:  # the front end of an encoder stays in it
            front_end = keras.Model(model.input, model.front_end([model.input["audio"], model.input["audio_lengths"]]))
            features = [features_of(front_end, x) for x in batches]
            for name, (format, int8) in FORMATS.items():
                if format == "litert":
                    path = Path(folder, f"{name}, features")
                    network.export(path, format, int8=int8)
                    calls[path.name] = (runner(format, path, arguments.threads), size(path), features)
        results = {name: [call(x) for x in inputs] for name, (call, _, inputs) in calls.items()}
        steps = {name: lambda call=call, x=inputs[0]: call(x) for name, (call, _, inputs) in calls.items()}
        times = _common.take_turns(steps, 1 if arguments.smoke else arguments.rounds)
    seconds = batches[0]["audio"].size / model.sample_rate
    print(f"{model.name}, {len(test)} recordings; times of {seconds:.1f} s of audio,")
    print(f"{arguments.threads} thread(s): ms of CPU time (wall)\n")
    score = wrong_classes if classifies else word_errors
    print(f"| | MB | difference | {score.__doc__} | ms | / {KERAS} |\n|---|---|---|---|---|---|")
    for name, logits in results.items():
        cpu, wall = times[name]
        difference = max(relative_difference(*pair, classifies) for pair in zip(logits, expected, strict=True))
        cells = (f"{calls[name][1] / 1e6:.2f}", f"{difference:.1e}", f"{score(model, test, logits):.2f}")
        print(f"| {name} | {' | '.join(cells)} | {cpu:.1f} ({wall:.1f}) | {cpu / times[KERAS][0]:.2f} |")


def word_errors(model, utterances, logits):
    """WER, %"""
    from s2s_keras.decoding import ctc_greedy
    from s2s_keras.metrics import word_error_rate

    texts = [model.tokenizer.decode(ids).strip() for x in logits for ids in ctc_greedy(x)]
    return 100 * word_error_rate([utterance.text for utterance in utterances], texts).rate


def wrong_classes(model, utterances, logits):
    """wrong, %"""
    return 100 * np.mean([model.labels[x[0].argmax()] != u.text for x, u in zip(logits, utterances, strict=True)])


def features_of(front_end, x):
    """What a network without a front end takes."""
    features = np.asarray(front_end.predict_on_batch(x), "float32")
    return {"features": features, "feature_lengths": np.array([features.shape[1]], "int32")}


def compare_families(threads):
    from s2s_keras.applications import DeepSpeech2, Jasper, QuartzNet, Wav2Letter

    convolutions = {"convolutions": ((4, (11, 21), (2, 2)), (4, (11, 11), (1, 2))), "units": 16, "hidden_dim": 16}
    blocks = {"prologue": (16, 11, 0.2), "epilogue": ((16, 29, 0.4), (16, 1, 0.4))}
    families = {
        "Jasper": Jasper(((16, 11, 0.2), (16, 13, 0.2)), 2, **blocks),
        "QuartzNet": QuartzNet(((16, 33), (16, 39)), 2, prologue=(16, 33), epilogue=(16, 87), head_filters=16),
        "Wav2Letter": Wav2Letter(((16, 11, 1, 2, 1, 0.2), (16, 11, 1, 1, 1, 0.2), (16, 29, 1, 1, 2, 0.2))),
        "DeepSpeech2, both directions": DeepSpeech2(num_layers=2, **convolutions),
        "DeepSpeech2, LSTM": DeepSpeech2(num_layers=1, cell="lstm", **convolutions),
        "DeepSpeech2, row convolution": DeepSpeech2(
            num_layers=1, directions="forward", row_convolution=8, **convolutions
        ),
        "DeepSpeech2, GRU of TensorFlow 1": DeepSpeech2(num_layers=1, cell="gru_reset_before", **convolutions),
    }
    rng = np.random.default_rng(0)
    audio = rng.normal(scale=0.1, size=32000).astype("float32")
    batches = [batch([audio, audio[:20000], audio[:5000]]), batch([audio[:20000]])]
    print(f"\n| difference | {' | '.join(FLOAT32)} |\n|---|{'---|' * len(FLOAT32)}")
    for family, model in families.items():
        for weight in model.trainable_weights:
            weight.assign(weight + rng.normal(scale=0.1, size=weight.shape))
        cells = []
        for format, _ in map(FORMATS.get, FLOAT32):
            with tempfile.TemporaryDirectory() as folder:
                model.export(Path(folder, "model"), format)
                call = runner(format, Path(folder, "model"), threads)
                cells.append(f"{max(relative_difference(call(x), model.predict_on_batch(x)) for x in batches):.1e}")
        print(f"| {family} | {' | '.join(cells)} |", flush=True)


def batch(recordings):
    """Recordings behind one another, padded."""
    lengths = np.array([len(audio) for audio in recordings], "int32")
    padded = [np.pad(audio, (0, lengths.max() - len(audio))) for audio in recordings]
    return {"audio": np.stack(padded).astype("float32"), "audio_lengths": lengths}


def relative_difference(logits, expected, classes=False):
    """Largest difference at real frames, over the largest logit there; or of all logits of classes."""
    real = ... if classes else expected[..., 1:].max(axis=-1) > -1e8
    return np.abs(logits - expected)[real].max() / np.abs(expected[real]).max()


def size(path):
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def runner(format, path, threads):
    """A function from inputs to logits, as a user of the format writes it."""
    if format == "tf_saved_model":
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))
        return lambda x: loaded.serve(x)["logits"].numpy()
    if format == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda x: session.run(["logits"], x)[0]
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    inputs = {
        detail["name"].split(":")[0].removeprefix("serving_default_"): detail
        for detail in interpreter.get_input_details()
    }

    def run(x):
        for name, value in x.items():
            if tuple(inputs[name]["shape"]) != value.shape:
                interpreter.resize_tensor_input(inputs[name]["index"], value.shape)
                inputs[name]["shape"] = value.shape
        interpreter.allocate_tensors()
        for name, value in x.items():
            interpreter.set_tensor(inputs[name]["index"], value)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return run


if __name__ == "__main__":
    main()
