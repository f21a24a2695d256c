import keras
import numpy as np
import pytest

from s2s_keras.layers.python_speech_features import PythonSpeechFeatures
from tests.layers.front_end_case import FrontEndCase, assert_golden, run, speech_like


class TestPythonSpeechFeatures(FrontEndCase):
    tolerance = 1e-3
    other_options = {"sample_rate": 8000, "window_ms": 25, "hop_ms": 12.5, "pad_to": 4}

    @staticmethod
    def make(num_features=20, window_ms=20, hop_ms=10, **kwargs):
        kwargs.pop("normalization", None)
        kwargs.pop("gain", None)
        return PythonSpeechFeatures("log_mel", num_features, window_ms=window_ms, hop_ms=hop_ms, **kwargs)

    def frames(self, samples):
        frames = 1 + -(-max(samples - 320, 0) // 160)
        return -(-frames // 8) * 8 if samples else 0

    @pytest.mark.parametrize(
        ("variant", "layer"),
        [
            ("logfbank64", PythonSpeechFeatures("log_mel", 64)),
            ("logfbank40", PythonSpeechFeatures("log_mel", 40)),
            ("logfbank64_pad16", PythonSpeechFeatures("log_mel", 64, pad_to=16)),
            ("logfbank64_pad0", PythonSpeechFeatures("log_mel", 64, pad_to=0)),
            ("spectrogram160", PythonSpeechFeatures("spectrogram", 160)),
            ("spectrogram160_default_backend", PythonSpeechFeatures("spectrogram", 160)),
            ("mfcc40", PythonSpeechFeatures("mfcc", 40)),
        ],
    )
    def test_golden(self, shared, variant, layer):
        assert_golden(layer, shared, f"psf_{variant}")

    def test_long_audio_is_the_same_as_its_parts(self):
        """Every normalization here is of the whole utterance, so long audio is checked against frames made by hand."""
        audio = speech_like(160 * 1500 + 77)
        features, mask = run(PythonSpeechFeatures("spectrogram", 20, pad_to=0), audio[None], [len(audio)])
        samples = np.trunc(audio / np.abs(audio).max() * 32767)
        starts = np.arange(0, len(audio) - 320, 160)
        power = np.abs(np.fft.rfft(np.stack([samples[start : start + 320] for start in starts]) * np.hanning(320))) ** 2
        expected = 10 * np.log10(power[:, :20])
        assert mask.sum() == len(starts) + 1
        np.testing.assert_allclose(
            np.diff(features[0, : len(starts)], axis=0) / features[0, : len(starts)].std(),
            np.diff(expected, axis=0) / expected.std(),
            atol=2e-2,
        )

    def test_appended_frames_count_as_real(self):
        layer = PythonSpeechFeatures("log_mel", 20, pad_to=8)
        features, mask = run(layer, speech_like(1700)[None], [1700])
        assert mask.all() and features.shape[1] == 16
        assert np.all(features[0, -2] == features[0, -1]) and features[0, -1, 0] < -1

    def test_errors(self):
        with pytest.raises(ValueError, match="features='fbank'"):
            PythonSpeechFeatures("fbank")
        with pytest.raises(ValueError, match="161 frequencies"):
            PythonSpeechFeatures("spectrogram", 200)

    @pytest.mark.parametrize("features", ["spectrogram", "mfcc"])
    def test_config_keeps_the_kind(self, features):
        layer = PythonSpeechFeatures(features, 13, pad_to=4)
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        audio = speech_like(4000)[None]
        np.testing.assert_array_equal(run(again, audio, [4000])[0], run(layer, audio, [4000])[0])
