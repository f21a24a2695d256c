"""What every audio front end must do, inherited by the tests of each."""

import inspect
import json

import keras
import numpy as np
import pytest
import soundfile

LENGTHS = (0, 1, 160, 321, 2559, 3000)


def speech_like(size, seed=0):
    """Noise that swells and fades: a signal whose frames differ from each other."""
    noise = np.random.default_rng(seed).normal(size=size)
    return (0.1 * noise * (1.2 + np.sin(np.arange(size) / 700.0))).astype("float32")


def run(layer, audio, lengths, **kwargs):
    """Features and mask of a layer as arrays."""
    inputs = [np.asarray(audio, "float32"), np.asarray(lengths, "int32")]
    features = keras.ops.convert_to_numpy(layer(inputs, **kwargs))
    return features, keras.ops.convert_to_numpy(layer.compute_mask(inputs))


def alone(layer, audio):
    """Features of one utterance that is a batch of its own."""
    features, mask = run(layer, audio[None], [len(audio)])
    return features[mask]


def golden_audio(shared):
    """The recordings of the reference outputs: {name: samples}."""
    config = json.loads((shared / "golden/features_asr/config.json").read_text())
    names = [name.removesuffix(".wav") for name in config["wavs"]]
    return {name: soundfile.read(next((shared / "data/an4").rglob(name + ".*")), dtype="float32")[0] for name in names}


def assert_golden(layer, shared, variant, tolerance=1e-3):
    """The eight recordings, in one batch padded with NaN, have the features that the original computed from each."""
    reference = np.load(shared / f"golden/features_asr/{variant}.npz")
    recordings = golden_audio(shared)
    audio = np.full((len(recordings), max(map(len, recordings.values())) + 500), np.nan, "float32")
    for row, samples in zip(audio, recordings.values(), strict=True):
        row[: len(samples)] = samples
    features, mask = run(layer, audio, [len(samples) for samples in recordings.values()])
    for name, row, real in zip(recordings, features, mask, strict=True):
        frames = reference[f"{name}.shape"][0]
        np.testing.assert_array_equal(real, np.arange(len(real)) < frames)
        row = row[:frames]
        assert row.shape == tuple(reference[f"{name}.shape"])
        np.testing.assert_allclose(row[::32], reference[f"{name}.every32"], atol=tolerance)
        np.testing.assert_allclose(row[:4], reference[f"{name}.head4"], atol=tolerance)
        np.testing.assert_allclose(row[-4:], reference[f"{name}.tail4"], atol=tolerance)
        np.testing.assert_allclose(row.mean(0), reference[f"{name}.sum_t"] / frames, atol=tolerance)
        if f"{name}.full" in reference:
            np.testing.assert_allclose(row, reference[f"{name}.full"], atol=tolerance)


class FrontEndCase:
    """Inherit and set `make`, which builds the layer, and `other_options`, none of them a default."""

    tolerance = 2e-4
    other_options = {
        "sample_rate": 8000,
        "window": "hamming",
        "window_ms": 25,
        "hop_ms": 12.5,
        "fft_length": 400,
        "preemphasis": 0.5,
        "dither": 0.25,
        "gain": 2.0,
        "normalization": "global",
        "seed": 7,
    }

    @staticmethod
    def make(**kwargs):
        raise NotImplementedError

    def frames(self, samples):
        """Frames that `samples` samples have."""
        return 1 + samples // 160 if samples else 0

    def test_padding_and_neighbours_change_nothing(self):
        layer = self.make()
        utterances = [speech_like(length, seed) for seed, length in enumerate(LENGTHS)]
        audio = np.full((len(LENGTHS), max(LENGTHS) + 1234), np.nan, "float32")
        for row, utterance in zip(audio, utterances, strict=True):
            row[: len(utterance)] = utterance
        features, mask = run(layer, audio, LENGTHS)
        assert np.all(features[~mask] == 0)
        for utterance, row, real in zip(utterances, features, mask, strict=True):
            assert real.sum() == self.frames(len(utterance))
            if len(utterance):
                np.testing.assert_allclose(row[real], alone(layer, utterance), atol=self.tolerance)
        audio[np.isnan(audio)] = 1e9
        np.testing.assert_array_equal(run(layer, audio, LENGTHS)[0], features)

    def test_short_and_silent_audio_is_finite(self):
        audio = np.zeros((4, 800), "float32")
        audio[1, :3] = (0.5, -0.5, 0.25)
        features, mask = run(self.make(), audio, [800, 3, 1, 0])
        assert np.isfinite(features).all()
        assert mask.sum(axis=1).tolist() == [self.frames(length) for length in (800, 3, 1, 0)]

    def test_audio_without_samples(self):
        features, mask = run(self.make(), np.zeros((2, 0)), [0, 0])
        assert features.shape[0] == 2 and not mask.any() and not features.any()

    def test_a_length_beyond_the_audio_counts_as_all_of_it(self):
        audio = speech_like(2560)[None]
        layer = self.make()
        np.testing.assert_array_equal(run(layer, audio, [9999])[0], run(layer, audio, [2560])[0])

    def test_long_audio_is_the_same_as_its_parts(self):
        """More frames than one chunk: those far from the ends equal the frames of a shorter piece."""
        layer = self.make(normalization=None, gain=1.0)
        audio = speech_like(160 * 2500)
        whole = alone(layer, audio)
        for start in (0, 1000, 2000):
            piece = alone(layer, audio[160 * start : 160 * (start + 500)])
            np.testing.assert_allclose(piece[5:490], whole[start + 5 : start + 490], atol=self.tolerance)

    @pytest.mark.parametrize("jit_compile", [False, "auto"])
    def test_compiled_equals_eager(self, jit_compile):
        layer = self.make()
        inputs = [keras.Input((None,)), keras.Input((), dtype="int32")]
        model = keras.Model(inputs, layer(inputs))
        assert model.output_shape == (None, None, layer.num_features)
        model.compile(jit_compile=jit_compile or keras.backend.backend() == "tensorflow")
        audio = np.stack([speech_like(4000, seed) for seed in range(3)])
        lengths = np.array([4000, 1500, 0], "int32")
        expected, mask = run(layer, audio, lengths)
        assert layer.compute_output_shape([(3, 4000), (3,)]) == expected.shape
        np.testing.assert_allclose(model.predict_on_batch([audio, lengths]), expected, atol=self.tolerance)

    def test_the_mask_reaches_the_next_layer(self):
        inputs = [keras.Input((None,)), keras.Input((), dtype="int32")]
        pooled = keras.layers.GlobalAveragePooling1D()(self.make(normalization=None)(inputs))
        audio, lengths = np.stack([speech_like(4000)] * 2), np.array([1600, 4000], "int32")
        result = keras.Model(inputs, pooled).predict_on_batch([audio, lengths])
        features, mask = run(self.make(normalization=None), audio, lengths)
        np.testing.assert_allclose(result[0], features[0][mask[0]].mean(0), rtol=1e-4, atol=1e-4)

    def test_config_round_trip(self):
        layer = self.make(name="front_end", **self.other_options)
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert type(again) is type(layer) and again.get_config() == layer.get_config()
        for name, value in self.other_options.items():
            assert again.get_config()[name] == value and getattr(again, name) == value
        arguments = set(inspect.signature(type(layer).__init__).parameters) - {"self", "kwargs"}
        assert arguments <= set(again.get_config())
        audio = speech_like(4000)[None]
        np.testing.assert_array_equal(run(again, audio, [4000])[0], run(layer, audio, [4000])[0])

    def test_float32_under_every_policy(self):
        audio = speech_like(4000)[None]
        expected = run(self.make(), audio, [4000])[0]
        previous = keras.config.dtype_policy()
        try:
            keras.config.set_dtype_policy("mixed_float16")
            for layer in (self.make(), self.make(dtype="mixed_float16")):
                features = run(layer, audio, [4000])[0]
                assert features.dtype == np.float32
                np.testing.assert_array_equal(features, expected)
        finally:
            keras.config.set_dtype_policy(previous)


class DitherAndGain:
    """For the front ends that have these options; mixed into `FrontEndCase`."""

    def test_dither_is_added_in_training_only_and_follows_the_seed(self):
        audio = speech_like(4000)[None]
        clean = run(self.make(dither=0.0), audio, [3000])[0]
        layer, twin, other = (self.make(dither=1e-2, seed=seed) for seed in (3, 3, 4))
        np.testing.assert_array_equal(run(layer, audio, [3000])[0], clean)
        first, mask = run(layer, audio, [3000], training=True)
        assert np.abs(first - clean)[mask].mean() > 1e-3 and np.all(first[~mask] == 0)
        np.testing.assert_array_equal(run(twin, audio, [3000], training=True)[0], first)
        assert np.abs(run(layer, audio, [3000], training=True)[0] - first).max() > 1e-3
        assert np.abs(run(other, audio, [3000], training=True)[0] - first).max() > 1e-3

    def test_peak_gain_undoes_loudness_and_a_fixed_gain_does_not(self):
        audio = speech_like(4000)
        pair = np.stack([audio, 0.25 * audio])
        loud, quiet = run(self.make(normalization=None), pair, [4000, 4000])[0]
        np.testing.assert_allclose(quiet, loud, atol=0.02)
        loud, quiet = run(self.make(normalization=None, gain=1.0), pair, [4000, 4000])[0]
        assert np.abs(loud - quiet).max() > 1.0
        louder = run(self.make(normalization=None, gain=4.0), pair, [4000, 4000])[0][1]
        np.testing.assert_allclose(louder, loud, atol=1e-3)

    def test_normalization_counts_real_frames_only(self):
        audio = np.stack([speech_like(9000, seed) for seed in range(2)])
        features, mask = run(self.make(normalization="per_feature"), audio, [9000, 5000])
        for row, real in zip(features, mask, strict=True):
            np.testing.assert_allclose(row[real].mean(0), 0, atol=1e-4)
            np.testing.assert_allclose(row[real].std(0), 1, atol=1e-3)
        features, mask = run(self.make(normalization="global"), audio, [9000, 5000])
        for row, real in zip(features, mask, strict=True):
            assert abs(row[real].mean()) < 1e-4 and abs(row[real].std() - 1) < 1e-3

    def test_fixed_normalization(self):
        audio = speech_like(4000)[None]
        raw = run(self.make(normalization=None), audio, [4000])[0]
        size = raw.shape[-1]
        mean, deviation = np.linspace(-3, 1, size), np.linspace(1, 2, size)
        fixed = run(self.make(normalization=(mean, deviation.tolist())), audio, [4000])[0]
        np.testing.assert_allclose(fixed, (raw - mean) / deviation, rtol=1e-4, atol=1e-4)
        single = run(self.make(normalization=(-2.0, 4)), audio, [4000])[0]
        np.testing.assert_allclose(single, (raw + 2) / 4, rtol=1e-4, atol=1e-4)

    def test_a_feature_that_does_not_vary_becomes_zero(self):
        features, mask = run(self.make(normalization="per_feature"), np.zeros((1, 400000)), [400000])
        assert mask.all() and not features.any()
        one_frame = run(self.make(normalization="per_feature"), speech_like(100)[None], [100])[0]
        assert one_frame.shape[1] == 1 and not one_frame.any()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"window": "kaiser"}, "window='kaiser'"),
            ({"normalization": "batch"}, "'batch'"),
            ({"normalization": (0.0, 0.0)}, "above 0"),
            ({"gain": "max"}, "gain='max'"),
            ({"fft_length": 256}, "fft_length=256"),
            ({"hop_ms": 0}, "hop_ms=0"),
        ],
    )
    def test_errors(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            self.make(**arguments)
