import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import AttentionCell, BahdanauAttention, GNMTCell, MonotonicAttention, RecurrentDecoder
from tests.checks import as_json, randomize, values

CELLS = {
    "attention": lambda: AttentionCell(6, BahdanauAttention(4), num_layers=2, attention_dim=3),
    "gnmt": lambda: GNMTCell(6, BahdanauAttention(4), num_layers=3, rnn="gru", residual_from=1),
}
MEMORY = np.random.default_rng(0).normal(size=(2, 5, 7)).astype("float32")
TOKEN_IDS = np.array([[0, 3, 1, 2], [0, 2, 2, 5]])


@pytest.fixture(params=CELLS)
def decoder(request):
    decoder = RecurrentDecoder(8, CELLS[request.param](), embedding_dim=5, max_positions=3)
    decoder.build([MEMORY.shape, TOKEN_IDS.shape])
    randomize(decoder)
    return decoder


def test_steps_equal_a_call_also_past_the_last_position(decoder):
    mask = np.array([[True] * 5, [True] * 3 + [False] * 2])
    outputs = values([decoder([MEMORY, TOKEN_IDS], mask=[mask, None])])[0]
    alignments = values([decoder.alignments([MEMORY, TOKEN_IDS], mask=[mask, None])])[0]
    assert outputs.shape == decoder.compute_output_shape((MEMORY.shape, TOKEN_IDS.shape))
    state = decoder.start(MEMORY, mask)
    for n in range(4):
        output, state = decoder.step(TOKEN_IDS[:, n], state)
        np.testing.assert_allclose(ops.convert_to_numpy(output), outputs[:, n], rtol=0, atol=1e-5)
        alignment = ops.convert_to_numpy(state["cell"]["alignment"])
        np.testing.assert_allclose(alignment, alignments[:, n], rtol=0, atol=1e-5)


def test_config_round_trip(decoder):
    again = RecurrentDecoder.from_config(as_json(decoder.get_config()))
    assert as_json(again.get_config()) == as_json(decoder.get_config())
    again.build([MEMORY.shape, TOKEN_IDS.shape])
    again.set_weights(decoder.get_weights())
    found, expected = values([again([MEMORY, TOKEN_IDS]), decoder([MEMORY, TOKEN_IDS])])
    np.testing.assert_array_equal(found, expected)


def test_monotonic_noise_is_drawn_in_training_only():
    attention = MonotonicAttention(BahdanauAttention(4), noise=2.0)
    decoder = RecurrentDecoder(8, AttentionCell(6, attention, attention_dim=3), embedding_dim=5)
    x = keras.Input((5, 7))
    token_ids = keras.Input((None,), dtype="int32")
    model = keras.Model([x, token_ids], decoder([x, token_ids]))
    randomize(model)
    inputs = [MEMORY, TOKEN_IDS]
    first, second = values([model(inputs, training=True), model(inputs, training=True)])
    assert np.abs(first - second).max() > 1e-4
    np.testing.assert_array_equal(*values([model(inputs), model(inputs)]))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = values(model.trainable_weights)
    assert np.isfinite(model.train_on_batch(inputs, np.ones((2, 4, 3))))
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.any(ops.convert_to_numpy(weight) != old), weight.path


def test_unknown_cell():
    with pytest.raises(ValueError, match="rnn='elman'"):
        AttentionCell(6, BahdanauAttention(4), rnn="elman")


def test_luong_attention_needs_a_query_of_its_size():
    from s2s_keras.layers import LuongAttention

    with pytest.raises(ValueError, match="Pass units=6"):
        LuongAttention(4).build([(2, 6), None, {"values": (2, 5, 7)}])
