import os

import numpy as np
import pytest
import soxr

from s2s_keras.applications import CTCRecognizer, DeepSpeech2, Jasper, QuartzNet, Wav2Letter
from s2s_keras.applications.streaming_logits import ExactLogits, WindowLogits
from s2s_keras.cli.recognition import CLIPS
from s2s_keras.data import load_manifest
from s2s_keras.decoding import CTCBeamSearch
from s2s_keras.layers import MFCC, JasperBlock, LogMelSpectrogram, Spectrogram
from s2s_keras.layers.streaming import NotStreamable
from s2s_keras.metrics import word_error_rate
from s2s_keras.ops.audio import load_audio
from tests.checks import randomize

once = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the layers are tested on every backend")
SMALL = {
    "blocks": ((16, 5, 0.0), (16, 7, 0.0)),
    "repeat": 2,
    "prologue": ((8, 11, 0.0), (8, 7, 0.0)),
    "epilogue": ((16, 5, 0.0), (16, 1, 0.0)),
}


@pytest.fixture(scope="module")
def clips():
    return [load_audio(utterance.audio) for utterance in load_manifest(CLIPS)]


@pytest.fixture(scope="module")
def preset():
    return Jasper.from_preset("jasper_small_an4_en")


def front_end(kind=LogMelSpectrogram, **arguments):
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 8000))
    return kind(**arguments, name="front_end").with_statistics(noise)


def jasper(**arguments):
    return Jasper(**SMALL, residual="dense", epilogue_dilation=2, front_end=front_end(), **arguments)


def deep_speech():
    return DeepSpeech2(
        convolutions=((4, (11, 41), (2, 2)), (4, (11, 21), (2, 1))),
        num_layers=1,
        units=8,
        hidden_dim=16,
        directions="forward",
        row_convolution=5,
        front_end=front_end(Spectrogram, num_bins=160),
    )


def whole(model, audio):
    logits = model.predict_on_batch({"audio": audio[None], "audio_lengths": np.array([len(audio)])})[0]
    return logits[logits[:, 1:].max(axis=1) > -1e9]


def pieces(audio, largest, seed=0):
    """The audio in pieces of any size, now and then none."""
    rng, start = np.random.default_rng(seed), 0
    while start < len(audio):
        size = int(rng.integers(0, largest))
        yield audio[start : start + size]
        start += size


def check_exact(model, recordings, step_seconds=0.16):
    randomize(model)
    exact = ExactLogits(model, step_seconds)
    for n, audio in enumerate(recordings):
        found = [exact.push(piece)[0] for piece in pieces(audio, 6000, n)]
        found.append(exact.push(audio[:0], last=True)[0])
        wanted = whole(model, audio)
        np.testing.assert_allclose(np.concatenate(found), wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())
        assert np.concatenate(found).std() > 0.1
        exact.reset()
    return exact


def test_pieces_give_the_logits_of_the_whole(clips):
    """Convolutions that look ahead as well: they answer later."""
    exact = check_exact(jasper(), [clips[0][:40001], clips[1][:20000]])
    assert exact.latency == pytest.approx(0.89, abs=0.001)


def test_pieces_give_the_logits_of_the_whole_with_recurrent_layers(clips):
    check_exact(deep_speech(), [clips[0][:33333]])


@once
@pytest.mark.parametrize("samples", [0, 1, 161, 2561])
def test_the_shortest_recordings(samples):
    audio = np.random.default_rng(1).normal(0, 0.1, samples).astype("float32")
    model = jasper(causal=True)
    if samples:
        check_exact(model, [audio])
    assert isinstance(list(model.stream()([audio])), list)


@once
def test_every_family(clips):
    audio = [clips[0][:30000]]
    small = {"blocks": ((16, 5), (16, 9)), "repeat": 2, "prologue": (16, 5), "epilogue": (16, 5), "head_filters": 16}
    blocks = ((8, 11, 1, 2, 1, 0.0), (16, 7, 2, 1, 1, 0.0), (16, 5, 1, 1, 2, 0.0))
    check_exact(QuartzNet(**small, symmetric_padding=True, front_end=front_end()), audio)
    check_exact(Wav2Letter(blocks, causal=True, front_end=front_end(MFCC)), audio, step_seconds=0.02)
    check_exact(CTCRecognizer([JasperBlock(8, 5, strides=3)], front_end=front_end()), audio, step_seconds=1.0)


@once
def test_causal_models_answer_at_once():
    for model in (
        jasper(causal=True),
        QuartzNet(((16, 5),), 2, (16, 5), (16, 5), 16, causal=True, front_end=front_end()),
        Wav2Letter(((8, 11, 2, 2, 1, 0.0),), causal=True, front_end=front_end()),
    ):
        stream = model.stream(step_seconds=0.04)
        assert stream.exact and stream.latency == pytest.approx(0.04 + 0.01, abs=0.001)


@once
def test_half_precision_streams_in_single(clips):
    model = jasper(dtype="mixed_float16")
    exact = ExactLogits(model, 0.16)
    found = np.concatenate([exact.push(clips[0][:16000])[0], exact.push(clips[0][:0], last=True)[0]])
    np.testing.assert_allclose(found, whole(model, clips[0][:16000]), rtol=0, atol=0.05)


@once
def test_what_does_not_stream_exactly_gets_a_window():
    recurrent = DeepSpeech2(
        convolutions=(), num_layers=1, units=4, hidden_dim=8, front_end=front_end(Spectrogram, num_bins=160)
    )
    for model in (Jasper(**SMALL), recurrent, Jasper(**SMALL, front_end=LogMelSpectrogram(gain=1.0))):
        with pytest.raises(NotStreamable):
            ExactLogits(model, 0.16)
        assert not model.stream().exact


def test_a_window_hears_what_the_whole_says(preset, clips):
    for audio in clips[:3]:
        stream = preset.stream()
        results = list(stream(pieces((audio * 32767).astype("int16"), 8000)))
        assert " ".join(result.text for result in results if result.is_final) == preset.transcribe(audio)
        partial = [result.text for result in results if not result.is_final]
        assert len(partial) > 3 and all(a != b for a, b in zip(partial, partial[1:], strict=False))
        words = [word for result in results for word in result.words]
        [best] = preset.transcribe(audio, num_best=1)
        assert [word.text for word in words] == best.text.split()
        np.testing.assert_allclose([w.start for w in words], [w.start for w in best.words], rtol=0, atol=0.12)


@once
def test_utterances_end_at_pauses_and_memory_stays_small(preset, clips):
    noise = np.random.default_rng(0).normal(0, 3e-3, 32000).astype("float32")
    noisy = [np.concatenate([noise, clip, noise]) for clip in clips]
    long = np.concatenate(noisy)
    stream = preset.stream(step_seconds=0.4)
    found, held = [], []
    for start in range(0, len(long), 1000):
        found += stream.accept(long[start : start + 1000])
        held.append((len(stream.logits.audio) / 16000, len(stream._utterance) * stream.frame_seconds))
    found += stream.finish()
    finals = [result for result in found if result.is_final]
    assert len(finals) == len(clips)
    spoken = preset.transcribe([audio[22400:-22400] for audio in noisy])  # with 0.6 s of noise on both sides
    assert word_error_rate(spoken, [result.text for result in finals]).rate < 0.1
    starts = [word.start for result in finals for word in result.words]
    assert starts == sorted(starts) and starts[-1] < len(long) / 16000
    assert np.max(held, axis=0)[0] < 8 and np.max(held, axis=0)[1] < 10


@once
def test_noise_alone_is_no_speech(preset):
    stream = preset.stream(step_seconds=0.4)
    noise = np.random.default_rng(0).normal(0, 2e-3, 16000 * 8)
    assert list(stream(np.split(noise, 16))) == []


@once
def test_audio_of_another_rate_and_a_language_model(preset, clips):
    audio = soxr.resample(clips[0], 16000, 44100)
    search = CTCBeamSearch.from_preset("an4", preset.tokenizer)
    stream = preset.stream(sample_rate=44100, language_model=search)
    results = [result for result in stream(pieces(audio, 30000)) if result.is_final]
    assert " ".join(r.text for r in results) == preset.transcribe(clips[0], language_model=search)
    again = [result for result in stream([audio]) if result.is_final]  # it is ready for another recording
    assert [r.text for r in again] == [r.text for r in results]


@once
def test_a_bad_piece_loses_nothing(preset, clips):
    stream = preset.stream()
    half = len(clips[0]) // 2
    results = stream.accept(clips[0][:half])
    with pytest.raises(ValueError, match="finite"):
        stream.accept(np.full(100, np.nan))
    results += stream.accept(clips[0][half:]) + stream.finish()
    assert " ".join(result.text for result in results if result.is_final) == preset.transcribe(clips[0])


@once
@pytest.mark.parametrize("name, value", [("step_seconds", 0), ("context_seconds", -1), ("endpoint_seconds", 0)])
def test_times_out_of_range(preset, name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        preset.stream(**{name: value})


@once
def test_an_utterance_without_end_is_cut_between_words(preset, clips):
    audio = np.concatenate([clips[0]] * (36 * 16000 // len(clips[0])))
    stream = preset.stream(step_seconds=0.4, endpoint_seconds=None)
    finals = [result.text for result in stream(np.array_split(audio, 9)) if result.is_final]
    assert len(finals) == 2
    assert " ".join(finals).split() == preset.transcribe(audio, max_seconds=60.0).split()


@once
def test_window_logits_come_once_and_in_order(preset, clips):
    """Whatever the pieces, as many logits as the whole recording has."""
    for step, context in ((0.2, 1.2), (0.04, 0.4), (1.0, 0.0)):
        window = WindowLogits(preset, step, context)
        found = [window.push(piece)[0] for piece in pieces(clips[1][:20000], 9000)]
        found.append(window.push(clips[1][:0], last=True)[0])
        assert len(np.concatenate(found)) == len(whole(preset, clips[1][:20000]))


@once
def test_statistics_are_those_of_all_frames():
    rng = np.random.default_rng(0)
    recordings = [rng.normal(0, 0.1, n).astype("float32") for n in (8000, 3000)]
    fixed = LogMelSpectrogram(num_mel_bins=4).with_statistics(recordings, gain=2.0)
    plain = LogMelSpectrogram(num_mel_bins=4, gain=2.0, normalization=None)
    frames = np.concatenate([np.asarray(plain([x[None], np.array([len(x)])]))[0] for x in recordings])
    np.testing.assert_allclose(fixed.normalization, [frames.mean(axis=0), frames.std(axis=0)], rtol=1e-4)
    with pytest.raises(ValueError, match="none"):
        LogMelSpectrogram().with_statistics([])
