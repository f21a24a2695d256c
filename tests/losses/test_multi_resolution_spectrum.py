import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.losses import MultiResolutionSpectrum
from tests.checks import as_json, compiled

SMALL = {"sample_rate": 1000, "fft_lengths": (16, 32), "num_mel_bins": (4, 8), "mel_weight": 0.5, "floor": 1e-3}


def sounds(seed=0, size=200):
    return np.random.default_rng(seed).normal(0.0, 0.1, (2, size)).astype("float32")


def distances(real, made, **options):
    loss = MultiResolutionSpectrum(**{**SMALL, **options}, reduction=None)
    return ops.convert_to_numpy(compiled(lambda real, made: loss(real, made))(real, made))


def test_written_out_with_librosa():
    librosa = pytest.importorskip("librosa")
    real, made = sounds(), sounds(1)
    expected = 0.0
    for length, bins in ((16, 4), (32, 8)):
        filters = librosa.filters.mel(sr=1000, n_fft=length, n_mels=bins).T
        padded = (np.pad(audio, [(0, 0), (0, length // 2)]) for audio in (real, made))
        a, b = (
            np.abs(librosa.stft(x, n_fft=length, hop_length=length // 4, pad_mode="constant")).swapaxes(1, 2)
            for x in padded
        )
        counts = (a.sum(-1) + b.sum(-1) > 0).sum(1)
        for weight, x, y in ((1.0, a, b), (0.5, a @ filters, b @ filters)):
            difference = np.abs(np.log(np.maximum(x, 1e-3)) - np.log(np.maximum(y, 1e-3))).mean(-1)
            expected = expected + weight * difference.sum(1) / counts
        expected = expected + np.linalg.norm(a - b, axis=(1, 2)) / np.sqrt((a**2).sum((1, 2)) + 1e-3)
    np.testing.assert_allclose(distances(real, made), expected / 2, rtol=1e-3)


def test_nothing_between_a_sound_and_itself_upside_down():
    np.testing.assert_allclose(distances(sounds(), -sounds()), 0.0, atol=1e-4)


def test_silence_behind_both_and_other_rows_change_nothing():
    real, made = sounds(), sounds(1)
    expected = distances(real, made)
    padded = distances(*(np.pad(x, [(0, 0), (0, 64)]) for x in (real, made)))
    np.testing.assert_allclose(padded, expected, rtol=1e-5)
    np.testing.assert_allclose(distances(real[1:], made[1:]), expected[1:], rtol=1e-5)


def test_an_empty_row_is_no_distance():
    nothing = np.zeros((1, 200), "float32")
    np.testing.assert_allclose(distances(nothing, nothing), 0.0, atol=1e-5)


def test_gradients_are_finite_in_silence_too():
    """The root and the logarithm have no slope at zero, and a network may begin with silence."""
    audio = keras.Input((200,))
    gain = keras.layers.Dense(200, use_bias=False, kernel_initializer="zeros")
    model = keras.Model(audio, gain(audio))
    is_jax = keras.backend.backend() == "jax"
    model.compile(keras.optimizers.SGD(1e-3), MultiResolutionSpectrum(**SMALL), jit_compile=is_jax)
    assert np.isfinite(model.train_on_batch(sounds(), sounds()))
    model.train_on_batch(sounds(), np.zeros((2, 200), "float32"))
    assert np.isfinite(ops.convert_to_numpy(gain.kernel)).all()


def test_config_round_trip():
    loss = MultiResolutionSpectrum(**SMALL, reduction="sum", name="spectrum")
    config = as_json(keras.saving.serialize_keras_object(loss))
    again = keras.saving.deserialize_keras_object(config)
    for name, value in {**SMALL, "reduction": "sum", "name": "spectrum", "dtype": "float32"}.items():
        assert getattr(again, name) == value
    assert as_json(again.get_config()) == config["config"]


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((2, 40, 1), (2, 40)), {}, r"\(2, 40, 1\)"),
        (((2, 40), (2, 40)), {"num_mel_bins": (4,)}, r"num_mel_bins=\(4,\)"),
    ],
)
def test_errors(shapes, options, message):
    with pytest.raises(ValueError, match=message):
        MultiResolutionSpectrum(**{**SMALL, **options})(*(np.zeros(shape, "float32") for shape in shapes))
