"""Where a model of speech begins: audio or features in, a sequence of frames with its mask out."""

import keras

from s2s_keras.applications.application import as_object
from s2s_keras.layers import FeatureInput, LogMelSpectrogram


def as_front_end(front_end, num_mel_bins):
    """The layer that `front_end` stands for: itself, a config of it, "log_mel", or None for a model of features."""
    front_end = as_object(front_end)
    if front_end == "log_mel":
        front_end = LogMelSpectrogram(num_mel_bins=num_mel_bins, name="front_end")
    if front_end is not None and not callable(front_end):
        raise ValueError(f'`front_end` is a layer, "log_mel" or None. Received: front_end={front_end!r}.')
    return front_end


def audio_inputs():
    """Fresh inputs for audio: dict of Keras tensors."""
    return {
        "audio": keras.Input((None,), name="audio", dtype="float32"),
        "audio_lengths": keras.Input((), name="audio_lengths", dtype="int32"),
    }


def speech_input(front_end, num_mel_bins, spec_augment, dtype):
    """Inputs of a model and the features they become.

    Args:
        front_end: layer from [audio, audio_lengths] to features, or None for a model that takes features.
        num_mel_bins: int, features per frame of a model that takes features.
        spec_augment: layer applied to the features, or None.
        dtype: dtype policy.

    Returns:
        Dict of inputs, and the features as a Keras tensor.
    """
    if front_end is None:
        inputs = {
            "features": keras.Input((None, num_mel_bins), name="features", dtype="float32"),
            "feature_lengths": keras.Input((), name="feature_lengths", dtype="int32"),
        }
        features = FeatureInput(dtype=dtype, name="feature_input")(list(inputs.values()))
    else:
        inputs = audio_inputs()
        features = front_end(list(inputs.values()))
    return inputs, features if spec_augment is None else spec_augment(features)


def apply_encoder(encoder, x):
    """The output of an encoder, a callable or a list of layers."""
    for layer in [encoder] if callable(encoder) else encoder:
        x = layer(x)
    return x


def check_keywords(model, kwargs):
    """What is left of a constructor's keyword arguments is for Keras."""
    if unknown := sorted(set(kwargs) - {"name", "trainable"}):
        raise TypeError(
            f"{type(model).__name__} has no argument {', '.join(unknown)}. Check the spelling: its docstring lists "
            "what it takes."
        )
