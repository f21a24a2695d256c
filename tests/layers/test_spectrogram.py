import numpy as np
import pytest

from s2s_keras.layers.spectrogram import Spectrogram
from tests.layers.front_end_case import DitherAndGain, FrontEndCase, alone, assert_golden, speech_like


class TestSpectrogram(DitherAndGain, FrontEndCase):
    tolerance = 2e-3  # decibels of single bins, some of which all but cancel

    @staticmethod
    def make(num_bins=32, **kwargs):
        return Spectrogram(num_bins, **kwargs)

    @pytest.mark.parametrize(("variant", "normalization"), [("global", "global"), ("perfeat", "per_feature")])
    def test_golden(self, shared, variant, normalization):
        assert_golden(Spectrogram(160, normalization=normalization), shared, f"librosa_spectrogram160_{variant}")

    def test_librosa(self):
        librosa = pytest.importorskip("librosa")
        layer = Spectrogram(window="hann_periodic", gain=1.0, normalization=None)
        audio = speech_like(7777)
        spectrum = librosa.stft(audio, n_fft=320, hop_length=160, pad_mode="reflect")
        power = np.exp(alone(layer, audio) * np.log(10) / 10)
        np.testing.assert_allclose(power, np.abs(spectrum.T) ** 2, rtol=1e-4, atol=1e-4)

    def test_all_bins_by_default(self):
        assert Spectrogram().num_features == 161
        assert Spectrogram(fft_length=512).num_features == 257

    def test_too_many_bins(self):
        with pytest.raises(ValueError, match="161 frequencies"):
            Spectrogram(162)
