"""Weights, and the arithmetic with them, in 8 bits; front end and head compute in float32."""

import contextlib
import io
import os
import re
import tempfile
from pathlib import Path

import numpy as np

from s2s_keras.ops.audio import load_audio

_OPERATIONS = ("Conv", "MatMul", "Gemm")
_LITERT_OPERATIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL")


def quantize(model, path, format, calibration):
    """Replaces an exported file by its quantized version.

    The front end would lose what is quiet, and the head, whose logits are the only numbers that are compared, is small.

    Args:
        model: `Application` that was exported.
        path: str, file.
        format: "onnx" or "litert".
        calibration: list of recordings for ONNX, paths or float arrays at the model's sample rate.
    """
    front_end = getattr(model, "front_end", None)
    layers = "|".join(["logits"] + ([] if front_end is None else [re.escape(front_end.name)]))
    float_layers = rf"(^|.*/)({layers})(_\d+)?/"
    if format == "onnx":
        _quantize_onnx(path, float_layers, _inputs(model, calibration))
    else:
        _quantize_litert(path, float_layers)


def _inputs(model, calibration):
    """One batch for each recording."""
    if getattr(model, "front_end", None) is None or not calibration:
        raise ValueError(
            "`calibration` is a list of at least one recording, for a model that takes audio. Received: "
            f"{len(calibration)} recordings, front_end={getattr(model, 'front_end', None)}."
        )
    for audio in calibration:
        if isinstance(audio, (str, os.PathLike)):
            audio = load_audio(audio, model.sample_rate)
        audio = np.asarray(audio, "float32")
        yield {"audio": audio[None], "audio_lengths": np.array([len(audio)], "int32")}


def _quantize_onnx(path, float_layers, batches):
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        def get_next(self):
            return next(batches, None)

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder, "prepared.onnx")
        quant_pre_process(path, prepared, skip_symbolic_shape=True)  # which cannot follow lengths through a loop
        nodes = onnx.load(prepared, load_external_data=False).graph.node
        quantization.quantize_static(
            prepared,
            path,
            Reader(),
            per_channel=True,
            reduce_range=True,  # 7 bits: products of 8 overflow on processors without instructions for them
            op_types_to_quantize=list(_OPERATIONS),
            nodes_to_exclude=[node.name for node in nodes if re.match(float_layers, node.name)],
            extra_options={"MatMulConstBOnly": True},
        )


def _quantize_litert(path, float_layers):
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer.qtyping import TFLOperationName

    job = quantizer.Quantizer(path)
    for operation in _LITERT_OPERATIONS:
        job.add_dynamic_config(f"^(?!{float_layers})", TFLOperationName[operation], num_bits=8)
    job.add_weight_only_config(float_layers, TFLOperationName.FULLY_CONNECTED, num_bits=8)  # filters, and logits
    with contextlib.redirect_stderr(io.StringIO()):  # one of its progress bars cannot be turned off
        quantized = job.quantize(enable_progress_bar=False, enable_progress_report=False)
    Path(path).write_bytes(_without_inner_names(quantized.quantized_model))


def _without_inner_names(content):
    """The file without the names of tensors that are neither inputs nor outputs: a tenth of a small one."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for graph in model.subgraphs:
        for index in set(range(len(graph.tensors))) - {*graph.inputs, *graph.outputs}:
            graph.tensors[index].name = None
    return flatbuffer_utils.convert_object_to_bytearray(model)
