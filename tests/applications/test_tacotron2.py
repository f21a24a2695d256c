import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import Application, Tacotron2, Tacotron2NVIDIA
from s2s_keras.convert.open_seq2seq import load_variables
from s2s_keras.layers import LocationAttention, MelSpectrogram
from s2s_keras.losses import StopTokenCrossEntropy
from s2s_keras.tokenizers import SynthesisTokenizer
from tests.checks import count_parameters, dtypes_seen, values
from tests.test_case import GARBAGE, ApplicationTestCase

SMALL = {
    "vocabulary_size": 12,
    "embedding_dim": 5,
    "encoder_filters": 6,
    "encoder_dim": 8,
    "prenet_dim": 5,
    "decoder_dim": 7,
    "attention_dim": 4,
    "postnet_filters": 6,
    "num_mel_bins": 6,
    "dropout": 0.0,
}
# The network that the original was run with.
ORIGINAL = {
    "vocabulary_size": 30,
    "embedding_dim": 24,
    "encoder_filters": 24,
    "encoder_dim": 32,
    "prenet_dim": 24,
    "decoder_dim": 40,
    "attention_dim": 16,
    "postnet_filters": 24,
    "num_mel_bins": 16,
    "dropout": 0.0,
}


EAGER = keras.backend.backend() == "tensorflow"  # which traces the gradient of a loop for ten seconds


class SynthesizerTestCase(ApplicationTestCase):
    """What holds for models from text to spectrograms; spectrograms take the place of logits."""

    lengths = (5, 3, 2)  # tokens
    num_frames = (9, 6, 4)
    vocabulary_size = 12
    float32_layers = ("target", "mel", "stop", "mel_postnet")
    mixed_layers = ("decoder", "cell", "attention")  # their alignments and frames stay float32
    not_in_config = ("inputs", "outputs")
    more_losses = {}
    test_without_top = None

    def inputs(self, rows=(0, 1, 2), padding=0, garbage=0.0):
        rng = np.random.default_rng(0)
        token_ids, frames = [rng.integers(1, 12, n) for n in self.lengths], self.num_frames
        mels = [rng.normal(size=(n, 6)) for n in frames]
        more = 3 if padding else 0
        shape = (len(rows), max(self.lengths[n] for n in rows) + more)
        inputs = {
            "token_ids": np.zeros(shape, "int32"),
            "mel": np.full((len(rows), max(frames[n] for n in rows) + padding, 6), garbage, "float32"),
            "mel_lengths": np.array([frames[n] for n in rows], "int32"),
        }
        for row, n in enumerate(rows):
            inputs["token_ids"][row, : self.lengths[n]] = token_ids[n]
            inputs["mel"][row, : frames[n]] = mels[n]
        return inputs

    def targets(self, padding=0):
        padding = 35 if padding else 0  # as `inputs` are padded then
        mel = np.nan_to_num(self.inputs(padding=padding)["mel"])
        stop = (np.arange(mel.shape[1]) >= np.array(self.num_frames)[:, None] - 1).astype("float32")
        return {"mel": mel, "mel_postnet": mel, "stop": stop}

    def compile(self, model, optimizer, **kwargs):
        loss = {"mel": "mse", "mel_postnet": "mse", "stop": StopTokenCrossEntropy(2.0)}
        model.compile(optimizer, {**loss, **self.more_losses}, **kwargs)

    def logits_of(self, outputs):
        return outputs["mel_postnet"]

    def outputs(self, model, **kwargs):
        if keras.backend.backend() == "jax":  # a loop outside of a compiled function is compiled at every call
            return self.logits_of(model.predict_on_batch(self.inputs(**kwargs)))
        return super().outputs(model, **kwargs)

    def test_another_vocabulary(self, tmp_path):
        self.model.save_to_preset(tmp_path)
        with pytest.raises(ValueError, match="skip_mismatch"):
            self.application.from_preset(tmp_path, vocabulary_size=15)
        with pytest.warns(UserWarning, match="stay fresh"):
            other = self.application.from_preset(tmp_path, vocabulary_size=15, skip_mismatch=True)
        assert other.get_layer("embedding").embeddings.shape[0] == 15

    def test_symbolic_shape_equals_eager_shape(self):
        for padding in (0, 35):
            inputs = self.inputs(padding=padding)
            symbolic = self.model({name: keras.KerasTensor(x.shape, x.dtype) for name, x in inputs.items()})
            eager = self.model(inputs)
            assert {name: x.shape for name, x in symbolic.items()} == {
                name: tuple(x.shape) for name, x in eager.items()
            }

    def test_padding_never_changes_an_answer(self):
        together, alone = self.outputs(self.model), self.outputs(self.model, rows=(1,))
        for n, frames in enumerate(self.num_frames):
            assert np.all(together[n, frames:] == 0.0) and np.all(together[n, :frames] != 0.0)
        np.testing.assert_allclose(alone[0], together[1, : alone.shape[1]], rtol=0, atol=self.tolerance)
        for garbage in GARBAGE:
            padded = self.outputs(self.model, padding=35, garbage=garbage)
            np.testing.assert_allclose(padded[:, : together.shape[1]], together, rtol=0, atol=self.tolerance)
            assert np.all(padded[:, together.shape[1] :] == 0.0)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision(self, policy):
        model = self.make(dtype=policy)
        assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
        seen, outputs = dtypes_seen(model, self.inputs())
        half = policy.removeprefix("mixed_")
        for path, dtypes in seen.items():
            parts = path.split("/")
            expected = {"float32"} if set(parts) & set(self.float32_layers) else {half}
            if parts[-1] in self.mixed_layers:
                expected = {half, "float32"}
            assert dtypes <= expected, f"{path} computes in or returns {dtypes}"
        assert {keras.backend.standardize_dtype(x.dtype) for x in outputs.values()} == {"float32"}
        error = ops.convert_to_numpy(self.logits_of(outputs)) - self.outputs(self.model)
        assert np.abs(error).max() < 0.2, "far from float32"

    def test_frames_to_come_are_not_seen(self):
        inputs = self.inputs(rows=(0,))
        changed = {**inputs, "mel": inputs["mel"].copy()}
        changed["mel"][:, 4:] = 9.0
        before, after = (self.model.predict_on_batch(x)["mel"] for x in (inputs, changed))
        seen = self.model.reduction_factor * -(-5 // self.model.reduction_factor)
        np.testing.assert_array_equal(before[:, :4], after[:, :4])
        assert np.abs(before[:, seen:] - after[:, seen:]).max() > 0.0

    def test_steps_equal_teacher_forcing(self):
        """A model that is given its own frames makes the same ones at once."""
        inputs, factor = self.inputs(rows=(0,)), self.model.reduction_factor
        state = self.model.initial_state({"token_ids": inputs["token_ids"]})
        drawn = np.zeros((4, 1, 1), "float32")
        outputs, _ = self.model._stages.steps.predict_on_batch({"state": state, "drawn": drawn})
        teacher = {**inputs, "mel": outputs["mel"], "mel_lengths": np.array([4 * factor], "int32")}
        found = self.model.predict_on_batch(teacher)
        np.testing.assert_allclose(found["mel"], outputs["mel"], rtol=0, atol=1e-4)
        np.testing.assert_allclose(found["stop"], outputs["stop"], rtol=0, atol=1e-4)
        corrected = self.model._finish(outputs["mel"], np.array([4 * factor]))["mel"]
        np.testing.assert_allclose(found["mel_postnet"], corrected[:, : 4 * factor], rtol=0, atol=1e-4)


class TestTacotron2(SynthesizerTestCase):
    application = Tacotron2
    arguments = {
        **SMALL,
        "reduction_factor": 2,
        "flavour": "nvidia",
        "zoneout": 0.1,
        "frame_dropout": 0.2,
        "guided_attention": 0.5,
    }
    num_parameters = (
        12 * 5
        + (5 * 5 * 6 + 2 * 5 * 6 * 6 + 3 * 3 * 6)
        + 2 * (4 * 4 * (6 + 4 + 1))
        + (6 * 5 + 5 * 5)
        + 4 * 7 * (5 + 8 + 7 + 1)
        + 4 * 7 * (7 + 8 + 7 + 1)
        + (8 * 4 + 7 * 4 + 4 + 31 * 2 * 32 + 32 * 4)
        + (15 + 1) * (12 + 2)
        + (5 * 6 * 6 * 5 + 3 * 6 * 5)
    )

    def test_padding_never_changes_a_training_step(self):
        if keras.backend.backend() != "jax":  # whose eager loops are compiled one by one
            type(self)._model_of_steps = self.make(zoneout=0.0, frame_dropout=0.0)
            self.make, make = lambda: self._model_of_steps, self.make
            super().test_padding_never_changes_a_training_step()
            self.make = make


@pytest.mark.parametrize("attention", ["forward", "dynamic_convolution"])
def test_other_attention_learns_too(attention):
    keras.utils.set_random_seed(0)
    case = TestTacotron2()
    model = Tacotron2(**SMALL, attention=attention)
    case.compile(model, keras.optimizers.Adam(0.01), run_eagerly=EAGER)
    losses = model.fit(case.inputs(), case.targets(), epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    again = Tacotron2.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(case.outputs(again), case.outputs(model))


def test_numbers_of_parameters():
    assert count_parameters(Tacotron2, magnitude_bins=513) == 26_923_105
    assert count_parameters(Tacotron2) == 26_923_105 - 870_400
    assert count_parameters(Tacotron2NVIDIA) == 28_193_153 - 10_240  # PyTorch's second biases of six LSTM directions


@pytest.mark.parametrize(("folder", "bins"), [("tacotron2_mel", None), ("tacotron2_both", 17)])
def test_golden_parity(folder, bins, shared):
    """The first row has no padding; to the original, padding of the others is text."""
    golden = shared / "golden" / folder
    model = Tacotron2(**ORIGINAL, magnitude_bins=bins)
    load_variables(model, dict(np.load(golden / "variables.npz")))
    inputs, taught, free = (
        np.load(golden / f"{name}.npz") for name in ("inputs", "outputs_train_bn_infer", "outputs_infer")
    )
    token_ids = inputs["text"][:1]
    found = model.predict_on_batch(
        {"token_ids": token_ids, "mel": inputs["spec"][:1, :, :16], "mel_lengths": inputs["spec_len"][:1]}
    )
    names = {"mel": 0, "mel_postnet": 1, "alignment": 2, "magnitude": 5}
    for name, output in found.items():
        expected = (
            taught[f"decoder.outputs.{names[name]}"][:1]
            if name in names
            else taught["decoder.stop_token_prediction"][:1, :, 0]
        )
        np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-5, err_msg=name)
    state = model._stages.start.predict_on_batch({"token_ids": token_ids})
    np.testing.assert_allclose(state["memory"]["values"], taught["encoder.outputs"][:1], rtol=0, atol=1e-6)
    outputs, _ = model._stages.steps.predict_on_batch({"state": state, "drawn": np.zeros((90, 1, 1), "float32")})
    np.testing.assert_allclose(outputs["mel"], free["decoder.outputs.0"][:1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(outputs["alignment"], free["decoder.outputs.2"][:1], rtol=0, atol=1e-5)
    corrected = model._finish(outputs["mel"], np.array([90]))
    np.testing.assert_allclose(corrected["mel"][:, :90], free["decoder.outputs.1"][:1], rtol=0, atol=1e-5)


def test_loss_equals_the_original(shared):
    """Of the original's outputs: each part is the mean over the real frames, and they are added."""
    golden = shared / "golden" / "tacotron2_mel"
    inputs, taught = np.load(golden / "inputs.npz"), np.load(golden / "outputs_train_bn_infer.npz")
    real = np.arange(24) < inputs["spec_len"][:, None]
    total = 0.0
    for n, loss in enumerate([keras.losses.MeanSquaredError()] * 2 + [StopTokenCrossEntropy()]):
        name = "decoder.stop_token_prediction" if n == 2 else f"decoder.outputs.{n}"
        predicted = ops.convert_to_tensor(taught[name][..., 0] if n == 2 else taught[name])
        predicted._keras_mask = ops.convert_to_tensor(real)
        total += float(loss(inputs["stop"] if n == 2 else inputs["spec"], predicted))
    assert total == pytest.approx(float(taught["loss"]), rel=1e-5)


@pytest.fixture(scope="module")
def talker():
    """A model that speaks nonsense and ends where its bias says."""
    keras.utils.set_random_seed(0)
    front_end = MelSpectrogram(sample_rate=8000, fft_length=64, hop_length=16, num_mel_bins=6)
    arguments = {**SMALL, "vocabulary_size": None, "dropout": 0.5, "flavour": "nvidia"}
    return Tacotron2(**arguments, tokenizer=SynthesisTokenizer(), front_end=front_end, reduction_factor=2)


def end_after(model, logit):
    model.get_layer("decoder").stop_layer.bias.assign([-9.0] * (model.reduction_factor - 1) + [logit])


def test_speech_does_not_depend_on_the_batch(talker):
    end_after(talker, 9.0)  # the second frame of the first step
    texts = ["a", "no, no.", "yes!"]
    together = talker.spectrograms(texts, batch_size=3)
    assert [speech.mel.shape for speech in together] == [(1, 6)] * 3
    assert [speech.alignment.shape for speech in together] == [(1, 3), (1, 9), (1, 6)]
    for text, speech in zip(texts, together, strict=True):
        alone = talker.spectrograms([text])[0]
        np.testing.assert_allclose(alone.mel, speech.mel, rtol=0, atol=1e-5)


def test_contrast_takes_bins_from_their_means(talker):
    mel, lengths = np.random.default_rng(0).normal(size=(2, 9, 6)).astype("float32"), np.array([9, 5])
    plain, sharp = (model._finish(mel, lengths)["mel"] for model in (talker, talker.copy(contrast=1.5)))
    for n, length in enumerate(lengths):
        mean = plain[n, :length].mean(axis=0)
        expected = mean + 1.5 * (plain[n, :length] - mean)
        np.testing.assert_allclose(sharp[n, :length], expected, rtol=0, atol=1e-4)
        assert np.abs(expected - plain[n, :length]).max() > 0.1 and not sharp[n, length:].any()


def test_dropout_stays_on(talker):
    state = talker._stages.start.predict_on_batch({"token_ids": np.array([[1, 5, 2] + [0] * 13], "int32")})
    prenet = talker.get_layer("decoder").prenet
    first, again, other = (
        talker._stages.steps.predict_on_batch({"state": state, "drawn": prenet.draw((32, 1), rng)})[0]["mel"]
        for rng in map(np.random.default_rng, (0, 0, 1))
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.0


def test_speech_that_does_not_end_is_refused(talker):
    end_after(talker, -9.0)
    with pytest.raises(ValueError, match=r"did not end within 30 frames. Received: 'a'"):
        talker.spectrograms(["a"])


def test_audio_of_sentences(talker):
    end_after(talker, 9.0)
    audio, sample_rate = talker.synthesize("Yes. No!", vocoder="griffin_lim")
    assert sample_rate == 8000 and audio.dtype == np.float32 and audio.ndim == 1
    several, _ = talker.synthesize(["Yes. No!", "a"])
    np.testing.assert_allclose(several[0], audio, rtol=0, atol=1e-5)
    assert len(several) == 2
    for bad, message in (("", "nothing to say"), ("...", "nothing to say"), ("東", "東")):
        with pytest.raises(ValueError, match=message):
            talker.synthesize(bad)
    with pytest.raises(TypeError, match="list of str"):
        talker.synthesize(3)
    with pytest.raises(ValueError, match="Received: Tacotron2"):
        talker.synthesize("a", vocoder=talker)
    with pytest.raises(ValueError, match="speed=9"):
        talker.synthesize("a", speed=9)


def test_what_is_missing_is_said(talker):
    with pytest.raises(ValueError, match="tokenizer"):
        Tacotron2(**SMALL).spectrograms(["a"])
    with pytest.raises(ValueError, match="front end"):
        Tacotron2(**SMALL).synthesize("a")
    with pytest.raises(ValueError, match="batch_size=0"):
        talker.spectrograms(["a"], batch_size=0)


def test_preset_keeps_voice_and_text(talker, tmp_path):
    end_after(talker, 9.0)
    talker.save_to_preset(tmp_path)
    again = Application.from_preset(tmp_path)
    np.testing.assert_allclose(again.spectrograms(["a"])[0].mel, talker.spectrograms(["a"])[0].mel, rtol=0, atol=1e-6)
    assert again.sample_rate == 8000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"flavour": "vanilla"}, "flavour='vanilla'"),
        ({"attention": "wandering"}, "attention='wandering'"),
        ({"reduction_factor": 0}, "reduction_factor=0"),
        ({"vocabulary_size": 9, "tokenizer": SynthesisTokenizer()}, "vocabulary_size=9"),
        ({"dropout": 1.0}, "dropout=1.0"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Tacotron2(**{**SMALL, **arguments})


def test_any_attention_goes_in():
    model = Tacotron2(**{**SMALL, "attention": LocationAttention(4, 2, 3, cumulative="both", name="attention")})
    assert type(Tacotron2.from_config(model.get_config()).attention) is LocationAttention
    assert len(values(model.weights)) > 0
