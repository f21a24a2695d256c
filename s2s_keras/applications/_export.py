"""Models as files of other runtimes: SavedModel, ONNX and LiteRT."""

import contextlib
import importlib.util
import logging
import os
import re
import tempfile
import warnings
from pathlib import Path

import keras

from s2s_keras.ops.exporting import exporting

PACKAGES = {"tf_saved_model": (), "onnx": ("onnx", "tf2onnx"), "litert": ()}
INT8_PACKAGES = {"onnx": ("onnxruntime",), "litert": ("ai_edge_quantizer",)}
_AXES = {"audio": ("batch", "samples")}


def export(model, path, format, int8, calibration, **options):
    """What `Application.export` does for these formats."""
    check_format(format, int8, calibration)
    folder = format == "tf_saved_model"
    if os.path.isdir(path) and (not folder or os.listdir(path) and not os.path.isfile(Path(path, "saved_model.pb"))):
        raise ValueError(
            f"{path} is a folder{' with something else than a SavedModel' if folder else ''}: nothing was written. "
            "Name another path."
        )
    with written_aside(path) as unfinished, quiet():
        with exporting(format):
            convert(float32(model), unfinished, format, **options)
        if int8:
            from s2s_keras.applications import _export_int8

            _export_int8.quantize(model, unfinished, format, calibration)


def check_format(format, int8=False, calibration=None):
    """Raises an error unless the backend, the arguments and the packages that are installed fit the format."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"Models are exported to {format} from the TensorFlow backend, and this is {keras.backend.backend()}. Save "
            "the model (`save`, `save_to_preset`), load it under KERAS_BACKEND=tensorflow and export it there."
        )
    if int8 and format not in INT8_PACKAGES:
        raise ValueError(f'int8 is for format="onnx" or "litert". Received: format={format!r}, int8={int8!r}.')
    if bool(int8 and format == "onnx") != (calibration is not None):
        raise ValueError(
            "`calibration` is a list of recordings (on the command line, --manifest) that int8 of ONNX takes the "
            f"ranges of activations from, and of nothing else. Received: format={format!r}, int8={int8!r}, "
            f"calibration={type(calibration).__name__}."
        )
    needed = PACKAGES[format] + (INT8_PACKAGES[format] if int8 else ())
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise ImportError(
            f"Exporting to {format} needs {', '.join(missing)}, not installed here: pip install 's2s_keras[export]'."
        )


@contextlib.contextmanager
def written_aside(path):
    """A path to write to; what is there when the block ends without an error takes the place of `path`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        unfinished = Path(folder, "model.tflite")  # Keras insists on the ending for LiteRT
        yield str(unfinished)
        if path.is_dir():
            path.replace(Path(folder, "before"))
        unfinished.replace(path)


@contextlib.contextmanager
def quiet():
    """Without what converters say about their own progress."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)


def float32(model):
    """The same network in float32, with a name for its output."""
    if model.dtype_policy.name != "float32":
        model = model.copy(dtype="float32")
    outputs = model.output
    if not isinstance(outputs, dict):
        logits = "logits" if getattr(model, "include_top", True) else "encoded"
        outputs = {getattr(model, "exported_as", logits): outputs}
    return keras.Model(model.input, outputs, name=model.name)


def signature(network):
    """What a network takes, with names, as `keras.Model.export` and `keras.export.ExportArchive` ask for it."""
    return [keras.tree.map_structure(lambda x: keras.layers.InputSpec(x.dtype, x.shape, name=x.name), network.input)]


def convert(network, path, format, axes=None, **options):
    """Writes a functional model in float32 whose outputs are a dict; `axes` names those of some tensors for ONNX."""
    options.setdefault("input_signature", signature(network))
    if format == "litert":
        import tensorflow as tf

        options["target_spec"] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    try:
        if format == "onnx":
            _convert_to_onnx(network, path, **options)
            _name_outputs_and_axes(network, path, {**_AXES, **(axes or {})})
        else:
            network.export(path, format=format, verbose=False, **options)
    except Exception as error:
        if type(error).__name__ not in ("ConverterError", "ValidationError"):
            raise
        found = re.search(r"\btf\.([A-Z]\w+)|No Op registered for (\w+)", str(error))
        operation = " that a layer needs" if found is None else f" {found[1] or found[2]}"
        raise ValueError(
            f"{network.name} cannot be written as {format}, which has no operation{operation}. Use the layers of "
            "s2s_keras where there is one of that kind, such as its LSTM and GRU, or another format."
        ) from error


def _convert_to_onnx(network, path, input_signature, opset_version=None):
    """As `keras.Model.export`, which traces the network three times, in half the time."""
    import tensorflow as tf
    import tf2onnx

    specs = keras.tree.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype, name=x.name), input_signature)
    function = tf.function(lambda inputs: network(inputs, training=False), input_signature=specs, autograph=False)
    tf2onnx.convert.from_function(function, specs, opset=opset_version, output_path=path)


def _name_outputs_and_axes(network, path, axes):
    """tf2onnx calls outputs "Identity:0" and axes "unk__1"; it also writes what it could not convert."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    names = {value.name: name for value, name in zip(graph.output, sorted(network.output), strict=True)}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in graph.output:
        value.name = names[value.name]
    for value in [*graph.input, *graph.output]:
        named = axes.get(value.name, ("batch", "frames", "units"))
        for dimension, axis in zip(value.type.tensor_type.shape.dim, named, strict=False):
            if not dimension.dim_value:
                dimension.dim_param = axis
    onnx.checker.check_model(model)
    onnx.save(model, path)
