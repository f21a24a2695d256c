"""The command that starts several processes."""

import sys
from typing import Annotated

import typer

from s2s_keras.cli.app import app

_COMMAND = [sys.executable, "-c", "from s2s_keras.cli import main; main()"]


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def launch(
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND...", help="train RECIPE ..., or a Python script and its arguments.")
    ],
    count: Annotated[int, typer.Option("-n", "--processes", min=1, help="Number of processes on this machine.")] = 2,
):
    """Train in several processes on this machine: launch -n 2 train RECIPE, or launch -n 2 script.py.

    Each learns from its environment who the others are; a script needs `import s2s_keras.training` and a strategy. If
    one fails, the others are stopped. Give each a device of its own, for example by CUDA_VISIBLE_DEVICES in a script.
    """
    from s2s_keras.launch import launch as launch_processes

    is_script = command[0].endswith(".py")
    raise typer.Exit(launch_processes(count, [sys.executable, *command] if is_script else [*_COMMAND, *command]))
