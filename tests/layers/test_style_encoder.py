import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import Tacotron2, Tacotron2GST
from s2s_keras.convert.open_seq2seq import load_variables
from s2s_keras.layers import MelSpectrogram, StyleEncoder
from tests.applications.test_tacotron2 import EAGER, ORIGINAL, SMALL
from tests.test_case import LayerTestCase

ENCODER = {"filters": (4, 4), "rnn_dim": 5, "num_tokens": 3, "style_dim": 8, "num_heads": 2}


class TestStyleEncoder(LayerTestCase):
    layer = StyleEncoder
    arguments = ENCODER
    mask_goes_on = False

    def test_symbolic_shape_equals_eager_shape(self):
        assert tuple(self.symbolic(self.make(), (None, None, self.channels)).shape) == (None, 8)

    def test_padding_changes_nothing(self):
        layer = self.make()
        expected = ops.convert_to_numpy(self.run(layer))
        for garbage in (np.nan, 1e4):
            np.testing.assert_allclose(ops.convert_to_numpy(self.run(layer, 17, garbage)), expected, rtol=0, atol=1e-5)

    def test_half_precision(self):
        found, expected = (ops.convert_to_numpy(ops.cast(self.run(self.make(dtype=d)), "float32")) for d in HALF)
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.1)

    test_mask_is_as_long_as_the_output = None

    def test_weights_of_tokens_are_a_style(self):
        layer = self.make()
        one = ops.convert_to_numpy(layer.style_of([0.0, 1.0, 0.0]))
        other = ops.convert_to_numpy(layer.style_of([0.0, 0.0, 1.0]))
        both = ops.convert_to_numpy(layer.style_of([0.0, 0.5, 0.5]))
        np.testing.assert_allclose(both, (one + other) / 2, rtol=0, atol=1e-6)
        with pytest.raises(ValueError, match="3 tokens"):
            layer.style_of([1.0])


HALF = ("mixed_bfloat16", "float32")


def test_style_equals_the_original(shared):
    golden = shared / "golden" / "tacotron2_gst"
    encoder = StyleEncoder((8, 8), 16, 6, 32, 4, train_tokens=False, name="style_encoder")
    model = Tacotron2GST(encoder, **ORIGINAL)
    load_variables(model, dict(np.load(golden / "variables.npz")))
    inputs, taught = np.load(golden / "inputs.npz"), np.load(golden / "outputs_train_bn_infer.npz")
    style = encoder(inputs["extra_src0"][:1])  # the other rows' padding is sound to the original
    np.testing.assert_allclose(ops.convert_to_numpy(style)[0], taught["encoder.outputs"][0, 0, -32:], rtol=0, atol=1e-5)
    state = model._stages.start.predict_on_batch(
        {"token_ids": inputs["text"][:1], "style": ops.convert_to_numpy(style)}
    )
    np.testing.assert_allclose(state["memory"]["values"], taught["encoder.outputs"][:1], rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def model():
    front_end = MelSpectrogram(sample_rate=8000, fft_length=64, hop_length=16, num_mel_bins=6)
    return Tacotron2GST(StyleEncoder(**ENCODER), **SMALL, num_speakers=2, front_end=front_end)


def test_styles_and_voices_change_what_is_said(model):
    def first_frames(**conditions):
        inputs = {"token_ids": np.array([[1, 2, 3]], "int32"), **model.conditions(1, **conditions)}
        state = model._stages.start.predict_on_batch(inputs)
        return model._stages.steps.predict_on_batch({"state": state, "drawn": np.zeros((2, 1, 1), "float32")})[0]["mel"]

    recording = np.random.default_rng(0).normal(0, 0.1, 2000).astype("float32")
    kinds = [{}, {"style": recording}, {"style": [1.0, 0.0, 0.0]}, {"speaker": 1}]
    frames = [first_frames(**kind) for kind in kinds]
    for n, one in enumerate(frames):
        for other in frames[:n]:
            assert np.abs(one - other).max() > 1e-6


def test_conditions_that_are_not_there_are_refused(model):
    with pytest.raises(ValueError, match="speaker=2"):
        model.conditions(1, speaker=2)
    with pytest.raises(ValueError, match="no styles and 0 voices"):
        Tacotron2(**SMALL).conditions(1, style=[1.0])


def test_one_fit_trains_styles_and_voices(model):
    rng = np.random.default_rng(0)
    mel = rng.normal(size=(2, 8, 6)).astype("float32")
    inputs = {"token_ids": np.array([[1, 2, 3], [4, 5, 0]], "int32"), "mel": mel, "mel_lengths": np.array([8, 5])}
    inputs["speaker_ids"] = np.array([0, 1], "int32")
    before = [ops.convert_to_numpy(w).copy() for w in model.trainable_weights]
    model.compile("adam", {"mel": "mse", "mel_postnet": "mse"}, run_eagerly=EAGER)
    model.fit(inputs, {"mel": mel, "mel_postnet": mel}, verbose=0)
    moved = [np.any(ops.convert_to_numpy(w) != old) for w, old in zip(model.trainable_weights, before, strict=True)]
    still = [w.path for w, m in zip(model.trainable_weights, moved, strict=True) if not m]
    assert all("stop" in path for path in still), still
