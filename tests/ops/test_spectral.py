import numpy as np
import pytest
from keras import ops

from s2s_keras.ops import spectral
from s2s_keras.ops.exporting import exporting


@pytest.mark.parametrize("size", [1, 2, 5, 40])
@pytest.mark.parametrize(("left", "right"), [(3, 3), (0, 7), (20, 50)])
def test_mirror_ends_equals_numpy(size, left, right):
    samples = np.random.default_rng(size).normal(size=size).astype("float32")
    audio = np.zeros((2, left + 60 + right), "float32")
    audio[0, left : left + size] = samples
    mirrored = ops.convert_to_numpy(spectral.mirror_ends(audio, np.array([size, 0], "int32"), left, right))
    np.testing.assert_array_equal(mirrored[0, : left + size + right], np.pad(samples, (left, right), mode="reflect"))
    assert not mirrored[0, left + size + right :].any() and not mirrored[1].any()


@pytest.mark.parametrize("coefficient", [0.0, 0.97])
def test_preemphasis(coefficient):
    audio = np.array([[1.0, 2.0, 4.0]], "float32")
    result = ops.convert_to_numpy(spectral.pad_and_emphasize(audio, 2, 1, coefficient))
    expected = [0, 0, 1, 2 - coefficient, 4 - 2 * coefficient, -4 * coefficient]
    np.testing.assert_allclose(result[0], expected, atol=1e-6)


@pytest.mark.parametrize("num_frames", [1, 2, 1024, 1025, 3000])
@pytest.mark.parametrize(("hop_length", "fft_length"), [(4, 8), (3, 8), (8, 8), (11, 8)])
def test_chunks_join_to_all_frames(num_frames, hop_length, fft_length):
    """The power at frequency 0 is the squared sum of a frame's samples, so it shows where every frame was cut."""
    chunks, frames, needed = spectral.chunk_layout(num_frames, hop_length, fft_length)
    audio = np.random.default_rng(0).uniform(1, 2, size=(2, needed)).astype("float32")
    window = np.ones(fft_length, "float32")

    def transform(piece):
        return spectral.power_spectrum(piece, window, hop_length, fft_length)[:, :, :1]

    power = spectral.map_chunks(transform, audio, chunks, frames, hop_length, fft_length)
    starts = hop_length * np.arange(num_frames)
    sums = np.stack([audio[:, start : start + fft_length].sum(axis=1) for start in starts], axis=1)
    np.testing.assert_allclose(np.sqrt(ops.convert_to_numpy(power)[:, :num_frames, 0]), sums, rtol=1e-5)


@pytest.mark.parametrize("format", ["onnx", "litert"])
@pytest.mark.parametrize(
    ("window_length", "hop_length", "fft_length"), [(320, 160, 512), (5, 3, 8), (8, 11, 8), (4, 3, 7)]
)
def test_portable_spectrum_is_the_same(window_length, hop_length, fft_length, format):
    audio = np.random.default_rng(0).normal(size=(2, fft_length + 4 * hop_length)).astype("float32")
    window = spectral.window_function("hann", window_length)
    expected = ops.convert_to_numpy(spectral.power_spectrum(audio, window, hop_length, fft_length))
    with exporting(format):
        power = ops.convert_to_numpy(spectral.power_spectrum(audio, window, hop_length, fft_length))
    assert power.shape == (2, 5, fft_length // 2 + 1)
    np.testing.assert_allclose(power, expected, rtol=1e-4, atol=1e-5)


def test_windows():
    np.testing.assert_allclose(spectral.window_function("hann", 320), np.hanning(320), atol=1e-7)
    np.testing.assert_allclose(spectral.window_function("hann_periodic", 320), np.hanning(321)[:-1], atol=1e-7)
    np.testing.assert_allclose(spectral.window_function("hamming", 320), np.hamming(320), atol=1e-7)
    assert spectral.window_function("rectangular", 320).tolist() == [1.0] * 320
    with pytest.raises(ValueError, match="window='none'"):
        spectral.window_function("none", 320)
