"""The command line: every command is a few lines over the public API."""

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import s2s_keras
from s2s_keras.presets import list_presets

CLIPS = Path(s2s_keras.__file__).parent / "presets" / "clips" / "manifest.jsonl"
TASK = "speech recognition"

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

PresetOption = Annotated[str, typer.Option("--preset", help="Name of a preset, a folder, or a hub handle.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
BatchSizeOption = Annotated[int, typer.Option("--batch-size", min=1, help="Recordings at a time.")]


def main():
    """The console script `s2s-keras`: an error that a user can mend is one sentence on stderr and exit code 2."""
    choose_backend()
    silence_native_logs()
    try:
        app()
    except ModuleNotFoundError as error:
        _fail(f"{error}. Install it, or pick a backend that is installed: KERAS_BACKEND=tensorflow, jax or torch.")
    except (ValueError, OSError) as error:
        _fail(error)


def choose_backend():
    """Sets KERAS_BACKEND to a backend that is installed, unless it is set or Keras' own configuration names one."""
    if "KERAS_BACKEND" in os.environ:
        return
    config = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    configured = json.loads(config.read_text()).get("backend", "tensorflow") if config.is_file() else "tensorflow"
    for name in (configured, "tensorflow", "jax", "torch"):
        if importlib.util.find_spec(name):
            os.environ["KERAS_BACKEND"] = name
            return


def silence_native_logs():
    """Drops what C++ libraries print to file descriptor 2 unless TF_CPP_MIN_LOG_LEVEL is set; Python's stderr stays."""
    if "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _fail(message):
    print(f"s2s-keras: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(2)


def _show_version(value):
    if value:
        print(s2s_keras.__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
):
    """Speech recognition with s2s_keras. KERAS_BACKEND picks the backend: tensorflow, jax or torch."""


@app.command()
def transcribe(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Audio files: wav, flac, ogg, mp3.")],
    preset: PresetOption = "",
    as_json: JsonOption = False,
    batch_size: BatchSizeOption = 8,
):
    """Print what is said in audio files."""
    _check_files(files)
    texts = _load(preset).transcribe([str(file) for file in files], batch_size=batch_size)
    if as_json:
        rows = [{"file": str(file), "text": text} for file, text in zip(files, texts, strict=True)]
        print(json.dumps(rows, indent=2))
        return
    for file, text in zip(files, texts, strict=True):
        print(text if len(files) == 1 else f"{file}: {text}")


@app.command()
def evaluate(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help="Name of a preset, a folder, or a hub handle.")],
    manifest: Annotated[
        Path, typer.Option(help="JSON lines with audio_filepath and text, or CSV with wav_filename and transcript.")
    ],
    as_json: JsonOption = False,
    batch_size: BatchSizeOption = 8,
):
    """Print word and character error rate on a manifest.

    "wer" and "cer" are fractions over the whole set, "seconds" is the length of the audio, and "rtf" the time from the
    first file read to the last text, compilation included, as a fraction of it.
    """
    _check_files([manifest])
    from s2s_keras.data import AudioReader, load_manifest
    from s2s_keras.metrics import character_error_rate, word_error_rate

    utterances = load_manifest(manifest)
    model = _load(preset)
    start = time.perf_counter()
    recordings = list(map(AudioReader(model.sample_rate), utterances))
    hypotheses = model.transcribe(recordings, batch_size=batch_size)
    elapsed = time.perf_counter() - start
    references = [utterance.text for utterance in utterances]
    seconds = sum(len(recording) for recording in recordings) / model.sample_rate
    result = {
        "wer": word_error_rate(references, hypotheses).rate,
        "cer": character_error_rate(references, hypotheses).rate,
        "utterances": len(utterances),
        "seconds": round(seconds, 3),
        "rtf": round(elapsed / seconds, 4),
    }
    if as_json:
        print(json.dumps(result))
        return
    table = Table("WER", "CER", "utterances", "audio", "real-time factor", title=f"{preset} on {manifest.name}")
    table.add_row(
        f"{result['wer']:.2%}", f"{result['cer']:.2%}", str(len(utterances)), f"{seconds:.1f} s", f"{result['rtf']:.3f}"
    )
    Console().print(table)


@app.command()
def presets(as_json: JsonOption = False):
    """List the presets that ship with the package."""
    cards = list_presets()
    if as_json:
        print(json.dumps(cards, indent=2))
        return
    for card in cards:
        metrics = ", ".join(f"{key} {value}" for key, value in card["metrics"].items())
        print(card["name"])
        for key, value in {**card, "metrics": metrics}.items():
            if key != "name":
                print(f"  {key:12} {value}")


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Where to write the picture.")] = Path("transcription.png"),
    preset: PresetOption = "",
):
    """Transcribe the recordings that ship with the package and draw the first one."""
    from s2s_keras.data import load_manifest
    from s2s_keras.metrics import word_error_rate
    from s2s_keras.visualization import plot_transcription

    utterances = load_manifest(CLIPS)
    started = time.perf_counter()
    model = _load(preset)
    print(f"{model.name}, {model.count_params():,} parameters, loaded in {time.perf_counter() - started:.1f} s\n")
    hypotheses = []
    for utterance in utterances:
        hypotheses.append(model.transcribe(utterance.audio))
        start = time.perf_counter()
        model.transcribe(utterance.audio)  # a second time: the first one compiles
        rtf = (time.perf_counter() - start) / utterance.duration
        score = word_error_rate(utterance.text, hypotheses[-1])
        print(f"{Path(utterance.audio).name}  ({utterance.duration:.1f} s)")
        print(f"  reference   {utterance.text}\n  hypothesis  {hypotheses[-1]}")
        print(f"  WER {score.rate:.1%} ({score.edits} of {score.reference_length} words), real-time factor {rtf:.3f}\n")
    total = word_error_rate([utterance.text for utterance in utterances], hypotheses)
    print(f"All {len(utterances)} recordings: WER {total.rate:.1%}")
    plot_transcription(model, utterances[0].audio, output)
    print(f"Waveform, log-mel and token probabilities of the first one: {output}")


def _check_files(files):
    """Before a model is loaded, which takes seconds."""
    for file in files:
        if not file.is_file():
            raise ValueError(f"{file}: {'is a folder, expected a file' if file.is_dir() else 'no such file'}.")


def _load(preset):
    """The recognizer of a preset; without a name, the first that ships."""
    shipped = [card["name"] for card in list_presets() if card["task"] == TASK]
    if not preset and not shipped:
        raise ValueError("No speech recognition preset ships with this installation. Name one with --preset.")
    from s2s_keras.applications import CTCRecognizer

    return CTCRecognizer.from_preset(preset or shipped[0])
