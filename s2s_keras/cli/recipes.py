"""Commands around a recipe: train, evaluate, infer, benchmark."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from s2s_keras.cli.app import BatchSizeOption, JsonOption, LanguageModelOption, app, check_files, split_settings
from s2s_keras.memory import keep_memory

RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="Python file of a recipe (FILE.py:CLASS of several), or a run's folder.")
]
SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE|PRESET", help="A preset's name, folder or handle; a run's folder; or a recipe that was trained."
    ),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of the recipe; repeat it.")
]
EpochsOption = Annotated[int | None, typer.Option("--epochs", min=1, help="Short for --set epochs=...")]
MixedOption = Annotated[
    bool, typer.Option("--mixed-precision", help="Short for --set dtype_policy=mixed_float16, with a loss scale.")
]
AlphaOption = Annotated[
    float | None, typer.Option("--alpha", min=0.0, help="Weight of the language model's natural log.")
]
BetaOption = Annotated[float | None, typer.Option("--beta", help="Score of each word.")]
BeamWidthOption = Annotated[
    int | None, typer.Option("--beam-width", min=1, help="Texts that are followed side by side.")
]
ManifestHelp = "JSON lines with audio_filepath and text, or CSV with wav_filename and transcript."


@app.command()
def train(
    recipe: RecipeArgument,
    epochs: EpochsOption = None,
    settings: SetOption = None,
    mixed_precision: MixedOption = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the output folder, if any.")] = False,
    output: Annotated[Path | None, typer.Option(help="Folder of the run. Default: runs/NAME for NAME.py.")] = None,
):
    """Train a recipe.

    The folder of the run keeps the recipe and its settings, a log, metrics, checkpoints, files for TensorBoard and, in
    the end, the best weights as a preset. After a crash the same command with --resume goes on.
    """
    overrides = _overrides(settings, epochs, mixed_precision)
    keep_memory()
    from s2s_keras.training import load_recipe
    from s2s_keras.training import train as train_recipe
    from s2s_keras.training.runner import default_folder

    train_recipe(load_recipe(recipe, overrides), output or default_folder(recipe), resume)


@app.command()
def evaluate(
    source: SourceArgument,
    manifest: Annotated[Path | None, typer.Option(help=ManifestHelp)] = None,
    as_json: JsonOption = False,
    batch_size: BatchSizeOption = 8,
    language_model: LanguageModelOption = None,
    alpha: AlphaOption = None,
    beta: BetaOption = None,
    beam_width: BeamWidthOption = None,
    report: Annotated[Path | None, typer.Option(help="HTML page to write about the errors on the manifest.")] = None,
    playable: Annotated[int, typer.Option(min=0, help="Utterances of the page that can be played, the worst.")] = 20,
):
    """Print error rates on a manifest, a classifier's accuracy, or what a run has on its recipe's validation data.

    "wer" and "cer" are fractions over the whole set, "seconds" is the length of the audio, and "rtf" the time from the
    first file read to the last text, compilation included, as a fraction of it. "accuracy" is a fraction, too.
    """
    check_files([manifest] if manifest else [])
    from s2s_keras.training import evaluate as evaluate_model

    search = {"language_model": language_model, "alpha": alpha, "beta": beta, "beam_width": beam_width}
    result = evaluate_model(source, manifest, batch_size, **search, report=report, num_playable=playable)
    if as_json:
        print(json.dumps(result))
        return
    recalls = result.pop("recall", {})
    _print_table(result, f"{source} on {manifest.name if manifest else 'the validation data'}")
    if worst := sorted((recall, label) for label, recall in recalls.items() if recall < 1)[:5]:
        print(f"Least often told: {', '.join(f'{label} ({recall:.1%})' for recall, label in worst)}")
    if report:
        print(f"Report: {report}")


@app.command()
def infer(
    source: SourceArgument,
    manifest: Annotated[Path, typer.Option(help=ManifestHelp)],
    output: Annotated[Path, typer.Option(help="File to write; its ending says how: .csv, .jsonl or .txt.")],
    batch_size: BatchSizeOption = 8,
    language_model: LanguageModelOption = None,
    alpha: AlphaOption = None,
    beta: BetaOption = None,
    beam_width: BeamWidthOption = None,
):
    """Write what is recognized in the recordings of a manifest, in its order."""
    check_files([manifest])
    from s2s_keras.training import infer as infer_texts

    texts = infer_texts(source, manifest, output, batch_size, language_model, alpha, beta, beam_width)
    print(f"{len(texts)} texts: {output}")


@app.command()
def benchmark(
    recipe: RecipeArgument,
    steps: Annotated[int, typer.Option(min=1, help="Steps that are measured.")] = 20,
    warmup: Annotated[int, typer.Option(min=1, help="Steps before them; a compiling backend compiles there.")] = 10,
    settings: SetOption = None,
    mixed_precision: MixedOption = False,
    as_json: JsonOption = False,
):
    """Measure how fast a recipe trains: steps and examples a second, and the peak of memory after the warm-up."""
    overrides = _overrides(settings, None, mixed_precision)
    keep_memory()
    from s2s_keras.training import benchmark as benchmark_recipe
    from s2s_keras.training import distribution, load_recipe

    result = benchmark_recipe(load_recipe(recipe, overrides), steps, warmup)
    if not distribution.is_chief():
        return
    if as_json:
        print(json.dumps(result))
    else:
        _print_table(result, f"{recipe}, {steps} steps after {warmup}")


def _overrides(settings, epochs, mixed_precision):
    """Settings of the command line: dict from name to text."""
    overrides = split_settings(settings)
    if epochs is not None:
        overrides["epochs"] = epochs
    if mixed_precision:
        overrides["dtype_policy"] = "mixed_float16"
    return overrides


_SHOWN = {
    "accuracy": ("accuracy", "{:.2%}"),
    "top_5_accuracy": ("top 5", "{:.2%}"),
    "wer": ("WER", "{:.2%}"),
    "cer": ("CER", "{:.2%}"),
    "seconds": ("audio", "{:.1f} s"),
    "rtf": ("real-time factor", "{:.3f}"),
    "steps_per_second": ("steps/s", "{:.3g}"),
    "items_per_second": ("items/s", "{:.3g}"),
    "audio_seconds_per_second": ("audio s/s", "{:.3g}"),
    "slowest_step": ("slowest step", "{:.3g} s"),
}


def _print_table(result, title):
    columns, cells = [], []
    for name, value in result.items():
        column, form = _SHOWN.get(name, (name.replace("_", " "), "{:.4g}" if isinstance(value, float) else "{}"))
        if name.endswith("_memory"):
            value, form = value / 2**20, "{:.0f} MiB"
        columns.append(column)
        cells.append(form.format(value))
    table = Table(*columns)
    table.add_row(*cells)
    Console().print(title, table)
