"""Activations that Keras does not have."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="s2s_keras")
def clipped_relu(x):
    """min(max(x, 0), 20), as in DeepSpeech 2 and Wav2Letter+: keeps float16 sums finite.

    Example:

    >>> keras.ops.convert_to_numpy(clipped_relu(keras.ops.array([-1.0, 5.0, 50.0]))).tolist()
    [0.0, 5.0, 20.0]
    """
    return ops.clip(x, 0.0, 20.0)
