"""BC-ResNet: a residual network on log-mel pictures most of whose work is done in one dimension."""

import math

import keras
from keras import ops

from s2s_keras.applications.speech_classifier import SpeechClassifier
from s2s_keras.layers import LogMelSpectrogram, MaskedBatchNormalization, MaskedConv2D
from s2s_keras.ops.depthwise import depthwise_conv1d
from s2s_keras.ops.masks import apply_mask

BANDS = 5  # of sub-spectral normalization
# (filters in units of `width`, blocks, stride over frequency): table 1 of the paper.
STAGES = ((8, 2, 1), (12, 2, 2), (16, 4, 2), (20, 4, 1))
PROLOGUE, HEAD = 16, 32  # filters, likewise
SPATIAL_DROPOUT = 0.1


@keras.saving.register_keras_serializable(package="s2s_keras")
class BCResNet(SpeechClassifier):
    """A classifier whose blocks mix frequencies in two dimensions and frames in one, broadcast over the frequencies.

    Args:
        width: float, filters are multiples of it; a multiple of 0.25, 8 in BC-ResNet-8.
        stages: tuple of (filters in units of `width`, blocks, stride over frequency).
        block_dropout: float, rate of the channels dropped in the one-dimensional part of each block.
        front_end: layer, "log_mel" for a `LogMelSpectrogram` of `num_mel_bins` in windows of 30 ms, or None.
        num_mel_bins: int, features per frame, a multiple of 10 times all strides: of 40.
        **kwargs: `labels`, `num_classes`, `include_top`, `dropout`, `spec_augment`, `dtype` of `SpeechClassifier`, and
            `name`.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples}.

    Outputs:
        Logits, float32 (B, num_classes).

    Raises:
        ValueError: `width` or `num_mel_bins` is no such multiple.

    Example:

    >>> BCResNet(width=1, labels=("no", "yes")).output_shape
    (None, 2)

    Reference:
        - [Broadcasted residual learning](https://arxiv.org/abs/2106.04140), which reports 98.7 % on Speech Commands
          V2-12 for `width=8`. Batch normalization and the mean over time count real frames only.
    """

    def __init__(
        self,
        width=8,
        stages=STAGES,
        block_dropout=SPATIAL_DROPOUT,
        front_end="log_mel",
        num_mel_bins=40,
        **kwargs,
    ):
        stages = tuple(tuple(stage) for stage in stages)
        if not 0 < width == int(width * 4) / 4:
            raise ValueError(f"`width` is a positive multiple of 0.25. Received: width={width!r}.")
        if front_end == "log_mel":
            front_end = LogMelSpectrogram(num_mel_bins, window_ms=30, name="front_end")
        dtype = kwargs.get("dtype")

        def encode(x):
            bins, multiple = x.shape[-1], 2 * BANDS * math.prod(stride for _, _, stride in stages)
            if bins % multiple:
                raise ValueError(
                    f"Frequencies are halved, strided over and divided into {BANDS} bands: their number is a multiple "
                    f"of {multiple}. Received: {bins} features per frame."
                )
            x = _AddChannel(dtype=dtype, name="add_channel")(x)
            x = MaskedConv2D(
                int(PROLOGUE * width), (5, 5), (1, 2), kernel_initializer="he_normal", dtype=dtype, name="prologue"
            )(x)
            x = MaskedBatchNormalization(epsilon=1e-5, dtype=dtype, name="prologue_normalization")(x)
            x = keras.layers.ReLU(dtype=dtype, name="prologue_activation")(x)
            for stage, (filters, repeat, stride) in enumerate(stages):
                for n in range(repeat):
                    x = BroadcastedBlock(
                        int(filters * width),
                        strides=stride if n == 0 else 1,
                        dilation_rate=2**stage,
                        transition=n == 0,
                        dropout=block_dropout,
                        dtype=dtype,
                        name=f"block_{stage}_{n}",
                    )(x)
            x = FrequencyCollapse(5, dtype=dtype, name="collapse")(x)
            x = keras.layers.Dense(
                int(HEAD * width), use_bias=False, kernel_initializer="he_normal", dtype=dtype, name="head"
            )(x)
            x = MaskedBatchNormalization(epsilon=1e-5, dtype=dtype, name="head_normalization")(x)
            return keras.layers.ReLU(dtype=dtype, name="head_activation")(x)

        super().__init__(encode, front_end=front_end, num_mel_bins=num_mel_bins, **kwargs)
        self.width = width
        self.stages = stages
        self.block_dropout = block_dropout

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "stages": self.stages,
            "block_dropout": self.block_dropout,
        }


@keras.saving.register_keras_serializable(package="s2s_keras")
class BCResNet8(BCResNet):
    """BC-ResNet-8: 321,068 trainable parameters for 12 classes."""


@keras.saving.register_keras_serializable(package="s2s_keras")
class _AddChannel(keras.layers.Layer):
    """(B, T, F) -> (B, T, F, 1), with its mask."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        return ops.expand_dims(inputs, -1)

    def compute_output_shape(self, input_shape):
        return (*input_shape, 1)


@keras.saving.register_keras_serializable(package="s2s_keras")
class BroadcastedBlock(keras.layers.Layer):
    """One block: frequencies are convolved where they are, frames in the mean of all frequencies.

    Args:
        filters: int, channels of the output.
        strides: int, over frequency; above 1 in a transition only.
        dilation_rate: int, frames between the taps over time.
        transition: bool. A pointwise convolution comes first and there is no residual connection around the block.
        dropout: float, rate of channels.

    Call arguments:
        inputs: float (B, T, F, C).
        mask: bool (B, T) or None.

    Returns:
        float (B, T, F / strides, filters).
    """

    def __init__(self, filters, strides=1, dilation_rate=1, transition=False, dropout=SPATIAL_DROPOUT, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides
        self.dilation_rate = dilation_rate
        self.transition = transition
        self.dropout = dropout
        self.supports_masking = True
        dtype = self.dtype_policy
        if transition:
            self.pointwise = keras.layers.Dense(
                filters, use_bias=False, kernel_initializer="he_normal", dtype=dtype, name="pointwise"
            )
            self.pointwise_normalization = self._normalization("pointwise_normalization", dtype)
        self.frequency_normalization = self._normalization("frequency_normalization", dtype)
        self.time_normalization = self._normalization("time_normalization", dtype)
        self.mix = keras.layers.Dense(filters, use_bias=False, kernel_initializer="he_normal", dtype=dtype, name="mix")
        self.channel_dropout = keras.layers.SpatialDropout1D(dropout, dtype=dtype, name="dropout")

    def _normalization(self, name, dtype):
        return MaskedBatchNormalization(epsilon=1e-5, dtype=dtype, name=name)

    def build(self, input_shape):
        batch, time, bins, channels = input_shape
        if self.transition:
            self.pointwise.build(input_shape)
            self.pointwise_normalization.build((batch, time, bins, self.filters))
        elif channels != self.filters or self.strides != 1:
            raise ValueError(
                f"A block that is no transition keeps its {channels} channels and all frequencies. "
                f"Received: filters={self.filters}, strides={self.strides}."
            )
        initializer = keras.initializers.VarianceScaling(2.0, "fan_in", "truncated_normal")
        self.frequency_kernel = self.add_weight((3, self.filters, 1), initializer, name="frequency_kernel")
        self.time_kernel = self.add_weight((3, self.filters, 1), initializer, name="time_kernel")
        self.frequency_normalization.build((batch, time, bins // self.strides // BANDS, BANDS * self.filters))
        self.time_normalization.build((batch, time, self.filters))
        self.mix.build((batch, time, self.filters))

    def call(self, inputs, training=False, mask=None):
        x = inputs
        if self.transition:
            x = self.pointwise_normalization(self.pointwise(x), training=training, mask=mask)
            x = ops.relu(x)
        time, bins, channels = ops.shape(x)[1], x.shape[2], self.filters
        x = depthwise_conv1d(ops.reshape(x, (-1, bins, channels)), self.frequency_kernel, padding="same")
        x = ops.reshape(x[:, :: self.strides], (-1, time, bins // self.strides, channels))
        x = self._in_bands(x, training, mask)
        y = apply_mask(ops.mean(x, axis=2), mask)
        y = depthwise_conv1d(y, self.time_kernel, padding="same", dilation_rate=self.dilation_rate)
        y = ops.silu(self.time_normalization(y, training=training, mask=mask))
        y = self.channel_dropout(self.mix(y), training=training)
        x = x + ops.expand_dims(y, 2)
        return ops.relu(x if self.transition else x + inputs)

    def _in_bands(self, x, training, mask):
        """Sub-spectral normalization: every band of frequencies has statistics of its own."""
        bins = x.shape[2]
        shape = (-1, ops.shape(x)[1], bins // BANDS, BANDS * self.filters)
        x = ops.reshape(x, (-1, ops.shape(x)[1], BANDS, bins // BANDS, self.filters))
        x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4)), shape)
        x = self.frequency_normalization(x, training=training, mask=mask)
        x = ops.reshape(x, (-1, ops.shape(x)[1], bins // BANDS, BANDS, self.filters))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4)), (-1, ops.shape(x)[1], bins, self.filters))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], input_shape[2] // self.strides, self.filters)

    def get_config(self):
        names = ("filters", "strides", "dilation_rate", "transition", "dropout")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="s2s_keras")
class FrequencyCollapse(keras.layers.Layer):
    """A depthwise convolution over some frames and all frequencies: (B, T, F, C) -> (B, T, C).

    Args:
        kernel_size: int, frames.
    """

    def __init__(self, kernel_size, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.supports_masking = True

    def build(self, input_shape):
        shape = (self.kernel_size, input_shape[2] * input_shape[3], 1)
        self.kernel = self.add_weight(shape, "he_normal", name="kernel")

    def call(self, inputs, mask=None):
        x = apply_mask(inputs, mask)
        _, _, bins, channels = x.shape
        time = ops.shape(x)[1]
        x = depthwise_conv1d(ops.reshape(x, (-1, time, bins * channels)), self.kernel, padding="same")
        return ops.sum(ops.reshape(x, (-1, time, bins, channels)), axis=2)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], input_shape[3])

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}
