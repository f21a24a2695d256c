import keras
import numpy as np
import pytest

from s2s_keras.layers import GRU, JasperBlock, MaskedConv1D, MaskedConv2D, RecurrentStack, RowConvolution
from s2s_keras.layers.streaming import Memory, NotStreamable, Signal, stream_layer
from tests.checks import randomize

FRAMES = 24


def streamed(layer, inputs, size, late=0):
    """Outputs of the real frames when `size` frames go in at a time, the first ones after `late` masked ones."""
    mask, memory, outputs = np.ones((1, inputs.shape[1]), bool), None, []
    behind = -(inputs.shape[1] + late) % size + FRAMES
    mask = np.pad(mask, ((0, 0), (late, behind)))
    inputs = np.pad(inputs, ((0, 0), (late, behind), *((0, 0),) * (inputs.ndim - 2)), constant_values=7.0)
    for n in range(0, inputs.shape[1] - size + 1, size):
        memory = Memory(memory and memory.new)
        inputs_now = Signal(*(keras.ops.convert_to_tensor(x[:, n : n + size]) for x in (inputs, mask)), late)
        signal = stream_layer(layer, inputs_now, memory)
        outputs.append(keras.ops.convert_to_numpy(signal.frames)[keras.ops.convert_to_numpy(signal.mask)])
    return np.concatenate(outputs)


def check(layer, shape, sizes=(2, 12), late=0):
    inputs = np.random.default_rng(0).normal(size=(1, *shape)).astype("float32")
    layer.build(inputs.shape)
    randomize(layer)
    whole = keras.ops.convert_to_numpy(layer(inputs))[0]
    for size in sizes:
        np.testing.assert_allclose(streamed(layer, inputs, size, late), whole, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 5},
        {"kernel_size": 1},
        {"kernel_size": 5, "left_padding": 4},
        {"kernel_size": 5, "left_padding": 0},
        {"kernel_size": 3, "dilation_rate": 4},
        {"kernel_size": 7, "strides": 2},
        {"kernel_size": 7, "strides": 2, "left_padding": 5},
        {"kernel_size": 2, "strides": 2, "left_padding": 1},
        {"kernel_size": 11, "strides": 2, "separable": True, "use_bias": True},
        {"kernel_size": 1, "strides": 2},
    ],
    ids=str,
)
def test_convolutions(arguments):
    check(MaskedConv1D(3, **arguments), (FRAMES - 1, 2))
    check(MaskedConv1D(3, **arguments), (FRAMES, 2), sizes=(4,), late=3)  # 3 is no multiple of the stride


def test_convolutions_of_time_and_frequency():
    check(MaskedConv2D(3, (5, 3), (2, 2)), (FRAMES - 1, 6, 2), late=1)
    check(MaskedConv2D(3, (4, 3), left_padding=3, use_bias=True), (FRAMES, 5, 1))


def test_row_convolution():
    check(RowConvolution(5), (FRAMES, 3))


@pytest.mark.parametrize("cell", ["gru", "lstm", "gru_reset_before"])
def test_recurrent_layers(cell):
    """Frames before the first real one leave the state alone."""
    check(RecurrentStack(4, 2, cell=cell), (FRAMES, 3), sizes=(12,), late=5)


@pytest.mark.parametrize("layer", [GRU, keras.layers.LSTM, keras.layers.SimpleRNN])
def test_keras_recurrent_layers(layer):
    check(layer(4, return_sequences=True), (FRAMES, 3), sizes=(6,))


def test_blocks():
    check(JasperBlock(4, 5, repeat=3, strides=2), (FRAMES - 1, 3), late=2)
    check(JasperBlock(4, 5, repeat=2, strides=2, causal=True), (FRAMES, 3))


def test_residuals_wait_for_the_convolutions():
    block = JasperBlock(4, 5, repeat=2, num_residuals=1)
    x = np.random.default_rng(0).normal(size=(1, FRAMES, 3)).astype("float32")
    block([x, x])
    randomize(block)
    whole = keras.ops.convert_to_numpy(block([x, x]))[0]

    class Fork(keras.layers.Layer):
        def stream(self, signal, memory):
            late = memory.delay(signal, 3)
            return block.stream([late, signal], memory)

    np.testing.assert_allclose(streamed(Fork(), x, 4), whole, rtol=0, atol=2e-5)


def test_a_causal_block_looks_no_further_than_its_stride():
    x = np.random.default_rng(0).normal(size=(1, FRAMES, 3)).astype("float32")
    for strides, dilation_rate in ((1, 1), (1, 2), (3, 1)):
        block = JasperBlock(
            4, 5, repeat=2, strides=strides, dilation_rate=dilation_rate, causal=True, activation="tanh"
        )
        before = keras.ops.convert_to_numpy(block(x))
        other = x.copy()
        other[:, 12:] += 1.0
        after = keras.ops.convert_to_numpy(block(other))
        np.testing.assert_array_equal(before[:, : 12 // strides], after[:, : 12 // strides])
        assert not np.array_equal(before[:, 12 // strides], after[:, 12 // strides])
    with pytest.raises(ValueError, match="left_padding=2"):
        JasperBlock(4, 5, causal=True, left_padding=2)


@pytest.mark.parametrize(
    "layer",
    [
        RecurrentStack(4, directions="both", name="both"),
        JasperBlock(4, 5, normalization="layer", name="layer"),
        keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True), name="reads_both_ways"),
        keras.layers.GRU(4, name="last_only"),
    ],
    ids=lambda layer: layer.name,
)
def test_what_needs_the_whole_recording(layer):
    signal = Signal(np.zeros((1, 4, 3), "float32"), np.ones((1, 4), bool))
    with pytest.raises(NotStreamable, match=f"'{layer.name}'.*[Ee]xpected"):
        stream_layer(layer, signal, Memory())
