"""The command that brings in models of other toolkits."""

import ast
import tarfile
from pathlib import Path
from typing import Annotated

import typer

from s2s_keras.cli.app import app, split_settings


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="A .nemo archive of NeMo, or a checkpoint of OpenSeq2Seq (or its folder).")
    ],
    output: Annotated[Path, typer.Option(help="Folder of the preset to write.")],
    application: Annotated[
        str, typer.Option(help="Class of an OpenSeq2Seq checkpoint: Jasper10x5, QuartzNet15x5, Wav2LetterPlus, ...")
    ] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An argument of that class, as Python writes it; repeat it."),
    ] = None,
    front_end: Annotated[
        str, typer.Option(help="Features of an OpenSeq2Seq checkpoint: psf or librosa. Default: as in its releases.")
    ] = "",
    half_precision: Annotated[bool, typer.Option("--half-precision", help="Store kernels as float16.")] = False,
):
    """Convert a model of NeMo or OpenSeq2Seq to a preset.

    An archive of NeMo says itself what it is. A checkpoint of OpenSeq2Seq does not: --application and --set do.
    """
    archive = source.is_file() and (source.suffix == ".nemo" or tarfile.is_tarfile(source))
    if archive == bool(application):
        raise ValueError(
            f"{source}: "
            + ("--application is for checkpoints of OpenSeq2Seq; this is an archive." if archive else
               "expected a .nemo archive, or a checkpoint of OpenSeq2Seq with --application, such as Jasper10x5.")
        )  # fmt: skip
    from s2s_keras.convert import nemo, open_seq2seq

    if archive:
        model = nemo.load_model(source)
    else:
        arguments = {name: _value(value) for name, value in split_settings(settings).items()}
        model = open_seq2seq.load_model(source, application, front_end or None, **arguments)
    model.save_to_preset(output, half_precision=half_precision)
    print(f"{type(model).__name__}, {model.count_params():,} parameters: {output}")


def _value(text):
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
