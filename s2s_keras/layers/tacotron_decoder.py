"""Frames of speech, one after the other."""

import keras
from keras import ops

from s2s_keras.layers._recurrent import scan_nested
from s2s_keras.ops.alignments import guided_attention
from s2s_keras.ops.masks import apply_mask

STOPS = ("state", "mel")


@keras.saving.register_keras_serializable(package="s2s_keras")
class TacotronDecoder(keras.layers.Layer):
    """Tacotron 2's decoder: in training over all frames that it is given, in inference from its own frames.

    Args:
        num_mel_bins: int, channels of a frame.
        cell: `TacotronCell`.
        prenet: `Prenet`.
        reduction_factor: int, frames made in a step; the next step is given the last of them.
        stop_from: what tells that speech has ended: "state", the decoder's, as in the paper, or "mel", the frame, as in
            OpenSeq2Seq.
        frame_dropout: float in [0, 1), the share of the frames given in training that are replaced by zeros, so that a
            step has to look at the text.
        scheduled_sampling: float in [0, 1], the share of the steps of training that are given the decoder's own frame
            in the place of the right one. Gradients do not go through it.
        guided_attention: float, weight of `s2s_keras.ops.alignments.guided_attention` in the loss of training.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of memory, float (B, U, C), and mel, float (B, T, num_mel_bins), the right frames; and, to hold
            attention to an alignment that is known, float (B, ceil(T / reduction_factor), U), 1 at what may be looked
            at in a step.
        training: bool.
        mask: list of masks, bool (B, U) and (B, T), True at what is real, or None.

    Returns:
        Dict of "mel", float32 (B, T, num_mel_bins), "stop", float32 (B, T), logits, both zero at padded frames, and
        "alignment", float32 (B, ceil(T / reduction_factor), U).

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.layers import LocationAttention, Prenet, TacotronCell
    >>> cell = TacotronCell(8, LocationAttention(4, filters=2, kernel_size=3))
    >>> decoder = TacotronDecoder(6, cell, Prenet(5), reduction_factor=2)
    >>> outputs = decoder([np.ones((1, 4, 3), "float32"), np.ones((1, 7, 6), "float32")])
    >>> tuple(outputs["mel"].shape), tuple(outputs["alignment"].shape)
    ((1, 7, 6), (1, 4, 4))

    Reference:
        - [Tacotron 2](https://arxiv.org/abs/1712.05884), section 2.2; the reduction factor is
          [Tacotron](https://arxiv.org/abs/1703.10135)'s; dropped frames are those of [Maximizing mutual information for
          Tacotron](https://arxiv.org/abs/1909.01145), section 3.2; own frames are [scheduled
          sampling](https://arxiv.org/abs/1506.03099)'s.
    """

    def __init__(
        self,
        num_mel_bins,
        cell,
        prenet,
        reduction_factor=1,
        stop_from="state",
        frame_dropout=0.0,
        scheduled_sampling=0.0,
        guided_attention=0.0,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        if stop_from not in STOPS:
            raise ValueError(f"`stop_from` must be {' or '.join(map(repr, STOPS))}. Received: stop_from={stop_from!r}.")
        if not isinstance(reduction_factor, int) or reduction_factor < 1:
            raise ValueError(f"`reduction_factor` must be 1 or more. Received: reduction_factor={reduction_factor!r}.")
        if not (0.0 <= frame_dropout < 1.0 and 0.0 <= scheduled_sampling <= 1.0):
            raise ValueError(
                "`frame_dropout` must be in [0, 1) and `scheduled_sampling` in [0, 1]. Received: "
                f"frame_dropout={frame_dropout!r}, scheduled_sampling={scheduled_sampling!r}."
            )
        restore = keras.saving.deserialize_keras_object
        self.num_mel_bins = num_mel_bins
        self.cell = restore(cell) if isinstance(cell, dict) else cell
        self.prenet = restore(prenet) if isinstance(prenet, dict) else prenet
        self.reduction_factor = reduction_factor
        self.stop_from = stop_from
        self.frame_dropout = frame_dropout
        self.scheduled_sampling = scheduled_sampling
        self.seed_generator = keras.random.SeedGenerator() if frame_dropout or scheduled_sampling else None
        self.guided_attention = guided_attention
        self.supports_masking = True
        self.mel_layer = keras.layers.Dense(num_mel_bins * reduction_factor, dtype="float32", name="mel")
        stops = reduction_factor if stop_from == "state" else 1
        self.stop_layer = keras.layers.Dense(stops, dtype="float32", name="stop")

    def build(self, input_shape):
        memory_shape = input_shape[0]
        self.prenet.build((None, None, self.num_mel_bins))
        if not self.cell.built:
            self.cell.build([(None, self.prenet.units), None, {"values": tuple(memory_shape)}])
        output_dim = self.cell.output_dim(memory_shape[-1])
        self.mel_layer.build((None, None, output_dim))
        self.stop_layer.build((None, None, output_dim if self.stop_from == "state" else self.num_mel_bins))

    def call(self, inputs, training=False, mask=None):
        memory, mel, *held = inputs
        memory_mask, mel_mask = mask[:2] if isinstance(mask, (list, tuple)) else (None, None)
        state = self.start(memory, memory_mask)
        mel = apply_mask(ops.cast(mel, self.compute_dtype), mel_mask)
        before = ops.concatenate([ops.zeros_like(mel[:, :1]), mel[:, :-1]], axis=1)[:, :: self.reduction_factor]
        if training and self.frame_dropout:
            drawn = keras.random.uniform(ops.shape(before)[:2], dtype="float32", seed=self.seed_generator)
            before = apply_mask(before, drawn >= self.frame_dropout)
        batch_size, num_steps = (ops.shape(before)[0] if training else 1), ops.shape(before)[1]
        dropped = self.prenet.draw((batch_size, num_steps))
        sampled = training and self.scheduled_sampling > 0
        given = {"before": before, "own": self._sampled(before)} if sampled else {"x": self.prenet([before, dropped])}
        if sampled and dropped is not None:
            given["prenet"] = dropped
        if held:
            given["held"] = ops.cast(held[0], "float32")
        given = {name: ops.moveaxis(value, 1, 0) for name, value in given.items()}

        def step(carry, inputs):
            if sampled:
                own = ops.cast(ops.stop_gradient(self.mel_layer(carry["output"])), self.compute_dtype)
                frame = ops.where(inputs["own"] > 0, own[:, -self.num_mel_bins :], inputs["before"])
                inputs = {"x": self.prenet([frame, inputs.get("prenet")]), **inputs}
            output, cell = self.cell([inputs["x"], carry["cell"], {**state["memory"], **inputs}], training=training)
            return {"cell": cell, "output": output}

        given |= self.cell.draw(state["memory"], num_steps, training)
        _, states = scan_nested(step, {"cell": state["cell"], "output": self._no_output(state)}, given)
        outputs = self._frames(ops.moveaxis(states["output"], 0, 1))
        outputs = {name: apply_mask(x[:, : ops.shape(mel)[1]], mel_mask) for name, x in outputs.items()}
        alignment = ops.moveaxis(states["cell"]["alignment"], 0, 1)
        if training and self.guided_attention:
            steps = ops.ones_like(before[..., 0], "bool") if mel_mask is None else mel_mask[:, :: self.reduction_factor]
            self.add_loss(self.guided_attention * guided_attention(alignment, steps, state["memory"]["mask"]))
        return {**outputs, "alignment": alignment}

    def start(self, memory, mask=None):
        """The state before the first frame.

        Args:
            memory: float (B, U, C).
            mask: bool (B, U) or None, True at what is real.

        Returns:
            Nested dict of tensors, batch first: "memory", which no step changes; "cell"; and "frame", zeros.
        """
        if not self.built:
            self.build([tuple(memory.shape), (None, None, self.num_mel_bins)])
        memory = self.cell.prepare(ops.cast(memory, self.compute_dtype), mask)
        frame = ops.zeros((ops.shape(memory["values"])[0], self.num_mel_bins), self.compute_dtype)
        return {"memory": memory, "cell": self.cell.initial_state(memory), "frame": frame}

    def steps(self, state, drawn):
        """The next frames, each made from those before.

        Args:
            state: what `start` or the last call returned.
            drawn: float (S, 1, ...), what `Prenet.draw` returned for S steps; without dropout anything of that shape.

        Returns:
            Tuple of a dict as that of a call, for S * reduction_factor frames, and the next state.
        """

        def step(carry, drawn):
            x = self.prenet([carry["frame"], drawn if self.prenet.dropout else None])
            output, cell = self.cell([x, carry["cell"], state["memory"]])
            frame = self.mel_layer(output)[:, -self.num_mel_bins :]
            carry = {"cell": cell, "frame": ops.cast(frame, self.compute_dtype), "output": output}
            return carry

        start = {"cell": state["cell"], "frame": state["frame"], "output": self._no_output(state)}
        last, states = scan_nested(step, start, drawn)
        outputs = self._frames(ops.moveaxis(states["output"], 0, 1))
        outputs["alignment"] = ops.moveaxis(states["cell"]["alignment"], 0, 1)
        return outputs, {"memory": state["memory"], "cell": last["cell"], "frame": last["frame"]}

    def _sampled(self, before):
        """Which steps are given the decoder's own frame, float (B, S, 1), 1 or 0; never the first."""
        shape = (ops.shape(before)[0], ops.shape(before)[1], 1)
        drawn = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator) < self.scheduled_sampling
        return ops.cast(drawn & (ops.arange(shape[1])[:, None] > 0), self.compute_dtype)

    def _no_output(self, state):
        return ops.concatenate([state["cell"]["cells"][-1][0], state["cell"]["context"]], axis=-1)

    def _frames(self, outputs):
        """Frames and stop logits of the cell's outputs, float (B, S, D)."""
        batch_size = ops.shape(outputs)[0]
        mel = ops.reshape(self.mel_layer(outputs), (batch_size, -1, self.num_mel_bins))
        stop = self.stop_layer(outputs if self.stop_from == "state" else mel)
        return {"mel": mel, "stop": ops.reshape(stop, (batch_size, -1))}

    def compute_mask(self, inputs, mask=None):
        mel_mask = mask[1] if isinstance(mask, (list, tuple)) else None
        steps = None if mel_mask is None else mel_mask[:, :: self.reduction_factor]
        return {"mel": mel_mask, "stop": mel_mask, "alignment": steps}

    def compute_output_spec(self, inputs, training=False, mask=None):
        memory, mel = inputs[:2]
        batch_size, time = mel.shape[:2]
        steps = None if time is None else -(-time // self.reduction_factor)
        return {
            "mel": keras.KerasTensor((batch_size, time, self.num_mel_bins), "float32"),
            "stop": keras.KerasTensor((batch_size, time), "float32"),
            "alignment": keras.KerasTensor((batch_size, steps, memory.shape[1]), "float32"),
        }

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "num_mel_bins": self.num_mel_bins,
            "cell": serialize(self.cell),
            "prenet": serialize(self.prenet),
            "reduction_factor": self.reduction_factor,
            "stop_from": self.stop_from,
            "frame_dropout": self.frame_dropout,
            "scheduled_sampling": self.scheduled_sampling,
            "guided_attention": self.guided_attention,
        }
