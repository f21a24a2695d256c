"""The command that writes models for other runtimes."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from s2s_keras.cli.app import app
from s2s_keras.cli.recognition import load


class Format(StrEnum):
    """What `Application.export` writes."""

    TF_SAVED_MODEL = "tf_saved_model"
    ONNX = "onnx"
    LITERT = "litert"


@app.command()
def export(
    preset: Annotated[str, typer.Argument(help="Name of a preset, a folder, a hub handle, or the folder of a run.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="File to write; a folder for tf_saved_model, and for what speaks a text."),
    ],
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.ONNX,
    int8: Annotated[bool, typer.Option("--int8", help="Weights and arithmetic in 8 bits: onnx and litert.")] = False,
    manifest: Annotated[
        Path | None, typer.Option(help="Recordings that --int8 of onnx takes the range of activations from.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of them.")] = 64,
    vocoder: Annotated[
        str | None,
        typer.Option(help='Of a synthesizer: the preset of another vocoder, or "griffin_lim".', show_default=False),
    ] = None,
):
    """Write a model for SavedModel, ONNX or LiteRT, to be run without this package.

    A recognizer takes a waveform and gives logits. A synthesizer becomes a folder whose speak.py speaks.
    """
    from s2s_keras.applications import SpeechSynthesizer

    calibration = None
    if manifest is not None:
        from s2s_keras.data import load_manifest

        utterances = load_manifest(manifest)
        every = -(-len(utterances) // limit)  # from all over the manifest, which may be sorted
        calibration = [utterance.audio for utterance in utterances[::every]]
    model = load(preset)
    if vocoder is not None and not isinstance(model, SpeechSynthesizer):
        raise ValueError(f"--vocoder is for what speaks a text. {preset} is a {type(model).__name__}: leave it out.")
    options = {} if vocoder is None else {"vocoder": vocoder}
    model.export(output, format=format.value, int8=int8, calibration=calibration, **options)
    files = [output] if output.is_file() else [path for path in output.rglob("*") if path.is_file()]
    print(f"{type(model).__name__}, {sum(file.stat().st_size for file in files):,} bytes: {output}")
