import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import ListenAttendSpell
from s2s_keras.decoding import beam_search
from s2s_keras.layers import CoverageAttention, LuongAttention, MonotonicAttention
from tests.applications.attention_case import SMALL_ATTENTION, AttentionTestCase, Reference

CONVOLUTIONS = 3 * 8 * 8 + 16
CELL = 3 * ((5 + 6) * 6 + 6 * 6 + 6) + (6 + 8) * 6
LUONG = 8 * 6 + 1


class TestListenAttendSpell(AttentionTestCase):
    application = ListenAttendSpell
    arguments = {**SMALL_ATTENTION, "rnn": "gru", "attention": "luong"}
    num_parameters = CONVOLUTIONS + CELL + LUONG + 30 * 5 + 12 * (8 + 5) + 30 * (6 + 1)

    def compile(self, model, optimizer, **kwargs):
        # TensorFlow traces the gradient of a loop for ten seconds; that `fit` does is seen in TestJointCTCAttention.
        kwargs.setdefault("run_eagerly", keras.backend.backend() == "tensorflow")
        super().compile(model, optimizer, **kwargs)

    @pytest.mark.parametrize("rnn", ["gru", "lstm"])
    def test_recurrent_layers_reverse_real_frames_only(self, rnn):
        model = self.make(recurrent_layers=(4,), rnn=rnn)
        memory, padded = (
            ops.convert_to_numpy(model.initial_state(self.inputs(padding=padding, garbage=np.nan))["memory"]["values"])
            for padding in (0, 35)
        )
        assert memory.shape[-1] == 2 * 4
        np.testing.assert_allclose(padded[:, : memory.shape[1]], memory, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def chorowski(shared):
    return Reference(shared, "las_chorowski", ListenAttendSpell)


def test_encoder_and_teacher_forcing_equal_the_original(chorowski):
    chorowski.check_encoder("eval")
    chorowski.check_teacher_forcing()


def test_greedy_search_equals_the_original(chorowski):
    outputs = chorowski.outputs("infer")
    state = chorowski.decoder.start(outputs["encoder.outputs"], chorowski.mask)
    token_ids = np.zeros(3, "int32")
    for n, expected in enumerate(chorowski.token_ids(outputs["decoder.outputs.0"]).T):
        position = max(n - 1, 0)  # its search gives the second token the first position again; training does not
        state = {**state, "position": ops.full((3,), position, "int32")}
        logits, state = chorowski.model.step(token_ids, state)
        logits = ops.convert_to_numpy(logits)
        expected_logits = chorowski.tokens(outputs["decoder.logits"][:, n])
        np.testing.assert_allclose(logits, expected_logits, rtol=0, atol=1e-4)
        token_ids = logits.argmax(axis=-1)
        assert token_ids.tolist() == expected.tolist()


def test_beam_search_equals_the_original(shared, chorowski):
    outputs = chorowski.outputs("infer_beam4")
    model = Reference(shared, "las_chorowski", ListenAttendSpell).model
    positions = model.get_layer("decoder").token_positions.embeddings
    positions.assign(np.zeros(positions.shape))  # which the original leaves out in this search
    state = model.get_layer("decoder").start(outputs["encoder.outputs"], chorowski.mask)
    found = beam_search(model.step, state, [20] * 3, 20, end_id=29)
    found = {name: ops.convert_to_numpy(x) for name, x in found.items()}
    expected = chorowski.token_ids(outputs["dd0.outputs.predicted_ids"]).transpose(0, 2, 1)
    np.testing.assert_array_equal(found["token_ids"], expected)
    scores = outputs["dd0.outputs.beam_search_decoder_output.scores"][:, -1]
    np.testing.assert_allclose(found["scores"], scores, rtol=0, atol=1e-4)


def test_coverage_equals_the_original_with_its_sum_over_the_batch(shared, monkeypatch):
    reference = Reference(shared, "las_zhaopeng_gru", ListenAttendSpell, attention="coverage", rnn="gru")
    reference.check_encoder("infer")

    def over_the_batch(layer, query):
        return ops.sigmoid(ops.sum(query * layer.fertility_v)) + ops.zeros_like(query[:, :1])

    with monkeypatch.context() as patch:
        patch.setattr(CoverageAttention, "fertility", over_the_batch)
        logits = reference.check_teacher_forcing(num_steps=5)  # then the first utterance has ended
    token_ids = np.pad(reference.token_ids(reference.inputs["y"])[:, :-1], [(0, 0), (1, 0)])
    memory = reference.outputs("train")["encoder.outputs"]
    ours = [
        ops.convert_to_numpy(reference.model.get_layer("logits")(reference.decoder([m, ids], mask=[mask, None])))
        for m, ids, mask in ((memory, token_ids, reference.mask), (memory[:1], token_ids[:1], reference.mask[:1]))
    ]
    np.testing.assert_allclose(ours[0][:1], ours[1], rtol=0, atol=1e-5)  # other utterances change nothing here
    assert np.abs(ours[0] - logits).max() > 1e-3


def test_any_attention_goes_in():
    for attention in (LuongAttention(6), MonotonicAttention(LuongAttention(6), noise=1.0)):
        model = ListenAttendSpell(**{**SMALL_ATTENTION, "attention": attention})
        again = ListenAttendSpell.from_config(model.get_config())
        assert type(again.attention) is type(attention)
        assert again.count_params() == model.count_params()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rnn": "elman"}, "rnn='elman'"),
        ({"attention": "bahadanu"}, "attention='bahadanu'"),
        ({"blocks": ((8, 3, 2, 1.0),)}, r"Received: \(8, 3, 2, 1.0\)"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ListenAttendSpell(**{**SMALL_ATTENTION, **arguments})
