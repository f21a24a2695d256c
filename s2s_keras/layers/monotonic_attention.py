"""Attention that only moves forward."""

import keras
from keras import ops

from s2s_keras.layers.step_attention import IMPOSSIBLE, StepAttention


@keras.saving.register_keras_serializable(package="s2s_keras")
class MonotonicAttention(StepAttention):
    """Monotonic attention: at every step it goes on from the last step's frame, frame by frame, until one is chosen.

    In training the alignment is the expectation over all choices, which has a gradient. In inference it is the same
    expectation, or with `hard` a single frame, that of the first score above zero: then the output can follow the
    input while it comes in. A step that chooses no frame has an alignment and a context of zeros, and so has every one
    after it.

    Args:
        attention: `BahdanauAttention`, `LuongAttention` or the like, that gives the scores.
        noise: float, standard deviation of what `RecurrentDecoder` adds to scores in training; it makes them decide.
        score_bias: float, start value of the scalar added to scores. A negative one makes long memories reachable.
        hard: bool, whether inference chooses single frames.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of query, float (B, Q); state, float32 (B, T), the last alignment; and what `prepare` returned.
        training: bool.

    Returns:
        Tuple of context, float (B, C); alignment, float32 (B, T), sums to at most one; and the next state, which is the
        alignment.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.layers import LuongAttention
    >>> attention = MonotonicAttention(LuongAttention(2), score_bias=-1.0)
    >>> memory = attention.prepare(np.zeros((1, 3, 2), "float32"))
    >>> query = np.ones((1, 2), "float32")
    >>> context, alignment, state = attention([query, attention.initial_state(memory), memory])
    >>> [round(float(a), 3) for a in alignment[0]]  # p, p (1 - p), p (1 - p)^2 with p = sigmoid(-1)
    [0.269, 0.197, 0.144]

    Reference:
        - [Online and linear-time attention by enforcing monotonic alignments](https://arxiv.org/abs/1704.00784). The
          expectation is its recurrence (equation 10), computed by doubling; TensorFlow 1's mode "parallel" divides by a
          product of probabilities that runs into zero on long memories.
    """

    def __init__(self, attention, noise=0.0, score_bias=0.0, hard=False, **kwargs):
        kwargs.setdefault("dtype", getattr(attention, "dtype_policy", None))
        super().__init__(None, **kwargs)
        self.attention = keras.saving.deserialize_keras_object(attention) if isinstance(attention, dict) else attention
        self.noise = noise
        self.score_bias = score_bias
        self.hard = hard
        self.seed_generator = keras.random.SeedGenerator() if noise else None

    def prepare(self, memory, mask=None):
        return self.attention.prepare(memory, mask)

    def initial_state(self, memory):
        """The state before the first step, float32 (B, T): it begins at the first frame."""
        zeros = super().initial_state(memory)
        return ops.concatenate([ops.ones_like(zeros[:, :1]), zeros[:, 1:]], axis=1)

    def build(self, input_shape):
        if not self.attention.built:
            self.attention.build(input_shape)
        bias = keras.initializers.Constant(self.score_bias)
        self.bias = self.add_weight((), bias, name="attention_score_bias", dtype="float32", autocast=False)

    def scores(self, query, state, memory):
        return ops.cast(self.attention.scores(query, state, memory), "float32") + self.bias

    def draw_noise(self, memory, num_steps):
        if not self.noise:
            return None
        shape = (num_steps, *ops.shape(memory["mask"]))
        return self.noise * keras.random.normal(shape, dtype="float32", seed=self.seed_generator)

    def alignment(self, scores, state, memory, training):
        scores = ops.where(memory["mask"], scores + memory.get("noise", 0.0), IMPOSSIBLE)
        if self.hard and not training:
            reached = ops.cumsum(state, axis=1) * ops.cast(scores > 0.0, "float32")
            return ops.where(ops.cumsum(reached, axis=1) == 1.0, reached, 0.0)
        passed = ops.sigmoid(-scores[:, :-1])  # the probability of going past a frame
        arrival = linear_recurrence(ops.pad(passed, [[0, 0], [1, 0]]), state)
        return ops.sigmoid(scores) * arrival

    def get_config(self):
        config = super().get_config()
        del config["units"]
        return {
            **config,
            "attention": keras.saving.serialize_keras_object(self.attention),
            "noise": self.noise,
            "score_bias": self.score_bias,
            "hard": self.hard,
        }


def linear_recurrence(factors, x):
    """y[t] = factors[t] * y[t - 1] + x[t], for all t at once.

    Steps double: after n of them y is right for memories of 2^n frames. Nothing is divided: factors may be zero.

    Args:
        factors: float (B, T).
        x: float (B, T).

    Returns:
        float (B, T).

    Example:

    >>> y = linear_recurrence(ops.array([[0.0, 0.5, 0.5]]), ops.array([[8.0, 0.0, 1.0]]))
    >>> ops.convert_to_numpy(y).tolist()
    [[8.0, 4.0, 3.0]]
    """

    def double(shift, factors, y):
        time = ops.shape(y)[1]
        before = ops.pad(y, [[0, 0], [shift, 0]])[:, :time]
        factors_before = ops.pad(factors, [[0, 0], [shift, 0]])[:, :time]
        return shift * 2, factors * factors_before, y + factors * before

    if x.shape[1] is None:  # only in a graph of TensorFlow, whose loops have a gradient
        return ops.while_loop(lambda shift, *_: shift < ops.shape(x)[1], double, (1, factors, x))[2]
    shift = 1
    while shift < x.shape[1]:
        shift, factors, x = double(shift, factors, x)
    return x
