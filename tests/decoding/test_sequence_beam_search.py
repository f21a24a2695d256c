import itertools

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.decoding import beam_search
from tests.layers.test_step_attention import DECODERS, original_decoder

START, END, SIZE = 3, 1, 5
# The next token depends on the last two: one is asked for, the other one is in the state; and on the example.
TABLE = np.random.default_rng(0).normal(scale=2.0, size=(2, SIZE, SIZE, SIZE)).astype("float32")


def step(token_ids, state):
    table = ops.reshape(state["memory"]["table"], (-1, SIZE * SIZE, SIZE))
    row = ops.cast(state["before"] * SIZE + token_ids, "int32")
    logits = ops.take_along_axis(table, row[:, None, None], axis=1)[:, 0]
    return logits, {**state, "before": ops.cast(token_ids, "int32")}


def start(rows=(0, 1)):
    return {"before": np.zeros(len(rows), "int32"), "memory": {"table": TABLE[list(rows)]}}


def search(max_lengths, rows=(0, 1), **options):
    found = beam_search(step, start(rows), np.array(max_lengths), max(max_lengths), START, END, **options)
    return {name: ops.convert_to_numpy(x) for name, x in found.items()}


def all_sequences(example, max_length, length_penalty):
    """Every sequence of the example with its score, best first: those that end, and those that are cut."""
    log_probs = TABLE - np.log(np.exp(TABLE).sum(axis=-1, keepdims=True))
    tokens = [token for token in range(SIZE) if token not in (START, END)]
    found = []
    for length in range(max_length + 1):
        for sequence in itertools.product(tokens, repeat=length):
            path = [0, START, *sequence, *([END] if length < max_length else [])]
            log_prob = sum(log_probs[example, a, b, c] for a, b, c in zip(path, path[1:], path[2:], strict=False))
            found.append((log_prob / ((5 + length) / 6) ** length_penalty, list(sequence)))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("length_penalty", [0.0, 1.5])
def test_a_wide_beam_finds_the_best_of_all_sequences(length_penalty):
    lengths = (4, 3)
    found = search(lengths, beam_width=60, length_penalty=length_penalty)
    for n, max_length in enumerate(lengths):
        expected = all_sequences(n, max_length, length_penalty)
        for k in range(10):
            sequence = found["token_ids"][n, k, : found["lengths"][n, k]].tolist()
            assert sequence == expected[k][1]
            np.testing.assert_allclose(found["scores"][n, k], expected[k][0], rtol=1e-5)
        real = found["scores"][n] > -1e29
        assert real.sum() == min(60, len(expected))
        assert np.all(found["token_ids"][n, 0, found["lengths"][n, 0] :] == END)


def test_a_beam_of_one_is_greedy():
    found = search((6, 6), beam_width=1)
    for n in range(2):
        path = [0, START]
        while len(path) < 8 and (len(path) == 2 or path[-1] != END):
            scores = TABLE[n, path[-2], path[-1]].copy()
            scores[START] = -np.inf
            path.append(int(scores.argmax()))
        expected = [token for token in path[2:] if token != END]
        assert found["token_ids"][n, 0, : found["lengths"][n, 0]].tolist() == expected


def test_other_examples_and_longer_limits_change_nothing():
    together, alone = search((4, 2), beam_width=3), search((4,), rows=(0,), beam_width=3)
    np.testing.assert_array_equal(together["token_ids"][:1], alone["token_ids"])
    np.testing.assert_allclose(together["scores"][:1], alone["scores"], rtol=1e-6)
    assert search((4, 0))["lengths"][1].max() == 0


def test_compiled_equals_eager():
    class Search(keras.Model):
        def call(self, x):
            return beam_search(step, {**start(), "before": x}, np.array([4, 4]), 4, START, END, 3, 0.6)

    compiled, eager = Search().predict_on_batch(np.zeros(2, "int32")), search((4, 4), beam_width=3, length_penalty=0.6)
    np.testing.assert_array_equal(compiled["token_ids"], eager["token_ids"])
    np.testing.assert_allclose(compiled["scores"], eager["scores"], rtol=1e-5)


@pytest.mark.parametrize(
    ("folder", "run", "options"),
    [
        ("nmt_bidir_luong", "infer_beam4", {"beam_width": 4, "length_penalty": 1.0}),
        ("nmt_bidir_luong_scaled_gru", "infer_beam4", {"beam_width": 4, "length_penalty": 1.0}),
        ("gnmt_v2", "infer_beam4", {"beam_width": 4, "length_penalty": 1.0}),
        ("gnmt_v2", "infer_beam10_lp0", {"beam_width": 10, "length_penalty": 0.0}),
    ],
)
def test_searches_of_the_original(folder, run, options, shared):
    assert folder in DECODERS
    decoder, kernel, memory, mask, *_ = original_decoder(shared, folder)
    outputs = np.load(shared / "golden" / folder / f"outputs_{run}.npz")
    expected = outputs["dd0.outputs.predicted_ids"].transpose(0, 2, 1)
    limit, kernel = expected.shape[2], ops.convert_to_tensor(kernel)

    def step(token_ids, state):
        output, state = decoder.step(token_ids, state)
        return ops.matmul(output, kernel), state

    found = beam_search(step, decoder.start(memory, mask), [limit] * 3, limit, start_id=2, end_id=1, **options)
    np.testing.assert_array_equal(ops.convert_to_numpy(found["token_ids"]), expected)
    scores = outputs["dd0.outputs.beam_search_decoder_output.scores"][:, -1]
    np.testing.assert_allclose(ops.convert_to_numpy(found["scores"]), scores, rtol=0, atol=1e-4)


def test_numbers_out_of_range():
    with pytest.raises(ValueError, match="beam_width=0"):
        search((4, 4), beam_width=0)
    with pytest.raises(ValueError, match="length_penalty=-1"):
        search((4, 4), length_penalty=-1)
