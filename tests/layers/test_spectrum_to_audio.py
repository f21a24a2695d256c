import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import SpectrumToAudio
from tests.checks import as_json


def spectrum(rows=2, frames=6):
    return np.random.default_rng(0).normal(size=(rows, frames, 34)).astype("float32")


def test_audio_is_that_of_librosa():
    librosa = pytest.importorskip("librosa")
    x = spectrum()
    logarithm, phase = np.split(x, 2, axis=-1)
    expected = librosa.istft((np.exp(logarithm) * np.exp(1j * phase)).swapaxes(1, 2), hop_length=8, n_fft=32)
    found = ops.convert_to_numpy(SpectrumToAudio(32, 8)(x))
    assert found.shape == (2, 40) == SpectrumToAudio(32, 8).compute_output_shape((2, 6, 34))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_mask_ends_here_and_padding_is_silent():
    layer, x = SpectrumToAudio(32, 8), spectrum()
    mask = np.array([[True] * 4 + [False] * 2, [True] * 6])
    x[0, 4:] = np.nan
    found = ops.convert_to_numpy(layer(x, mask=mask))
    np.testing.assert_allclose(found[0, :24], ops.convert_to_numpy(layer(x[:1, :4]))[0], atol=1e-6)
    assert not found[0, 24:].any() and np.isfinite(found).all()
    assert layer.compute_mask(x, mask) is None


def test_loud_magnitudes_are_limited():
    loud, limited = np.zeros((2, 1, 5, 34), "float32")
    loud[..., :17], limited[..., :17] = 50.0, np.log(100.0)
    found, expected = (ops.convert_to_numpy(SpectrumToAudio(32, 8)(x)) for x in (loud, limited))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_config_and_dtype():
    layer = SpectrumToAudio(32, 8, dtype="mixed_float16", name="audio")
    again = keras.saving.deserialize_keras_object(as_json(keras.saving.serialize_keras_object(layer)))
    assert again.get_config() == layer.get_config() and (again.fft_length, again.hop_length) == (32, 8)
    assert keras.backend.standardize_dtype(layer(spectrum()).dtype) == "float32"


def test_errors():
    with pytest.raises(ValueError, match="hop_length=17"):
        SpectrumToAudio(32, 17)
    with pytest.raises(ValueError, match="expected 34"):
        SpectrumToAudio(32, 8)(np.zeros((1, 4, 33), "float32"))
