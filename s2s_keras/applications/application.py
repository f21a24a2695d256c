"""The base class of every model."""

import contextlib
import difflib
import json
import os
import tempfile
import warnings
from pathlib import Path

import keras
import keras_hub

from s2s_keras.applications import _export
from s2s_keras.applications._unset_weights import unset_weights
from s2s_keras.presets import preset_names, preset_path


class Application(keras_hub.models.Backbone):
    """A functional `keras.Model` that comes from a preset and goes back into one.

    Subclasses build their graph in the constructor and hand it on as `inputs` and `outputs`; every constructor argument
    stands in `get_config`. `fit`, `evaluate`, `predict` and `save` are Keras' own.
    """

    @classmethod
    def from_preset(cls, preset, load_weights=True, skip_mismatch=False, **kwargs):
        """Build a model from a preset.

        Args:
            preset: str or path. The name of a preset that ships with the package (`s2s_keras.presets.list_presets()`),
                a folder written by `save_to_preset`, or a handle that KerasHub knows: "hf://user/model",
                "kaggle://...", "gs://...".
            load_weights: bool. False builds the same network with fresh weights.
            skip_mismatch: bool. Weights whose shape differs from the preset's because of an argument here stay fresh
                instead of raising; what was left fresh is warned about.
            **kwargs: constructor arguments to change, such as `dtype` or `vocabulary_size`; with another vocabulary
                give its `tokenizer` too.

        Returns:
            An instance of the class that the preset was saved from, which must be `cls` or a subclass.

        Raises:
            ValueError: if there is no such preset, it is of another class, a file is damaged, or a weight does not fit.
        """
        try:
            return cls._from_preset(preset, load_weights, skip_mismatch, **kwargs)
        except (json.JSONDecodeError, KeyError, OSError, TypeError) as error:
            if kwargs and isinstance(error, TypeError):  # an argument that the class does not take
                raise
            raise ValueError(f"The preset {preset!r} cannot be loaded, is one of its files damaged? {error}") from error

    @classmethod
    def _from_preset(cls, preset, load_weights, skip_mismatch, **kwargs):
        path = resolve(preset)
        if load_weights and os.path.isdir(path) and not any(Path(path).glob("model.weights*")):
            raise ValueError(
                f"The preset {preset!r} has no weights: expected model.weights.h5 in {path}. Copy that file there, or "
                "pass load_weights=False for a network with fresh weights."
            )
        if not load_weights or not skip_mismatch:
            try:
                with unset_weights() if load_weights else contextlib.nullcontext():
                    return super().from_preset(path, load_weights=load_weights, **kwargs)
            except ValueError as error:
                misfits = ("shape", "could not be loaded")
                if load_weights and kwargs and (any(m in str(error) for m in misfits) or "vocabulary_size" in kwargs):
                    raise ValueError(
                        f"The preset {preset!r} does not fit the model that "
                        f"{', '.join(f'{k}={v!r}' for k, v in kwargs.items())} makes of it. Pass skip_mismatch=True to "
                        f"keep fresh weights there (fine-tuning), or leave the argument out. Cause: {error}"
                    ) from error
                raise
        with unset_weights():
            source = super().from_preset(path)
        vocabulary_size = getattr(source, "vocabulary_size", None)
        if kwargs.get("vocabulary_size", vocabulary_size) != vocabulary_size:
            kwargs.setdefault("tokenizer", None)  # the preset's has another number of tokens
        model = super().from_preset(path, load_weights=False, **kwargs)
        report = copy_weights(source, model)
        if fresh := report["shape differs"] + report["missing"]:
            warnings.warn(f"These weights were not in the preset and stay fresh: {'; '.join(fresh)}.", stacklevel=3)
        return model

    def save_to_preset(self, preset_dir, max_shard_size=10, half_precision=False):
        """Write config, weights and tokenizer to a folder that `from_preset` reads.

        The state of the optimizer is not written; `keras.Model.save` keeps it.

        Args:
            preset_dir: path of the folder; made if missing.
            max_shard_size: float, GB per file of weights.
            half_precision: bool. Kernels are stored as float16, half the size; they are float32 again when loaded.
        """
        os.makedirs(preset_dir, exist_ok=True)
        model = self.copy() if self.compiled else self  # a compiled model stores its optimizer too
        with tempfile.TemporaryDirectory(dir=preset_dir, prefix=".") as unfinished:
            super(Application, model).save_to_preset(unfinished, max_shard_size=max_shard_size)
            if half_precision:
                self.copy(dtype="float16").save_weights(Path(unfinished, "model.weights.h5"), overwrite=True)
            for file in Path(unfinished).rglob("*"):
                if file.is_file():
                    target = Path(preset_dir, file.relative_to(unfinished))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    file.replace(target)

    def export(self, filepath, format="tf_saved_model", int8=False, calibration=None, **kwargs):
        """Write the network to a file that other programs run without this package.

        It takes what the model takes, with any batch size and any length: a recognizer's "audio", float32 (B, S), and
        "audio_lengths", int32 (B,); and it gives "logits", float32 (B, T, V). It is in float32, whatever the dtype
        policy of the model, and needs no GPU. TensorFlow exports; `save_to_preset` brings a model there.

        Args:
            filepath: path of the file, or of the folder for "tf_saved_model". What is there is replaced.
            format: "tf_saved_model" (call `.serve({"audio": ..., "audio_lengths": ...})` of what
                `tf.saved_model.load` returns), "onnx" (for onnxruntime), "litert" (for ai-edge-litert; tell it every
                new length with `resize_tensor_input`), or another format of `keras.Model.export`.
            int8: bool, for "onnx" and "litert": a quarter of the size, and faster. Weights of convolutions and matrix
                products have 8 bits (7 with "onnx") and meet activations of 8 bits, but for those of the front end, the
                head and, with "onnx", the recurrent kernels. "litert" stores filters and head in 8 bits and computes
                with them in float32.
            calibration: list of recordings, paths or float arrays at the model's sample rate, for int8 with "onnx": the
                ranges of activations are those seen on them. Some dozens of the kind that will be recognized.
            **kwargs: as in `keras.Model.export`: `input_signature`, `opset_version` and so on.

        Raises:
            ValueError: the backend or an argument does not fit the format, or the format has no operation for a layer.
            ImportError: a package is missing: `pip install "s2s_keras[export]"`.
        """
        if format in _export.PACKAGES:
            _export.export(self, filepath, format, int8, calibration, **kwargs)
        else:
            super().export(filepath, format=format, **kwargs)

    def copy(self, **changes):
        """The same network with the same weights, uncompiled.

        Args:
            **changes: arguments of the class that shall differ, such as `dtype`, where the weights stay the same ones.

        Returns:
            A model of the same class.
        """
        model = type(self).from_config({**self.get_config(), **changes})
        if len(model.weights) == len(self.weights):
            model.set_weights(self.get_weights())
        else:  # low-rank updates, which Keras merges into the kernels of a file
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the file has the optimizer's state, too
                self.save_weights(Path(folder, "model.weights.h5"))
                model.load_weights(Path(folder, "model.weights.h5"))
        return model


def resolve(preset):
    """The folder or handle behind a preset's name.

    Raises:
        ValueError: if it is neither a shipped preset, nor a folder, nor a handle; names the close ones.
    """
    path = preset_path(preset)
    if path is not None:
        return str(path)
    text = os.fspath(preset)
    if "://" in text:
        return text
    if os.path.isdir(text):
        if not os.path.isfile(os.path.join(text, "config.json")):
            raise ValueError(
                f"The folder {text!r} is not a preset: it has no config.json. Pass one that `save_to_preset` wrote."
            )
        return text
    close = difflib.get_close_matches(text, preset_names(), cutoff=0.3) or preset_names()
    raise ValueError(
        f"There is no preset {text!r}: expected the name of one that ships, a folder, or a handle such as "
        f'"hf://user/model". Close names: {", ".join(close) or "none"}.'
    )


def copy_weights(source, target):
    """Copy every weight that has the same path below the model and the same shape.

    Args:
        source: `keras.Model`.
        target: `keras.Model`.

    Returns:
        Dict of lists of str, a line per weight: "copied"; "shape differs"; "missing", not in `source`; "left over", not
        in `target`.
    """
    values = {path_below(source, weight): weight for weight in source.weights}
    report = {"copied": [], "shape differs": [], "missing": [], "left over": []}
    for weight in target.weights:
        path, shape = path_below(target, weight), tuple(weight.shape)
        value = values.pop(path, None)
        if value is None:
            report["missing"].append(f"{path} {shape}")
        elif tuple(value.shape) != shape:
            report["shape differs"].append(f"{path} {shape}, source {tuple(value.shape)}")
        else:
            weight.assign(keras.ops.copy(value))  # JAX gives arrays away that `fit` overwrites
            report["copied"].append(f"{path} {shape}")
    report["left over"] = [f"{path} {tuple(value.shape)}" for path, value in values.items()]
    return report


def path_below(model, weight):
    """The path of a weight without the name of the model."""
    return weight.path.removeprefix(f"{model.name}/")


def as_object(value):
    """The object behind a serialized Keras config, or the value itself."""
    return keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value
