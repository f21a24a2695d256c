"""What all front ends share is tested with the others; here is what this one does with a spectrum."""

import inspect

import keras
import numpy as np
import pytest

from s2s_keras.layers import MelSpectrogram
from tests.checks import as_json, compiled, values
from tests.layers.front_end_case import golden_audio, speech_like

LENGTHS = (0, 1, 500, 3000)
OPTIONS = {
    "sample_rate": 8000,
    "fft_length": 512,
    "hop_length": 100,
    "num_mel_bins": 24,
    "mel_scale": "htk",
    "min_frequency": 20.0,
    "max_frequency": 3000.0,
    "power": 2.0,
    "floor": 1e-2,
    "window": "hamming",
    "preemphasis": 0.5,
    "dither": 0.25,
    "gain": 2.0,
    "normalization": "global",
    "seed": 7,
}
VARIANTS = [
    ("mel80_htk_pow2", {"mel_scale": "htk", "power": 2.0, "floor": 1e-2}),
    ("mel80_slaney_pow1", {}),
    ("magnitude513_pow1", {"num_mel_bins": None}),
]
if keras.backend.backend() != "jax":  # which compiles everything anew for each
    VARIANTS += [
        ("mel80_htk_pow1", {"mel_scale": "htk", "floor": 1e-2}),
        ("both_pow1.mel", {"mel_scale": "htk", "floor": 1e-2}),
        ("both_pow1.mag", {"num_mel_bins": None}),
        ("mel80_norm", {"mel_scale": "htk", "normalization": (-4.0, 2.0)}),
        ("mel80_hop200_ignored", {"mel_scale": "htk", "fft_length": 800, "hop_length": 200}),
    ]


def run(layer, audio, lengths):
    """Spectrograms and mask of a layer as arrays."""
    function = compiled(lambda *inputs: (layer(inputs), layer.compute_mask(inputs)))
    return values(function(np.asarray(audio, "float32"), np.asarray(lengths, "int32")))


def alone(layer, audio):
    """The spectrogram of one utterance that is a batch of its own."""
    return run(layer, audio[None], [len(audio)])[0][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": "kaiser"}, "window='kaiser'"),
        ({"normalization": "batch"}, "'batch'"),
        ({"gain": "max"}, "gain='max'"),
        ({"hop_length": 0}, "hop_ms=0"),
        ({"mel_scale": "bark"}, "mel_scale='bark'"),
        ({"power": 0}, "power=0"),
        ({"floor": 0.0}, "floor=0.0"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        MelSpectrogram(**arguments)


@pytest.mark.parametrize(("variant", "options"), VARIANTS)
def test_golden(shared, variant, options):
    """The eight recordings, in one batch padded with NaN, as the original has them one by one."""
    tolerance = 1e-3
    file, _, part = variant.partition(".")
    reference, recordings = np.load(shared / f"golden/features_tts/{file}.npz"), golden_audio(shared)
    audio = np.full((len(recordings), max(map(len, recordings.values())) + 500), np.nan, "float32")
    for row, samples in zip(audio, recordings.values(), strict=True):
        row[: len(samples)] = samples
    mel, mask = run(MelSpectrogram(**options), audio, [len(samples) for samples in recordings.values()])
    for name, row, real in zip(recordings, mel, mask, strict=True):
        key = f"{name}.{part}" if part else name
        row, step = row[real], 64 if row.shape[-1] == 513 else 32
        assert row.shape == tuple(reference[f"{key}.shape"])
        np.testing.assert_allclose(row[::step], reference[f"{key}.every32"], atol=tolerance)
        np.testing.assert_allclose(row[:4], reference[f"{key}.head4"], atol=tolerance)
        np.testing.assert_allclose(row.mean(0), reference[f"{key}.sum_t"] / len(row), atol=tolerance)


@pytest.mark.parametrize(
    ("options", "librosa_options"),
    [
        ({}, {"sr": 16000, "n_fft": 1024, "hop_length": 256}),
        (
            {"sample_rate": 22050, "max_frequency": 8000.0},
            {"sr": 22050, "n_fft": 1024, "hop_length": 256, "fmax": 8000.0},
        ),
        (
            {"fft_length": 800, "hop_length": 200, "mel_scale": "htk", "power": 2.0, "min_frequency": 50.0},
            {"sr": 16000, "n_fft": 800, "hop_length": 200, "htk": True, "norm": None, "power": 2.0, "fmin": 50.0},
        ),
    ],
    ids=["default", "NVIDIA", "htk"],
)
def test_librosa(options, librosa_options):
    librosa = pytest.importorskip("librosa")
    layer, audio = MelSpectrogram(**options), speech_like(7777)
    mel = librosa.feature.melspectrogram(y=audio, n_mels=80, pad_mode="reflect", **{"power": 1.0, **librosa_options})
    np.testing.assert_allclose(alone(layer, audio), np.log(np.maximum(mel.T, 1e-5)), atol=1e-4)


def test_magnitude_is_that_of_librosa():
    librosa = pytest.importorskip("librosa")
    audio = speech_like(5000)
    spectrum = librosa.stft(audio, n_fft=1024, hop_length=256, pad_mode="reflect")
    found = np.exp(alone(MelSpectrogram(num_mel_bins=None), audio))
    np.testing.assert_allclose(found, np.maximum(np.abs(spectrum.T), 1e-5), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("sample_rate", [8000, 11025, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("hop_length", [200, 256, 275, 300])
def test_hop_and_transform_are_whole_samples_at_every_rate(sample_rate, hop_length):
    layer = MelSpectrogram(sample_rate, 1200, hop_length)
    assert (layer.hop_length, layer.window_length, layer.fft_length) == (hop_length, 1200, 1200)


def test_silence_is_at_the_floor_and_padding_is_zero():
    mel, mask = run(MelSpectrogram(), np.zeros((1, 4000)), [2000])
    np.testing.assert_allclose(mel[mask], np.log(1e-5), rtol=1e-6)
    assert not mel[~mask].any()


def test_padding_and_neighbours_change_nothing():
    layer = MelSpectrogram(fft_length=512, hop_length=160, num_mel_bins=32)
    audio = np.zeros((4, 3700), "float32")
    for row, length in zip(audio, LENGTHS, strict=True):
        row[:length] = speech_like(length)
    expected, mask = run(layer, audio, LENGTHS)
    assert mask.sum(axis=1).tolist() == [0, 1, 4, 19]
    assert np.isfinite(expected).all() and not expected[~mask].any() and expected[mask].all()
    for row, length in zip(audio, LENGTHS, strict=True):
        row[length:] = np.nan
    audio[3] = speech_like(3700, seed=1)
    mel = run(layer, audio, (*LENGTHS[:3], 3700))[0]
    np.testing.assert_array_equal(mel[:3], expected[:3])


def test_config_round_trip():
    layer = MelSpectrogram(**OPTIONS)
    again = keras.saving.deserialize_keras_object(as_json(keras.saving.serialize_keras_object(layer)))
    assert type(again) is MelSpectrogram and again.get_config() == layer.get_config()
    for name, value in OPTIONS.items():
        assert again.get_config()[name] == value and getattr(again, name) == value
    assert set(inspect.signature(MelSpectrogram.__init__).parameters) - {"self", "kwargs"} <= set(OPTIONS)


def test_float32_and_static_shape_in_a_model_of_half_precision():
    inputs = [keras.Input((4000,)), keras.Input((), dtype="int32")]
    layer = MelSpectrogram(fft_length=512, hop_length=160, num_mel_bins=32, dtype="mixed_float16")
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, 26, 32) and model.output.dtype == "float32"
    audio, lengths = speech_like(4000)[None], np.array([3000], "int32")
    np.testing.assert_allclose(model.predict_on_batch([audio, lengths]), run(layer, audio, lengths)[0], atol=2e-4)
