"""Commands that recognize speech: presets, demo."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

import s2s_keras
from s2s_keras.cli.app import JsonOption, app
from s2s_keras.presets import list_presets

CLIPS = Path(s2s_keras.__file__).parent / "presets" / "clips" / "manifest.jsonl"
DEFAULT_PRESET = "jasper_small_an4_en"

PresetOption = Annotated[
    str,
    typer.Option(
        "--preset",
        help=f"Name of a preset, a folder, a hub handle, or the folder of a run. Default: {DEFAULT_PRESET}.",
    ),
]


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
    model = load(preset)
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


def load(preset):
    """The recognizer of a preset or a run."""
    from s2s_keras.training import load_model

    return load_model(preset or DEFAULT_PRESET)
