"""Commands that train and measure: evaluate."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from s2s_keras.cli.app import BatchSizeOption, JsonOption, app, check_files
from s2s_keras.cli.recognition import load


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
    check_files([manifest])
    from s2s_keras.data import AudioReader, load_manifest
    from s2s_keras.metrics import character_error_rate, word_error_rate

    utterances = load_manifest(manifest)
    model = load(preset)
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


