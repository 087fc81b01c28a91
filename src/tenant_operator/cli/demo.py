"""`tenant-operator demo`: the whole story on the embedded sandbox, in about a minute."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

SWEEP_SECONDS = 8.0


@click.command("demo")
@click.option(
    "--examples",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("examples"),
    show_default=True,
    help="The folder with the manifests.",
)
def command(examples: Path) -> None:
    """Build two tiers with their tenants, onboard one more, repair a drift, call every tenant, and take it all down again."""
    from rich.console import Console

    from tenant_operator.sandbox.demo import Demo
    from tenant_operator.sandbox.failure import SandboxError
    from tenant_operator.sandbox.operator_process import OperatorProcess
    from tenant_operator.sandbox.progress import ConsoleProgress
    from tenant_operator.sandbox.session import Sandbox

    console = Console()
    progress = ConsoleProgress(sys.stderr)
    log = Path(tempfile.mkdtemp(prefix="tenant-operator-demo-")) / "operator.log"
    try:
        with Sandbox(progress=progress) as sandbox:
            console.print(f"the operator starts; its log is {log}")
            operator = OperatorProcess(
                sandbox.operator_environment(), log, sweep_seconds=SWEEP_SECONDS, drain_seconds=1.0
            )
            with operator:
                demo = Demo(sandbox=sandbox, operator=operator, examples=examples, console=console)
                demo.build()
                demo.tables()
                demo.onboard()
                demo.drift()
                demo.requests()
                demo.tear_down()
    except SandboxError as error:
        raise click.ClickException(str(error)) from error
