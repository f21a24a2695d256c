import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import WaveNet
from s2s_keras.applications._wavenet_generation import folded_weights, on_cpu
from s2s_keras.convert._open_seq2seq_recurrent import Part
from s2s_keras.convert.open_seq2seq import load_variables, name_table
from s2s_keras.data import NextSample
from s2s_keras.losses import MixtureOfLogistics
from s2s_keras.ops.mu_law import mu_law_encode
from tests.checks import count_parameters, randomize, values
from tests.test_case import GARBAGE, ApplicationTestCase

HOP = 20
SMALL = {"dilation_rates": (1, 16), "filters": 6, "num_mel_bins": 4, "hop_length": HOP, "sample_rate": 1000}
ORIGINAL_NORMALIZATION = {"momentum": 0.1, "epsilon": 1.001e-5}


class VocoderTestCase(ApplicationTestCase):
    """What holds for WaveNet; samples take the place of frames."""

    application = WaveNet
    lengths = (160, 110, 70)
    num_frames = (160, 110, 70)
    float32_layers = ("logits", "warm_up")
    test_another_vocabulary = None  # it has none,
    test_without_top = None  # nor a top

    def clips(self, rows=(0, 1, 2), padding=0, garbage=0.0):
        """A sample more than the model takes."""
        rng = np.random.default_rng(0)
        audio = np.full((3, max(self.lengths[row] for row in rows) + padding + 1), garbage, "float32")
        mel = np.full((3, -(-audio.shape[1] // HOP), 4), garbage, "float32")
        for n, length in enumerate(self.lengths):
            wave = 0.5 * np.sign(np.sin(np.arange(length + 1) / (2.0 + n))) + 0.01 * rng.normal(size=length + 1)
            audio[n, : length + 1] = wave[: audio.shape[1]]
            mel[n, : -(-length // HOP)] = rng.normal(size=(-(-length // HOP), 4))[: mel.shape[1]]
        lengths = np.array(self.lengths, "int32") + 1
        return {"audio": audio[list(rows)], "audio_lengths": lengths[list(rows)], "mel": mel[list(rows)]}

    def inputs(self, rows=(0, 1, 2), padding=0, garbage=0.0):
        return NextSample(None)(self.clips(rows, padding, garbage))[0]

    def targets(self, padding=0):
        return NextSample(self.model.num_classes)(self.clips(padding=35 if padding else 0))[1]

    def compile(self, model, optimizer, **kwargs):
        if keras.backend.backend() == "jax":  # one by one, the operations of a step take a minute to compile
            kwargs.pop("run_eagerly", None)
        model.compile(optimizer, self.loss, **kwargs)

    def test_fit_learns_with_every_weight(self):
        keras.utils.set_random_seed(0)
        model = self.application(**self.arguments)
        before = values(model.trainable_weights)
        self.compile(model, keras.optimizers.Adam(0.05))
        losses = model.fit(self.inputs(), self.targets(), epochs=8, verbose=0).history["loss"]
        assert losses[-1] < 0.7 * losses[0]
        for weight, old in zip(values(model.trainable_weights), before, strict=True):
            assert np.any(weight != old)

    def test_padding_never_changes_an_answer(self):
        together = self.outputs(self.model)
        for n, length in enumerate(self.lengths):
            assert np.all(together[n, length:] == 0.0)
            assert np.all(np.any(together[n, :length] != 0.0, axis=-1))
        alone = self.outputs(self.model, rows=(1,))
        np.testing.assert_allclose(alone[0], together[1, : alone.shape[1]], rtol=0, atol=self.tolerance)
        for garbage in GARBAGE:
            padded = self.outputs(self.model, padding=35, garbage=garbage)
            np.testing.assert_allclose(padded[:, : together.shape[1]], together, rtol=0, atol=self.tolerance)
            assert np.all(padded[:, together.shape[1] :] == 0.0)

    def test_samples_to_come_are_not_seen(self):
        inputs = self.inputs()
        changed = {**inputs, "audio": inputs["audio"].copy()}
        changed["audio"][:, 60] *= -0.5
        before, after = (ops.convert_to_numpy(self.model(x)) for x in (inputs, changed))
        np.testing.assert_array_equal(before[:, :60], after[:, :60])
        assert np.all(np.any(before[:, 60] != after[:, 60], axis=-1))

    def test_warm_up_and_padding_are_not_trained(self):
        model, inputs, targets = self.make(), self.inputs(), self.targets()
        self.compile(model, "sgd")
        loss = model.test_on_batch(inputs, targets)
        trained = np.zeros(targets.shape, bool)
        for n, length in enumerate(self.lengths):
            trained[n, model.receptive_field - 1 : length] = True
        assert model.test_on_batch(inputs, np.where(trained, targets, targets[0, 0])) == loss
        first = np.flatnonzero(trained[0])[0]
        for row, t in ((0, first), (2, self.lengths[2] - 1)):
            changed = targets.copy()
            changed[row, t] = -changed[row, t] if model.num_classes is None else 0
            assert model.test_on_batch(inputs, changed) != loss

    @pytest.mark.parametrize("temperature", [0.0, 0.7])
    def test_generation_equals_full_windows(self, temperature):
        """The naive way: for each sample the whole network over what it looks at."""
        mel = np.random.default_rng(1).normal(size=(3, 4)).astype("float32")
        noise, model = self.model._noise(3 * HOP, 0, 0), self.model
        logits = np.zeros((3 * HOP, model.output_shape[-1]), "float32")
        (audio,) = on_cpu(folded_weights(model), [mel], [noise], HOP, temperature, [logits])
        window = -(-(model.receptive_field + model.kernel_size - 1) // HOP) * HOP  # whole frames of silence
        past = np.concatenate([np.zeros(window, "float32"), audio])
        frames = np.concatenate([np.zeros((window // HOP, 4), "float32"), mel]).repeat(HOP, axis=0)
        windows = [slice(t, t + window) for t in range(3 * HOP)]
        fine = WaveNet.from_config({**model.get_config(), "hop_length": 1})
        fine.set_weights(model.get_weights())
        naive = fine.predict_on_batch(
            {
                "audio": np.stack([past[w] for w in windows]),
                "audio_lengths": np.full(3 * HOP, window, "int32"),
                "mel": np.stack([frames[w] for w in windows]),
            }
        )[:, -1]
        np.testing.assert_allclose(logits, naive, rtol=0, atol=1e-4)
        if not temperature and model.num_classes is not None:
            classes = ops.convert_to_numpy(mu_law_encode(audio, model.num_classes))
            np.testing.assert_array_equal(classes, naive.argmax(axis=-1))

    def test_engines_agree_and_lists_change_nothing(self):
        mels = [np.random.default_rng(n).normal(size=(n, 4)) for n in (1, 2)]
        for temperature in (0.0, 0.7):
            alone = self.model.vocode(mels[0], temperature, seed=3)
            assert alone.shape == (HOP,) and alone.dtype == np.float32
            together = self.model.vocode(mels, temperature, seed=3)
            np.testing.assert_array_equal(together[0], alone)
            in_graph = self.model.vocode(mels, temperature, seed=3, engine="graph")
            for a, b in zip(together, in_graph, strict=True):
                assert np.ptp(a) > 0.0 or not temperature
                np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)
        assert np.any(self.model.vocode(mels[0], seed=4) != self.model.vocode(mels[0], seed=5))


class TestWaveNet(VocoderTestCase):
    arguments = {**SMALL, "normalization": {"momentum": 0.8}, "output_size": 32}
    vocabulary_size = 32
    num_parameters = 3 * 32 * 6 + 12 + 2 * (2 * 3 * 3 * 6 + 24 + 2 * 36) + 2 * 2 * 6 + 36 + 6 * 32
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class TestMixtureOfLogistics(VocoderTestCase):
    arguments = {**SMALL, "filters": 20, "skip_filters": 12, "output": "mixture_of_logistics", "output_size": 2}
    vocabulary_size = 3 * 2
    # What does not depend on the output is seen in TestWaveNet.
    test_preset_round_trip = test_preset_of_a_compiled_model_holds_no_optimizer = test_keras_file_round_trip = None
    test_damaged_preset_is_one_sentence = test_symbolic_shape_equals_eager_shape = test_compiled_equals_eager = None
    test_half_precision = test_misspelled_argument = test_padding_never_changes_a_training_step = None
    num_parameters = 3 * 20 + 40 + 2 * (2 * 3 * 10 * 20 + 80 + 20 * 12) + 400 + 2 * 2 * 20 + 12 * 12 + 12 * 6
    loss = MixtureOfLogistics(num_classes=4)


def test_size_and_receptive_field_of_the_original():
    assert count_parameters(WaveNet) == 696_960
    assert WaveNet(filters=2, num_mel_bins=2, output_size=2).receptive_field == 6139


@pytest.fixture(scope="module")
def original(shared):
    return shared / "golden" / "wavenet"


def original_network(folder):
    arguments = {"dilation_rates": (1, 2, 4) * 2, "filters": 16, "output_size": 64, "num_mel_bins": 16}
    model = WaveNet(**arguments, hop_length=1, normalization=ORIGINAL_NORMALIZATION)
    load_variables(model, dict(np.load(folder / "variables.npz")))
    return model


def as_array(weight):
    return weight.__array__() if isinstance(weight, Part) else ops.convert_to_numpy(weight).copy()


def test_generation_network_equals_the_original(original):
    inputs, outputs = np.load(original / "inputs.npz"), np.load(original / "outputs_infer.npz")
    first = int(inputs["infer_spec_offset"])
    mel = np.pad(inputs["condition"], [(0, 0), (29, 0), (0, 0)])[:, first : first + 29]
    batch = {"audio": inputs["infer_source"], "audio_lengths": np.array([29, 29]), "mel": mel}
    logits = original_network(original).predict_on_batch(batch)
    np.testing.assert_allclose(logits, outputs["encoder.logits"], rtol=0, atol=1e-5)


def test_training_equals_the_original(original):
    inputs, outputs = np.load(original / "inputs.npz"), np.load(original / "outputs_train.npz")
    clips = {"audio": inputs["source"], "audio_lengths": inputs["length"], "mel": inputs["condition"]}
    batch, targets = NextSample(64)(clips)
    model = original_network(original)
    before = {name: as_array(weight) for name, weight in name_table(model).items()}
    logits = ops.convert_to_numpy(model(batch, training=True))[:, model.receptive_field - 1 :]
    np.testing.assert_allclose(logits, outputs["encoder.logits"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(logits, np.load(original / "outputs_eval.npz")["encoder.logits"], rtol=0, atol=1e-4)
    model = original_network(original)
    model.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    np.testing.assert_allclose(model.train_on_batch(batch, targets), outputs["loss"], rtol=1e-5)
    for name, weight in name_table(model).items():
        after = np.float64(as_array(weight))
        if f"after_update:{name}" in outputs:
            expected = outputs[f"after_update:{name}"]
            np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5, err_msg=name)
            continue
        gradient, norm = before[name] - after, outputs[f"grad_norm:{name}"]
        np.testing.assert_allclose(np.linalg.norm(gradient), norm, rtol=2e-4, err_msg=name)
        if f"grad:{name}" in outputs:
            expected = outputs[f"grad:{name}"]
            np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-4 * norm, err_msg=name)


def test_names_are_those_of_the_original(shared):
    lines = (shared / "openseq2seq_names" / "text2speech_wavenet_float_eval.txt").read_text().splitlines()[1:]
    expected = {line.split("\t")[0] for line in lines if line} - {"global_step"}
    with keras.StatelessScope(initialize_variables=False):
        table = name_table(WaveNet())
    keras.utils.clear_session()
    assert set(table) == expected
    assert {name: tuple(weight.shape) for name, weight in table.items()} == {
        line.split("\t")[0]: tuple(int(n) for n in line.split("[")[1].split("]")[0].split(","))
        for line in lines
        if line and not line.startswith("global_step")
    }


def test_samples_have_the_probabilities_that_the_network_says():
    model = WaveNet(**{**SMALL, "output_size": 8, "hop_length": 1})
    randomize(model)
    uniform = ((np.arange(400) + 0.5) / 400).astype("float32")
    noises, mel = [np.full((1, 2), u, "float32") for u in uniform], np.zeros((1, 4), "float32")
    logits = np.zeros((1, 8), "float32")
    for temperature in (1.0, 0.5):
        on_cpu(folded_weights(model), [mel], noises[:1], 1, temperature, [logits])
        expected = np.exp(logits[0] / temperature) / np.exp(logits[0] / temperature).sum()
        audio = on_cpu(folded_weights(model), [mel] * 400, noises, 1, temperature)
        classes = ops.convert_to_numpy(mu_law_encode(np.concatenate(audio), 8))
        np.testing.assert_allclose(np.bincount(classes, minlength=8) / 400, expected, rtol=0, atol=1.5 / 400)


def test_samples_of_a_mixture_have_its_quantiles():
    arguments = {"output": "mixture_of_logistics", "output_size": 1, "hop_length": 1}
    model = WaveNet(**{**SMALL, **arguments})
    randomize(model)
    uniform = np.array([0.1, 0.5, 0.8], "float32")
    noises, mel = [np.full((1, 2), u, "float32") for u in uniform], np.zeros((1, 4), "float32")
    logits = [np.zeros((1, 3), "float32") for _ in uniform]
    audio = on_cpu(folded_weights(model), [mel] * 3, noises, 1, 0.3, logits)
    _, mean, log_scale = logits[0][0]
    expected = mean + 0.3 * np.exp(log_scale) * np.log(uniform / (1.0 - uniform))
    np.testing.assert_allclose(np.concatenate(audio), np.clip(expected, -1.0, 1.0), rtol=0, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow exports")
def test_generator_is_exported(tmp_path):
    import tensorflow as tf

    model = WaveNet(**{**SMALL, "output_size": 32})
    randomize(model)
    mel = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    noise = model._noise(2 * HOP, 7, 0)
    model.generator().export(tmp_path / "generator", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "generator")
    found = loaded.serve({"mel": mel[None], "noise": noise[None]})
    np.testing.assert_allclose(found[0], model.vocode(mel, seed=7), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 7}, "filters=7"),
        ({"num_mel_bins": 5}, "num_mel_bins=5"),
        ({"dilation_rates": (1, 0)}, r"dilation_rates\[1\]=0"),
        ({"dilation_rates": ()}, r"len\(dilation_rates\)=0"),
        ({"output": "gaussian"}, "output='gaussian'"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        WaveNet(**{**SMALL, **arguments})


def test_impossible_spectrograms_are_refused():
    model = WaveNet(**SMALL)
    for mel, message in (
        (np.zeros((3, 5)), r"shape \(3, 5\)"),
        (np.full((3, 4), np.nan), "finite"),
        (np.zeros((0, 4)), r"shape \(0, 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            model.vocode(mel)
    with pytest.raises(ValueError, match="temperature=-1"):
        model.vocode(np.zeros((3, 4)), temperature=-1)
    with pytest.raises(ValueError, match="3 frames or more"):
        model({"audio": np.zeros((1, 41)), "audio_lengths": np.array([41]), "mel": np.zeros((1, 2, 4))})
