"""What all attention of recurrent decoders shares: one query at a time over a memory."""

import keras
from keras import ops

LEAST = 1e-6
IMPOSSIBLE = -1e9  # a score that no softmax survives, and still finite in float32


class StepAttention(keras.layers.Layer):
    """One step of attention: a query over a memory whose projection is computed once.

    The base of `BahdanauAttention`, `LuongAttention`, `LocationAttention` and `CoverageAttention`; `MonotonicAttention`
    goes around one of them. A subclass defines `scores`; it may remember where it has looked in a state (B, T).

        memory = attention.prepare(encoder_output, mask)                  # once
        state = attention.initial_state(memory)
        context, alignment, state = attention([query, state, memory])     # at every step

    A prepared memory may hold "held", float (B, T), 1 at frames that may be looked at: then the context and the next
    state are made of the alignment there, while the alignment that is returned is the free one, to be trained.

    Alignments and softmax are float32 under every dtype policy. Padded frames have alignment zero whatever they hold,
    and a memory without a real frame gives a context of zeros.

    Args:
        units: int, channels in which query and memory are compared, or None for a memory that is taken as it is.

    Call arguments:
        inputs: list of query, float (B, Q); state, float32 (B, T); and what `prepare` returned.
        training: bool.

    Returns:
        Tuple of context, float (B, C); alignment, float32 (B, T), sums to one; and the next state, float32 (B, T).
    """

    def __init__(self, units, **kwargs):
        super().__init__(autocast=False, **kwargs)  # states stay float32
        self.units = units
        if units is not None:
            self.memory_layer = self._dense("memory_layer")

    def _dense(self, name):
        return keras.layers.Dense(self.units, use_bias=False, dtype=self.dtype_policy, name=name)

    def prepare(self, memory, mask=None):
        """Everything about the memory that does not depend on the query.

        Args:
            memory: float (B, T, C).
            mask: bool (B, T) or None, True at real frames.

        Returns:
            Dict of tensors: "keys", float (B, T, units); "values", float (B, T, C), zero at padded frames; and "mask".
        """
        mask = ops.ones_like(memory[..., 0], dtype="bool") if mask is None else mask
        values = ops.where(mask[..., None], ops.cast(memory, self.compute_dtype), 0)
        return {"keys": self.memory_layer(values), "values": values, "mask": mask}

    def initial_state(self, memory):
        """The state before the first step, float32 (B, T): nothing was looked at."""
        return ops.zeros_like(memory["mask"], dtype="float32")

    def build(self, input_shape):
        """Takes the shapes of the query, the state and the prepared memory; of the latter "values" is enough."""
        query_shape, _, memory_shape = input_shape
        if not self.memory_layer.built:  # by `prepare`
            self.memory_layer.build(memory_shape["values"])
        self.build_scores(query_shape)

    def build_scores(self, query_shape):
        """Makes the weights besides those of the memory."""

    def scores(self, query, state, memory):
        """Unnormalized scores of all frames, (B, T)."""
        raise NotImplementedError(f"{type(self).__name__} must define scores(query, state, memory).")

    def draw_noise(self, memory, num_steps):
        """What training needs at random, drawn for all steps before their loop: (num_steps, B, T), or None.

        A step finds its part in the prepared memory, under "noise".
        """
        return None

    def alignment(self, scores, state, memory, training):
        """Scores as weights of the frames, float32 (B, T)."""
        weights = ops.softmax(ops.where(memory["mask"], scores, IMPOSSIBLE), axis=-1)
        return ops.where(memory["mask"], weights, 0.0)

    def next_state(self, state, alignment):
        """The state after a step; by default the last alignment."""
        return alignment

    def call(self, inputs, training=False):
        query, state, memory = inputs
        scores = ops.cast(self.scores(ops.cast(query, self.compute_dtype), state, memory), "float32")
        alignment = self.alignment(scores, state, memory, training)
        followed = _held(alignment, memory["held"]) if "held" in memory else alignment
        weights = ops.cast(followed, self.compute_dtype)
        context = ops.matmul(weights[:, None], memory["values"])[:, 0]
        return context, alignment, self.next_state(state, followed)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _held(alignment, held):
    """The alignment where it may look, summing to what it did; evenly there, if it looks nowhere near."""
    total = ops.sum(alignment, axis=-1, keepdims=True)
    kept = held * (alignment + LEAST)
    return total * kept / ops.maximum(ops.sum(kept, axis=-1, keepdims=True), LEAST)
