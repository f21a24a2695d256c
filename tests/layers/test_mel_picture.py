import keras
import librosa
import numpy as np
import pytest

from s2s_keras.layers import MelPicture


def picture(layer, recordings, **kwargs):
    audio = np.zeros((len(recordings), max(map(len, recordings))), "float32")
    for row, recording in zip(audio, recordings, strict=True):
        row[: len(recording)] = recording
    return keras.ops.convert_to_numpy(layer([audio, np.array(list(map(len, recordings)))], **kwargs))


def test_a_second_lies_in_the_middle_as_librosa_has_it():
    audio = np.random.default_rng(0).normal(0, 0.1, 16000).astype("float32")
    expected = librosa.feature.melspectrogram(
        y=audio, sr=16000, n_fft=1024, hop_length=256, n_mels=120, htk=True, norm=None, pad_mode="reflect"
    )
    found = picture(MelPicture(120), [audio])[0]
    assert expected.shape == (120, 63)
    assert not found[:28].any() and not found[91:].any()
    np.testing.assert_allclose(found[28:91], np.log(np.maximum(expected, 1e-5)).T, rtol=0, atol=2e-3)


def test_of_a_long_recording_the_middle_is_taken_and_in_training_any_part():
    rng = np.random.default_rng(0)
    recordings = [rng.uniform(-1, 1, n).astype("float32") for n in (1000, 300)]
    layer = MelPicture(8, sample_rate=1000, window_ms=16, hop_ms=10)
    whole = picture(MelPicture(120, sample_rate=1000, window_ms=16, hop_ms=10, fft_length=512), recordings)
    assert whole.shape == (2, 120, 120)
    wide = MelPicture(8, sample_rate=1000, window_ms=16, hop_ms=10)
    wide.size = 101  # frames; the filters stay
    all_frames = picture(wide, recordings[:1])[0]
    np.testing.assert_allclose(picture(layer, recordings)[0], all_frames[47:55], rtol=0, atol=1e-5)
    starts = set()
    for _ in range(12):
        found = picture(layer, recordings, training=True)[0]
        errors = [np.abs(found - all_frames[n : n + 8]).max() for n in range(94)]
        assert min(errors) < 1e-5
        starts.add(int(np.argmin(errors)))
    assert len(starts) > 3


def test_the_frames_of_a_front_end_are_those_of_its_shape():
    layer = MelPicture(8, sample_rate=1000, window_ms=16, hop_ms=10)
    x = [keras.Input((None,)), keras.Input((), dtype="int32")]
    assert layer(x).shape == (None, 8, 8)
    again = MelPicture.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("samples", [0, 1])
def test_next_to_no_audio_is_a_picture_too(samples):
    layer = MelPicture(8, sample_rate=1000, window_ms=16, hop_ms=10)
    assert np.isfinite(picture(layer, [np.zeros(max(samples, 1), "float32")[:samples], np.zeros(50)])).all()
