import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile

from s2s_keras import __version__, cli
from s2s_keras.presets import list_presets

CLIPS = Path(__file__).resolve().parents[1] / "s2s_keras" / "presets" / "clips"
FILES = sorted(str(path) for path in CLIPS.glob("*.flac"))
MANIFEST = str(CLIPS / "manifest.jsonl")
RECIPE = Path(__file__).with_name("training") / "tiny_recipe.py"


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A preset folder with a tiny untrained network."""
    import keras

    from s2s_keras.applications import Jasper

    keras.utils.set_random_seed(0)
    model = Jasper(blocks=((16, 5, 0.0),), repeat=1, prologue=(16, 5, 0.0), epilogue=((16, 1, 0.0),))
    folder = tmp_path_factory.mktemp("preset")
    model.save_to_preset(folder)
    return str(folder)


@pytest.fixture
def run(monkeypatch, capsys):
    """Function (arguments) -> (exit code, stdout, stderr) of the console script, in this process."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # file descriptor 2 belongs to pytest here

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["s2s-keras", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capsys.readouterr()
        return exit.value.code or 0, out, err

    return run


def spawn(*arguments):
    """The console script as a user starts it."""
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    code = "from s2s_keras.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, cwd=CLIPS.parents[2]
    )


def test_version(run):
    assert run("--version") == (0, f"{__version__}\n", "")


def test_presets_json(run):
    code, out, _ = run("presets", "--json")
    assert code == 0
    assert json.loads(out) == list_presets()
    for card in json.loads(out):
        assert set(card) == {"name", "application", "task", "data", "licence", "metrics"}


def test_presets_in_words_names_every_preset(run):
    out = run("presets")[1]
    for card in list_presets():
        assert card["name"] in out


def test_transcribe_json_keeps_the_order(run, preset):
    from s2s_keras.applications import from_preset

    files = [FILES[2], FILES[0]]
    code, out, _ = run("transcribe", *files, "--preset", preset, "--json")
    texts = from_preset(preset).transcribe(files)
    assert code == 0
    assert json.loads(out) == [{"file": file, "text": text} for file, text in zip(files, texts, strict=True)]


def test_transcribe_prints_text(run, preset):
    one = run("transcribe", FILES[0], "--preset", preset)[1]
    two = run("transcribe", FILES[0], FILES[1], "--preset", preset)[1].splitlines()
    assert two[0] == f"{FILES[0]}: {one.rstrip()}"
    assert len(two) == 2


def test_transcribe_takes_folders_and_patterns(run, preset):
    by_name = run("transcribe", *FILES, "--preset", preset, "--json")[1]
    assert run("transcribe", CLIPS, "--preset", preset, "--json")[1] == by_name
    assert run("transcribe", f"{CLIPS}/*.flac", "--preset", preset, "--json")[1] == by_name


def test_transcribe_tells_times_in_every_format(run, preset, tmp_path):
    from s2s_keras.applications import from_preset
    from s2s_keras.decoding import to_ctm, to_srt, to_vtt

    arguments = ("transcribe", FILES[0], "--preset", preset, "--language-model", "an4")
    [best] = from_preset(preset).transcribe(FILES[0], language_model="an4", num_best=1)
    assert run(*arguments)[1] == f"{best.text}\n"
    [row] = json.loads(run(*arguments, "--timestamps", "--format", "json")[1])
    assert row["text"] == best.text and [word["text"] for word in row["words"]] == best.text.split()
    assert [word["start"] for word in row["words"]] == [round(word.start, 3) for word in best.words]
    assert run(*arguments, "--format", "srt")[1] == to_srt(best.words)
    assert run(*arguments, "--format", "vtt")[1] == to_vtt(best.words)
    assert run(*arguments, "--format", "ctm")[1] == to_ctm(best.words, Path(FILES[0]).stem)
    assert run("transcribe", CLIPS, "--preset", preset, "--format", "textgrid", "--output-folder", tmp_path)[1] == ""
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"{Path(file).stem}.TextGrid" for file in FILES}


def test_transcribe_stream_prints_while_it_listens(run, monkeypatch):
    """A file, and the same samples on standard input, whose bytes come in odd numbers."""
    _, text, _ = run("transcribe", FILES[0])
    code, out, _ = run("transcribe", FILES[0], "--stream")
    assert (code, out) == (0, text)
    samples, _ = soundfile.read(FILES[0], dtype="int16")

    class Pipe(io.BytesIO):
        def read1(self, size):
            return super().read1(min(size, 2999))

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Pipe(samples.tobytes())))
    code, out, _ = run("transcribe", "-", "--stream", "--json", "--sample-rate", "16000")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and len(rows) > 4 and rows[-1]["is_final"] and rows[-1]["text"] + "\n" == text
    assert [word for word, _, _ in rows[-1]["words"]] == text.split()
    assert not rows[0]["is_final"] and rows[0]["words"] == []


def test_a_damaged_file_leaves_what_was_done_before_it(run, preset, monkeypatch, tmp_path):
    monkeypatch.setattr("s2s_keras.cli.transcription.GROUP_SECONDS", 3.0)
    broken = tmp_path / "broken.flac"
    broken.write_bytes(Path(FILES[1]).read_bytes()[:20000])
    arguments = ("transcribe", FILES[0], broken, FILES[2], "--preset", preset)
    code, out, err = run(*arguments)
    assert code == 2 and "broken.flac" in err and err.count("\n") == 1
    assert out.startswith(f"{FILES[0]}: ") and out.count("\n") == 1
    assert run(*arguments, "--output-folder", tmp_path / "texts")[0] == 2
    assert [path.name for path in (tmp_path / "texts").iterdir()] == [f"{Path(FILES[0]).stem}.txt"]
    assert run(*arguments, "--json")[1] == ""


def test_transcribe_batches_by_seconds(run, preset):
    alone = run("transcribe", CLIPS, "--preset", preset)
    assert run("transcribe", CLIPS, "--preset", preset, "--batch-seconds", "8") == alone


def test_align_prints_the_words_of_a_text(run, preset, tmp_path):
    out = run("align", FILES[0], "--text", "yes sir", "--preset", preset, "--format", "ctm")[1]
    assert [line.split()[4] for line in out.splitlines()] == ["yes", "sir"]
    row = {"audio_filepath": FILES[0], "text": "yes sir", "offset": 0.5, "duration": 1.0}
    (tmp_path / "part.jsonl").write_text(json.dumps(row))
    out = run("align", "--manifest", tmp_path / "part.jsonl", "--preset", preset, "--format", "ctm")[1]
    assert all(0.5 <= float(line.split()[2]) <= 1.5 for line in out.splitlines())


def test_evaluate_json(run, preset):
    import jiwer

    from s2s_keras.applications import from_preset

    code, out, _ = run("evaluate", preset, "--manifest", MANIFEST, "--json")
    result = json.loads(out)
    rows = [json.loads(line) for line in Path(MANIFEST).read_text().splitlines()]
    references = [row["text"] for row in rows]
    hypotheses = from_preset(preset).transcribe([str(CLIPS / row["audio_filepath"]) for row in rows])
    assert code == 0
    assert list(result) == ["wer", "cer", "utterances", "seconds", "rtf"]
    assert result["wer"] == pytest.approx(jiwer.wer(references, hypotheses))
    assert result["cer"] == pytest.approx(jiwer.cer(references, hypotheses))
    assert result["utterances"] == len(rows)
    assert result["seconds"] == pytest.approx(sum(row["duration"] for row in rows), abs=0.3)
    assert result["rtf"] > 0


def test_evaluate_reads_the_part_that_a_manifest_names(run, preset, tmp_path):
    rows = [{"audio_filepath": FILES[0], "text": "a", "offset": 0.5, "duration": 1.0}]
    (tmp_path / "part.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = json.loads(run("evaluate", preset, "--manifest", tmp_path / "part.jsonl", "--json")[1])
    assert result["seconds"] == pytest.approx(1.0)


def test_evaluate_table(run, preset):
    out = run("evaluate", preset, "--manifest", MANIFEST)[1]
    assert "WER" in out and "real-time factor" in out


def test_demo_prints_every_clip_and_draws(run, preset, tmp_path):
    code, out, _ = run("demo", "--preset", preset, "--output", tmp_path / "picture.png")
    assert code == 0
    for line in Path(MANIFEST).read_text().splitlines():
        assert json.loads(line)["text"] in out
    assert out.count("real-time factor") == len(FILES)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_train_hands_on_what_is_asked_for(run, monkeypatch, tmp_path):
    import s2s_keras.training

    asked = []
    monkeypatch.setattr(s2s_keras.training, "train", lambda *arguments: asked.append(arguments))
    short = ("--epochs", 5, "--mixed-precision", "--resume", "--output", tmp_path)
    assert run("train", RECIPE, *short, "--set", "learning_rate=0.5", "--set", "filters=4") == (0, "", "")
    assert run("train", RECIPE)[0] == 0
    (recipe, output, resume), (plain, default, anew) = asked
    changed = {"epochs": 5, "learning_rate": 0.5, "filters": 4, "dtype_policy": "mixed_float16"}
    assert recipe.settings() == {**plain.settings(), **changed}
    assert (output, resume) == (tmp_path, True)
    assert (default, anew) == (Path("runs") / "tiny_recipe", False)


def test_benchmark_prints_what_was_measured(run, monkeypatch):
    import s2s_keras.training

    result = {"steps_per_second": 2.0, "peak_memory": 3 * 2**20}
    monkeypatch.setattr(s2s_keras.training, "benchmark", lambda recipe, steps, warmup: {**result, "steps": steps})
    assert json.loads(run("benchmark", RECIPE, "--steps", 7, "--json")[1]) == {**result, "steps": 7}
    out = run("benchmark", RECIPE)[1]
    assert "steps/s" in out and "3 MiB" in out


def test_infer_writes_the_texts_in_order(run, preset, tmp_path):
    from s2s_keras.applications import from_preset

    code, out, _ = run("infer", preset, "--manifest", MANIFEST, "--output", tmp_path / "texts.jsonl")
    assert (code, out) == (0, f"5 texts: {tmp_path / 'texts.jsonl'}\n")
    rows = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text().splitlines()]
    names = [json.loads(line)["audio_filepath"] for line in Path(MANIFEST).read_text().splitlines()]
    assert [Path(row["audio_filepath"]).name for row in rows] == names
    texts = from_preset(preset).transcribe([row["audio_filepath"] for row in rows])
    assert [row["pred_text"] for row in rows] == texts


@pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
def test_infer_searches_as_evaluate_does(run, preset, tmp_path):
    from s2s_keras.applications import from_preset
    from s2s_keras.decoding import CTCBeamSearch

    search = ("--language-model", "an4", "--alpha", 1.5, "--beta", 2, "--beam-width", 8)
    output = tmp_path / "texts.txt"
    assert run("infer", preset, "--manifest", MANIFEST, "--output", output, *search)[0] == 0
    model, files = from_preset(preset), [CLIPS / json.loads(line)["audio_filepath"] for line in open(MANIFEST)]
    expected = CTCBeamSearch.from_preset("an4", model.tokenizer, alpha=1.5, beta=2.0, beam_width=8)
    texts = model.transcribe(files, language_model=expected)
    assert output.read_text().splitlines() == texts != model.transcribe(files)


@pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
def test_a_model_that_writes_by_attention(run, tmp_path, monkeypatch):
    from s2s_keras.applications import ListenAttendSpell

    def hypotheses(self, audio, sample_rate, batch_size, beam_width=4, **search):
        return [[(f"beam {beam_width}, more: {search}", 0.0)] for _ in audio]

    monkeypatch.setattr(ListenAttendSpell, "hypotheses", hypotheses)
    ListenAttendSpell(blocks=((8, 3, 8, 1, 0.0),), hidden_dim=6).save_to_preset(tmp_path / "preset")
    output = tmp_path / "texts.txt"
    arguments = ("infer", tmp_path / "preset", "--manifest", MANIFEST, "--output", output)
    for width, more in {4: (), 2: ("--beam-width", 2)}.items():
        assert run(*arguments, *more)[0] == 0
        assert output.read_text() == f"beam {width}, more: {{}}\n" * 5
    assert "takes no language model" in run(*arguments, "--language-model", "an4")[2]


def break_manifest(tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"audio_filepath": \n')
    return ("evaluate", "PRESET", "--manifest", tmp_path / "bad.jsonl"), "bad.jsonl, line 1"


def truncate_audio(tmp_path):
    (tmp_path / "cut.flac").write_bytes(Path(FILES[0]).read_bytes()[:2000])
    return ("transcribe", tmp_path / "cut.flac", "--preset", "PRESET"), "cut.flac"


def write_text_as_audio(tmp_path):
    (tmp_path / "text.wav").write_text("not audio")
    return ("transcribe", tmp_path / "text.wav", "--preset", "PRESET"), "text.wav"


def drop_weights(tmp_path):
    shutil.copytree(tmp_path / "preset", tmp_path / "broken", ignore=shutil.ignore_patterns("*.h5"))
    return ("transcribe", FILES[0], "--preset", tmp_path / "broken"), "has no weights: expected model.weights.h5"


def cut_weights(tmp_path):
    weights = tmp_path / "preset" / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:3000])
    return ("transcribe", FILES[0], "--preset", tmp_path / "preset"), "cannot be loaded"


def cut_config(tmp_path):
    (tmp_path / "preset" / "config.json").write_text('{"module": ')
    return ("transcribe", FILES[0], "--preset", tmp_path / "preset"), "cannot be loaded"


def name_no_recipe(tmp_path):
    (tmp_path / "empty.py").write_text("")
    return ("train", tmp_path / "empty.py"), "defines no recipe"


INFER = ("infer", "PRESET", "--manifest", MANIFEST, "--output")
ERRORS = {
    "missing recipe": lambda tmp_path: (("train", tmp_path / "no.py"), "no such file"),
    "no recipe": name_no_recipe,
    "unknown setting": lambda tmp_path: (("train", RECIPE, "--set", "filtres=4"), "Close: filters"),
    "wrong type": lambda tmp_path: (("train", RECIPE, "--set", "filters=few"), "filters of Tiny is int"),
    "setting without value": lambda tmp_path: (("benchmark", RECIPE, "--set", "filters"), "NAME=VALUE"),
    "unknown ending": lambda tmp_path: ((*INFER, tmp_path / "texts.doc"), ".csv, .jsonl, .txt"),
    "preset without data": lambda tmp_path: (("evaluate", "PRESET"), "--manifest"),
    "missing audio": lambda tmp_path: (("transcribe", tmp_path / "no.wav"), "no such file"),
    "folder without audio": lambda tmp_path: (("transcribe", tmp_path), "holds no audio file"),
    "pattern without files": lambda tmp_path: (("transcribe", f"{tmp_path}/*.mp3"), "no file has such a name"),
    "several captions": lambda tmp_path: (("transcribe", *FILES, "--format", "srt"), "--output-folder"),
    "captions of a stream": lambda tmp_path: (("transcribe", FILES[0], "--stream", "--format", "srt"), "--stream"),
    "no audio in a batch": lambda tmp_path: (
        ("transcribe", FILES[0], "--preset", "PRESET", "--batch-seconds", "0"),
        "batch_seconds=0",
    ),
    "missing audio of a stream": lambda tmp_path: (("transcribe", tmp_path / "no.wav", "--stream"), "no such file"),
    "speech in no known format": lambda tmp_path: (
        ("synthesize", "a", "-o", tmp_path / "a.mp3", "--preset", "PRESET"),
        ".wav, .flac or .ogg",
    ),
    "a recognizer asked to speak": lambda tmp_path: (
        ("synthesize", "a", "-o", tmp_path / "a.wav", "--preset", "PRESET"),
        "does not speak",
    ),
    "alignment without text": lambda tmp_path: (("align", FILES[0]), "--text"),
    "unknown language model": lambda tmp_path: (
        ("evaluate", "PRESET", "--manifest", MANIFEST, "--language-model", "no"),
        "an4",
    ),
    "weights of nothing": lambda tmp_path: (
        ("evaluate", "PRESET", "--manifest", MANIFEST, "--alpha", "1"),
        "--language-model",
    ),
    "not audio": write_text_as_audio,
    "audio cut off": truncate_audio,
    "missing manifest": lambda tmp_path: (("evaluate", "PRESET", "--manifest", tmp_path / "no.jsonl"), "no such file"),
    "broken manifest": break_manifest,
    "unknown preset": lambda tmp_path: (("transcribe", FILES[0], "--preset", "jaspr_an4"), "no preset 'jaspr_an4'"),
    "folder without preset": lambda tmp_path: (("transcribe", FILES[0], "--preset", tmp_path), "not a preset"),
    "preset without weights": drop_weights,
    "preset with half its weights": cut_weights,
    "preset with half its config": cut_config,
}


@pytest.mark.parametrize("case", ERRORS)
def test_a_mistake_gives_one_sentence_and_exit_code_2(case, run, preset, tmp_path):
    shutil.copytree(preset, tmp_path / "preset")
    arguments, expected = ERRORS[case](tmp_path)
    code, out, err = run(*[preset if argument == "PRESET" else argument for argument in arguments])
    assert (code, out) == (2, "")
    assert err.startswith("s2s-keras: ") and expected in err
    assert err.count("\n") == 1


def test_unknown_preset_names_the_close_ones(run):
    name = list_presets()[0]["name"]
    assert name in run("transcribe", FILES[0], "--preset", name[:-1])[2]


def test_output_of_a_process_is_pure(preset):
    result = spawn("evaluate", preset, "--manifest", MANIFEST, "--json")
    assert set(json.loads(result.stdout)) == {"wer", "cer", "utterances", "seconds", "rtf"}
    assert result.stdout.count("\n") == 1
    assert (result.returncode, result.stderr) == (0, "")


def test_error_of_a_process_reaches_stderr():
    result = spawn("transcribe", "no.wav")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "s2s-keras: no.wav: no such file.\n"


@pytest.mark.parametrize(
    ("installed", "configured", "expected"),
    [
        (("tensorflow", "jax"), None, "tensorflow"),
        (("jax", "torch"), None, "jax"),
        (("jax",), "tensorflow", "jax"),
        (("tensorflow", "torch"), "torch", "torch"),
        ((), None, None),
    ],
)
def test_backend_is_one_that_is_installed(installed, configured, expected, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_BACKEND", "to be removed again")
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: name in installed or None)
    if configured:
        (tmp_path / "keras.json").write_text(json.dumps({"backend": configured}))
    cli.choose_backend()
    assert os.environ.get("KERAS_BACKEND") == expected


def test_backend_of_the_environment_wins(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    cli.choose_backend()
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_convert_of_an_archive_makes_a_preset(run, tmp_path):
    pytest.importorskip("torch")
    from tests.convert import nemo_oracle, test_nemo

    settings = test_nemo.config(test_nemo.QuartzNet)
    state = nemo_oracle.Recognizer(settings).state_dict()
    nemo_oracle.write_archive(tmp_path / "model.nemo", settings, state)
    output = tmp_path / "preset"
    code, out, _ = run("convert", tmp_path / "model.nemo", "--output", output, "--half-precision")
    assert code == 0 and out.startswith("QuartzNet, ") and (output / "config.json").is_file()
    content = (tmp_path / "model.nemo").read_bytes()
    (tmp_path / "model.nemo").write_bytes(content[: len(content) // 2])
    code, out, err = run("convert", tmp_path / "model.nemo", "--output", tmp_path / "nothing")
    assert code == 2 and "cut short" in err and not (tmp_path / "nothing").exists()


def test_convert_of_tensors_makes_a_preset(run, tmp_path):
    torch = pytest.importorskip("torch")
    from tests.convert.nvidia_oracle import Network

    torch.save({"state_dict": Network().state_dict()}, tmp_path / "tacotron2.pt")
    output = tmp_path / "preset"
    code, out, _ = run("convert", tmp_path / "tacotron2.pt", "--output", output)
    assert code == 0 and out.startswith("Tacotron2NVIDIA, ") and (output / "config.json").is_file()
    content = (tmp_path / "tacotron2.pt").read_bytes()
    (tmp_path / "tacotron2.pt").write_bytes(content[: len(content) // 2])
    code, out, err = run("convert", tmp_path / "tacotron2.pt", "--output", tmp_path / "nothing")
    assert code == 2 and err.count("\n") == 1 and "cut short" in err and not (tmp_path / "nothing").exists()
    code, out, err = run("convert", tmp_path / "tacotron2.pt", "--application", "Jasper10x5", "--output", output)
    assert code == 2 and "says itself" in err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["missing", "--application", "Jasper10x5"], "no file missing.index"),
        (["missing", "--application", "Jasper10x6"], "Close: Jasper10x5"),
        (["missing"], "with --application"),
    ],
)
def test_convert_of_what_is_not_there(run, arguments, message):
    code, _, err = run("convert", *arguments, "--output", "nothing")
    assert code == 2 and message in err


@pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
def test_what_attention_does_not_do(run):
    """A preset that writes by attention transcribes, and refuses in a sentence what only CTC has."""
    name = "jca_mini_an4_en"
    code, out, _ = run("transcribe", FILES[2], "--preset", name, "--json")
    assert code == 0 and json.loads(out)[0]["text"] == "j a n e t"
    for arguments in (("--stream",), ("--timestamps",), ("--language-model", "an4"), ("--batch-seconds", "9")):
        code, out, err = run("transcribe", FILES[2], "--preset", name, *arguments)
        assert (code, out) == (2, "") and err.count("\n") == 1 and "CTC" in err


def test_synthesize_writes_speech_and_a_picture(run, tmp_path):
    from s2s_keras.applications import Tacotron2
    from s2s_keras.layers import MelSpectrogram
    from s2s_keras.tokenizers import SynthesisTokenizer
    from tests.applications.test_tacotron2 import SMALL, end_after

    front_end = MelSpectrogram(sample_rate=8000, fft_length=64, hop_length=16, num_mel_bins=6)
    arguments = {**SMALL, "vocabulary_size": None, "flavour": "nvidia", "reduction_factor": 4}
    model = Tacotron2(**arguments, tokenizer=SynthesisTokenizer(), front_end=front_end)
    end_after(model, 9.0)
    model.save_to_preset(tmp_path / "preset")
    options = ("-o", tmp_path / "a.flac", "--preset", tmp_path / "preset", "--picture", tmp_path / "a.png")
    code, out, _ = run("synthesize", "One. Two.", *options)
    assert code == 0 and "at 8000 Hz" in out
    audio, sample_rate = soundfile.read(tmp_path / "a.flac")
    assert sample_rate == 8000 and len(audio) == 2 * 2 * 16 + 0.15 * 8000  # two sentences and the pause between
    assert (tmp_path / "a.png").read_bytes()[1:4] == b"PNG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.flac", "a.png", "preset"]
    code, out, err = run("synthesize", "...", *options)
    assert (code, out) == (2, "") and "nothing to say" in err
