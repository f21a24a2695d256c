import json

import numpy as np
import pytest

from s2s_keras.layers.log_mel_spectrogram import LogMelSpectrogram
from tests.layers.front_end_case import DitherAndGain, FrontEndCase, alone, assert_golden, run, speech_like


class TestLogMelSpectrogram(DitherAndGain, FrontEndCase):
    other_options = FrontEndCase.other_options | {"mel_scale": "htk", "min_frequency": 20.0, "max_frequency": 3000.0}

    @staticmethod
    def make(num_mel_bins=32, **kwargs):
        return LogMelSpectrogram(num_mel_bins, **kwargs)

    @pytest.mark.parametrize(
        ("variant", "options"),
        [
            ("global", {"normalization": "global"}),
            ("perfeat", {}),
            ("perfeat_hamming", {"window": "hamming"}),
            ("perfeat_nfft1024", {"fft_length": 1024}),
            ("w25ms", {"window_ms": 25}),
        ],
    )
    def test_golden(self, shared, variant, options):
        assert_golden(LogMelSpectrogram(64, **options), shared, f"librosa_logfbank64_{variant}")

    def test_golden_with_fixed_gain_mean_and_deviation(self, shared):
        variant = "librosa_logfbank64_gain_mean_std"
        config = json.loads((shared / "golden/features_asr/config.json").read_text())["variants"][variant]["params"]
        fixed = (config["features_mean"], config["features_std_dev"])
        assert_golden(LogMelSpectrogram(64, gain=config["gain"] * 32768, normalization=fixed), shared, variant)

    @pytest.mark.parametrize(
        ("sample_rate", "mel_scale", "window_ms", "hop_ms", "fft_length"),
        [
            (16000, "slaney", 20, 10, None),
            (16000, "htk", 25, 10, 1024),
            (8000, "slaney", 32, 7.3, None),
            (22050, "htk", 25, 10, None),
            (16000, "slaney", 10, 20, 256),
        ],
    )
    def test_librosa(self, sample_rate, mel_scale, window_ms, hop_ms, fft_length):
        librosa = pytest.importorskip("librosa")
        layer = LogMelSpectrogram(
            40,
            mel_scale,
            min_frequency=50.0,
            max_frequency=3800.0,
            sample_rate=sample_rate,
            window="hann_periodic",
            window_ms=window_ms,
            hop_ms=hop_ms,
            fft_length=fft_length,
            preemphasis=0.0,
            gain=1.0,
            normalization=None,
        )
        audio = speech_like(7777)
        expected = librosa.feature.melspectrogram(
            y=audio,
            sr=sample_rate,
            n_fft=layer.fft_length,
            hop_length=layer.hop_length,
            win_length=layer.window_length,
            pad_mode="reflect",
            n_mels=40,
            fmin=50.0,
            fmax=3800.0,
            htk=mel_scale == "htk",
            norm="slaney" if mel_scale == "slaney" else None,
        )
        np.testing.assert_allclose(alone(layer, audio), np.log(expected.T + 1e-20), atol=1e-4)

    def test_preemphasis_keeps_the_first_sample(self):
        librosa = pytest.importorskip("librosa")
        audio = speech_like(3000)
        options = {"gain": 1.0, "normalization": None}
        emphasized = librosa.effects.preemphasis(audio, coef=0.9, zi=np.zeros(1, "float32"))
        np.testing.assert_allclose(
            alone(self.make(preemphasis=0.9, **options), audio),
            alone(self.make(preemphasis=0.0, **options), emphasized),
            atol=1e-4,
        )

    def test_ends_are_mirrored_however_short_the_utterance(self):
        """As NumPy mirrors, which turns as often as it must: 640 samples before it, its first frame is the fifth."""
        layer = self.make(gain=1.0, preemphasis=0.0, normalization=None)
        for size in (1, 2, 3, 50, 200):
            audio = speech_like(size, seed=size)
            mirrored = np.pad(audio, 640, mode="reflect")
            np.testing.assert_allclose(alone(layer, audio)[0], alone(layer, mirrored)[4], atol=1e-4)

    def test_silence_is_zero_under_global_normalization_too(self):
        features, mask = run(self.make(normalization="global"), np.zeros((1, 400000)), [400000])
        assert mask.all() and not features.any()
