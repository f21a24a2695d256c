"""How layers work on an endless sequence that arrives a few frames at a time.

A layer that mixes frames has a method `stream(signal, memory)`, which takes the next frames and returns the next ones
of its output, later by as many frames as it looks ahead. It keeps the frames that it needs again in the memory. Frames
before the first real one and behind the last are marked by the mask, as in a padded batch, and so count as zeros to
every convolution: the outputs are those of the whole sequence.
"""

import dataclasses

import keras
from keras import ops

from s2s_keras.layers.masked_batch_normalization import MaskedBatchNormalization
from s2s_keras.layers.spec_augment import SpecAugment

FRAMEWISE = (
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.Dense,
    keras.layers.Dropout,
    keras.layers.Identity,
    keras.layers.LayerNormalization,
    keras.layers.ReLU,
    MaskedBatchNormalization,
    SpecAugment,
)


class NotStreamable(ValueError):
    """A layer needs frames that are still to come, or all of them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Signal:
    """The next frames of a sequence.

    Args:
        frames: float (B, N, ...).
        mask: bool (B, N), True at real frames.
        delay: int, by how many frames they are later than the input of the network.
    """

    frames: object
    mask: object
    delay: int = 0

    def replace(self, **changes):
        return dataclasses.replace(self, **changes)


class Memory:
    """What the layers of a network keep from one step to the next, in the order in which they ask for it.

    Args:
        old: dict, `new` of the step before; None in the first one.

    Example:

    >>> import numpy as np
    >>> memory = Memory()
    >>> later = memory.delay(Signal(np.array([[1.0, 2.0]]), np.array([[True, True]])), 1)
    >>> ops.convert_to_numpy(later.frames).tolist(), ops.convert_to_numpy(later.mask).tolist()
    ([[0.0, 1.0]], [[False, True]])
    """

    def __init__(self, old=None):
        self.old = old
        self.new = {}

    def exchange(self, initial, advance):
        """What `advance(state)` returns besides the next state, which is kept; `initial()` is the first one."""
        key = str(len(self.new))
        self.new[key] = None  # asked for in order, also where `advance` asks
        result, self.new[key] = advance(initial() if self.old is None else self.old[key])
        return result

    def with_past(self, frames, count):
        """`frames` (B, N, ...) with the `count` frames before them in front: (B, count + N, ...)."""
        if not count:
            return frames
        size = frames.shape[1]

        def advance(past):
            joined = ops.concatenate([past, frames], axis=1)
            return joined, joined[:, size:]

        return self.exchange(lambda: ops.zeros((frames.shape[0], count, *frames.shape[2:]), frames.dtype), advance)

    def delay(self, signal, count):
        """The signal `count` frames later."""
        if not count:
            return signal
        size = signal.mask.shape[1]
        frames, mask = (self.with_past(x, count)[:, :size] for x in (signal.frames, signal.mask))
        return Signal(frames, mask, signal.delay + count)

    def align(self, signals):
        """Signals that are as late as the latest of them."""
        latest = max(signal.delay for signal in signals)
        return [self.delay(signal, latest - signal.delay) for signal in signals]

    def convolve(self, signal, span, strides, left_padding, function):
        """A convolution of the whole sequence.

        Args:
            signal: `Signal` whose N is divisible by `strides`, zero at padded frames.
            span: int, frames from the first to the last tap.
            strides: int.
            left_padding: int, frames before the one that an output belongs to.
            function: from frames (B, N', ...) to the convolution's output without padding.
        """
        signal = self.delay(signal, -signal.delay % strides)
        ahead = max(-(-(span - left_padding - strides) // strides), 0)  # outputs that wait for frames still to come
        joined = self.with_past(signal.frames, ahead * strides + left_padding)
        size = signal.mask.shape[1]
        frames = function(joined[:, : size - strides + span])
        mask = self.with_past(signal.mask, ahead * strides)[:, :size:strides]
        return Signal(frames, mask, signal.delay // strides + ahead)


def stream_layer(layer, signal, memory):
    """What a layer makes of the next frames.

    Args:
        layer: Keras layer.
        signal: `Signal`, or a list of them for a layer of several inputs.
        memory: `Memory`.

    Returns:
        `Signal`.

    Raises:
        NotStreamable: the layer needs frames that are still to come.
    """
    if hasattr(layer, "stream"):
        return layer.stream(signal, memory)
    if isinstance(layer, FRAMEWISE):
        return signal.replace(frames=layer(signal.frames))
    if isinstance(layer, keras.layers.RNN) and layer.return_sequences and not layer.go_backwards:
        return stream_recurrent(layer, signal, memory)
    raise NotStreamable(
        f"The layer {layer.name!r} ({type(layer).__name__}) needs the whole recording. Expected convolutions, "
        "recurrent layers that run forward, and layers that work frame by frame."
    )


def stream_recurrent(layer, signal, memory):
    """As `stream_layer`, of a recurrent layer that runs forward."""

    def first():
        return list(layer.get_initial_state(signal.frames.shape[0]))

    def advance(states):
        _, outputs, states = layer.inner_loop(signal.frames, states, mask=signal.mask, training=False)
        return outputs, list(states)

    return signal.replace(frames=memory.exchange(first, advance))
