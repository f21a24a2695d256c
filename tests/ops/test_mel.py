import numpy as np
import pytest

from s2s_keras.ops.mel import cosine_transform, hz_to_mel, mel_filter_bank, mel_to_hz


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize(
    ("bins", "fft_length", "sample_rate", "low", "high"),
    [(64, 512, 16000, 0, None), (80, 1024, 22050, 20, 8000), (13, 256, 8000, 100, 3999), (64, 512, 8000, 0, 4000)],
)
def test_filters_equal_librosa(mel_scale, bins, fft_length, sample_rate, low, high):
    librosa = pytest.importorskip("librosa")
    filters = mel_filter_bank(bins, fft_length, sample_rate, mel_scale, low, high)
    slaney = mel_scale == "slaney"
    expected = librosa.filters.mel(
        sr=sample_rate,
        n_fft=fft_length,
        n_mels=bins,
        fmin=low,
        fmax=high,
        htk=not slaney,
        norm="slaney" if slaney else None,
    )
    assert filters.dtype == np.float32
    np.testing.assert_allclose(filters, expected.T, atol=1e-7)


@pytest.mark.parametrize("bins", [13, 40, 64, 80])
def test_integer_filters_by_their_definition(bins):
    """HTK's book with edges on whole bins, written out bin by bin."""
    mels = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), bins + 2)
    edges = np.floor(513 * (700 * (10 ** (mels / 2595) - 1)) / 16000).astype(int)
    expected = np.zeros((257, bins))
    for number in range(bins):
        lower, center, upper = edges[number : number + 3]
        for index in range(lower, center):
            expected[index, number] = (index - lower) / (center - lower)
        for index in range(center, upper):
            expected[index, number] = (upper - index) / (upper - center)
    np.testing.assert_allclose(mel_filter_bank(bins, 512, 16000, "htk_integer"), expected, atol=1e-7)


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
def test_scales_equal_librosa_and_invert(mel_scale):
    librosa = pytest.importorskip("librosa")
    frequencies = np.array([0.0, 1.0, 440.0, 999.0, 1000.0, 1001.0, 8000.0, 22050.0])
    mels = hz_to_mel(frequencies, mel_scale)
    np.testing.assert_allclose(mels, librosa.hz_to_mel(frequencies, htk=mel_scale == "htk"), rtol=1e-12)
    np.testing.assert_allclose(mel_to_hz(mels, mel_scale), frequencies, rtol=1e-12)


@pytest.mark.parametrize(("size", "coefficients"), [(40, 13), (64, 64), (257, 40)])
def test_cosine_transform_equals_scipy(size, coefficients):
    fft = pytest.importorskip("scipy.fft")
    values = np.random.default_rng(0).normal(size=(5, size)).astype("float32")
    expected = fft.dct(values, type=2, norm="ortho", axis=1)[:, :coefficients]
    np.testing.assert_allclose(values @ cosine_transform(size, coefficients), expected, atol=1e-5)


def test_errors():
    with pytest.raises(ValueError, match="mel_scale='bark'"):
        mel_filter_bank(64, 512, 16000, "bark")
    with pytest.raises(ValueError, match="max_frequency=9000"):
        mel_filter_bank(64, 512, 16000, max_frequency=9000)
