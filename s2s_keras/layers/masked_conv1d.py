"""Convolution over time that ignores padding."""

import keras
from keras import ops

from s2s_keras.ops.depthwise import depthwise_conv1d
from s2s_keras.ops.masks import apply_mask
from s2s_keras.ops.products import channel_product


@keras.saving.register_keras_serializable(package="s2s_keras")
class MaskedConv1D(keras.layers.Layer):
    """1-D convolution whose output at a real frame never depends on padded frames or on the padded length.

    Padded frames are set to zero before a convolution of more than one frame, the mask is strided along, and the
    amount of zero padding on the left is a property of the layer. `padding="same"` has neither property: with a
    stride its left padding changes with the parity of the length, so that the same utterance gives two answers in
    two batches.

    Args:
        filters: int, channels of the output.
        kernel_size: int, frames.
        strides: int, frames. The output has ceil(T / strides) frames.
        dilation_rate: int, frames between two taps.
        groups: int, channel groups; both channel counts must be divisible by it.
        separable: bool. A depthwise convolution over time followed by a pointwise one (kernel size 1).
        left_padding: int, zero frames put before the first frame. `None` means
            `(dilation_rate * (kernel_size - 1) + 1 - strides) // 2`, which is TensorFlow's "SAME" for lengths divisible
            by the stride, as OpenSeq2Seq arranged them. NeMo and PyTorch recipes use half the dilated kernel; a causal
            convolution uses `dilation_rate * (kernel_size - 1)`.
        use_bias: bool.
        kernel_initializer: Keras initializer.

    Call arguments:
        inputs: float (B, T, C).
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float (B, ceil(T / strides), filters).

    Raises:
        ValueError: if a size is not positive, or the channels are not divisible by `groups`.

    Example:

    >>> import numpy as np
    >>> tuple(MaskedConv1D(8, kernel_size=5, strides=2)(np.zeros((1, 7, 3), "float32")).shape)
    (1, 4, 8)

    Reference:
        - [Jasper](https://arxiv.org/abs/1904.03288); [QuartzNet](https://arxiv.org/abs/1910.10261) (separable).
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        dilation_rate=1,
        groups=1,
        separable=False,
        left_padding=None,
        use_bias=False,
        kernel_initializer="glorot_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        sizes = {"filters": filters, "kernel_size": kernel_size, "strides": strides, "dilation_rate": dilation_rate}
        for name, value in {**sizes, "groups": groups}.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}. Pass 1 or more.")
        if separable and groups > 1:
            raise ValueError(
                f"A separable convolution is already grouped by channel; `groups` must be 1. Received: groups={groups}."
            )
        if strides > 1 and dilation_rate > 1:
            raise ValueError(
                "No backend can stride and dilate at once; one of them must be 1. "
                f"Received: strides={strides}, dilation_rate={dilation_rate}."
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.dilation_rate = dilation_rate
        self.groups = groups
        self.separable = separable
        self.span = dilation_rate * (kernel_size - 1) + 1
        default_padding = max(self.span - strides, 0) // 2
        self.left_padding = default_padding if left_padding is None else left_padding
        if not 0 <= self.left_padding < self.span:
            raise ValueError(
                f"`left_padding` must be at least 0 and less than the {self.span} frames that the kernel spans. "
                f"Received: left_padding={left_padding}."
            )
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True
        self.lora_rank = self.lora_alpha = None

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.groups or self.filters % self.groups:
            raise ValueError(
                "Input channels and `filters` must be divisible by `groups`. "
                f"Received: {channels} input channels, filters={self.filters}, groups={self.groups}."
            )
        if self.separable:
            shape = (self.kernel_size, channels, 1)
            self.depthwise_kernel = self.add_weight(shape, self.kernel_initializer, name="depthwise_kernel")
            shape = (1, channels, self.filters)
            self.pointwise_kernel = self.add_weight(shape, self.kernel_initializer, name="pointwise_kernel")
        else:
            shape = (self.kernel_size, channels // self.groups, self.filters)
            self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, inputs, mask=None):
        if self.kernel_size > 1:  # a kernel of one frame mixes no frames
            x = apply_mask(inputs, mask)
            x, padding = self._pad(x)
        else:
            x, padding = inputs, "valid"
        return self._convolve(x, padding)

    def stream(self, signal, memory):
        """The same for the next frames of an endless sequence: see `s2s_keras.layers.streaming`."""
        signal = signal.replace(frames=apply_mask(signal.frames, signal.mask))
        return memory.convolve(signal, self.span, self.strides, self.left_padding, self._convolve)

    def _convolve(self, x, padding="valid"):
        if self.separable:
            x = depthwise_conv1d(x, self.depthwise_kernel, self.strides, padding, self.dilation_rate)
            x = self._conv(x, self.pointwise_kernel, 1, "valid")
        else:
            x = self._conv(x, self.kernel, self.strides, padding, dilation_rate=self.dilation_rate)
        if self.use_bias:
            x = x + self.bias
        return x

    def _conv(self, x, kernel, strides, padding, **options):
        # TensorFlow does the same by itself, and its exporters know convolutions better.
        if kernel.shape[0] == strides == 1 and self.groups == 1 and keras.backend.backend() != "tensorflow":
            y = channel_product(x, ops.cast(kernel[0], x.dtype))
        else:
            y = ops.conv(x, kernel, strides, padding, **options)
        if self.lora_rank is not None:
            update = ops.matmul(ops.conv(x, self.lora_kernel_a, strides, padding, **options), self.lora_kernel_b)
            y = y + (self.lora_alpha / self.lora_rank) * update
        return y

    def enable_lora(self, rank, a_initializer="he_uniform", b_initializer="zeros", lora_alpha=None):
        """Freezes the layer and adds a trainable update of low rank to its kernel, the pointwise one if separable.

        As in Keras' layers the update is merged into the kernel when weights are saved, and starts anew when they are
        loaded. `s2s_keras.training.enable_lora` does it for a model.

        Args:
            rank: int, of the update.
            a_initializer: Keras initializer of its first factor, (kernel_size, channels, rank).
            b_initializer: Keras initializer of its second factor, (rank, filters).
            lora_alpha: float, the update counts `lora_alpha / rank` times. Default None: `rank`.

        Raises:
            ValueError: if the layer is not built, has an update already, or has groups.
        """
        if not self.built or self.lora_rank is not None or self.groups > 1:
            raise ValueError(
                "A low-rank update is added once, to a layer that is built and has no groups. "
                f"Received: built={self.built}, lora_rank={self.lora_rank}, groups={self.groups}."
            )
        for weight in self.weights:
            weight.trainable = False
        *taps, filters = self._lora_kernel.shape
        self._tracker.unlock()  # Keras' layers do the same to get weights after they are built
        self.lora_kernel_a = self.add_weight((*taps, rank), a_initializer, name="lora_kernel_a")
        self.lora_kernel_b = self.add_weight((rank, filters), b_initializer, name="lora_kernel_b")
        self._tracker.lock()
        self.lora_rank, self.lora_alpha = rank, rank if lora_alpha is None else lora_alpha

    @property
    def _lora_kernel(self):
        return self.pointwise_kernel if self.separable else self.kernel

    def save_own_variables(self, store):
        if self.lora_rank is None:
            super().save_own_variables(store)
            return
        update = ops.matmul(self.lora_kernel_a, self.lora_kernel_b) * (self.lora_alpha / self.lora_rank)
        for n, weight in enumerate(self.weights[:-2]):
            value = weight + update if weight is self._lora_kernel else weight
            store[str(n)] = ops.convert_to_numpy(value)

    def load_own_variables(self, store):
        if self.lora_rank is None:
            super().load_own_variables(store)
            return
        for n, weight in enumerate(self.weights[:-2]):
            weight.assign(store[str(n)])
        self.lora_kernel_b.assign(ops.zeros_like(ops.convert_to_tensor(self.lora_kernel_b)))

    def _pad(self, x):
        """Zeros around the frames; left to the kernel of the backend where its "same" is the same thing."""
        if self.strides == 1 and self.left_padding == (self.span - 1) // 2:
            return x, "same"
        return ops.pad(x, [[0, 0], [self.left_padding, self.span - 1 - self.left_padding], [0, 0]]), "valid"

    def compute_mask(self, inputs, mask=None):
        return None if mask is None else mask[:, :: self.strides]

    def compute_output_shape(self, input_shape):
        time = input_shape[1]
        return (input_shape[0], None if time is None else -(-time // self.strides), self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "separable": self.separable,
            "left_padding": self.left_padding,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
