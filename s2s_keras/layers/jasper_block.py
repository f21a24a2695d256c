"""The block that Wav2Letter+, Jasper and QuartzNet are made of."""

import keras
from keras import ops

from s2s_keras.layers.masked_batch_normalization import MaskedBatchNormalization
from s2s_keras.layers.masked_conv1d import MaskedConv1D
from s2s_keras.layers.sequence_normalization import SequenceNormalization
from s2s_keras.layers.streaming import NotStreamable
from s2s_keras.ops import activations as activations  # registers clipped_relu for saved configs
from s2s_keras.ops.masks import apply_mask

NORMALIZATIONS = {
    "batch": MaskedBatchNormalization,
    "instance": SequenceNormalization,
    "layer": lambda **kwargs: SequenceNormalization(across_channels=True, epsilon=1e-12, **kwargs),
}


@keras.saving.register_keras_serializable(package="s2s_keras")
class JasperBlock(keras.layers.Layer):
    """`repeat` times convolution, normalization, activation and dropout, with residual inputs added before the last
    activation.

    Each residual input is projected by a convolution of kernel size 1 and normalized on its own. Give one residual
    input for a plain residual block, all earlier ones for a dense residual block, none for no residual.

    Args:
        filters: int, channels of the output.
        kernel_size: int, frames.
        repeat: int, how many convolutions.
        strides: int, frames, of the first convolution.
        dilation_rate: int, frames.
        dropout: float, the rate dropped after every activation.
        num_residuals: int, residual inputs.
        separable: bool, depthwise-separable convolutions (projections too).
        pointwise_residual: bool. Project residual inputs by an ordinary convolution even if `separable` (NeMo does).
        activation: Keras activation.
        normalization: "batch", "layer", "instance", None, or a dict of `MaskedBatchNormalization` arguments.
        drop_block: float, the probability that a training step drops the convolutions and keeps the residual sum.
        left_padding: int or None, see `MaskedConv1D`; applies to the first convolution where it has a stride.
        causal: bool. No convolution looks further ahead than its own stride; not with `left_padding`.

    Call arguments:
        inputs: float (B, T, C), or a list of it followed by the residual inputs.
        training: bool.
        mask: bool (B, T), or a list like `inputs`.

    Returns:
        float (B, ceil(T / strides), filters), zero at padded frames.

    Raises:
        ValueError: if the number of inputs or an argument is wrong.

    Example:

    >>> import numpy as np
    >>> x = np.zeros((1, 6, 4), "float32")
    >>> tuple(JasperBlock(8, kernel_size=3, repeat=2, num_residuals=1)([x, x]).shape)
    (1, 6, 8)

    Reference:
        - [Jasper](https://arxiv.org/abs/1904.03288), figures 1 and 2; [QuartzNet](https://arxiv.org/abs/1910.10261),
          figure 1. Dropping a block follows [stochastic depth](https://arxiv.org/abs/1603.09382) without rescaling, as
          in OpenSeq2Seq; its `drop_block_index`, which drops one block in inference, and its "VALID" padding are left
          out.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        repeat=1,
        strides=1,
        dilation_rate=1,
        dropout=0.0,
        num_residuals=0,
        separable=False,
        pointwise_residual=False,
        activation="relu",
        normalization="batch",
        drop_block=0.0,
        left_padding=None,
        causal=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(normalization, dict) and normalization not in (None, *NORMALIZATIONS):
            raise ValueError(
                f'`normalization` must be "batch", "layer", "instance", None or a dict of batch normalization '
                f"arguments. Received: normalization={normalization!r}."
            )
        if num_residuals and strides != 1:
            raise ValueError(
                "Residual inputs must have the frames of the output, so a block with residuals cannot stride. "
                f"Received: num_residuals={num_residuals}, strides={strides}. Stride in a block before it."
            )
        if drop_block and not num_residuals:
            raise ValueError(
                "A dropped block leaves only its residual sum, so `drop_block` needs a residual input. "
                f"Received: drop_block={drop_block}, num_residuals={num_residuals}."
            )
        if causal and left_padding is not None:
            raise ValueError(
                "A causal block has all its padding on the left, so `left_padding` must be None. "
                f"Received: left_padding={left_padding}."
            )
        if not 0.0 <= drop_block < 1.0:
            raise ValueError(f"`drop_block` is a probability in [0, 1). Received: drop_block={drop_block}.")
        self.filters = filters
        self.kernel_size = kernel_size
        self.repeat = repeat
        self.strides = strides
        self.dilation_rate = dilation_rate
        self.dropout = dropout
        self.num_residuals = num_residuals
        self.separable = separable
        self.pointwise_residual = pointwise_residual
        self.activation = keras.activations.get(activation)
        self.normalization = normalization
        self.drop_block = drop_block
        self.left_padding = left_padding
        self.causal = causal
        self.supports_masking = True
        self.seed_generator = keras.random.SeedGenerator() if drop_block else None
        dtype = self.dtype_policy
        self.convolutions = [self._convolution(n, dtype) for n in range(repeat)]
        self.normalizations = [self._normalization(f"normalization_{n}", dtype) for n in range(repeat)]
        self.dropouts = [keras.layers.Dropout(dropout, dtype=dtype, name=f"dropout_{n}") for n in range(repeat)]
        separable = separable and not pointwise_residual
        self.projections = [
            MaskedConv1D(filters, 1, separable=separable, dtype=dtype, name=f"projection_{n}")
            for n in range(num_residuals)
        ]
        self.projection_normalizations = [
            self._normalization(f"projection_normalization_{n}", dtype) for n in range(num_residuals)
        ]

    def _convolution(self, n, dtype):
        strides, padding = (self.strides, self.left_padding) if n == 0 else (1, None)
        if self.causal:
            padding = max(self.dilation_rate * (self.kernel_size - 1) + 1 - strides, 0)
        return MaskedConv1D(
            self.filters,
            self.kernel_size,
            strides=strides,
            dilation_rate=self.dilation_rate,
            separable=self.separable,
            left_padding=padding,
            dtype=dtype,
            name=f"convolution_{n}",
        )

    def _normalization(self, name, dtype):
        if self.normalization is None:
            return keras.layers.Identity(dtype=dtype, name=name)
        if isinstance(self.normalization, dict):
            return MaskedBatchNormalization(**self.normalization, dtype=dtype, name=name)
        return NORMALIZATIONS[self.normalization](dtype=dtype, name=name)

    def build(self, input_shape):
        shapes = input_shape if self.num_residuals else [input_shape]
        shape = shapes[0]
        for convolution, normalization in zip(self.convolutions, self.normalizations, strict=True):
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
            normalization.build(shape)
        projections = zip(self.projections, self.projection_normalizations, shapes[1:], strict=True)
        for projection, normalization, residual_shape in projections:
            projection.build(residual_shape)
            normalization.build(shape)

    def call(self, inputs, training=False, mask=None):
        x, *residuals = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if len(residuals) != self.num_residuals:
            raise ValueError(
                f"This block was made for {self.num_residuals} residual inputs (`num_residuals`). "
                f"Received: {len(residuals)}. Call it with [inputs, *residual inputs]."
            )
        for n, convolution in enumerate(self.convolutions):
            x = convolution(x, mask=mask)
            mask = convolution.compute_mask(None, mask)
            x = self._normalize(self.normalizations[n], x, training, mask)
            if n == self.repeat - 1 and residuals:
                x = self._add(x, residuals, training, mask)
            x = self.dropouts[n](self.activation(x), training=training)
        return apply_mask(x, mask)

    def stream(self, signals, memory):
        """The same for the next frames of an endless sequence: see `s2s_keras.layers.streaming`."""
        if self.normalization in ("layer", "instance"):
            raise NotStreamable(
                f"The layer {self.name!r} normalizes with statistics of the whole recording. Expected batch "
                f"normalization or none, received normalization={self.normalization!r}."
            )
        signal, *residuals = signals if isinstance(signals, (list, tuple)) else [signals]
        for n, convolution in enumerate(self.convolutions):
            signal = convolution.stream(signal, memory)
            x = self._normalize(self.normalizations[n], signal.frames, False, signal.mask)
            if n == self.repeat - 1 and residuals:
                signal, *residuals = memory.align([signal.replace(frames=x), *residuals])
                x = self._add(signal.frames, [residual.frames for residual in residuals], False, signal.mask)
            signal = signal.replace(frames=self.activation(x))
        return signal.replace(frames=apply_mask(signal.frames, signal.mask))

    def _normalize(self, normalization, x, training, mask):
        if isinstance(normalization, MaskedBatchNormalization):
            return normalization(x, training=training, mask=mask)
        return normalization(x, mask=mask) if isinstance(normalization, SequenceNormalization) else x

    def _add(self, x, residuals, training, mask):
        if training and self.drop_block:
            keep = keras.random.uniform((), seed=self.seed_generator) >= self.drop_block
            x = x * ops.cast(keep, x.dtype)
        projections = zip(residuals, self.projections, self.projection_normalizations, strict=True)
        for residual, projection, normalization in projections:
            x = x + self._normalize(normalization, projection(residual), training, mask)
        return x

    def compute_mask(self, inputs, mask=None):
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        return None if mask is None else mask[:, :: self.strides]

    def compute_output_shape(self, input_shape):
        shape = input_shape[0] if self.num_residuals else input_shape
        return self.convolutions[0].compute_output_shape(shape)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "repeat": self.repeat,
            "strides": self.strides,
            "dilation_rate": self.dilation_rate,
            "dropout": self.dropout,
            "num_residuals": self.num_residuals,
            "separable": self.separable,
            "pointwise_residual": self.pointwise_residual,
            "activation": keras.activations.serialize(self.activation),
            "normalization": self.normalization,
            "drop_block": self.drop_block,
            "left_padding": self.left_padding,
            "causal": self.causal,
        }
