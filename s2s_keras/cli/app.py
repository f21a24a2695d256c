"""The application that the commands join, and what they share."""

from typing import Annotated

import typer

import s2s_keras

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
BatchSizeOption = Annotated[int, typer.Option("--batch-size", min=1, help="Recordings at a time.")]
LanguageModelOption = Annotated[
    str | None,
    typer.Option("--language-model", help="One that ships (an4, an4_names), or a file: ARPA, KenLM, or `save`'s."),
]


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


def check_files(files):
    """Before a model is loaded, which takes seconds."""
    for file in files:
        if file.is_dir():
            raise ValueError(f"{file}: is a folder, expected a file.")
        if not file.exists():
            raise ValueError(f"{file}: no such file.")
        if not file.is_file():
            raise ValueError(f"{file}: is a pipe or a device, expected a file.")


def split_settings(settings):
    """Settings of the command line, NAME=VALUE: dict from name to text."""
    split = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--set takes NAME=VALUE. Received: {setting!r}.")
        split[name.strip()] = value.strip()
    return split
