"""Frames of speech from convolutions that look at the text."""

import keras
from keras import ops

from s2s_keras.layers._recurrent import scan_nested
from s2s_keras.layers.centaur_block import NORM_EPSILON
from s2s_keras.layers.residual_conv1d import ResidualConv1D
from s2s_keras.ops.masks import apply_mask
from s2s_keras.ops.positions import sinusoid


@keras.saving.register_keras_serializable(package="s2s_keras")
class CentaurDecoder(keras.layers.Layer):
    """Centaur's decoder: in training all frames at once, in inference step by step from its own frames.

    A step of inference keeps what its convolutions have seen; it computes nothing of the steps before again.

    Args:
        num_mel_bins: int, channels of a frame.
        blocks: list of `CentaurBlock`s of the same, even number of units.
        prenet: `Prenet`, whose dropout is for training only.
        magnitude_bins: int, bins of a linear spectrogram that is read and predicted too; 0 for none.
        num_convolutions: int, in front of the mel spectrogram, and as many more in front of the magnitudes.
        kernel_size: int, frames of these convolutions.
        reduction_factor: int, frames made in a step; the next step is given all of them.
        dropout: float, rate dropped behind these convolutions in training.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of memory, float (B, U, C), with even C, and frames, float (B, T, num_mel_bins + magnitude_bins),
            the right ones.
        training: bool.
        mask: list of masks, bool (B, U) and (B, T), True at what is real, or None.

    Returns:
        Dict of "mel" and, with magnitudes, "magnitude", float32 (B, T, bins), and "stop", float32 (B, T), logits, all
        zero at padded frames; and "alignment" of the last block, float32 (B, ceil(T / reduction_factor), U).

    Raises:
        ValueError: if `reduction_factor` is not positive.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.layers import CentaurBlock, Prenet
    >>> decoder = CentaurDecoder(6, [CentaurBlock(8)], Prenet(8), num_convolutions=1)
    >>> outputs = decoder([np.ones((1, 4, 2), "float32"), np.ones((1, 7, 6), "float32")])
    >>> tuple(outputs["mel"].shape), tuple(outputs["alignment"].shape)
    ((1, 7, 6), (1, 4, 4))

    Reference: OpenSeq2Seq's Centaur, which computes all steps again for every step of inference.
    """

    def __init__(
        self,
        num_mel_bins,
        blocks,
        prenet,
        magnitude_bins=0,
        num_convolutions=4,
        kernel_size=5,
        reduction_factor=2,
        dropout=0.1,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # frames and alignments stay float32
        if not isinstance(reduction_factor, int) or reduction_factor < 1:
            raise ValueError(f"`reduction_factor` must be 1 or more. Received: reduction_factor={reduction_factor!r}.")
        restore = keras.saving.deserialize_keras_object
        self.num_mel_bins = num_mel_bins
        self.blocks = [restore(block) if isinstance(block, dict) else block for block in blocks]
        self.prenet = restore(prenet) if isinstance(prenet, dict) else prenet
        self.magnitude_bins = magnitude_bins
        self.num_convolutions = num_convolutions
        self.kernel_size = kernel_size
        self.reduction_factor = reduction_factor
        self.dropout = dropout
        self.units = self.blocks[0].units
        self.supports_masking = True
        options = {"dtype": self.dtype_policy}
        self.projection = keras.layers.Dense(self.units, use_bias=False, name="projection", **options)
        self.norm = keras.layers.LayerNormalization(epsilon=NORM_EPSILON, name="norm", **options)
        self.convolutions = [
            ResidualConv1D(kernel_size, True, dropout, name=f"{name}_{n}", **options)
            for name in (("mel", "magnitude") if magnitude_bins else ("mel",))
            for n in range(num_convolutions)
        ]
        self.mel_layer, self.stop_layer, self.magnitude_layer = (
            keras.layers.Dense(reduction_factor * bins, dtype="float32", name=name) if bins else None
            for name, bins in (("mel", num_mel_bins), ("stop", 1), ("magnitude", magnitude_bins))
        )

    @property
    def _bins(self):
        """Channels of each output frame."""
        bins = {"mel": self.num_mel_bins, "stop": 1}
        return {**bins, "magnitude": self.magnitude_bins} if self.magnitude_bins else bins

    def build(self, input_shape):
        memory_shape, _ = input_shape
        shape = (None, None, self.units)
        self.prenet.build((None, None, self.reduction_factor * (self.num_mel_bins + self.magnitude_bins)))
        self.projection.build((None, None, self.prenet.units))
        for block in self.blocks:
            block.build([shape, {"values": tuple(memory_shape)}])
        heads = [self.mel_layer, self.stop_layer, *([self.magnitude_layer] if self.magnitude_bins else [])]
        for layer in (self.norm, *self.convolutions, *heads):
            layer.build(shape)

    def call(self, inputs, training=False, mask=None):
        memory, frames = inputs
        memory_mask, mask = mask if isinstance(mask, (list, tuple)) else (None, None)
        time, factor = ops.shape(frames)[1], self.reduction_factor
        steps = None if mask is None else mask[:, ::factor]
        frames = apply_mask(ops.cast(frames, self.compute_dtype), mask)
        frames = ops.pad(frames, [[0, 0], [0, factor - 1], [0, 0]])
        count = (time + factor - 1) // factor
        frames = ops.reshape(frames[:, : count * factor], (-1, count, factor * frames.shape[-1]))
        before = ops.pad(frames, [[0, 0], [1, 0], [0, 0]])[:, :-1]
        drawn = self.prenet.draw(tuple(ops.shape(before)[:2])) if training else None
        x = _with_positions(self.projection(self.prenet([before, drawn])))
        memory = self._prepare(memory, memory_mask)
        for block, prepared in zip(self.blocks, memory, strict=True):
            x, alignment = block([x, prepared], training=training, mask=[steps, None])

        def convolve(layer, x):
            return layer(x, training=training, mask=steps)

        outputs = self._frames(self._heads(self.norm(x), convolve))
        outputs = {name: apply_mask(x[:, :time], mask) for name, x in outputs.items()}
        return {**outputs, "alignment": alignment}

    def _prepare(self, memory, mask):
        memory = _with_positions(apply_mask(ops.cast(memory, self.compute_dtype), mask))
        return [block.prepare(memory, mask) for block in self.blocks]

    def _heads(self, x, convolve):
        """What the output layers make of (..., units), from a function that applies a layer of convolution."""
        for layer in self.convolutions[: self.num_convolutions]:
            x = convolve(layer, x)
        outputs = {"mel": self.mel_layer(x), "stop": self.stop_layer(x)}
        if self.magnitude_bins:
            for layer in self.convolutions[self.num_convolutions :]:
                x = convolve(layer, x)
            outputs["magnitude"] = self.magnitude_layer(x)
        return outputs

    def _frames(self, outputs):
        """Frames (B, S * reduction_factor, bins) of what the output layers made, (B, S, ...)."""
        frames = {}
        for name, x in outputs.items():
            x = ops.reshape(x, (ops.shape(x)[0], ops.shape(x)[1] * self.reduction_factor, self._bins[name]))
            frames[name] = x[..., 0] if name == "stop" else x
        return frames

    def start(self, memory, mask=None):
        """The state before the first frame.

        Args:
            memory: float (B, U, C).
            mask: bool (B, U) or None, True at what is real.

        Returns:
            Nested dict of tensors, batch first: "memory", which no step changes; "frames" of the last step; the states
            of "blocks"; the "caches" of the other convolutions; and "step", how many there were.
        """
        if not self.built:
            self.build([tuple(memory.shape), None])
        memory = self._prepare(memory, mask)
        batch_size = ops.shape(memory[0]["mask"])[0]
        channels = self.reduction_factor * (self.num_mel_bins + self.magnitude_bins)
        return {
            "memory": memory,
            "frames": ops.zeros((batch_size, channels), self.compute_dtype),
            "blocks": [block.initial_state(prepared) for block, prepared in zip(self.blocks, memory, strict=True)],
            "caches": [layer.initial_cache(batch_size, self.units) for layer in self.convolutions],
            "step": ops.zeros((batch_size,), "float32"),
        }

    def steps(self, state, drawn):
        """The next frames, each made from those before.

        Args:
            state: what `start` or the last call returned.
            drawn: float (S, ...) for S steps: nothing is drawn, only its length counts.

        Returns:
            Tuple of a dict as that of a call, for S * reduction_factor frames, and the next state.
        """
        memory, batch_size = state["memory"], ops.shape(state["frames"])[0]
        start = {name: value for name, value in state.items() if name != "memory"}
        start["alignment"] = ops.zeros_like(memory[0]["mask"], dtype="float32")
        sizes = {name: self.reduction_factor * bins for name, bins in self._bins.items()}
        start["outputs"] = {name: ops.zeros((batch_size, size), "float32") for name, size in sizes.items()}
        last, every = scan_nested(lambda carry, _: self._step(carry, memory), start, drawn)
        outputs = self._frames({name: ops.moveaxis(x, 0, 1) for name, x in every["outputs"].items()})
        outputs["alignment"] = ops.moveaxis(every["alignment"], 0, 1)
        return outputs, {name: memory if name == "memory" else last[name] for name in state}

    def _step(self, carry, memory):
        x = self.projection(self.prenet(carry["frames"]))
        x = x + ops.cast(sinusoid(carry["step"], self.units), x.dtype)
        blocks, caches = [], []
        for block, prepared, before in zip(self.blocks, memory, carry["blocks"], strict=True):
            x, alignment, after = block([x, prepared, before])
            blocks.append(after)

        def convolve(layer, x):
            x, cache = layer([x, carry["caches"][len(caches)]])
            caches.append(cache)
            return x

        outputs = self._heads(self.norm(x), convolve)
        frames = self._frames({name: x[:, None] for name, x in outputs.items() if name != "stop"})
        frames = ops.reshape(ops.concatenate(list(frames.values()), axis=-1), ops.shape(carry["frames"]))
        return {
            "frames": ops.cast(frames, self.compute_dtype),
            "blocks": blocks,
            "caches": caches,
            "step": carry["step"] + 1.0,
            "alignment": alignment,
            "outputs": outputs,
        }

    def compute_mask(self, inputs, mask=None):
        mask = mask[1] if isinstance(mask, (list, tuple)) else None
        steps = None if mask is None else mask[:, :: self.reduction_factor]
        return {**dict.fromkeys(self._bins, mask), "alignment": steps}

    def compute_output_spec(self, inputs, training=False, mask=None):
        memory, frames = inputs
        batch_size, time = frames.shape[:2]
        shapes = {name: (batch_size, time, bins) for name, bins in self._bins.items()}
        steps = None if time is None else -(-time // self.reduction_factor)
        shapes |= {"stop": (batch_size, time), "alignment": (batch_size, steps, memory.shape[1])}
        return {name: keras.KerasTensor(shape, "float32") for name, shape in shapes.items()}

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        names = ("num_mel_bins", "magnitude_bins", "num_convolutions", "kernel_size", "reduction_factor", "dropout")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "blocks": [serialize(block) for block in self.blocks],
            "prenet": serialize(self.prenet),
        }


def _with_positions(x):
    """A sequence (B, T, C) with the sinusoid of its positions added."""
    positions = ops.cumsum(ops.ones_like(x[:1, :, 0], "float32"), axis=1) - 1.0
    return x + ops.cast(sinusoid(positions, x.shape[-1]), x.dtype)
