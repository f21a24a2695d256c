import keras
import numpy as np
import pytest
import soundfile
import soxr

from s2s_keras.applications import CTCRecognizer, Jasper
from s2s_keras.cli.recognition import CLIPS
from s2s_keras.data import load_manifest
from s2s_keras.decoding import CTCBeamSearch, train_ngram
from s2s_keras.layers import JasperBlock
from tests.checks import as_json

NAME = "jasper_small_an4_en"


@pytest.fixture(scope="module")
def model():
    return Jasper.from_preset(NAME)


@pytest.fixture(scope="module")
def clip():
    """A shipped recording as int16 samples."""
    samples, rate = soundfile.read(load_manifest(CLIPS)[0].audio, dtype="int16")
    assert rate == 16000
    return samples


def test_every_kind_of_array_has_the_same_text(model, clip, tmp_path):
    audio = clip / 32768.0
    soundfile.write(tmp_path / "stereo.flac", np.stack([clip, clip], axis=1), 16000)
    kinds = [clip, clip.astype("int32") * 65536, audio, audio.astype("float32"), audio.astype("float16")]
    texts = model.transcribe([tmp_path / "stereo.flac", *kinds])
    assert texts[0]
    assert set(texts) == {texts[0]}
    assert model.transcribe(clip) == texts[0]


def test_arrays_of_another_rate_are_resampled(model, clip):
    slow = soxr.resample(clip / 32768.0, 16000, 44100)
    for kind in ("float32", "float16"):
        assert model.transcribe(slow.astype(kind), sample_rate=44100) == model.transcribe(clip)


def test_the_text_does_not_depend_on_the_batch(model, clip):
    recordings = [clip, clip[: len(clip) // 2], clip[len(clip) // 3 :], np.zeros(100)]
    alone = [model.transcribe(recording) for recording in recordings]
    for batch_size in (1, 2, 8):
        assert model.transcribe(recordings, batch_size=batch_size) == alone


@pytest.mark.parametrize("samples", [0, 1, 159, 160])
def test_the_shortest_recordings(model, samples):
    assert isinstance(model.transcribe(np.zeros(samples, "float32")), str)


@pytest.mark.parametrize(
    "audio, message",
    [
        (np.zeros((8000, 2), "float32"), r"shape \(8000, 2\)"),
        (np.zeros(8000, "int64"), "int64"),
        (np.full(8000, np.nan, "float32"), "finite"),
        ("missing.wav", "missing.wav"),
    ],
)
def test_what_is_no_recording(model, audio, message):
    with pytest.raises(ValueError, match=message):
        model.transcribe(audio)


def test_batch_size_below_one(model, clip):
    with pytest.raises(ValueError, match="batch_size=0"):
        model.transcribe(clip, batch_size=0)


def test_a_model_without_head(clip):
    with pytest.raises(ValueError, match="tokenizer"):
        Jasper.from_preset(NAME, include_top=False).transcribe(clip)


def test_any_layers_make_a_recognizer_that_a_preset_brings_back(clip, tmp_path):
    layers = [
        JasperBlock(8, 5, strides=2, separable=True),
        keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True)),
    ]
    model = CTCRecognizer(layers, name="mixed")
    model.save_to_preset(tmp_path)
    again = CTCRecognizer.from_preset(tmp_path)
    assert type(again) is CTCRecognizer and as_json(again.get_config()) == as_json(model.get_config())
    audio = np.stack([clip[:16000], clip[16000:32000]]) / 32768.0
    lengths = np.array([16000, 9000])
    both = again.predict_on_batch({"audio": audio, "audio_lengths": lengths})
    np.testing.assert_array_equal(both, model.predict_on_batch({"audio": audio, "audio_lengths": lengths}))
    alone = model.predict_on_batch({"audio": audio[1:, :9000], "audio_lengths": lengths[1:]})
    np.testing.assert_allclose(both[1, : alone.shape[1]], alone[0], rtol=0, atol=1e-5)
    assert np.all(both[1, alone.shape[1] :, 1:] == -1e9)


def test_a_frame_is_as_long_as_the_strides_make_it(model, clip):
    assert Jasper((), prologue=(8, 5, 0.0), epilogue=()).frame_seconds == pytest.approx(0.02)  # hops of 10 ms, stride 2
    batch = {"audio": np.zeros((1, 16000 * 10), "float32"), "audio_lengths": np.array([16000 * 10])}
    assert model.frame_seconds == pytest.approx(10 / model.predict_on_batch(batch).shape[1], rel=0.01)
    blocks = [JasperBlock(8, 5, strides=2, separable=True), JasperBlock(8, 5, strides=3, separable=True)]
    assert CTCRecognizer(blocks).frame_seconds == pytest.approx(0.06)
    assert Jasper.from_preset(NAME, front_end=None).frame_seconds is None


def test_hypotheses_have_the_same_text_and_times_within_the_recording(model, clip):
    recordings = [clip, clip[: len(clip) // 2]]
    for language_model in (None, "an4", CTCBeamSearch(model.tokenizer, beam_width=4)):
        texts = model.transcribe(recordings, language_model=language_model)
        found = model.transcribe(recordings, language_model=language_model, num_best=1)
        for recording, text, [best] in zip(recordings, texts, found, strict=True):
            assert best.text == text and [word.text for word in best.words] == text.split()
            times = [second for word in best.words for second in (word.start, word.end)]
            assert times == sorted(times) and 0.0 <= times[0] and times[-1] <= len(recording) / 16000 + 0.02
            assert all(0.0 <= word.confidence <= 1.0 for word in best.words)


def test_many_hypotheses_differ_and_are_ordered(model, clip):
    found = model.transcribe(clip, num_best=5)
    assert len({hypothesis.text for hypothesis in found}) == 5
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


def test_a_language_model_itself(model, clip):
    language_model = train_ngram(["yes no", "no"], 2, discount_fallback=(0.5, 1.0, 1.5))
    limits = {"token_cutoff": np.inf, "beam_cutoff": np.inf}
    strong = CTCBeamSearch(model.tokenizer, language_model, dictionary="language model", alpha=5.0, **limits)
    assert set(model.transcribe(clip, language_model=strong).split()) <= {"yes", "no"}
    assert model.transcribe(clip, language_model=language_model) == model.transcribe(
        clip, language_model=CTCBeamSearch(model.tokenizer, language_model)
    )


def test_alignment_of_the_recognized_text_has_its_times(model, clip):
    [best] = model.transcribe(clip, num_best=1)
    assert model.align(clip, best.text) == list(best.words)
    short = clip[: len(clip) // 2]
    [cut] = model.transcribe(short, num_best=1)
    both = model.align([clip, short], [best.text, cut.text])
    times = [[(word.text, word.start, word.end) for word in words] for words in (*both, best.words, cut.words)]
    assert times[:2] == times[2:]


def test_what_cannot_be_aligned(model, clip):
    with pytest.raises(ValueError, match="not in the vocabulary"):
        model.align(clip, "Yes")
    with pytest.raises(ValueError, match="a text for each recording"):
        model.align([clip], "yes")
    with pytest.raises(ValueError, match="at least"):
        model.align([clip, clip[:1000]], ["yes", "no " * 20])
