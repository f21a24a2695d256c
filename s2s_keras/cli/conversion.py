"""The command that brings in models of other toolkits."""

import ast
import tarfile
import zipfile
from pathlib import Path
from typing import Annotated

import typer

from s2s_keras.cli.app import app, split_settings


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="A .nemo archive, NVIDIA's Tacotron 2 for PyTorch, or a checkpoint of OpenSeq2Seq.")
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
    """Convert a model of NeMo, of NVIDIA's Tacotron 2 or of OpenSeq2Seq to a preset.

    An archive of NeMo and a file of PyTorch (.pt, .pth) say themselves what they are. A checkpoint of OpenSeq2Seq does
    not: --application and --set do.
    """
    archive = source.is_file() and (source.suffix == ".nemo" or tarfile.is_tarfile(source))
    tensors = source.is_file() and (source.suffix in (".pt", ".pth") or zipfile.is_zipfile(source))
    if (archive or tensors) == bool(application):
        raise ValueError(
            f"{source}: "
            + ("--application is for checkpoints of OpenSeq2Seq; this says itself what it is." if application else
               "expected a .nemo archive, a .pt file of NVIDIA's Tacotron 2, or a checkpoint of OpenSeq2Seq with "
               "--application, such as Jasper10x5.")
        )  # fmt: skip
    from s2s_keras.convert import nemo, nvidia, open_seq2seq

    if archive:
        model = nemo.load_model(source)
    elif tensors:
        model = nvidia.load_model(source)
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
