import keras
import numpy as np
import pytest
import soundfile

from s2s_keras.data import MelSegments, Utterance, UtteranceError
from s2s_keras.layers import MelSpectrogram

HOP = 8


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    """Five recordings; the last is too short for a piece."""
    folder, rng = tmp_path_factory.mktemp("recordings"), np.random.default_rng(0)
    for n, size in enumerate((400, 300, 200, 100, 60)):
        soundfile.write(folder / f"{n}.wav", rng.normal(0, 0.1, size), 1000)
    return [Utterance(str(folder / f"{n}.wav"), "") for n in range(5)]


def make(utterances, **options):
    return MelSegments(utterances, MelSpectrogram(1000, 32, HOP, 6), num_frames=10, batch_size=2, **options)


def test_a_piece_is_audio_and_the_frames_at_its_place(utterances):
    segments = make(utterances, shuffle=True, seed=5)
    assert len(segments) == 2
    for epoch in range(3):
        x, audio = segments.batch(epoch, 1)
        assert x["mel"].shape == (2, 11, 6) and x["mel_lengths"].tolist() == [11, 11] and audio.shape == (2, 80)
        for mel, piece in zip(x["mel"], audio, strict=True):
            found = [
                (n, start)
                for n, recording in enumerate(segments.recordings)
                for start in range(0, len(recording) - 79, HOP)
                if np.array_equal(recording[start : start + 80], piece)
            ]
            ((n, start),) = found
            np.testing.assert_array_equal(mel, segments.mels[n][start // HOP : start // HOP + 11])


def test_spectrograms_are_those_of_whole_recordings(utterances):
    segments, layer = make(utterances), MelSpectrogram(1000, 32, HOP, 6)
    whole = segments.recordings[2]
    expected = keras.ops.convert_to_numpy(layer([whole[None], np.array([len(whole)])]))[0]
    np.testing.assert_allclose(segments.mels[2], expected, atol=1e-4)


def test_every_epoch_has_every_recording_and_other_pieces(utterances):
    segments = make(utterances, shuffle=True)
    epochs = [np.concatenate([segments.batch(epoch, n)[1] for n in range(2)]) for epoch in (0, 0, 1)]
    np.testing.assert_array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], epochs[2])
    still = make(utterances)
    np.testing.assert_array_equal(still.batch(0, 0)[1], still.batch(3, 0)[1])
    assert len(make(utterances, pieces=3)) == 6


def test_fit_takes_it(utterances):
    segments = make(utterances)
    inputs = {"mel": keras.Input((11, 6), name="mel"), "mel_lengths": keras.Input((), name="mel_lengths")}
    x = keras.layers.Dense(80)(keras.layers.Flatten()(inputs["mel"]))
    model = keras.Model(inputs, x)
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(segments.for_fit(), epochs=2, verbose=0, shuffle=False).history["loss"]).all()


def test_too_few_recordings(utterances, tmp_path):
    with pytest.raises(ValueError, match="Received 1 recordings that are longer, of 2"):
        make(utterances[3:])
    with pytest.raises(UtteranceError, match="missing.wav"):
        make([Utterance(str(tmp_path / "missing.wav"), "")])
