import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import (
    AttentionCell,
    BahdanauAttention,
    CoverageAttention,
    DynamicConvolutionAttention,
    ForwardAttention,
    GNMTCell,
    LocationAttention,
    LuongAttention,
    MonotonicAttention,
    RecurrentDecoder,
)
from s2s_keras.layers.monotonic_attention import linear_recurrence
from tests.checks import as_json, randomize, values
from tests.recurrent_reference import load_cell

QUERY, MEMORY, UNITS = 6, 5, 4
LENGTHS = (7, 4)
KINDS = {
    "bahdanau": lambda **kwargs: BahdanauAttention(UNITS, **kwargs),
    "bahdanau normalized": lambda **kwargs: BahdanauAttention(UNITS, normalize=True, **kwargs),
    "luong": lambda **kwargs: LuongAttention(QUERY, **kwargs),
    "luong scaled": lambda **kwargs: LuongAttention(QUERY, scale=True, **kwargs),
    "location": lambda **kwargs: LocationAttention(UNITS, filters=3, kernel_size=4, **kwargs),
    "last location": lambda **kwargs: LocationAttention(
        UNITS, filters=3, kernel_size=3, cumulative=False, normalize=True, **kwargs
    ),
    "both locations": lambda **kwargs: LocationAttention(
        UNITS, filters=3, kernel_size=3, cumulative="both", use_bias=True, location_bias=False, **kwargs
    ),
    "forward": lambda **kwargs: ForwardAttention(LocationAttention(UNITS, filters=3, kernel_size=3, **kwargs)),
    "dynamic convolution": lambda **kwargs: DynamicConvolutionAttention(UNITS, 3, 5, prior_length=3, **kwargs),
    "coverage": lambda **kwargs: CoverageAttention(UNITS, **kwargs),
    "monotonic": lambda **kwargs: MonotonicAttention(BahdanauAttention(UNITS, **kwargs), noise=1.0, score_bias=0.2),
    "monotonic hard": lambda **kwargs: MonotonicAttention(LuongAttention(QUERY, **kwargs), hard=True),
}


def steps(attention, frames=7, garbage=0.0, num_steps=3):
    """Contexts and alignments of some queries over memories of `LENGTHS`, padded to `frames`."""
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(num_steps, 2, QUERY)).astype("float32")
    memory = np.full((2, frames, MEMORY), garbage, "float32")
    for n, length in enumerate(LENGTHS):
        memory[n, :length] = rng.normal(size=(length, MEMORY))
    mask = np.arange(frames) < np.array(LENGTHS)[:, None]
    prepared = attention.prepare(memory, mask)
    state, found = attention.initial_state(prepared), []
    for query in queries:
        context, alignment, state = attention([query, state, prepared])
        found.append([context, alignment])
    return [np.stack(values(x)) for x in zip(*found, strict=True)]


def test_held_attention_follows_what_it_is_given():
    rng = np.random.default_rng(0)
    attention = LocationAttention(UNITS, filters=3, kernel_size=3, cumulative=False)
    memory = attention.prepare(rng.normal(size=(1, 5, MEMORY)).astype("float32"))
    query, state = rng.normal(size=(1, QUERY)).astype("float32"), attention.initial_state(memory)
    _, free, _ = attention([query, state, memory])
    right = np.array([[0.0, 0.0, 1.0, 1.0, 0.0]], "float32")
    context, alignment, state = attention([query, state, {**memory, "held": right}])
    np.testing.assert_array_equal(values(alignment), values(free))
    followed = right * values(free) / (right * values(free)).sum()
    np.testing.assert_allclose(values(state), followed, atol=1e-5)
    np.testing.assert_allclose(values(context), followed @ values(memory["values"])[0], atol=1e-5)


@pytest.fixture(params=KINDS)
def make(request):
    def make(**kwargs):
        attention = KINDS[request.param](**kwargs)
        attention.build([(2, QUERY), None, {"values": (2, 7, MEMORY)}])
        randomize(attention)
        return attention

    return make


def test_padding_changes_nothing(make):
    attention = make()
    contexts, alignments = steps(attention)
    for garbage in (np.nan, 1e4):
        more_contexts, more_alignments = steps(attention, frames=10, garbage=garbage)
        np.testing.assert_allclose(more_contexts, contexts, rtol=0, atol=1e-5)
        np.testing.assert_allclose(more_alignments[..., :7], alignments, rtol=0, atol=1e-5)
        for n, length in enumerate(LENGTHS):
            assert np.all(more_alignments[:, n, length:] == 0.0)


def test_config_round_trip(make):
    attention = make()
    again = type(attention).from_config(as_json(attention.get_config()))
    assert as_json(again.get_config()) == as_json(attention.get_config())
    again.build([(2, QUERY), None, {"values": (2, 7, MEMORY)}])
    again.set_weights(attention.get_weights())
    for a, b in zip(steps(again), steps(attention), strict=True):
        np.testing.assert_array_equal(a, b)


def test_half_precision(make):
    contexts, alignments = steps(make(dtype="mixed_bfloat16"))
    full_contexts, full_alignments = steps(make())
    assert str(contexts.dtype) == "bfloat16" and alignments.dtype == "float32"
    np.testing.assert_allclose(alignments, full_alignments, rtol=0, atol=0.1)
    np.testing.assert_allclose(contexts.astype("float32"), full_contexts, rtol=0, atol=0.2)


def test_a_memory_without_a_frame_gives_zeros(make):
    attention = make()
    memory = attention.prepare(np.full((1, 3, MEMORY), np.nan, "float32"), np.zeros((1, 3), bool))
    context, alignment, _ = attention([np.ones((1, QUERY), "float32"), attention.initial_state(memory), memory])
    assert np.all(values([context])[0] == 0.0) and np.all(values([alignment])[0] == 0.0)


def test_alignments_sum_to_one(make):
    attention = make()
    sums = steps(attention)[1].sum(axis=-1)
    if isinstance(attention, MonotonicAttention):
        assert np.all(sums < 1.0 + 1e-5)
    else:
        np.testing.assert_allclose(sums, 1.0, rtol=1e-5)


def test_location_is_the_sum_over_earlier_alignments():
    """By hand, from the weights: v . tanh(W q + M m + U (conv + b))."""
    attention = KINDS["last location"]()
    steps(attention)
    randomize(attention)
    _, alignments = steps(attention)
    rng = np.random.default_rng(0)
    query = rng.normal(size=(3, 2, QUERY)).astype("float32")[1, 0]
    memory = rng.normal(size=(7, MEMORY)).astype("float32")
    taps, bias = values(attention.location_conv.weights)
    padded = np.pad(alignments[0, 0], 1)
    location = np.stack([padded[t : t + 3] @ taps[:, 0] for t in range(7)]) + bias
    kernels = [values(x.weights)[0] for x in (attention.query_layer, attention.memory_layer, attention.location_layer)]
    v, gain, offset = values([attention.v, attention.gain, attention.offset])
    x = np.tanh(query @ kernels[0] + memory @ kernels[1] + location @ kernels[2] + offset)
    scores = x @ (gain * v / np.linalg.norm(v))
    np.testing.assert_allclose(alignments[1, 0], np.exp(scores) / np.exp(scores).sum(), rtol=1e-4)


def expectation(probabilities, before):
    """Every choice by itself: start at frame k, pass the frames before j, choose j."""
    return [
        sum(before[k] * np.prod(1 - probabilities[k:j]) * probabilities[j] for k in range(j + 1))
        for j in range(len(probabilities))
    ]


@pytest.mark.parametrize("scale", [1.0, 30.0])  # with the second one probabilities are zero and one
def test_monotonic_alignment_is_the_expectation_over_choices(scale):
    attention = MonotonicAttention(LuongAttention(1), score_bias=0.3)
    scores = scale * np.random.default_rng(0).normal(size=(2, 9)).astype("float32")
    before = np.random.default_rng(1).dirichlet(np.ones(9), size=2).astype("float32")
    memory = {"mask": ops.ones((2, 9), "bool")}
    found = ops.convert_to_numpy(attention.alignment(scores, ops.convert_to_tensor(before), memory, True))
    probabilities = 1 / (1 + np.exp(-scores.astype("float64")))
    expected = [expectation(p, b) for p, b in zip(probabilities, before, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    scores, before = ops.full((1, 2000), -4.0), ops.convert_to_tensor(np.eye(1, 2000, dtype="float32"))
    long = ops.convert_to_numpy(attention.alignment(scores, before, {"mask": ops.ones((1, 2000), "bool")}, True))
    np.testing.assert_allclose(long.sum(), 1.0, rtol=1e-4)  # a product of so many probabilities is zero in float32


def test_hard_monotonic_attention_takes_the_next_frame_above_zero():
    attention = MonotonicAttention(LuongAttention(1), hard=True)
    memory = {"mask": ops.ones((1, 5), "bool")}
    alignment = ops.convert_to_tensor(np.eye(1, 5, dtype="float32"))
    chosen = []
    for scores in ([-1, 2, -1, 3, 1], [1, 2, -1, 3, 1], [1, -2, -1, 3, 1], [1, 1, 1, 1, -1], [1, 1, 1, -1, -1]):
        alignment = attention.alignment(np.array([scores], "float32"), alignment, memory, False)
        chosen.append(np.flatnonzero(ops.convert_to_numpy(alignment)).tolist())
    assert chosen == [[1], [1], [3], [3], []]


def test_recurrence_of_unknown_length():
    x = keras.Input((None,))
    layer = keras.layers.Lambda(
        lambda x: linear_recurrence(0.5 * ops.ones_like(x), x), output_shape=lambda shape: shape
    )
    model = keras.Model(x, layer(x))
    for time in (1, 6, 9):
        expected = np.cumsum(2.0 ** np.arange(time)) / 2.0 ** np.arange(time)
        np.testing.assert_allclose(model.predict_on_batch(np.ones((1, time)))[0], expected, rtol=1e-6)


# Decoders of the original's translation models on its own memories; GNMT adds the last cell's input to its output.
DECODERS = {
    "nmt_unidir_bahdanau": lambda: AttentionCell(32, BahdanauAttention(32), 2),
    "nmt_bidir_luong": lambda: AttentionCell(32, LuongAttention(32), 2),
    "nmt_bidir_luong_scaled_gru": lambda: AttentionCell(32, LuongAttention(32, scale=True), 2, rnn="gru"),
    "gnmt_v1": lambda: GNMTCell(32, BahdanauAttention(32, normalize=True), 3, current_context=False, residual_from=2),
    "gnmt_v2": lambda: GNMTCell(32, BahdanauAttention(32, normalize=True), 3, residual_from=2),
}


def original_decoder(shared, folder):
    """A decoder with the original's weights, its output kernel, memory, mask and token ids."""
    folder, scope = shared / "golden" / folder, "ForwardPass/rnn_decoder_with_attention/"
    variables, inputs = dict(np.load(folder / "variables.npz")), np.load(folder / "inputs.npz")
    outputs = np.load(folder / "outputs_train.npz")
    decoder = RecurrentDecoder(40, DECODERS[folder.name](), 32)
    memory = outputs["encoder.outputs"]
    decoder.build([memory.shape, (3, None)])
    decoder.embedding.embeddings.assign(variables[scope + "DecoderEmbeddingMatrix"])
    load_cell(decoder.cell, scope + "decoder/", variables, variables[scope + "AttentionMechanism/memory_layer/kernel"])
    mask = np.arange(memory.shape[1]) < inputs["src_len"][:, None]
    return decoder, variables[scope + "decoder/dense/kernel"], memory, mask, inputs, outputs


@pytest.mark.parametrize("folder", DECODERS)
def test_decoders_equal_the_original(folder, shared):
    decoder, kernel, memory, mask, inputs, outputs = original_decoder(shared, folder)
    found = values([decoder([memory, inputs["tgt"]], mask=[mask, None])])[0] @ kernel
    for n, length in enumerate(inputs["tgt_len"] - 1):
        np.testing.assert_allclose(found[n, :length], outputs["decoder.logits"][n, :length], rtol=0, atol=2e-5)


def test_forward_attention_is_the_sum_over_ways():
    """Every way from the first frame, staying or moving on by one at each step, weighs the product of its weights."""
    attention = ForwardAttention(BahdanauAttention(UNITS))
    attention.build([(2, QUERY), None, {"values": (2, 7, MEMORY)}])
    randomize(attention)
    weights = steps(attention.attention)[1][:, 0]  # of the attention inside, which does not know where it was
    found = steps(attention)[1][:, 0]
    expected = np.zeros((3, 7))
    for moves in np.ndindex(2, 2, 2):
        places, weight = np.cumsum(moves), 1.0
        for n, place in enumerate(places):
            weight *= weights[n, place]
            if moves[n + 1 :] == (0,) * (2 - n):  # once for each way so far
                expected[n, place] += weight
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=0, atol=1e-4)


def test_dynamic_convolution_by_hand():
    """From the weights: v . tanh(U (static * a) + T (dynamic * a) + b) + log(prior * a), and softmax."""
    attention = KINDS["dynamic convolution"]()
    attention.build([(2, QUERY), None, {"values": (2, 7, MEMORY)}])
    randomize(attention)
    _, alignments = steps(attention)
    query = np.random.default_rng(0).normal(size=(3, 2, QUERY)).astype("float32")[1, 0]
    first, second = attention.filter_layers
    kernel, bias = values(first.weights)
    dynamic = (np.tanh(query @ kernel + bias) @ values(second.weights)[0]).reshape(5, 3)
    padded = np.pad(alignments[0, 0], 2)
    windows = np.stack([padded[t : t + 5] for t in range(7)])
    joined = windows @ values(attention.static_filters.weights)[0] @ values(attention.static_layer.weights)[0]
    joined += (
        windows @ dynamic @ values(attention.dynamic_layer.weights)[0] + values(attention.dynamic_layer.weights)[1]
    )
    scores = np.tanh(joined) @ values(attention.score_layer.weights)[0][:, 0]
    # Two trials whose probability has the density of Beta(0.1, 0.9).
    prior = np.array([0.9 * 1.9, 2 * 0.1 * 0.9, 0.1 * 1.1]) / 2.0
    moved = np.convolve(alignments[0, 0], prior)[:7]
    scores = scores + np.log(np.maximum(moved, 1e-6))
    np.testing.assert_allclose(alignments[1, 0], np.exp(scores) / np.exp(scores).sum(), rtol=1e-4, atol=1e-6)
