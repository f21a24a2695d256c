"""Attention that knows nothing but where it was."""

import math

import keras
import numpy as np
from keras import ops

from s2s_keras.layers.step_attention import StepAttention


@keras.saving.register_keras_serializable(package="s2s_keras")
class DynamicConvolutionAttention(StepAttention):
    """Location-relative attention: where to look is the last alignment moved on by filters that the query makes.

    It never compares the query with the memory, so it cannot lose its place in a text that repeats itself or is longer
    than any text that it was trained on. A fixed filter prefers to move forward, `prior_length` frames at most in a
    step, and it aligns within few steps of training.

    Args:
        units: int, channels in which the filters' outputs are joined.
        filters: int, static filters and as many dynamic ones.
        kernel_size: int, odd, frames that they see.
        prior_length: int, frames that the prior may move on in a step, from 0 to one less.
        prior_alpha: float, of the beta-binomial distribution of the prior.
        prior_beta: float, of the same: its mean step is `(prior_length - 1) * alpha / (alpha + beta)`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of query, float (B, Q); state, float32 (B, T), the last alignment; and what `prepare` returned.

    Returns:
        Tuple of context, float (B, C); alignment, float32 (B, T), sums to one; and the next state, which is the
        alignment.

    Raises:
        ValueError: if `kernel_size` is even.

    Example:

    >>> import numpy as np
    >>> attention = DynamicConvolutionAttention(4, prior_length=2, prior_alpha=1.0, prior_beta=1.0)
    >>> memory = attention.prepare(np.ones((1, 9, 2), "float32"))
    >>> query, state = np.ones((1, 5), "float32"), attention.initial_state(memory)
    >>> context, alignment, state = attention([query, state, memory])
    >>> bool(ops.all(alignment[0, 2:] < 1e-5)), round(float(ops.sum(alignment)), 4)
    (True, 1.0)

    Reference:
        - [Location-relative attention mechanisms for robust long-form speech synthesis](
          https://arxiv.org/abs/1910.10288), section 2.3. Its numbers are the defaults.
    """

    def __init__(
        self, units=128, filters=8, kernel_size=21, prior_length=11, prior_alpha=0.1, prior_beta=0.9, **kwargs
    ):
        super().__init__(None, **kwargs)
        if kernel_size % 2 == 0:
            raise ValueError(f"`kernel_size` must be odd. Received: kernel_size={kernel_size}.")
        self.dim = units
        self.filters = filters
        self.kernel_size = kernel_size
        self.prior_length = prior_length
        self.prior_alpha = prior_alpha
        self.prior_beta = prior_beta
        dtype = self.dtype_policy
        self.filter_layers = [
            keras.layers.Dense(units, activation="tanh", dtype=dtype, name="filter_layer_1"),
            keras.layers.Dense(filters * kernel_size, use_bias=False, dtype=dtype, name="filter_layer_2"),
        ]
        self.static_filters = keras.layers.Dense(filters, use_bias=False, dtype=dtype, name="static_filters")
        self.static_layer = keras.layers.Dense(units, use_bias=False, dtype=dtype, name="static_layer")
        self.dynamic_layer = keras.layers.Dense(units, dtype=dtype, name="dynamic_layer")
        self.score_layer = keras.layers.Dense(1, use_bias=False, dtype=dtype, name="score_layer")
        self._prior = _beta_binomial(prior_length, prior_alpha, prior_beta)

    def prepare(self, memory, mask=None):
        mask = ops.ones_like(memory[..., 0], dtype="bool") if mask is None else mask
        return {"values": ops.where(mask[..., None], ops.cast(memory, self.compute_dtype), 0), "mask": mask}

    def initial_state(self, memory):
        """The state before the first step, float32 (B, T): it is at the first frame."""
        zeros = super().initial_state(memory)
        return ops.concatenate([ops.ones_like(zeros[:, :1]), zeros[:, 1:]], axis=1)

    def build(self, input_shape):
        query_shape, _, _ = input_shape
        self.filter_layers[0].build(query_shape)
        self.filter_layers[1].build((None, self.dim))
        self.static_filters.build((None, None, self.kernel_size))
        for layer in (self.static_layer, self.dynamic_layer):
            layer.build((None, None, self.filters))
        self.score_layer.build((None, None, self.dim))

    def scores(self, query, state, memory):
        half, time = self.kernel_size // 2, ops.shape(state)[1]
        padded = ops.pad(ops.cast(state, self.compute_dtype), [[0, 0], [half, half]])
        windows = ops.stack([padded[:, n : n + time] for n in range(self.kernel_size)], axis=-1)
        static = self.static_layer(self.static_filters(windows))
        kernels = self.filter_layers[1](self.filter_layers[0](query))
        kernels = ops.reshape(kernels, (-1, self.kernel_size, self.filters))
        dynamic = self.dynamic_layer(ops.matmul(windows, kernels))
        learned = ops.cast(self.score_layer(ops.tanh(static + dynamic))[..., 0], "float32")
        late = ops.pad(state, [[0, 0], [self.prior_length - 1, 0]])
        moves = [self._prior[n] * late[:, self.prior_length - 1 - n :][:, :time] for n in range(self.prior_length)]
        return learned + ops.log(ops.maximum(sum(moves), 1e-6))

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.dim,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "prior_length": self.prior_length,
            "prior_alpha": self.prior_alpha,
            "prior_beta": self.prior_beta,
        }


def _beta_binomial(length, alpha, beta):
    """Probabilities of 0, 1, ..., length - 1."""

    def log_beta(a, b):
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    n = length - 1
    return np.exp(
        [math.log(math.comb(n, k)) + log_beta(k + alpha, n - k + beta) - log_beta(alpha, beta) for k in range(length)]
    ).astype("float32")
