import numpy as np
import pytest
from keras import ops

from s2s_keras.ops.griffin_lim import griffin_lim, mel_to_magnitude
from s2s_keras.ops.mel import mel_filter_bank
from s2s_keras.ops.spectral import window_function
from s2s_keras.ops.stft import stft
from tests.checks import compiled

FFT, HOP = 128, 32
WINDOW = window_function("hann_periodic", FFT)


def magnitude_of(audio):
    real, imaginary = stft(np.asarray(audio, "float32")[None], WINDOW, HOP)
    return np.hypot(*(ops.convert_to_numpy(x) for x in (real, imaginary)))[0]


def chirp(size=4000):
    """A harmonic tone whose pitch rises, in a little noise."""
    turns = np.cumsum(0.02 + 0.02 * np.linspace(0, 1, size))
    audio = sum(np.sin(2 * np.pi * n * turns) / n for n in range(1, 8))
    return (0.2 * audio + np.random.default_rng(0).normal(0, 0.01, size)).astype("float32")


def convergence(audio, magnitude):
    found = magnitude_of(audio)
    frames = min(len(found), len(magnitude))
    return np.linalg.norm(found[:frames] - magnitude[:frames]) / np.linalg.norm(magnitude)


def run(magnitude, mask=None, **options):
    return ops.convert_to_numpy(compiled(lambda magnitude: griffin_lim(magnitude, HOP, mask, **options))(magnitude))


@pytest.mark.parametrize(("momentum", "iterations"), [(0.0, 16), (0.99, 16)])
def test_converges_as_librosa_does(momentum, iterations):
    librosa = pytest.importorskip("librosa")
    magnitude = magnitude_of(chirp())
    ours = [run(magnitude[None], num_iterations=iterations, momentum=momentum, seed=n)[0] for n in range(3)]
    theirs = [
        librosa.griffinlim(magnitude.T, n_iter=iterations, hop_length=HOP, momentum=momentum, random_state=n)
        for n in range(3)
    ]
    ours, theirs = ([convergence(audio, magnitude) for audio in runs] for runs in (ours, theirs))
    assert np.mean(ours) < 1.1 * np.mean(theirs)
    assert np.mean(ours) < 0.4 * convergence(run(magnitude[None], num_iterations=0)[0], magnitude)


def test_momentum_helps():
    magnitude = magnitude_of(chirp())[None]
    plain, fast = (convergence(run(magnitude, momentum=m)[0], magnitude[0]) for m in (0.0, 0.99))
    assert fast < 0.8 * plain


def test_the_first_phases_depend_on_seed_and_place_alone():
    magnitude = magnitude_of(chirp())[:40][None]
    options = {"num_iterations": 3}
    first = run(magnitude, **options)
    np.testing.assert_array_equal(run(magnitude, **options), first)
    assert np.abs(run(magnitude, seed=1, **options) - first).max() > 0.01
    mask = np.arange(50)[None] < np.array([[40], [50]])
    batch = np.pad(np.repeat(magnitude, 2, axis=0), [(0, 0), (0, 10), (0, 0)], constant_values=3.0)
    together = run(batch, mask=mask, **options)
    np.testing.assert_allclose(together[0, : 39 * HOP], first[0], atol=1e-5)
    assert not together[0, 39 * HOP :].any()


def test_negative_momentum():
    with pytest.raises(ValueError, match="momentum=-1"):
        griffin_lim(np.zeros((1, 4, 65), "float32"), HOP, momentum=-1)


def test_transposed_filters_are_the_originals(shared):
    golden = np.load(shared / "golden/features_tts/get_mel_inverse_mel.npz")
    filters = mel_filter_bank(80, 1024, 16000, "htk")
    found = ops.convert_to_numpy(mel_to_magnitude(golden["mel"][None], filters, method="transpose"))
    np.testing.assert_allclose(found[0], golden["inverse"], rtol=1e-4, atol=1e-5)


def test_inverted_filters_give_the_energies_back():
    """No worse than librosa's solver, and without a negative magnitude."""
    librosa = pytest.importorskip("librosa")
    magnitude = magnitude_of(chirp())[::10]
    filters = mel_filter_bank(24, FFT, 8000)
    energies = np.maximum(magnitude @ filters, 1e-5)
    theirs = librosa.feature.inverse.mel_to_stft(energies.T, sr=8000, n_fft=FFT, power=1.0).T

    def error(values):
        return np.linalg.norm(values @ filters - energies) / np.linalg.norm(energies)

    errors = {}
    for method in ("pseudo_inverse", "non_negative"):
        inversion = compiled(lambda mel, method=method: mel_to_magnitude(mel, filters, method=method))
        found = ops.convert_to_numpy(inversion(np.log(energies)[None].astype("float32")))[0]
        assert found.shape == magnitude.shape and found.min() >= 0.0
        errors[method] = error(found)
    assert errors["non_negative"] < min(0.02, 1.05 * error(theirs), errors["pseudo_inverse"])


def test_power_is_undone():
    filters, mel = mel_filter_bank(24, FFT, 8000), np.log(np.random.default_rng(0).uniform(0.5, 2.0, (1, 5, 24)))
    once, twice = (
        ops.convert_to_numpy(mel_to_magnitude(mel.astype("float32"), filters, power)) for power in (1.0, 2.0)
    )
    np.testing.assert_allclose(twice**2, once, rtol=1e-4)


def test_unknown_method():
    with pytest.raises(ValueError, match="'inverse'"):
        mel_to_magnitude(np.zeros((1, 2, 20)), mel_filter_bank(20, 256, 16000), method="inverse")
