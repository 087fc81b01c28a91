"""What the subcommands of `tenant-operator sandbox` share: which sandbox is meant, and how results are printed."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.state_folder import SandboxState, StateFolder, default_state_folder

state_dir = click.option(
    "--state-dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="TENANT_OPERATOR_STATE_DIR",
    default=default_state_folder,
    show_default="tenant-operator/sandbox in the XDG state folder",
    callback=lambda _context, _option, path: StateFolder(path),
    help="Which sandbox: several run at once, each in a folder of its own.",
)
output = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How it is printed.",
)


def ready(folder: StateFolder) -> SandboxState:
    """The sandbox in a folder.

    Raises:
        SandboxError: none is ready there; the message says how to start it.
    """
    state = folder.state()
    if state.phase != "Ready":
        raise SandboxError(
            f"no sandbox is ready in {folder.path}; start it with: {command_line('up', folder)}"
        )
    return state


def command_line(subcommand: str, folder: StateFolder) -> str:
    """What a person would type."""
    option = "" if folder.path == default_state_folder() else f" --state-dir {shlex.quote(str(folder.path))}"
    return f"tenant-operator sandbox {subcommand}{option}"
