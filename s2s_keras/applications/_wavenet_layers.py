"""The layers of WaveNet."""

import keras
from keras import ops

from s2s_keras.layers import MaskedBatchNormalization
from s2s_keras.ops.masks import apply_mask, sequence_mask
from s2s_keras.ops.mu_law import mu_law_encode
from s2s_keras.ops.products import channel_product


@keras.saving.register_keras_serializable(package="s2s_keras")
class SampleInput(keras.layers.Layer):
    """Audio (B, S) and lengths (B,) as channels, with the mask of real samples.

    Args:
        num_classes: int, classes of mu-law, a channel for each; or None: one channel, the audio.
    """

    def __init__(self, num_classes=None, **kwargs):
        super().__init__(autocast=False, **kwargs)  # a sample of half precision may be of another class
        self.num_classes = num_classes
        self.supports_masking = True

    def call(self, inputs):
        audio, lengths = inputs
        audio = ops.cast(apply_mask(audio, sequence_mask(lengths, audio)), "float32")
        if self.num_classes is None:
            return ops.cast(audio[..., None], self.compute_dtype)
        return ops.one_hot(mu_law_encode(audio, self.num_classes), self.num_classes, dtype=self.compute_dtype)

    def compute_mask(self, inputs, previous_mask=None):
        audio, lengths = inputs
        return sequence_mask(lengths, audio)

    def compute_output_shape(self, input_shape):
        return (*input_shape[0], self.num_classes or 1)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="s2s_keras")
class MelCondition(keras.layers.Layer):
    """What the mel spectrogram adds before the filters and gates of all blocks, frames repeated to samples.

    The filters see the first half of the mel bins, the gates the other half, as in the original.

    Args:
        filters: int, channels of a filter, and of a gate.
        hop_length: int, samples of a frame.

    Call arguments:
        inputs: list of mel (B, T, bins), and features (B, S, C) with a mask, at most `hop_length * T` of them.

    Returns:
        float (B, S, 2 * filters).
    """

    def __init__(self, filters, hop_length, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.hop_length = hop_length
        self.supports_masking = True

    def build(self, input_shape):
        shape = (input_shape[0][-1] // 2, self.filters)
        self.filter_kernel = self.add_weight(shape, "glorot_uniform", name="filter_kernel")
        self.gate_kernel = self.add_weight(shape, "glorot_uniform", name="gate_kernel")

    def call(self, inputs, mask=None):
        mel, features = inputs
        num_frames, num_samples = mel.shape[1], features.shape[1]
        if isinstance(num_frames, int) and isinstance(num_samples, int) and num_frames * self.hop_length < num_samples:
            raise ValueError(
                f"The mel spectrogram must cover the audio. Received: {num_frames} frames of {self.hop_length} samples "
                f"for {num_samples} samples. Pass {-(-num_samples // self.hop_length)} frames or more."
            )
        lengths = ops.sum(ops.cast(mask[1], "int32"), axis=1)
        mel = apply_mask(mel, sequence_mask((lengths + self.hop_length - 1) // self.hop_length, mel))
        half = mel.shape[-1] // 2
        frames = ops.concatenate(
            [ops.matmul(mel[..., :half], self.filter_kernel), ops.matmul(mel[..., half:], self.gate_kernel)], axis=-1
        )
        shape = (ops.shape(mel)[0], -1, 2 * self.filters)
        repeated = ops.broadcast_to(frames[:, :, None], (*ops.shape(frames)[:2], self.hop_length, frames.shape[-1]))
        return ops.reshape(repeated, shape)[:, : ops.shape(features)[1]]

    def compute_mask(self, inputs, mask=None):
        return mask[1]

    def compute_output_shape(self, input_shape):
        return (*input_shape[1][:2], 2 * self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "hop_length": self.hop_length}


def taps(x, size, dilation_rate):
    """What each tap of a convolution without padding sees of (B, S, C): (B, S - dilation_rate * (size - 1), C) each."""
    length = ops.shape(x)[1] - dilation_rate * (size - 1)
    length = max(length, 0) if isinstance(length, int) else ops.maximum(length, 0)
    return [x[:, n * dilation_rate : n * dilation_rate + length] for n in range(size)]


def convolve_halves(x, kernels, dilation_rate):
    """Dilated convolutions of the two halves of (B, S, C) without padding, side by side."""
    size, half, filters = kernels[0].shape
    span = dilation_rate * (size - 1) + 1
    if keras.backend.backend() == "tensorflow":  # half of one kernel is zero; to move x about would cost more
        sides = ([0, half], [half, 0])
        padded = [ops.pad(kernel, [[0, 0], side, [0, 0]]) for kernel, side in zip(kernels, sides, strict=True)]
        kernel = ops.concatenate(padded, axis=-1)
        x = ops.pad(x, [[0, 0], [ops.maximum(span - 1 - ops.shape(x)[1], 0), 0], [0, 0]])
        return ops.conv(x, kernel, 1, "valid", dilation_rate=dilation_rate)
    columns = [ops.concatenate(taps(part, size, dilation_rate), axis=-1) for part in ops.split(x, 2, axis=-1)]
    kernels = [ops.reshape(kernel, (size * half, filters)) for kernel in kernels]
    return ops.concatenate([channel_product(*pair) for pair in zip(columns, kernels, strict=True)], axis=-1)


def normalize_and_delay(norm, x, mask, training):
    """The normalized outputs of a convolution without padding, after zeros: as many as the mask (B, S) has samples.

    This is the padding of the original: its convolutions have no output before they have seen all that they span;
    zeros take its place, after the normalization.
    """
    missing = ops.shape(mask)[1] - ops.shape(x)[1]
    x = norm(x, training=training, mask=mask[:, missing:])
    return ops.pad(x, [[0, 0], [missing, 0], [0, 0]])


@keras.saving.register_keras_serializable(package="s2s_keras")
class CausalStart(keras.layers.Layer):
    """The first convolution: from the classes of samples to channels.

    Args:
        filters: int, channels.
        kernel_size: int, samples.
        normalization: dict of `MaskedBatchNormalization` arguments.
    """

    def __init__(self, filters, kernel_size, normalization, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.normalization = normalization
        self.norm = MaskedBatchNormalization(**normalization, dtype=self.dtype_policy, name="norm")
        self.supports_masking = True

    def build(self, input_shape):
        shape = (self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape, "glorot_uniform", name="kernel")
        self.norm.build(self.compute_output_shape(input_shape))

    def call(self, inputs, training=False, mask=None):
        # Classes are many: the products are shifted, not the classes.
        products = channel_product(inputs, ops.concatenate([self.kernel[n] for n in range(self.kernel_size)], axis=-1))
        products = ops.split(products, self.kernel_size, axis=-1)
        x = sum(taps(every, self.kernel_size, 1)[n] for n, every in enumerate(products))
        return normalize_and_delay(self.norm, x, mask, training)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "normalization": self.normalization,
        }


@keras.saving.register_keras_serializable(package="s2s_keras")
class GatedBlock(keras.layers.Layer):
    """A dilated convolution whose output a gate lets through, added to the input; and its share of the result.

    The filter sees the first half of the channels, the gate the other half, as in the original.

    Args:
        filters: int, channels of the input, even.
        skip_filters: int, channels of the share.
        kernel_size: int, samples.
        dilation_rate: int.
        normalization: dict of `MaskedBatchNormalization` arguments.
        last: bool. No block follows: there is no output but the share.

    Call arguments:
        inputs: list of (B, S, filters) and the condition, (B, S, 2 * filters), with masks.

    Returns:
        List of (B, S, filters) and (B, S, skip_filters); the latter alone if `last`.
    """

    def __init__(self, filters, skip_filters, kernel_size, dilation_rate, normalization, last=False, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.skip_filters = skip_filters
        self.kernel_size = kernel_size
        self.dilation_rate = dilation_rate
        self.normalization = normalization
        self.last = last
        self.norm = MaskedBatchNormalization(**normalization, dtype=self.dtype_policy, name="norm")
        self.supports_masking = True

    def build(self, input_shape):
        (*batch, filters), _ = input_shape
        shape = (self.kernel_size, filters // 2, filters)
        self.filter_kernel = self.add_weight(shape, "glorot_uniform", name="filter_kernel")
        self.gate_kernel = self.add_weight(shape, "glorot_uniform", name="gate_kernel")
        if not self.last:
            self.residual_kernel = self.add_weight((filters, filters), "glorot_uniform", name="residual_kernel")
        self.skip_kernel = self.add_weight((filters, self.skip_filters), "glorot_uniform", name="skip_kernel")
        self.norm.build((*batch, 2 * filters))

    def call(self, inputs, training=False, mask=None):
        x, condition = inputs
        h = convolve_halves(x, (self.filter_kernel, self.gate_kernel), self.dilation_rate)
        h = normalize_and_delay(self.norm, h, mask[0], training) + condition
        filtered, gate = ops.split(h, 2, axis=-1)
        z = ops.tanh(filtered) * ops.sigmoid(gate)
        share = channel_product(z, self.skip_kernel)
        return share if self.last else [x + channel_product(z, self.residual_kernel), share]

    def compute_mask(self, inputs, mask=None):
        return mask[0] if self.last else [mask[0], mask[0]]

    def compute_output_shape(self, input_shape):
        x = tuple(input_shape[0])
        share = (*x[:2], self.skip_filters)
        return share if self.last else [x, share]

    def get_config(self):
        names = ("filters", "skip_filters", "kernel_size", "dilation_rate", "normalization", "last")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="s2s_keras")
class SampleDense(keras.layers.Dense):
    """`keras.layers.Dense` without a bias on (B, S, C), by `channel_product`."""

    def __init__(self, units, activation=None, use_bias=False, **kwargs):
        super().__init__(units, activation, use_bias, **kwargs)

    def call(self, inputs, training=None):
        return self.activation(channel_product(inputs, self.kernel))


@keras.saving.register_keras_serializable(package="s2s_keras")
class WarmUpMask(keras.layers.Layer):
    """The mask of outputs that have seen a receptive field, for the loss; outputs at padding are zero.

    Args:
        delay: int, samples that are not trained.
    """

    def __init__(self, delay, **kwargs):
        super().__init__(**kwargs)
        self.delay = delay
        self.supports_masking = True

    def call(self, inputs, mask=None):
        return apply_mask(inputs, mask)

    def compute_mask(self, inputs, mask=None):
        return ops.concatenate([ops.zeros_like(mask[:, : self.delay]), mask[:, self.delay :]], axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "delay": self.delay}
