"""Commands that speak: synthesize."""

import os
from pathlib import Path
from typing import Annotated

import typer

from s2s_keras.cli.app import app

DEFAULT_VOICE = "tacotron2_mini_kathleen_en"


@app.command()
def synthesize(
    text: Annotated[str, typer.Argument(help="What to say, or - to read it from the standard input.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Audio file to write: .wav, .flac or .ogg.")],
    preset: Annotated[
        str, typer.Option("--preset", help="Name of a preset, a folder, a hub handle, or the folder of a run.")
    ] = DEFAULT_VOICE,
    vocoder: Annotated[
        str | None, typer.Option(help='The preset of another vocoder, or "griffin_lim".', show_default=False)
    ] = None,
    style: Annotated[
        Path | None, typer.Option(help="A recording to speak in the style of, for models that have styles.")
    ] = None,
    speed: Annotated[float, typer.Option(help="How many times faster than the model speaks.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Another number, another way to say it.")] = 0,
    picture: Annotated[
        Path | None, typer.Option(help="Picture to write: spectrogram, alignment and end of each sentence.")
    ] = None,
):
    """Write a text as speech."""
    if output.suffix.lower() not in (".wav", ".flac", ".ogg"):
        raise ValueError(f"Audio is written as .wav, .flac or .ogg. Received: {str(output)!r}.")
    import soundfile

    from s2s_keras.applications import SpeechSynthesizer
    from s2s_keras.training import load_model

    text = typer.get_text_stream("stdin").read() if text == "-" else text
    model = load_model(preset)
    if not isinstance(model, SpeechSynthesizer):
        raise ValueError(f"{preset} is a {type(model).__name__} and does not speak. Name another --preset.")
    styled = {} if style is None else {"style": str(style)}
    audio, sample_rate = model.synthesize(text, vocoder=vocoder, speed=speed, seed=seed, **styled)
    unfinished = output.with_name(f".{output.name}")
    soundfile.write(unfinished, audio, sample_rate, format=output.suffix[1:].upper())
    os.replace(unfinished, output)
    print(f"{output}: {len(audio) / sample_rate:.1f} s at {sample_rate} Hz")
    if picture is not None:
        from s2s_keras.applications.speech_synthesizer import join_spoken
        from s2s_keras.visualization import plot_synthesis

        spoken = join_spoken(model.spectrograms(model.tokenizer.sentences(text), seed=seed, **styled))
        names = [model.tokenizer.decode([n]).strip("{}") or "·" for n in spoken.token_ids]
        frame = model.front_end.hop_length / sample_rate
        plot_synthesis(spoken.mel, spoken.alignment, spoken.stop, names, frame, path=picture)
        print(picture)
