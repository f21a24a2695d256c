"""Deep Speech 2: convolutions over the spectrogram, recurrent layers above, trained with CTC."""

import keras
from keras import ops

from s2s_keras.applications.ctc_recognizer import CTCRecognizer
from s2s_keras.layers import MaskedBatchNormalization, MaskedConv2D, RecurrentStack, RowConvolution, Spectrogram
from s2s_keras.ops import activations as activations  # registers clipped_relu for saved configs
from s2s_keras.ops.masks import apply_mask

MOMENTUM = 0.99  # of the original's batch normalization
# (filters, kernel size and strides over time and frequency)
TWO_CONVOLUTIONS = ((32, (11, 41), (2, 2)), (32, (11, 21), (1, 2)))
THREE_CONVOLUTIONS = ((32, (11, 41), (2, 2)), (64, (11, 21), (1, 2)), (96, (11, 21), (1, 2)))


@keras.saving.register_keras_serializable(package="s2s_keras")
class SpectrogramConvolutions(keras.layers.Layer):
    """2-D convolutions over time and frequency, each with batch normalization and activation, and one vector a frame.

    Args:
        convolutions: tuple of (filters, kernel_size, strides), the last two pairs of time and frequency.
        activation: Keras activation.
        normalization: dict of `MaskedBatchNormalization` arguments.

    Call arguments:
        inputs: float (B, T, F).
        training: bool.
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float (B, T', F' * filters), frequencies outside, filters inside; zero at padded frames.

    Example:

    >>> import numpy as np
    >>> tuple(SpectrogramConvolutions(TWO_CONVOLUTIONS)(np.zeros((1, 7, 64), "float32")).shape)
    (1, 4, 512)
    """

    def __init__(self, convolutions, activation="relu", normalization=None, **kwargs):
        super().__init__(**kwargs)
        self.convolutions = _check_convolutions(convolutions)
        self.activation = keras.activations.get(activation)
        self.normalization = normalization
        self.supports_masking = True
        dtype = self.dtype_policy
        self.layers = [
            MaskedConv2D(*convolution, dtype=dtype, name=f"convolution_{n}")
            for n, convolution in enumerate(self.convolutions)
        ]
        self.normalizations = [
            MaskedBatchNormalization(**{"momentum": MOMENTUM, **(normalization or {})}, dtype=dtype, name=f"norm_{n}")
            for n in range(len(self.layers))
        ]

    def build(self, input_shape):
        shape = (*input_shape, 1)
        for layer, normalization in zip(self.layers, self.normalizations, strict=True):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
            normalization.build(shape)

    def call(self, inputs, training=False, mask=None):
        x = ops.expand_dims(inputs, -1)
        for layer, normalization in zip(self.layers, self.normalizations, strict=True):
            x = layer(x, mask=mask)
            mask = layer.compute_mask(None, mask)
            x = self.activation(normalization(x, training=training, mask=mask))
        batch, time = ops.shape(x)[0], ops.shape(x)[1]
        return apply_mask(ops.reshape(x, (batch, time, x.shape[2] * x.shape[3])), mask)

    def stream(self, signal, memory):
        """The same for the next frames of an endless sequence: see `s2s_keras.layers.streaming`."""
        signal = signal.replace(frames=signal.frames[..., None])
        for layer, normalization in zip(self.layers, self.normalizations, strict=True):
            signal = layer.stream(signal, memory)
            x = normalization(signal.frames, training=False, mask=signal.mask)
            signal = signal.replace(frames=self.activation(x))
        x = signal.frames
        x = ops.reshape(x, (*x.shape[:2], x.shape[2] * x.shape[3]))
        return signal.replace(frames=apply_mask(x, signal.mask))

    def compute_mask(self, inputs, mask=None):
        for layer in self.layers:
            mask = layer.compute_mask(None, mask)
        return mask

    def compute_output_shape(self, input_shape):
        shape = (*input_shape, 1)
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return (*shape[:2], shape[2] * shape[3])

    def get_config(self):
        return {
            **super().get_config(),
            "convolutions": self.convolutions,
            "activation": keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }


def _check_convolutions(convolutions):
    convolutions = tuple(tuple(convolution) for convolution in convolutions)
    for convolution in convolutions:
        if len(convolution) != 3 or not all(isinstance(pair, (tuple, list)) for pair in convolution[1:]):
            raise ValueError(
                "`convolutions` holds (filters, kernel_size, strides) with pairs of time and frequency, such as "
                f"(32, (11, 41), (2, 2)). Received: {convolution!r}."
            )
    return tuple((filters, tuple(kernel_size), tuple(strides)) for filters, kernel_size, strides in convolutions)


@keras.saving.register_keras_serializable(package="s2s_keras")
class DeepSpeech2(CTCRecognizer):
    """A CTC recognizer of 2-D convolutions and recurrent layers.

    Args:
        convolutions: tuple of (filters, kernel_size, strides), the last two pairs of time and frequency; or ().
        num_layers: int, recurrent layers.
        units: int, size of their state, in each direction.
        cell: "gru", "lstm" or "gru_reset_before", see `RecurrentStack`.
        directions: "both", "forward" or "apart", see `RecurrentStack`.
        row_convolution: int, frames that a convolution above one-directional layers sees; 0 leaves it out.
        hidden_dim: int, of the fully connected layer.
        dropout: float, between recurrent layers and before the logits.
        activation: Keras activation of everything that does not recur; `s2s_keras.ops.activations.clipped_relu`, for
            example.
        normalization: dict of `MaskedBatchNormalization` arguments, or None for the original's.
        front_end: "spectrogram" for a `Spectrogram` of `num_mel_bins`, or as in `CTCRecognizer`.
        num_mel_bins: int, features per frame.
        **kwargs: `vocabulary_size`, `tokenizer`, `include_top`, `spec_augment`, `dtype` of `CTCRecognizer`, and `name`.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples}; features with `front_end=None`.

    Outputs:
        Logits, float32 (B, T', V); T' = T divided by all strides over time, rounded up.

    Raises:
        ValueError: if an argument is none of those.

    Example:

    >>> DeepSpeech2(convolutions=((4, (11, 41), (2, 2)),), num_layers=1, units=8, hidden_dim=16).output_shape
    (None, None, 29)

    Reference:
        - [Deep Speech 2](https://arxiv.org/abs/1512.02595), without batch normalization between recurrent layers, as
          OpenSeq2Seq built it. There padding reached the convolutions and, with cuDNN, the recurrent layers; here
          backward layers start at the last real frame. Blank is token 0.
    """

    def __init__(
        self,
        convolutions=TWO_CONVOLUTIONS,
        num_layers=5,
        units=800,
        cell="gru",
        directions="both",
        row_convolution=0,
        hidden_dim=1600,
        dropout=0.5,
        activation="relu",
        normalization=None,
        front_end="spectrogram",
        num_mel_bins=160,
        **kwargs,
    ):
        convolutions = _check_convolutions(convolutions)
        activation = keras.activations.get(activation)
        common = {"dtype": kwargs.get("dtype")}

        def encode(x):
            if convolutions:
                x = SpectrogramConvolutions(convolutions, activation, normalization, name="convolutions", **common)(x)
            x = RecurrentStack(units, num_layers, cell, directions, dropout, name="recurrent", **common)(x)
            if row_convolution:
                x = RowConvolution(row_convolution, name="row_convolution", **common)(x)
                arguments = {"momentum": MOMENTUM, **(normalization or {})}
                x = MaskedBatchNormalization(**arguments, name="row_convolution_norm", **common)(x)
                x = keras.layers.Activation(activation, name="row_convolution_activation", **common)(x)
            x = keras.layers.Dense(hidden_dim, activation, name="fully_connected", **common)(x)
            return keras.layers.Dropout(dropout, name="dropout", **common)(x)

        if front_end == "spectrogram":
            front_end = Spectrogram(num_mel_bins, name="front_end")
        super().__init__(encode, front_end=front_end, num_mel_bins=num_mel_bins, **kwargs)
        self.convolutions = convolutions
        self.num_layers = num_layers
        self.units = units
        self.cell = cell
        self.directions = directions
        self.row_convolution = row_convolution
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.activation = activation
        self.normalization = normalization

    def get_config(self):
        return {
            **super().get_config(),
            "convolutions": self.convolutions,
            "num_layers": self.num_layers,
            "units": self.units,
            "cell": self.cell,
            "directions": self.directions,
            "row_convolution": self.row_convolution,
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout,
            "activation": keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }


@keras.saving.register_keras_serializable(package="s2s_keras")
class DeepSpeech2Large(DeepSpeech2):
    """Deep Speech 2 with five bidirectional GRU layers of 800: 58,971,133 parameters.

    LibriSpeech WER published for it, greedy: 6.71 dev-clean.
    """


@keras.saving.register_keras_serializable(package="s2s_keras")
class DeepSpeech2Medium(DeepSpeech2):
    """Deep Speech 2 that reads forwards only: three GRU layers of 1024 below a row convolution, 25,721,341 parameters.

    Its row convolution sees four frames (80 ms) of the future.
    """

    def __init__(
        self,
        convolutions=THREE_CONVOLUTIONS,
        num_layers=3,
        units=1024,
        directions="forward",
        row_convolution=8,
        hidden_dim=2048,
        **kwargs,
    ):
        super().__init__(
            convolutions=convolutions,
            num_layers=num_layers,
            units=units,
            directions=directions,
            row_convolution=row_convolution,
            hidden_dim=hidden_dim,
            **kwargs,
        )


@keras.saving.register_keras_serializable(package="s2s_keras")
class DeepSpeech2Small(DeepSpeech2):
    """Deep Speech 2 with two bidirectional GRU layers of 512: 9,993,469 parameters on 96 spectrogram bins."""

    def __init__(self, num_layers=2, units=512, hidden_dim=1024, num_mel_bins=96, **kwargs):
        super().__init__(num_layers=num_layers, units=units, hidden_dim=hidden_dim, num_mel_bins=num_mel_bins, **kwargs)
