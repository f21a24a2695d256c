"""Activations that Keras does not have, or not for every format of exported models."""

import math

import keras
from keras import ops

from s2s_keras.ops.exporting import export_format


@keras.saving.register_keras_serializable(package="s2s_keras")
def clipped_relu(x):
    """min(max(x, 0), 20), as in DeepSpeech 2 and Wav2Letter+: keeps float16 sums finite.

    Example:

    >>> keras.ops.convert_to_numpy(clipped_relu(keras.ops.array([-1.0, 5.0, 50.0]))).tolist()
    [0.0, 5.0, 20.0]
    """
    return ops.clip(x, 0.0, 20.0)


@keras.saving.register_keras_serializable(package="s2s_keras")
def gelu(x):
    """Keras' exact "gelu"; for ONNX by the error function, as TensorFlow's own is by its complement, which ONNX lacks.

    Example:

    >>> keras.ops.convert_to_numpy(gelu(keras.ops.array([-1.0, 0.0, 1.0]))).round(4).tolist()
    [-0.15870000422000885, 0.0, 0.8413000106811523]
    """
    if export_format() == "onnx":
        return 0.5 * x * (1.0 + ops.erf(x / math.sqrt(2.0)))
    return ops.gelu(x, approximate=False)
