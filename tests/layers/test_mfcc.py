import numpy as np
import pytest

from s2s_keras.layers.mfcc import MFCC
from tests.layers.front_end_case import DitherAndGain, FrontEndCase, alone, assert_golden, run, speech_like


class TestMFCC(DitherAndGain, FrontEndCase):
    tolerance = 1e-3
    other_options = FrontEndCase.other_options | {"mel_scale": "htk", "num_mel_bins": 30, "top_db": 40.0}

    @staticmethod
    def make(num_coefficients=13, **kwargs):
        return MFCC(num_coefficients, **kwargs)

    @pytest.mark.parametrize(("variant", "normalization"), [("global", "global"), ("perfeat", "per_feature")])
    def test_golden_without_mel_and_logarithm(self, shared, variant, normalization):
        layer = MFCC(40, mel_scale=None, normalization=normalization)
        assert_golden(layer, shared, f"librosa_mfcc40_{variant}")

    @pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
    @pytest.mark.parametrize("top_db", [80.0, 20.0, None])
    def test_librosa(self, mel_scale, top_db):
        librosa = pytest.importorskip("librosa")
        layer = MFCC(20, 64, mel_scale, top_db, preemphasis=0.0, gain=1.0, normalization=None)
        audio = speech_like(7777) * np.linspace(0.001, 1, 7777, dtype="float32")
        power = librosa.feature.melspectrogram(
            y=audio,
            sr=16000,
            n_fft=512,
            hop_length=160,
            win_length=320,
            window=np.hanning(320),
            pad_mode="reflect",
            n_mels=64,
            htk=mel_scale == "htk",
            norm="slaney" if mel_scale == "slaney" else None,
        )
        expected = librosa.feature.mfcc(S=librosa.power_to_db(power, top_db=top_db), n_mfcc=20)
        np.testing.assert_allclose(alone(layer, audio), expected.T, atol=1e-4, rtol=1e-5)

    def test_top_db_counts_from_the_utterance_itself(self):
        layer = self.make(normalization=None, gain=1.0, top_db=20.0)
        audio = np.stack([speech_like(4000), 1e-3 * speech_like(4000)])
        together = run(layer, audio, [4000, 3000])[0]
        np.testing.assert_allclose(together[1, :19], alone(layer, audio[1, :3000]), atol=1e-3)

    def test_too_many_coefficients(self):
        with pytest.raises(ValueError, match="at most 20"):
            MFCC(21, 20)
