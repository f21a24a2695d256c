"""Checks that every application and every layer inherits: a test class states facts, the procedures stand here.

    class TestJasper(ApplicationTestCase):
        application = Jasper
        arguments = {**SMALL, "blocks": ((8, 3, 0.0),), "repeat": 2}
        num_parameters = 1234

Sizes are tiny and the same everywhere, for then a backend that compiles every operation does it once. `reference.py`
has the outputs of the original toolkit; `test_mutants.py` shows that each check fails on what it is there to find.
"""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import Application
from s2s_keras.layers import BlankPadding, LogMelSpectrogram
from s2s_keras.losses import CTC
from s2s_keras.ops.masks import sequence_mask
from s2s_keras.optimizers import NovoGrad
from tests.checks import as_json, check_config, dtypes_seen, randomize, values
from tests.reference import check_golden

GARBAGE = (np.nan, 1e4)
FRONT_END = keras.saving.serialize_keras_object(LogMelSpectrogram(8, sample_rate=1000, dither=0.0, name="front_end"))
SMALL = {"front_end": FRONT_END, "num_mel_bins": 8}


class ApplicationTestCase:
    """What holds for every application, from these facts."""

    application = None  # the class
    arguments = SMALL  # of a small instance; not the defaults wherever possible
    num_parameters = None  # trainable, of that instance
    encoder_dim = 8  # channels without the head
    vocabulary_size = 29
    lengths = (400, 250, 130)  # samples of the utterances that it is tried on
    num_frames = (21, 13, 7)  # frames of their outputs
    labels = ((1, 2, 3), (3, 3, 0), (5, 0, 0))
    float32_layers = ("front_end", "logits", "blank_padding")  # under every dtype policy
    not_in_config = ("encoder",)  # constructor arguments that subclasses fill in
    tolerance = 1e-5  # between an utterance alone and in a batch
    goldens = ()  # `reference.Golden`s: outputs of the original for arguments of this application

    def __init_subclass__(cls):
        if not cls.goldens:
            cls.test_golden_parity = None  # nothing to compare with, so nothing to collect

    def pytest_generate_tests(self, metafunc):
        if "golden" in metafunc.fixturenames:
            metafunc.parametrize("golden", self.goldens, ids=lambda golden: f"{golden.folder}-{golden.outputs}")

    def make(self, **changes):
        model = self.application(**{**self.arguments, **changes})
        randomize(model)
        return model

    @property
    def model(self):
        """One instance for all checks that do not change it."""
        if "_model" not in vars(type(self)):
            type(self)._model = self.make()
        return type(self)._model

    def inputs(self, rows=(0, 1, 2), padding=0, garbage=0.0):
        """Utterances, right-padded to the longest of them and by `padding` more samples of `garbage`."""
        rng = np.random.default_rng(0)
        waveforms, lengths = [rng.uniform(-1.0, 1.0, n) for n in self.lengths], [self.lengths[row] for row in rows]
        audio = np.full((len(rows), max(lengths) + padding), garbage, "float32")
        for n, row in enumerate(rows):
            audio[n, : lengths[n]] = waveforms[row]
        return {"audio": audio, "audio_lengths": np.array(lengths, "int32")}

    def targets(self, padding=0):
        """What a model is trained on, right-padded by `padding` more."""
        return np.pad(np.array(self.labels), [(0, 0), (0, padding)])

    def compile(self, model, optimizer, **kwargs):
        model.compile(optimizer, CTC(), **kwargs)

    def logits_of(self, outputs):
        """The logits that the checks look at, of a model with several outputs."""
        return outputs

    def outputs(self, model, **kwargs):
        return ops.convert_to_numpy(self.logits_of(model(self.inputs(**kwargs))))

    def test_number_of_parameters(self):
        assert sum(int(np.prod(weight.shape)) for weight in self.model.trainable_weights) == self.num_parameters

    def test_config_round_trip(self):
        again = check_config(self.model, self.arguments, Application, self.not_in_config)
        assert type(again) is self.application
        again.set_weights(self.model.get_weights())
        np.testing.assert_array_equal(self.outputs(again), self.outputs(self.model))

    def test_keras_file_round_trip(self, tmp_path):
        self.model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        assert type(again) is self.application
        assert as_json(again.get_config()) == as_json(self.model.get_config())
        np.testing.assert_array_equal(self.outputs(again), self.outputs(self.model))

    def test_preset_round_trip(self, tmp_path):
        self.model.save_to_preset(tmp_path)
        again = Application.from_preset(tmp_path)
        assert type(again) is self.application
        assert as_json(again.get_config()) == as_json(self.model.get_config())
        np.testing.assert_array_equal(self.outputs(again), self.outputs(self.model))
        half = self.application.from_preset(tmp_path, dtype="mixed_bfloat16")
        assert half.dtype_policy.name == "mixed_bfloat16"
        fresh = self.application.from_preset(tmp_path, load_weights=False)
        assert any(np.any(a != b) for a, b in zip(fresh.get_weights(), again.get_weights(), strict=True))

    def test_preset_of_a_compiled_model_holds_no_optimizer(self, tmp_path):
        model = self.make()
        model.save_to_preset(tmp_path / "plain")
        model.compile("adam", CTC())
        model.optimizer.build(model.trainable_variables)
        model.save_to_preset(tmp_path / "compiled")
        plain, compiled = (sorted(file.name for file in (tmp_path / name).iterdir()) for name in ("plain", "compiled"))
        assert plain == compiled
        sizes = [(tmp_path / name / "model.weights.h5").stat().st_size for name in ("plain", "compiled")]
        assert sizes[0] == sizes[1]
        again = Application.from_preset(tmp_path / "compiled")
        np.testing.assert_array_equal(self.outputs(again), self.outputs(model))

    def test_damaged_preset_is_one_sentence(self, tmp_path):
        self.model.save_to_preset(tmp_path)
        config = (tmp_path / "config.json").read_text()
        (tmp_path / "config.json").write_text(config[: len(config) // 2])
        with pytest.raises(ValueError, match="damaged"):
            self.application.from_preset(tmp_path)

    def test_misspelled_argument(self):
        with pytest.raises(TypeError, match="vocabulary_sise"):
            self.make(vocabulary_sise=30)

    def test_another_vocabulary(self, tmp_path):
        self.model.save_to_preset(tmp_path)
        with pytest.raises(ValueError, match="skip_mismatch"):
            self.application.from_preset(tmp_path, vocabulary_size=self.vocabulary_size + 3)
        with pytest.warns(UserWarning, match="stay fresh"):
            other = self.application.from_preset(tmp_path, vocabulary_size=self.vocabulary_size + 3, skip_mismatch=True)
        expected = self.logits_of(self.model.output_shape)[-1] + 3
        assert self.logits_of(other.output_shape)[-1] == expected
        for weight, old in zip(other.weights, self.model.weights, strict=True):
            if weight.shape == old.shape:
                np.testing.assert_array_equal(*values([weight, old]))

    def test_without_top(self):
        encoder = self.make(include_top=False)
        weights = [weight for weight in self.model.weights if "logits" not in weight.path]
        encoder.set_weights(values(weights))
        assert encoder.output_shape == (None, None, self.encoder_dim)
        features = values([BlankPadding()(encoder(self.inputs()))])[0]  # shows the mask that comes with them
        kernel, bias = values(self.model.get_layer("logits").weights)
        for n, frames in enumerate(self.num_frames):
            assert np.all(features[n, frames:, 1:] == -1e9)
            expected = self.outputs(self.model)[n, :frames]
            np.testing.assert_allclose(features[n, :frames] @ kernel + bias, expected, rtol=0, atol=1e-4)

    def test_symbolic_shape_equals_eager_shape(self):
        assert self.model.output_shape == (None, None, self.vocabulary_size)
        for padding in (0, 35):
            inputs = self.inputs(padding=padding)
            symbolic = self.model({name: keras.KerasTensor(x.shape, x.dtype) for name, x in inputs.items()})
            assert tuple(symbolic.shape) == tuple(self.model(inputs).shape)

    def test_padding_never_changes_an_answer(self):
        together = self.outputs(self.model)
        blank = np.full(self.vocabulary_size, -1e9)
        blank[0] = 0.0
        for n, frames in enumerate(self.num_frames):
            assert np.all(together[n, frames:] == blank)
            assert not np.any(np.all(together[n, :frames] == blank, axis=-1))
        alone = self.outputs(self.model, rows=(1,))
        np.testing.assert_allclose(alone[0], together[1, : alone.shape[1]], rtol=0, atol=self.tolerance)
        for garbage in GARBAGE:
            padded = self.outputs(self.model, padding=35, garbage=garbage)
            np.testing.assert_allclose(padded[:, : together.shape[1]], together, rtol=0, atol=self.tolerance)
            assert np.all(padded[:, together.shape[1] :] == blank)

    def test_padding_never_changes_a_training_step(self):
        model = self.make()
        self.compile(model, keras.optimizers.SGD(0.1), run_eagerly=True)
        state = [*model.trainable_variables, *model.non_trainable_variables]  # the seeds of dropped blocks too
        start = values(state)

        def step(targets, **padding):
            for variable, value in zip(state, start, strict=True):
                variable.assign(value)
            loss = model.train_on_batch(self.inputs(**padding), targets)
            return [np.asarray(loss), *values(model.weights)]

        names = ["loss", *(weight.path for weight in model.weights)]
        expected = step(self.targets())
        found = step(self.targets(padding=2), padding=35, garbage=np.nan)
        for name, a, b in zip(names, found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=name)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision(self, policy):
        model = self.make(dtype=policy)
        assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
        seen, outputs = dtypes_seen(model, self.inputs())
        for path, dtypes in seen.items():
            expected = "float32" if set(path.split("/")) & set(self.float32_layers) else policy.removeprefix("mixed_")
            assert dtypes == {expected}, f"{path} computes in or returns {dtypes}"
        assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
        for n, frames in enumerate(self.num_frames):
            error = ops.convert_to_numpy(outputs)[n, :frames] - self.outputs(self.model)[n, :frames]
            assert np.abs(error).max() < 0.2, "far from float32"

    def test_compiled_equals_eager(self):
        model = self.make()
        model.compile(jit_compile=keras.backend.backend() != "torch")  # torch.compile needs a C++ compiler
        compiled = self.logits_of(model.predict_on_batch(self.inputs()))
        np.testing.assert_allclose(compiled, self.outputs(model), rtol=0, atol=1e-4)

    def test_fit_learns_with_every_weight(self):
        keras.utils.set_random_seed(0)
        model = self.application(**self.arguments)
        before = values(model.trainable_weights)
        self.compile(model, NovoGrad(0.02))
        losses = model.fit(self.inputs(), self.targets(), epochs=8, verbose=0).history["loss"]
        assert losses[-1] < 0.85 * losses[0]
        for weight, old in zip(model.trainable_weights, before, strict=True):
            assert np.any(ops.convert_to_numpy(weight) != old), f"{weight.path} did not move"

    def test_golden_parity(self, golden, request):
        check_golden(self.application, golden, request)


class LayerTestCase:
    """What holds for every layer over time, from these facts."""

    layer = None  # the class
    arguments = {}  # not the defaults wherever possible
    num_inputs = 1  # more than one: called with a list
    channels = 8
    lengths = (12, 9, 5)  # frames of the sequences that it is tried on
    num_frames = (12, 9, 5)  # frames of their outputs
    output_dtype = None  # None: the compute dtype of its policy
    mask_goes_on = True
    clears_padding = False  # padded frames of its output are zero
    training_modes = (False, True)  # in which padding must not change the output

    def make(self, **changes):
        layer = self.layer(**{**self.arguments, **changes})
        self.run(layer)
        randomize(layer)
        return layer

    def features(self, frames=12, garbage=0.0):
        x = np.full((3, frames, self.channels), garbage, "float32")
        rng = np.random.default_rng(0)
        for n, length in enumerate(self.lengths):
            x[n, :length] = rng.normal(size=(length, self.channels))
        return x

    def listed(self, x):
        return x if self.num_inputs == 1 else [x] * self.num_inputs

    def mask(self, frames):
        return sequence_mask(np.array(self.lengths), np.zeros((3, frames)))

    def run(self, layer, frames=12, garbage=0.0, **kwargs):
        """The layer's output for the sequences padded to `frames`."""
        return layer(self.listed(self.features(frames, garbage)), mask=self.listed(self.mask(frames)), **kwargs)

    def symbolic(self, layer, shape):
        return layer(self.listed(keras.KerasTensor(shape)))

    def mask_of(self, layer, frames):
        """The mask that the layer hands on."""
        return layer.compute_mask(self.listed(self.features(frames)), self.listed(self.mask(frames)))

    def test_config_round_trip(self):
        layer = self.make()
        again = check_config(layer, self.arguments, keras.layers.Layer)
        self.run(again)
        again.set_weights(layer.get_weights())
        expected, found = values([self.run(layer), self.run(again)])
        np.testing.assert_array_equal(found, expected)

    def test_symbolic_shape_equals_eager_shape(self):
        layer = self.make()
        for frames in (12, 13):
            assert tuple(self.symbolic(layer, (3, frames, self.channels)).shape) == self.run(layer, frames).shape
        assert self.symbolic(layer, (None, None, self.channels)).shape[:2] == (None, None)

    def test_padding_changes_nothing(self):
        layer = self.make()
        start = values(layer.weights)
        for training in self.training_modes:
            kwargs = {"training": True} if training else {}
            expected = [*values([self.run(layer, **kwargs)]), *values(layer.weights)]
            layer.set_weights(start)
            for garbage in GARBAGE:
                found = [*values([self.run(layer, 17, garbage, **kwargs)]), *values(layer.weights)]
                layer.set_weights(start)
                for n, frames in enumerate(self.num_frames):
                    np.testing.assert_allclose(found[0][n, :frames], expected[0][n, :frames], rtol=0, atol=1e-5)
                    assert not self.clears_padding or np.all(found[0][n, frames:] == 0.0)
                for a, b in zip(found[1:], expected[1:], strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)

    def test_mask_is_as_long_as_the_output(self):
        layer = self.make()
        for frames in (12, 17):
            mask = self.mask_of(layer, frames)
            assert (mask is not None) == self.mask_goes_on
            if mask is not None:
                assert tuple(mask.shape) == tuple(self.run(layer, frames).shape[:2])
                assert ops.convert_to_numpy(mask).sum(axis=1).tolist() == list(self.num_frames)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision(self, policy):
        layer = self.make(dtype=policy)
        assert {weight.dtype for weight in layer.trainable_weights} <= {"float32"}
        output = self.run(layer)
        assert keras.backend.standardize_dtype(output.dtype) == (self.output_dtype or policy.removeprefix("mixed_"))
        expected, found = values([self.run(self.make()), ops.cast(output, "float32")])
        for n, frames in enumerate(self.num_frames):
            assert np.abs(found[n, :frames] - expected[n, :frames]).max() < 0.1

    def test_compiled_equals_eager(self):
        layer = self.make()
        x = keras.Input((None, self.channels))
        model = keras.Model(x, layer(self.listed(x)))
        model.compile(jit_compile=keras.backend.backend() != "torch")
        compiled, (eager,) = model.predict_on_batch(self.features()), values([layer(self.listed(self.features()))])
        np.testing.assert_allclose(compiled, eager, rtol=0, atol=1e-5)
