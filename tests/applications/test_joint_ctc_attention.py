import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import JointCTCAttention
from s2s_keras.layers import BlankPadding
from s2s_keras.losses import CTC, CrossEntropy
from tests.applications.attention_case import SMALL_ATTENTION, AttentionTestCase, Reference
from tests.checks import count_parameters

CONVOLUTIONS = 3 * 8 * 8 + 16
CELL = 4 * ((5 + 6) * 6 + 6 * 6 + 6) + (6 + 8) * 6
LOCATION = 8 * 4 + 6 * 4 + 4 + (101 + 1) * 10 + 10 * 4


class TestJointCTCAttention(AttentionTestCase):
    application = JointCTCAttention
    arguments = SMALL_ATTENTION
    num_parameters = CONVOLUTIONS + CELL + LOCATION + 30 * 5 + 12 * (8 + 5) + 30 * (6 + 1) + 29 * (8 + 1)
    float32_layers = ("front_end", "logits", "ctc_logits", "blank_padding")

    def logits_of(self, outputs):
        return outputs["attention"] if isinstance(outputs, dict) else outputs[0]

    def compile(self, model, optimizer, **kwargs):
        loss = {"attention": CrossEntropy(), "ctc": CTC()}
        model.compile(optimizer, loss, loss_weights={"attention": 0.75, "ctc": 0.25}, **kwargs)

    def test_padded_frames_say_blank(self):
        together = ops.convert_to_numpy(self.model(self.inputs())["ctc"])
        padded = ops.convert_to_numpy(self.model(self.inputs(padding=35, garbage=np.nan))["ctc"])
        np.testing.assert_allclose(padded[:, : together.shape[1]], together, rtol=0, atol=1e-5)
        for n, frames in enumerate(self.num_frames):
            assert np.all(padded[n, frames:, 1:] == -1e9)
            assert np.all(padded[n, :frames, 1:] > -1e3)

    def test_all_weight_on_ctc_is_ctc(self):
        """Where attention counts for nothing the score of a hypothesis is the likelihood that CTC gives it."""
        inputs = self.inputs()
        found = self.model.search(inputs, ctc_weight=1.0, beam_width=8)
        token_ids, lengths, scores = (ops.convert_to_numpy(found[key]) for key in ("token_ids", "lengths", "scores"))
        logits, checked = self.model(inputs)["ctc"], 0
        for row, frames in enumerate(self.num_frames):
            for ids, length, score in zip(token_ids[row], lengths[row], scores[row], strict=True):
                if length < frames:  # it has an end
                    loss = CTC()(np.pad(ids[:length], (0, 1))[None], logits[row : row + 1])
                    np.testing.assert_allclose(-score, ops.convert_to_numpy(loss), rtol=1e-4)
                    checked += 1
        assert checked

    def test_recordings_of_many_lengths(self):
        """A second length makes TensorFlow trace the search anew, for lengths that it does not know."""
        recordings = [np.sin(np.arange(n) * 0.3).astype("float32") for n in (4000, 20000, 36000)]
        model = JointCTCAttention(**{**SMALL_ATTENTION, "front_end": "log_mel"})
        together = model.transcribe(recordings, batch_size=1)
        assert together == [model.transcribe(recording) for recording in recordings]

    def test_weight_out_of_range(self):
        with pytest.raises(ValueError, match="ctc_weight=2"):
            self.model.transcribe(np.zeros(10, "float32"), ctc_weight=2)


def test_number_of_parameters_of_the_original():
    assert count_parameters(JointCTCAttention) == 42_745_655


def test_both_outputs_and_the_loss_equal_the_original(shared):
    reference = Reference(shared, "jca", JointCTCAttention, scope="jca_decoder/")
    reference.check_encoder("eval")
    logits, outputs = reference.check_teacher_forcing(), reference.outputs("train")
    head = reference.model.get_layer("ctc_logits")
    scope = "ForwardPass/jca_decoder/fully_connected_ctc_decoder/fully_connected/"
    head.set_weights([np.roll(reference.variables[scope + name], 1, axis=-1) for name in ("kernel", "bias")])
    ctc = head(outputs["encoder.outputs"])
    expected = np.roll(outputs["decoder1.logits"].transpose(1, 0, 2), 1, axis=-1)
    np.testing.assert_allclose(ops.convert_to_numpy(ctc), expected, rtol=0, atol=2e-5)
    # The original divides by all positions and leaves the last of every sentence, the end, out of the sum.
    targets = reference.token_ids(reference.inputs["y"])
    lengths = reference.inputs["y_len"]
    log_probs = ops.convert_to_numpy(ops.log_softmax(logits))
    right = np.take_along_axis(log_probs, targets[..., None], axis=-1)[..., 0]
    trained = np.arange(targets.shape[1]) < lengths[:, None] - 1
    attention = -right[trained].sum() / trained.size
    padded = BlankPadding()(ctc, mask=reference.mask)
    without_end = np.where(trained, targets, 0)
    loss = 0.75 * attention + 0.25 * float(CTC()(without_end, padded))
    np.testing.assert_allclose(loss, outputs["loss"], rtol=1e-5)
    mine = CrossEntropy()(np.where(trained, targets, 0), logits)
    np.testing.assert_allclose(float(mine) * trained.sum() / trained.size, attention, rtol=1e-5)
    assert keras.backend.standardize_dtype(mine.dtype) == "float32"
