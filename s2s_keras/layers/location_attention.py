"""Attention that knows where it has looked."""

import keras
from keras import ops

from s2s_keras.layers.bahdanau_attention import BahdanauAttention


@keras.saving.register_keras_serializable(package="s2s_keras")
class LocationAttention(BahdanauAttention):
    """Location-sensitive attention: v . tanh(W query + M memory + U conv(earlier alignments)).

    Use it where the alignment moves forward and the memory repeats itself, as speech does.

    Args:
        units: int, channels in which query, memory and location are compared.
        filters: int, channels of the convolution over earlier alignments.
        kernel_size: int, frames that it sees.
        cumulative: True convolves the sum of all earlier alignments, False the last one, "both" the two of them.
        normalize: bool, as in `BahdanauAttention`.
        use_bias: bool, as in `BahdanauAttention`.
        location_bias: bool, whether the convolution has a bias.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: list of query, float (B, Q); state, float32 (B, T) or (B, T, 2); and what `prepare` returned.

    Returns:
        Tuple of context, float (B, C); alignment, float32 (B, T); and the next state, float32 (B, T), the sum of all
        alignments or the last one, or (B, T, 2), the last one and the sum.

    Raises:
        ValueError: if `cumulative` is none of these.

    Example:

    >>> import numpy as np
    >>> attention = LocationAttention(4, filters=2, kernel_size=3)
    >>> memory = attention.prepare(np.ones((1, 5, 2), "float32"))
    >>> query, state = np.ones((1, 3), "float32"), attention.initial_state(memory)
    >>> for _ in range(2):
    ...     context, alignment, state = attention([query, state, memory])
    >>> round(float(keras.ops.convert_to_numpy(state).sum()), 4)
    2.0

    Reference:
        - [Attention-based models for speech recognition](https://arxiv.org/abs/1506.07503), section 2.1; the sum of
          alignments is [Tacotron 2](https://arxiv.org/abs/1712.05884)'s, and OpenSeq2Seq's `use_coverage`; both are
          NVIDIA's.
    """

    def __init__(
        self,
        units,
        filters=10,
        kernel_size=101,
        cumulative=True,
        normalize=False,
        use_bias=False,
        location_bias=True,
        **kwargs,
    ):
        super().__init__(units, normalize, use_bias, **kwargs)
        if cumulative not in (True, False, "both"):
            raise ValueError(f'`cumulative` is True, False or "both". Received: cumulative={cumulative!r}.')
        self.filters = filters
        self.kernel_size = kernel_size
        self.cumulative = cumulative
        self.location_bias = location_bias
        self.location_conv = keras.layers.Conv1D(
            filters, kernel_size, padding="same", use_bias=location_bias, dtype=self.dtype_policy, name="location_conv"
        )
        self.location_layer = self._dense("location_layer")

    def build_scores(self, query_shape):
        super().build_scores(query_shape)
        self.location_conv.build((None, None, 2 if self.cumulative == "both" else 1))
        self.location_layer.build((None, None, self.filters))

    def initial_state(self, memory):
        zeros = super().initial_state(memory)
        return ops.stack([zeros, zeros], axis=-1) if self.cumulative == "both" else zeros

    def scores(self, query, state, memory):
        state = state if self.cumulative == "both" else state[..., None]
        location = self.location_layer(self.location_conv(state))
        return self.compare(memory["keys"] + self.query_layer(query)[:, None] + location)

    def next_state(self, state, alignment):
        if self.cumulative == "both":
            return ops.stack([alignment, state[..., 1] + alignment], axis=-1)
        return state + alignment if self.cumulative else alignment

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "cumulative": self.cumulative,
            "location_bias": self.location_bias,
        }
