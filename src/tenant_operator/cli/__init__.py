"""What a person runs: `tenant-operator`, with one module of this package for each subcommand.

Exit codes: 0 done, 1 failed, 2 wrong use; a subcommand that has more says so in its help.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass

import click


@dataclass(frozen=True)
class _Subcommand:
    summary: str
    extra: str = ""  # of the package, without which it does not work
    needs: tuple[str, ...] = ()  # the modules that the extra brings


def _with_sandbox(summary: str) -> _Subcommand:
    return _Subcommand(summary, extra="sandbox", needs=("cryptography", "moto", "rich"))


# The summaries stand here, so that `--help` imports no subcommand: `run` alone brings kopf, boto3 and kubernetes.
_SUBCOMMANDS = {
    "run": _Subcommand("Run the operator until it is told to stop."),
    "crds": _Subcommand("Print the custom resource definitions."),
    "plan": _Subcommand("Show what would change in AWS, and change nothing."),
    "explain": _Subcommand("Say why something is as it is."),
    "sandbox": _with_sandbox("A real API server and a simulated AWS on this machine."),
    "demo": _with_sandbox("Watch two tiers being built from nothing, and taken down again."),
    "bench": _with_sandbox("Measure what the operator costs."),
}


class _Subcommands(click.Group):
    """Knows every subcommand whose module is there, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return [name for name in _SUBCOMMANDS if importlib.util.find_spec(_module(name))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        _check_extra(cmd_name)
        command = importlib.import_module(_module(cmd_name)).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _SUBCOMMANDS[name].summary) for name in self.list_commands(ctx)])


def _module(name: str) -> str:
    return f"{__name__}.{name}"


def _check_extra(name: str) -> None:
    subcommand = _SUBCOMMANDS[name]
    if any(importlib.util.find_spec(module) is None for module in subcommand.needs):
        raise click.ClickException(
            f"tenant-operator {name} needs the extra: pip install 'tenant-operator[{subcommand.extra}]'"
        )


@click.command(
    cls=_Subcommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(importlib.metadata.version("tenant-operator"), prog_name="tenant-operator")
def main() -> None:
    """Host many customers of one stateful service on AWS, declared as Kubernetes custom resources."""
