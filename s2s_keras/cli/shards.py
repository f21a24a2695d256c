"""The command that packs a corpus."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from s2s_keras.cli.app import app, check_files


@app.command()
def shard(
    manifest: Annotated[Path, typer.Argument(help="Manifest of the recordings: JSON lines or CSV.")],
    output: Annotated[Path, typer.Option(help="Folder to write shards and their manifest to.")],
    format: Annotated[str, typer.Option(help="tar, as webdataset reads it, or tfrecord.")] = "tar",
    shard_size: Annotated[float, typer.Option(help="Megabytes after which a shard ends.")] = 256.0,
    num_workers: Annotated[
        int | None, typer.Option(min=1, help="Shards written at a time. Default: one per CPU core, up to 8.")
    ] = None,
    verify: Annotated[str, typer.Option(help="header reads every file's header, audio decodes every file.")] = "header",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what cannot be used and report it, instead of stopping.")
    ] = False,
):
    """Pack the recordings of a manifest into shards, few large files, which train as the manifest does.

    Run it again after an interruption: finished shards are kept.
    """
    check_files([manifest])
    from s2s_keras.data import SkipReport, load_manifest, write_shards

    report = SkipReport()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("shards", total=None)
        path = write_shards(
            manifest,
            output,
            format,
            shard_megabytes=shard_size,
            verify=verify,
            num_threads=num_workers,
            on_bad=report.add if skip_bad else None,
            on_shard=lambda done, total: progress.update(task, completed=done, total=total),
        )
    for error in report.errors:
        print(f"left out: {error}")
    utterances = load_manifest(path)
    hours = sum(utterance.duration for utterance in utterances) / 3600
    shards = {utterance.audio for utterance in utterances}
    size = sum(map(os.path.getsize, shards)) / 1e6
    print(f"{path}: {len(utterances)} utterances, {hours:.2f} hours, {len(shards)} shards, {size:.1f} MB")
    print(report.summary())
