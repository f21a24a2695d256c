import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import Centaur
from s2s_keras.convert.open_seq2seq import load_variables
from s2s_keras.layers import CentaurBlock
from s2s_keras.tokenizers import SynthesisTokenizer
from tests.applications.test_tacotron2 import SynthesizerTestCase
from tests.checks import count_parameters

ORIGINAL = {
    "vocabulary_size": 30,
    "encoder_dim": 24,
    "encoder_layers": 2,
    "decoder_dim": 32,
    "num_blocks": 2,
    "num_convolutions": 2,
    "magnitude_bins": 9,
    "num_mel_bins": 8,
    "dropout": 0.0,
}
not_on_jax = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="eager loops are compiled one by one; steps and teacher are compared there"
)
CONVOLUTION = 5 * 8 * 8 + 3 * 8


class TestCentaur(SynthesizerTestCase):
    application = Centaur
    arguments = {
        "vocabulary_size": 12,
        "encoder_dim": 6,
        "encoder_layers": 2,
        "decoder_dim": 8,
        "num_blocks": 2,
        "num_convolutions": 1,
        "magnitude_bins": 4,
        "reduction_factor": 2,
        "window": 3,
        "forced_blocks": [],
        "dropout": 0.0,
        "num_mel_bins": 6,
    }
    num_parameters = (
        12 * 6
        + 2 * (3 * 6 * 6 + 3 * 6)
        + 6 * 6
        + (20 * 8 + 8 + 8 * 8 + 8 + 8 * 8)
        + 2 * (CONVOLUTION + 2 * 8 * 8 + 2 * 6 * 8 + 2 * 16 + 8 * 8 + 8)
        + 16
        + 2 * CONVOLUTION
        + (8 + 1) * (2 * 6 + 2 + 2 * 4)
    )
    float32_layers = (*SynthesizerTestCase.float32_layers, "frames", "magnitude")
    mixed_layers = ("decoder", "block_0", "block_1")
    more_losses = {"magnitude": "mae"}

    def inputs(self, rows=(0, 1, 2), padding=0, garbage=0.0):
        inputs = super().inputs(rows, padding, garbage)
        return {**inputs, "magnitude": 0.5 * inputs["mel"][..., :4]}

    def targets(self, padding=0):
        targets = super().targets(padding)
        return {**targets, "magnitude": 0.5 * targets["mel"][..., :4]}

    @not_on_jax
    def test_padding_never_changes_a_training_step(self):
        super().test_padding_never_changes_a_training_step()

    def test_steps_equal_teacher_forcing(self):
        """A model that is given its own frames makes the same ones at once."""
        inputs = self.inputs(rows=(0,))
        state = self.model.initial_state({"token_ids": inputs["token_ids"]})
        drawn = self.model.draw(3, None)
        first, state = self.model._stages.steps.predict_on_batch({"state": state, "drawn": drawn})
        second, _ = self.model._stages.steps.predict_on_batch({"state": state, "drawn": drawn})
        outputs = {name: np.concatenate([first[name], second[name]], axis=1) for name in first}
        teacher = {"mel_lengths": np.array([12], "int32"), **{name: outputs[name] for name in ("mel", "magnitude")}}
        found = self.model.predict_on_batch({**inputs, **teacher})
        for name, output in found.items():
            np.testing.assert_allclose(output, outputs[name.removesuffix("_postnet")], rtol=0, atol=1e-4, err_msg=name)


def test_number_of_parameters_of_the_original():
    assert count_parameters(Centaur, vocabulary_size=96, magnitude_bins=513) == 22_574_244


@pytest.fixture
def golden(shared):
    model = Centaur(**ORIGINAL)
    folder = shared / "golden" / "centaur"
    variables = dict(np.load(folder / "variables.npz"))
    load_variables(model, variables)
    outputs = {name: dict(np.load(folder / f"outputs_{name}.npz")) for name in ("train", "infer")}
    return model, variables, dict(np.load(folder / "inputs.npz")), outputs


def taught_by_the_batch(variables, outputs, counts):
    """The variables with the statistics of a training batch, found from what they did to the moving ones."""
    found = dict(variables)
    for name, before in variables.items():
        if "moving_" in name:
            batch = (outputs[f"after_update:{name}"].astype("float64") - 0.95 * before) / 0.05
            count = counts[0 if "encoder" in name else 1]
            found[name] = (batch * (count - 1) / count if "variance" in name else batch).astype("float32")
    return found


NAMES = {
    "mel": "decoder.outputs.0",
    "mel_postnet": "decoder.outputs.1",
    "magnitude": "decoder.outputs.5",
    "stop": "decoder.stop_token_prediction",
}


def test_golden_parity_in_training(golden):
    """Of the first row, which has no padding, with the statistics of the original's batch, padding included."""
    model, variables, inputs, outputs = golden
    load_variables(model, taught_by_the_batch(variables, outputs["train"], (3 * 9, 3 * 12)))
    mel, magnitude = inputs["spec"][:1, :, :8], inputs["spec"][:1, :, 8:]
    found = model.predict_on_batch(
        {"token_ids": inputs["text"][:1], "mel": mel, "magnitude": magnitude, "mel_lengths": inputs["spec_len"][:1]}
    )
    for name, output in found.items():
        expected = outputs["train"][NAMES[name]][:1]
        expected = expected[..., 0] if name == "stop" else expected
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4, err_msg=name)


@not_on_jax
def test_golden_parity_in_inference(golden):
    """Step by step, with the second block's attention held to a window."""
    model, _, inputs, outputs = golden
    state = model._stages.start.predict_on_batch({"token_ids": inputs["text"][:1]})
    found, _ = model._stages.steps.predict_on_batch({"state": state, "drawn": model.draw(20, None)})
    for name, output in found.items():
        expected = (
            outputs["infer"]["decoder.outputs.2.0.0"][-1:, 0]
            if name == "alignment"
            else outputs["infer"][NAMES[name]][:1]
        )
        expected = expected[..., 0] if name == "stop" else expected
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4, err_msg=name)


@not_on_jax
def test_what_is_said_depends_on_the_text_alone():
    """Neither on the seed nor on the batch: nothing is dropped in inference; magnitudes come with it."""
    model = Centaur(
        **{**TestCentaur.arguments, "vocabulary_size": None, "dropout": 0.5}, tokenizer=SynthesisTokenizer()
    )
    model.get_layer("decoder").stop_layer.bias.assign([-9.0, 9.0])
    together = model.spectrograms(["no", "a"])
    (alone,) = model.spectrograms(["a"], seed=1)
    assert alone.mel.shape == (1, 6) and alone.magnitude.shape == (1, 4) and alone.alignment.shape == (1, 3)
    np.testing.assert_allclose(alone.mel, together[1].mel, rtol=0, atol=1e-5)
    np.testing.assert_allclose(alone.magnitude, together[1].magnitude, rtol=0, atol=1e-5)


@not_on_jax
def test_forced_attention_stays_in_its_window():
    """Brute force: the place is where the last step looked most, and the window begins there."""
    block = CentaurBlock(4, window=2)
    block.build([(None, None, 4), {"values": (None, None, 4)}])
    rng = np.random.default_rng(0)
    memory = block.prepare(rng.normal(size=(1, 6, 4)).astype("float32"))
    state, place = block.initial_state(memory), 0
    for _ in range(8):
        x = rng.normal(size=(1, 4)).astype("float32")
        _, alignment, state = block([x, memory, state])
        alignment = ops.convert_to_numpy(alignment)[0]
        assert set(np.flatnonzero(alignment)) == set(range(place, min(place + 2, 6)))
        place = int(np.argmax(alignment))
    assert place > 0


@pytest.mark.parametrize(
    ("arguments", "message"), [({"window": 0}, "window=0"), ({"reduction_factor": 0}, "reduction_factor=0")]
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Centaur(**{**TestCentaur.arguments, "forced_blocks": None, **arguments})
