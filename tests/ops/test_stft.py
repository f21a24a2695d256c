import numpy as np
import pytest
from keras import ops

from s2s_keras.ops.exporting import exporting
from s2s_keras.ops.spectral import window_function
from s2s_keras.ops.stft import istft, overlap_add, split_frames, stft

WINDOW = window_function("hann_periodic", 32)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numpy_of(*tensors):
    return [ops.convert_to_numpy(x) for x in tensors]


@pytest.mark.parametrize(("length", "hop"), [(8, 2), (8, 3), (7, 4), (4, 4), (3, 5)])
def test_frames_and_their_sum_are_those_written_as_loops(length, hop):
    audio = noise(2, 29)
    starts = range(0, 29 - length + 1, hop)
    expected = np.stack([audio[:, start : start + length] for start in starts], axis=1)
    (frames,) = numpy_of(split_frames(audio, length, hop))
    np.testing.assert_array_equal(frames, expected)
    (total,) = numpy_of(overlap_add(frames, hop))
    summed = np.zeros((2, (len(starts) - 1 + -(-length // hop)) * hop))
    for n, start in enumerate(starts):
        summed[:, start : start + length] += expected[:, n]
    np.testing.assert_allclose(total, summed, atol=1e-6)


def test_librosa():
    librosa = pytest.importorskip("librosa")
    audio = noise(1, 203)
    spectrum = librosa.stft(audio[0], n_fft=32, hop_length=8, pad_mode="constant").T
    real, imaginary = numpy_of(*stft(audio, WINDOW, 8))
    np.testing.assert_allclose(real[0] + 1j * imaginary[0], spectrum, atol=1e-5)
    changed = spectrum * np.exp(1j * noise(*spectrum.shape))  # of no audio: what comes closest counts
    (found,) = numpy_of(istft(changed.real[None].astype("float32"), changed.imag[None].astype("float32"), WINDOW, 8))
    np.testing.assert_allclose(found[0], librosa.istft(changed.T, hop_length=8), atol=1e-5)


@pytest.mark.parametrize("hop", [8, 12, 16])
def test_there_and_back(hop):
    audio = noise(2, 10 * hop)
    (again,) = numpy_of(istft(*stft(audio, WINDOW, hop), WINDOW, hop))
    np.testing.assert_allclose(again, audio, atol=1e-5)


def test_an_utterance_is_the_same_in_a_batch():
    real, imaginary = noise(2, 12, 17), noise(2, 12, 17, seed=1)
    mask = np.arange(12)[None] < np.array([[7], [12]])
    (together,) = numpy_of(istft(real, imaginary, WINDOW, 8, mask))
    (alone,) = numpy_of(istft(real[:1, :7], imaginary[:1, :7], WINDOW, 8))
    np.testing.assert_allclose(together[0, :48], alone[0], atol=1e-6)
    assert not together[0, 48:].any() and together[1, 80:].any()


def test_portable_transform_is_the_same():
    real, imaginary = noise(1, 5, 17), noise(1, 5, 17, seed=1)
    (expected,) = numpy_of(istft(real, imaginary, WINDOW, 8))
    spectrum = numpy_of(*stft(expected, WINDOW, 8))
    with exporting("onnx"):
        (found,) = numpy_of(istft(real, imaginary, WINDOW, 8))
        found_spectrum = numpy_of(*stft(expected, WINDOW, 8))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found_spectrum, spectrum, atol=1e-5)


def test_a_hop_without_overlap():
    with pytest.raises(ValueError, match="hop_length=17"):
        istft(noise(1, 5, 17), noise(1, 5, 17), WINDOW, 17)
