"""A folder that a synthesizer was exported to says what the synthesizer says, without Keras."""

import json
import shutil
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest
import soundfile

from s2s_keras import cli
from s2s_keras.applications import Centaur, GriffinLim, Tacotron2, Vocos, WaveNet
from s2s_keras.applications._speak import Speaker, sentences, token_ids
from s2s_keras.applications.speech_synthesizer import CHUNK
from s2s_keras.layers import MelSpectrogram, StyleEncoder
from s2s_keras.tokenizers import NVIDIASpeechTokenizer, PhonemeTokenizer, SynthesisTokenizer
from s2s_keras.tokenizers.letter_to_sound import guess
from tests.applications.test_tacotron2 import SMALL
from tests.checks import randomize

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow exports")

TEXTS = ["a.", "no, no.", "what's the zzxq's {HH AH0 L OW1} world?"]
FRONT_END = {"sample_rate": 8000, "fft_length": 64, "hop_length": 16, "num_mel_bins": 6}
SEED = 3
PARITY = {"rtol": 0, "atol": 1e-4}
MANNER = {"speaker": 1, "style": [0.7, -0.2, 0.1]}
ALONE = """
import runpy, sys
for name in ("keras", "keras_hub", "tensorflow", "jax", "torch", "s2s_keras", "tf2onnx"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def front_end():
    return MelSpectrogram(**FRONT_END, name="front_end")


def phonemes(folder):
    lines = ("the DH AH0", "fox F AA1 K S", "cat K AE1 T", "dog D AO1 G", "what W AH1 T", "a AH0", "world W ER1 L D")
    (folder / "dictionary").write_text("\n".join(lines))
    return PhonemeTokenizer(dictionary=folder / "dictionary")


def end_in_time(model, texts):
    """Lets speech end at different frames, in time for every text."""
    bias = model.get_layer("decoder").stop_layer.bias
    bias.assign(np.zeros(bias.shape))
    ids = [model.tokenizer.encode(text) for text in texts]
    padded = np.zeros((len(ids), 48), "int32")
    for row, some in zip(padded, ids, strict=True):
        row[: len(some)] = some
    state = model._stages.start.predict_on_batch({"token_ids": padded, **model.conditions(len(ids))})
    drawn = model.draw(CHUNK, np.random.default_rng(SEED))
    stop = model._stages.steps.predict_on_batch({"state": state, "drawn": drawn})[0]["stop"]
    highest = [row[: model.most_frames(len(some))].max() for row, some in zip(stop, ids, strict=True)]
    bias.assign(np.full(bias.shape, 1e-3 - min(highest)))


@pytest.fixture(scope="module")
def tacotron(tmp_path_factory):
    """A model with all there is, its vocoder, and their folder for onnxruntime."""
    keras.utils.set_random_seed(0)
    styles = StyleEncoder(filters=(4,), rnn_dim=4, num_tokens=3, style_dim=8, num_heads=2, name="styles")
    model = Tacotron2(
        **{**SMALL, "vocabulary_size": None, "dropout": 0.5, "magnitude_bins": 5},
        tokenizer=phonemes(tmp_path_factory.mktemp("dictionary")),
        front_end=front_end(),
        reduction_factor=2,
        num_speakers=2,
        style_encoder=styles,
    )
    vocoder = Vocos(6, 8, 12, 1, 3, 8000, 64, 16)
    randomize(model)
    randomize(vocoder)
    end_in_time(model, TEXTS)
    folder = tmp_path_factory.mktemp("tacotron")
    model.export(folder, vocoder=vocoder)
    return model, vocoder, folder


@pytest.fixture(scope="module")
def centaur(tmp_path_factory):
    """A model of half precision, exported by the command line for TensorFlow with a vocoder without weights."""
    keras.utils.set_random_seed(0)
    sizes = {"encoder_dim": 8, "encoder_layers": 1, "decoder_dim": 8, "num_blocks": 1, "num_convolutions": 1}
    model = Centaur(**sizes, forced_blocks=(0,), tokenizer=SynthesisTokenizer(), front_end=front_end())
    randomize(model)
    end_in_time(model, TEXTS[:2])
    folder = tmp_path_factory.mktemp("centaur")
    model.copy(dtype="mixed_bfloat16").save_to_preset(folder / "preset")
    command = ["s2s-keras", "export", str(folder / "preset"), "-o", str(folder / "new" / "voice")]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as exit:
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # file descriptor 2 belongs to pytest here
        patch.setattr(sys, "argv", [*command, "--format", "tf_saved_model", "--vocoder", "griffin_lim"])
        cli.main()
    assert not exit.value.code
    return model, "griffin_lim", folder / "new" / "voice"


@pytest.mark.parametrize(("name", "texts", "manner"), [("tacotron", TEXTS, MANNER), ("centaur", TEXTS[:2], {})])
def test_folder_says_what_the_model_says(name, texts, manner, request):
    model, vocoder, folder = request.getfixturevalue(name)
    speaker = Speaker(folder)
    found = []
    for kind in ({}, manner) if manner else ({},):
        for text, expected in zip(texts, model.spectrograms(texts, SEED, **kind), strict=True):
            found.append(speaker.spectrogram(model.tokenizer.encode(text), SEED, **kind))
            np.testing.assert_allclose(found[-1], expected.mel, **PARITY)
    assert len({len(mel) for mel in found}) > (2 if manner else 0)
    audio, _ = model.synthesize(" ".join(texts[:2]), vocoder, seed=SEED, **manner)
    scale = max(np.abs(audio).max(), 1.0)
    spoken = speaker.speak(" ".join(texts[:2]), SEED, **manner)
    atol = 1e-3 if vocoder == "griffin_lim" else 1e-4  # whose iterations magnify what is rounded otherwise
    np.testing.assert_allclose(spoken / scale, audio / scale, rtol=0, atol=atol)


def test_program_runs_where_there_is_nothing_else(tacotron, tmp_path):
    model, vocoder, folder = tacotron
    command = [sys.executable, "-I", "-c", ALONE, str(folder / "speak.py")]
    output = tmp_path / "a.wav"
    done = subprocess.run(
        [*command, "What. No, no.", "-o", output, "--seed", str(SEED)], capture_output=True, text=True
    )
    audio, sample_rate = model.synthesize("What. No, no.", vocoder, seed=SEED)
    assert (done.stderr, done.stdout) == ("", f"{output}: {len(audio) / 8000:.1f} s at 8000 Hz\n")
    written, rate = soundfile.read(output)
    assert rate == sample_rate == 8000
    np.testing.assert_allclose(written, np.clip(audio, -1.0, 1.0), rtol=0, atol=2e-4)
    done = subprocess.run([*command, "--ids", "1 999 2", "-o", output], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("Error: A sentence is a list of token ids from 1 to 109.")


@pytest.mark.parametrize("kind", ["phonemes", "characters", "upper case", "nvidia"])
def test_table_has_the_ids_of_the_tokenizer(kind, tmp_path):
    tokenizer = {
        "phonemes": phonemes(tmp_path),
        "characters": SynthesisTokenizer(),
        "upper case": SynthesisTokenizer("ABab .", lower=False),
        "nvidia": NVIDIASpeechTokenizer(unknown="error"),
    }[kind]
    table = json.loads(json.dumps(tokenizer.table()))
    text = "The fox's house, the cat's and Zzxq's! It's a dog's life... or so"
    text = {"phonemes": f"{text} {{HH AA1}}", "nvidia": f"{text} {{HH AA}}", "upper case": "Ab bA. Ba."}.get(kind, text)
    expected = [tokenizer.encode(sentence) for sentence in tokenizer.sentences(text)]
    by_letters = partial(guess, rules=table["rules"]) if "rules" in table else None
    assert [token_ids(sentence, table, by_letters) for sentence in sentences(text, table)] == expected
    with pytest.raises(ValueError, match=r"to say '\u6771'"):
        token_ids("\u6771", table)
    with pytest.raises(ValueError, match="nothing to say"):
        sentences("...", table)


def test_what_cannot_be_said_is_named(tacotron, tmp_path):
    _, _, folder = tacotron
    speaker = Speaker(folder)
    for arguments, message in [
        ({"token_ids": [1, 2], "speaker": 2}, "2 voices and 3 style tokens. Received: speaker=2"),
        ({"token_ids": [1, 2], "style": [1.0]}, r"style=\[1.0\]"),
        ({"token_ids": []}, r"Received: \[\]"),
        ({"token_ids": [1] * 2, "seed": 1}, "did not end within 20 frames"),
    ]:
        with pytest.raises(ValueError, match=message):
            speaker.spectrogram(**arguments)
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "text.json.gz").unlink()
    with pytest.raises(ValueError, match="text.json.gz: no such file"):
        Speaker(broken).speak("a")
    (broken / "vocoder.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match="vocoder.onnx cannot be read, is it damaged"):
        Speaker(broken)
    (broken / "vocoder.onnx").unlink()
    with pytest.raises(ValueError, match="vocoder.onnx: no such file"):
        Speaker(broken)


def test_griffin_lim_in_onnx(tmp_path):
    import onnxruntime

    vocoder = GriffinLim(front_end(), num_iterations=3)
    vocoder.export(tmp_path / "vocoder.onnx", format="onnx")
    mel = np.random.default_rng(0).normal(-2.0, 1.0, (2, 21, 6)).astype("float32")
    inputs = {"mel": mel, "mel_lengths": np.array([21, 13], "int32")}
    session = onnxruntime.InferenceSession(str(tmp_path / "vocoder.onnx"), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(["audio"], inputs)[0], vocoder.predict_on_batch(inputs), **PARITY)


def test_arguments_that_do_not_fit(tacotron, tmp_path):
    model, vocoder, folder = tacotron
    (tmp_path / "thesis.txt").write_text("the only copy")
    for arguments, message in [
        ({"format": "litert"}, "'onnx' or 'tf_saved_model', in float32. Received: format='litert'"),
        ({"int8": True}, "int8=True"),
        ({"vocoder": WaveNet(num_mel_bins=6, sample_rate=8000, hop_length=16)}, "Received: WaveNet"),
        ({}, "is there already and is no folder"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.export(tmp_path, **{"vocoder": vocoder, **arguments})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(ValueError, match="front end"):
        Tacotron2(**SMALL).export(tmp_path / "new")
