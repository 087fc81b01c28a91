"""Traffic on a sandbox that runs: `sandbox traffic`, from the state folder to the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.state_folder import SandboxState
from tenant_operator.sandbox.traffic import report
from tenant_operator.sandbox.traffic.audience import Audience
from tenant_operator.sandbox.traffic.client import Client
from tenant_operator.sandbox.traffic.customers import TIMEOUT_SECONDS, Customers
from tenant_operator.sandbox.traffic.generator import Generator, Load
from tenant_operator.sandbox.traffic.resources import CustomResources

LIVE_SECONDS = 1.0
LINE_SECONDS = 10.0
"""How often it is told how things stand: on a terminal, and where the output is a file."""


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What to send: to whom (shell patterns; empty: everybody), how much, and over which kind of connections."""

    load: Load
    tenants: Sequence[str] = ()
    keep_alive: bool = True


def rehearse(state: SandboxState, rehearsal: Rehearsal, console: Console) -> Generator:
    """Send requests on a sandbox, and tell a person on the console how things stand; Ctrl-C ends it early.

    Raises:
        SandboxError: the sandbox's API server cannot be asked, or nobody is there to be sent requests.
    """
    return asyncio.run(_rehearse(state, rehearsal, console))


async def _rehearse(state: SandboxState, rehearsal: Rehearsal, console: Console) -> Generator:
    resources = CustomResources(Path(state.kubeconfig))
    client = Client(state.aws_endpoint_url, keep_alive=rehearsal.keep_alive, timeout=TIMEOUT_SECONDS)
    with contextlib.closing(resources):
        async with client:
            generator = Generator(
                rehearsal.load, Audience(rehearsal.tenants), Customers(client).send, resources.read
            )
            with _stopped_by_signals(generator.stop):
                telling = asyncio.create_task(_tell(generator, console))
                try:
                    await generator.run()
                except OSError as error:
                    raise SandboxError(str(error)) from error
                finally:
                    telling.cancel()
                    await asyncio.gather(telling, return_exceptions=True)
    if not generator.tally.requests:
        raise SandboxError("no request was sent: no tenant that was asked for is Ready")
    return generator


async def _tell(generator: Generator, console: Console) -> None:
    if not console.is_terminal:
        while True:
            await asyncio.sleep(LINE_SECONDS)
            console.print(report.progress(generator))
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(report.live(generator), refresh=True)
            await asyncio.sleep(LIVE_SECONDS)


@contextlib.contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
