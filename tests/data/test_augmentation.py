import json
import os

import librosa
import numpy as np
import pytest
import soundfile

from s2s_keras.data import (
    Augmentation,
    Equalizer,
    Gain,
    NoiseAtSNR,
    PitchShift,
    SpeedPerturbation,
    TimeShift,
    TimeStretch,
)

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")

RATE = 16000


def rng(seed=0):
    return np.random.default_rng(seed)


def tone(seconds=1.0, frequency=500.0):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)).astype("float32")


def pitch(audio):
    middle = audio[len(audio) // 4 : -len(audio) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return spectrum.argmax() * RATE / len(middle)


@pytest.mark.parametrize("factor", [0.9, 1.1, 1.25])
def test_a_higher_speed_is_shorter_and_higher(factor):
    change = SpeedPerturbation((factor,))
    audio = change(tone(), rng())
    assert audio.dtype == np.float32 and abs(len(audio) - RATE / factor) <= 1
    assert pitch(audio) == pytest.approx(500 * factor, rel=0.01)
    assert (change.max_speed, change.max_stretch) == (max(1.0, factor), max(1.0, 1 / factor))


def test_speed_factors_are_drawn_alike():
    change = SpeedPerturbation((0.8, 1.0, 1.25))
    generator = rng()
    lengths = [len(change(tone(0.01), generator)) for _ in range(600)]
    counts = [lengths.count(n) for n in (200, 160, 128)]
    assert sum(counts) == 600 and min(counts) > 150


def librosa_stretch(audio, factor):
    """`librosa.effects.time_stretch`, with silence behind the last frame, as before librosa 1.0, which repeats it."""
    spectrum = librosa.stft(audio, n_fft=1024)
    frames = len(np.arange(0, spectrum.shape[1], factor))
    stretched = librosa.phase_vocoder(np.pad(spectrum, ((0, 0), (0, 2))), rate=factor)[:, :frames]
    return librosa.istft(stretched, length=round(len(audio) / factor))


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.1, 1.37])
@pytest.mark.parametrize("samples", [1024, 1500, 16000, 33333])
def test_stretching_equals_librosa(factor, samples):
    audio = rng().normal(0, 0.1, samples).astype("float32") + tone(3.0)[:samples]
    expected = librosa_stretch(audio.astype("float64"), factor)
    change = TimeStretch(factor, factor)
    stretched = change(audio, rng())
    assert stretched.shape == expected.shape and stretched.dtype == np.float32
    np.testing.assert_allclose(stretched, expected, atol=3e-3)
    assert np.sqrt(np.mean((stretched - expected) ** 2)) < 2e-4
    assert len(stretched) <= samples * change.max_stretch + 1 and len(stretched) >= samples / change.max_speed - 1


def test_stretching_keeps_the_pitch_and_leaves_short_audio_alone():
    assert pitch(TimeStretch(0.8, 0.8)(tone(), rng())) == pytest.approx(500, rel=0.01)
    short = tone()[:1000]
    assert TimeStretch(0.8, 0.8)(short, rng()) is short


@pytest.mark.parametrize("semitones", [-3.0, 4.0])
def test_a_pitch_shift_keeps_the_duration_and_equals_librosa(semitones):
    change, factor = PitchShift(semitones, semitones), 2 ** (semitones / 12)
    shifted = change(tone(), rng())
    assert shifted.shape == (RATE,) and shifted.dtype == np.float32
    assert pitch(shifted) == pytest.approx(500 * factor, rel=0.01)
    audio = rng().normal(0, 0.1, 20000).astype("float32")
    stretched = librosa_stretch(audio.astype("float64"), 1 / factor)
    expected = librosa.resample(stretched, orig_sr=RATE * factor, target_sr=RATE)
    np.testing.assert_allclose(change(audio, rng())[:19900], expected[:19900], atol=3e-3)
    assert np.array_equal(change(audio[:1000], rng()), audio[:1000])


def snr(audio, noisy):
    return 10 * np.log10(np.mean(audio**2) / np.mean((noisy - audio) ** 2))


def test_white_noise_is_at_the_drawn_ratio():
    generator, change = rng(), NoiseAtSNR(snr_db=(5, 25), probability=1.0)
    ratios = [snr(tone(), change(tone(), generator)) for _ in range(50)]
    assert 5 <= min(ratios) < 8 and 22 < max(ratios) <= 25.001


@pytest.mark.parametrize("seconds", [0.3, 5.0])
def test_recorded_noise_is_cropped_or_repeated(seconds):
    noise = rng(1).normal(0, 0.3, round(seconds * RATE)).astype("float32")
    noisy = NoiseAtSNR([noise], snr_db=(10, 10), probability=1.0)(tone(), rng())
    assert snr(tone(), noisy) == pytest.approx(10, abs=0.01)
    added = noisy - tone()
    match = np.correlate(noise, added[:1000]).max() / np.linalg.norm(added[:1000])
    assert match > 0.9 * np.sqrt(1000) * 0.3


@pytest.fixture
def noise_manifest(tmp_path):
    lines = []
    for n, label in enumerate(("rain", "baby_cry", "speech")):
        soundfile.write(tmp_path / f"{label}.wav", rng(n).normal(0, 0.1, 8000), 8000)
        lines.append(json.dumps({"audio_filepath": f"{label}.wav", "text": "", "label": label}))
    path = tmp_path / "noise.jsonl"
    path.write_text("\n".join(lines))
    return path


def test_voices_are_no_noise(noise_manifest):
    change = NoiseAtSNR(noise_manifest, snr_db=(0, 0), probability=1.0)
    assert [str(n).rsplit("/", 1)[-1] for n in change.noise] == ["rain.wav"]
    assert snr(tone(), change(tone(), rng())) == pytest.approx(0, abs=0.01)
    assert change.noise[0].shape == (16000,)  # converted to the rate of the utterances, and kept
    assert len(NoiseAtSNR(noise_manifest, skip_labels=()).noise) == 3
    with pytest.raises(ValueError, match="at least one noise recording"):
        NoiseAtSNR(noise_manifest, skip_labels=("rain", "baby_cry", "speech"))


def test_real_noise_recordings(shared):
    change = NoiseAtSNR(shared / "data/noise_esc10/manifest_all.jsonl", snr_db=(10, 10), probability=1.0)
    assert len(change.noise) == 318
    generator = rng()
    for _ in range(40):
        assert snr(tone(), change(tone(), generator)) == pytest.approx(10, abs=0.01)


def test_noise_is_taken_from_where_it_sounds():
    noise = np.zeros(10 * RATE, "float32")
    noise[4000:4100] = 0.5
    generator, change = rng(), NoiseAtSNR([noise], snr_db=(10, 10), probability=1.0)
    positions = []
    for _ in range(50):
        added = change(tone(), generator) - tone()
        assert np.count_nonzero(np.abs(added) > 1e-3) > 0
        positions.append(int(np.abs(added).argmax()))
    assert min(positions) < 1000 and max(positions) > 3000


def test_silence_is_no_division_by_zero():
    assert np.array_equal(NoiseAtSNR([np.zeros(100, "float32")], probability=1.0)(tone(), rng()), tone())
    silence = np.zeros(1000, "float32")
    assert np.array_equal(NoiseAtSNR(probability=1.0)(silence, rng()), silence)


def test_gain_stays_in_its_range():
    generator, change = rng(), Gain(-12, 6)
    decibels = [20 * np.log10(change(tone(0.01), generator).max() / tone(0.01).max()) for _ in range(200)]
    assert -12.01 < min(decibels) < -10 and 5 < max(decibels) < 6.01


def test_an_equalizer_changes_each_frequency_by_one_gain_within_its_range():
    generator, change = rng(), Equalizer(max_db=9.0, num_points=3)
    decibels = []
    for frequency in (50.0, 2000.0, 4000.0, 7900.0):
        for _ in range(50):
            changed = change(tone(0.1, frequency), generator)
            assert changed.shape == (1600,) and pitch(changed) == pytest.approx(frequency, abs=20)
            decibels.append(20 * np.log10(np.abs(changed[400:1200]).max() / np.abs(tone(0.1, frequency)).max()))
    assert -9.1 < min(decibels) < -6 and 6 < max(decibels) < 9.1
    np.testing.assert_allclose(Equalizer(max_db=0.0)(tone(0.1), rng()), tone(0.1), atol=1e-6)


def test_shift_moves_in_both_directions_and_keeps_the_length():
    audio = np.arange(1, 101, dtype="float32")
    generator, change = rng(), TimeShift(max_shift=3 / RATE)
    seen = set()
    for _ in range(200):
        shifted = change(audio, generator)
        assert shifted.shape == audio.shape
        shift = int(np.count_nonzero(shifted == 0)) * (-1 if shifted[0] else 1)
        kept = audio[max(-shift, 0) : 100 - max(shift, 0)]
        np.testing.assert_array_equal(shifted[max(shift, 0) : 100 + min(shift, 0)], kept)
        seen.add(shift)
    assert seen == {-3, -2, -1, 0, 1, 2, 3}


ALL = [
    SpeedPerturbation((0.9, 1.1), probability=0.5),
    TimeStretch(probability=0.5),
    PitchShift(probability=0.5),
    NoiseAtSNR(probability=0.5),
    NoiseAtSNR([np.ones(50, "float32")], probability=0.5),
    Gain(probability=0.5),
    Equalizer(probability=0.5),
    TimeShift(probability=0.5),
]


@pytest.mark.parametrize("change", ALL, ids=lambda change: type(change).__name__)
def test_same_generator_same_audio_and_the_input_stays(change):
    audio, original = tone(0.2), tone(0.2)
    changed = [change(audio, rng(seed)) for seed in range(20)]
    again = [change(audio, rng(seed)) for seed in range(20)]
    assert all(np.array_equal(a, b) for a, b in zip(changed, again, strict=True))
    assert np.array_equal(audio, original)
    assert 3 <= sum(c is audio for c in changed) <= 17
    assert all(c.dtype == np.float32 for c in changed)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Gain(probability=1.5), "probability lies in"),
        (lambda: Equalizer(-1.0), "max_db of at least 0"),
        (lambda: Equalizer(num_points=1), "num_points=1"),
        (lambda: Gain(3, -3), "low <= high"),
        (lambda: SpeedPerturbation(()), "must be above 0"),
        (lambda: SpeedPerturbation((0.9, 0.0)), "must be above 0"),
        (lambda: TimeStretch(0.0, 1.0), "0 < low <= high"),
        (lambda: PitchShift(2, -2), "low <= high, in semitones"),
        (lambda: NoiseAtSNR(snr_db=(20, 10)), "snr_db must be"),
        (lambda: NoiseAtSNR([]), "at least one noise"),
        (lambda: TimeShift(-1), "max_shift must be 0 or above"),
    ],
)
def test_arguments_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_subclass_must_say_what_it_changes():
    with pytest.raises(NotImplementedError, match="Augmentation must define change"):
        Augmentation()(tone(), rng())
