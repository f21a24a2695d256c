import json
import os

import keras
import numpy as np
import pytest
import soundfile

from s2s_keras.data import AudioReader, UtteranceError, load_manifest, synthesis_dataset
from s2s_keras.data.mels import MelReader
from s2s_keras.layers import MelSpectrogram
from s2s_keras.ops.trimming import trim_silence
from s2s_keras.tokenizers import SynthesisTokenizer

once = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
TEXTS = ["yes", "no", "go on", "a", "stop it", "one, two"]
SAMPLES = [1600, 800, 2400, 1700, 900, 3200]
FRAMES = [1 + samples // 100 for samples in SAMPLES]  # before the silence


def features(audio):
    """One frame every 100 samples: its first sample, and its number."""
    frames = np.pad(audio, (0, 100))[: (1 + len(audio) // 100) * 100 : 100]
    return np.stack([frames, np.arange(len(frames))], axis=1).astype("float32")


@pytest.fixture
def manifest(write_corpus):
    return write_corpus([samples / 16000 for samples in SAMPLES], TEXTS)


def dataset(source, **options):
    options = {"features": features, "trim": None, "batch_size": 3, "pad_to_boundary": False, **options}
    return synthesis_dataset(source, SynthesisTokenizer(), **options)


def test_fit_learns_the_spectrogram(manifest):
    """Lengths are multiples of the reduction factor, whatever a backend pads to; what is padded does not count."""
    data = dataset(manifest, reduction_factor=2, pad_to_boundary=None, buckets=2)
    assert all(inputs["mel"].shape[1] % 2 == 0 for inputs, _ in data)
    mel, lengths = keras.Input((None, 2), name="mel"), keras.Input((), dtype="int32", name="mel_lengths")
    tokens = keras.Input((None,), dtype="int32", name="token_ids")
    masked = keras.layers.Masking(mask_value=[0.0, 0.0])(mel)
    outputs = {name: keras.layers.Dense(2)(masked) for name in ("mel", "mel_postnet")}
    outputs["stop"] = keras.layers.Dense(1, name="logit")(mel)[..., 0] + 0.0 * keras.ops.sum(lengths + tokens[:, 0])
    model = keras.Model({"token_ids": tokens, "mel": mel, "mel_lengths": lengths}, outputs)
    model.compile(keras.optimizers.Adam(0.1), {name: "mse" for name in outputs})
    history = model.fit(data.for_fit(), epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] < np.inf


def test_features_of_a_layer(manifest):
    layer = MelSpectrogram(num_mel_bins=8, floor=1e-3)
    data = dataset(manifest, features=layer, batch_size=6, cache=False)
    mel = data.batch(0, 0)[0]["mel"]
    audio = AudioReader()(data.examples[5].utterance)
    audio = np.pad(audio, (0, 500))  # a layer does not mind
    expected = keras.ops.convert_to_numpy(layer([audio[None], np.array([SAMPLES[5]])]))[0]
    spoken = 1 + SAMPLES[5] // 256
    np.testing.assert_allclose(mel[5, :spoken], expected[:spoken], rtol=0, atol=1e-4)
    np.testing.assert_allclose(mel[5, spoken:], np.log(1e-3), rtol=1e-6)
    with pytest.raises(ValueError, match="a layer for 16000 Hz; expected the data's sample_rate=22050"):
        dataset(manifest, features=layer, sample_rate=22050)


@once
def test_what_a_batch_holds(manifest):
    data = dataset(manifest, reduction_factor=4, end_frames=3)
    inputs, targets = data.batch(0, 1)
    expected = [-(-(frames + 3) // 4) * 4 for frames in FRAMES[3:]]
    assert inputs["mel_lengths"].tolist() == expected and inputs["mel"].shape == (3, max(expected), 2)
    assert {n: a.dtype.name for n, a in inputs.items()} == {
        "token_ids": "int32",
        "mel_lengths": "int32",
        "mel": "float32",
    }
    assert inputs["token_ids"].tolist()[0] == [*SynthesisTokenizer().encode("a"), *[0] * 7]
    assert list(targets) == ["mel", "mel_postnet", "stop"]
    np.testing.assert_array_equal(targets["mel_postnet"], inputs["mel"])
    for row, spoken in enumerate(FRAMES[3:]):
        length = expected[row]
        np.testing.assert_array_equal(inputs["mel"][row, :spoken, 1], np.arange(spoken))
        np.testing.assert_allclose(inputs["mel"][row, spoken:length], np.log(1e-5), rtol=1e-6)
        assert not inputs["mel"][row, length:].any()
        stop = np.arange(max(expected))
        np.testing.assert_array_equal(targets["stop"][row], (stop >= spoken) & (stop < length))
    assert "audio_hours" not in data.statistics(0)
    assert data.statistics(0)["frames"] == sum(-(-(frames + 3) // 4) * 4 for frames in FRAMES)


@once
def test_buckets_are_of_spectrograms_of_like_length(manifest):
    data = dataset(manifest, reduction_factor=2, batch_size=2, buckets=(14, 27, 35), pad_to_boundary=True)
    shapes = [inputs["mel"].shape for inputs, _ in data]
    assert shapes == [(2, 14, 2), (2, 28, 2), (2, 36, 2)]
    assert data.plan.boundaries == (14.0, 28.0, 36.0)
    data = dataset(manifest, batch_size=lambda frames: 60 // frames, buckets=(20, 40))
    assert [len(inputs["mel"]) for inputs, _ in data] == [3, 1, 1, 1]


@once
def test_workers_share_batches_and_an_empty_row_has_no_frames(manifest):
    pair = [dataset(manifest, batch_size=2, num_shards=4, shard_index=k, shuffle=True, speakers=[None]) for k in (0, 3)]
    assert [len(data) for data in pair] == [1, 1]
    inputs, targets, weights = pair[1].batch(0, 0)
    assert weights.tolist() == pytest.approx([8 / 6, 0.0])
    assert inputs["mel_lengths"][1] == 0 and not targets["stop"][1].any() and not inputs["token_ids"][1].any()
    assert inputs["speaker_ids"].tolist() == [0, 0]
    assert pair[0].element_spec()[0]["mel"].shape.as_list() == [None, None, 2]


@once
def test_errors_name_the_line_and_are_counted_on_request(manifest, tmp_path):
    rows = [json.loads(line) for line in open(manifest)]
    rows[1]["text"], rows[2]["text"] = "\u03b1 \u03b2", " "
    soundfile.write(tmp_path / rows[3]["audio_filepath"], np.zeros(1600), 16000)
    with open(tmp_path / rows[4]["audio_filepath"], "r+b") as file:
        file.truncate(500)
    with open(manifest, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    with pytest.raises(UtteranceError, match=r"line 2: Nobody taught this model to speak '\u03b1' \(GREEK"):
        dataset(manifest)
    data = dataset(manifest, on_error="skip", max_frames=20, min_frames=5, speakers=None)
    assert data.report.counts == {"unknown label": 1, "empty text": 1, "silent audio": 1, "unreadable audio": 1} | {
        "too long": 1
    }
    assert [e.utterance.text for e in data.examples] == ["yes"]
    with pytest.raises(UtteranceError, match=r"line 1: .* makes 19 frames, min_frames is 30"):
        dataset(manifest, min_frames=30)
    with pytest.raises(ValueError, match="No utterance is left to make batches of. Skipped 6 utterances: .*speaker"):
        dataset(manifest, on_error="skip", speakers=["ann"])


@once
def test_features_that_are_none_are_refused(manifest):
    with pytest.raises(ValueError, match=r"`features` takes audio \(samples,\) and gives .* Received: \(1600,\)"):
        dataset(manifest, features=lambda audio: audio)
    with pytest.raises(ValueError, match=r"`magnitude` takes audio"):
        dataset(manifest, magnitude=lambda audio: features(audio)[1:])
    with pytest.raises(UtteranceError, match="line 1: `features` gives NaN or infinity"):
        dataset(manifest, features=lambda audio: features(audio) * np.nan)
    with pytest.raises(ValueError, match="end_frames and reduction_factor of at least 1"):
        dataset(manifest, reduction_factor=0)


@once
def test_magnitudes_of_the_same_frames(manifest):
    data = dataset(manifest, magnitude=lambda audio: np.ones((1 + len(audio) // 100, 5)), floor=0.01)
    inputs, targets = data.batch(0, 0)
    assert targets["magnitude"].shape == (*inputs["mel"].shape[:2], 5)
    assert targets["magnitude"][1, : FRAMES[1] + 3, 0].tolist() == pytest.approx([*[1.0] * FRAMES[1], 0.01, 0.01, 0.0])
    np.testing.assert_allclose(inputs["mel"][1, FRAMES[1], 0], np.log(0.01), rtol=1e-6)
    assert data.element_spec()[1]["magnitude"].shape.as_list() == [None, None, 5]


@once
@pytest.mark.parametrize("cache, again", [(True, 0), (False, 6)])
def test_spectrograms_are_made_once_if_they_are_kept(manifest, cache, again):
    made = []
    data = dataset(manifest, features=lambda audio: made.append(len(audio)) or features(audio), cache=cache)
    del made[:]
    assert sum(len(inputs["mel"]) for inputs, _ in data) == 6 and len(made) == again


@once
def test_a_folder_keeps_spectrograms_of_each_setting(manifest, tmp_path):
    made, lengths = [], {*SAMPLES, *(samples - samples % 128 for samples in SAMPLES)}  # else it is the known sound

    def counted(audio):
        made.append(len(audio))
        return features(audio)

    def batches(**options):
        del made[:]
        data = dataset(manifest, features=counted, cache=tmp_path / "mels", **options)
        return [inputs["mel"] for inputs, _ in data], [n for n in made if n in lengths]

    first, once_each = batches()
    again, none = batches(end_frames=5)  # silence is not in the files
    assert sorted(once_each) == sorted(SAMPLES) and not none
    np.testing.assert_array_equal(first[0][0, : FRAMES[0]], again[0][0, : FRAMES[0]])
    _, others = batches(trim=6.0)
    assert len(others) == 6
    _, damaged = batches()
    assert not damaged
    files = sorted(os.listdir(tmp_path / "mels"))
    assert len(files) == 12 and not any("partial" in name for name in files)
    for name in files:
        with open(tmp_path / "mels" / name, "r+b") as file:
            file.truncate(100)
    mended, made_again = batches()
    assert len(made_again) == 6
    np.testing.assert_array_equal(mended[0], first[0])
    rows = [json.loads(line) for line in open(manifest)]
    soundfile.write(tmp_path / rows[0]["audio_filepath"], np.ones(1600) / 2, 16000)
    assert batches()[1] == [1600]  # another recording of the same name


@once
@pytest.mark.parametrize("seconds, top_db", [(1.0, 60.0), (0.3, 20.0), (0.02, 60.0), (1.0, 200.0)])
def test_trimming_is_that_of_librosa(seconds, top_db):
    librosa = pytest.importorskip("librosa")
    rng = np.random.default_rng(0)
    audio = rng.normal(0.0, 1e-4, round(16000 * seconds)).astype("float32")
    audio[len(audio) // 3 : len(audio) // 2] *= 1000.0
    for frame_length, hop in ((512, 128), (401, 100)):
        expected, _ = librosa.effects.trim(audio, top_db=top_db, frame_length=frame_length, hop_length=hop)
        np.testing.assert_array_equal(trim_silence(audio, top_db, frame_length, hop), expected)


@once
def test_trimming_leaves_the_frames_that_the_original_has(shared):
    """60 dB: AN4 is noisier than that, and every recording stays whole."""
    golden = np.load(shared / "golden/features_tts/mel80_trim.npz")
    names = [name.removesuffix(".shape") for name in golden if name.endswith(".shape")]
    manifest = {
        os.path.basename(u.audio).split(".")[0]: u for u in load_manifest(shared / "data/an4/manifest_test.jsonl")
    }
    reader = MelReader(AudioReader(), lambda audio: np.zeros((1 + len(audio) // 256, 1)), end_frames=1)
    frames = {name: reader(manifest[name]).num_spoken for name in names}
    assert frames == {name: golden[f"{name}.shape"][0] for name in names} and len(names) == 8
