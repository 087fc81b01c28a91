"""The simulated AWS beside plain moto's own server: calls a second, CPU for each, and memory, in one run."""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tenant_operator.sandbox.aws_process import AwsProcess
from tenant_operator.sandbox.bench.call_mix import Kind, kinds
from tenant_operator.sandbox.bench.prepared_calls import send
from tenant_operator.sandbox.bench.process_usage import ProcessUsage
from tenant_operator.sandbox.environment import without_foreign
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import Progress
from tenant_operator.sandbox.tied_process import TiedProcess

CONNECTIONS = 4
ROUNDS = 3  # of the reads, turn by turn: what else the machine does meets both
_MOTO_READY_SECONDS = 60.0


@dataclass(slots=True)
class Speed:
    """What one server took for calls of one kind."""

    calls: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def calls_a_second(self) -> float:
        """By the clock on the wall, with the client and all else on the machine."""
        return self.calls / self.seconds

    @property
    def cpu_milliseconds(self) -> float:
        """Of the server, for one call."""
        return 1000 * self.cpu_seconds / self.calls


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both servers, kind by kind."""

    sandbox: Mapping[str, Speed]
    moto: Mapping[str, Speed]
    start_seconds: float  # of the simulated AWS alone, until it answers and is seeded
    start_cpu_seconds: float  # what it used for that: the same however busy the machine is
    sandbox_rss_mib: float
    moto_rss_mib: float


@dataclass(frozen=True, slots=True)
class _Server:
    endpoint: str
    pid: int
    key: Mapping[str, str]


def compare(progress: Progress) -> Comparison:
    """Start both, and let them answer the same calls in turn.

    Raises:
        SandboxError: one of them does not start.
    """
    started = time.monotonic()
    with AwsProcess() as process:
        start_seconds = time.monotonic() - started
        start_cpu_seconds = ProcessUsage.of(process.pids["aws"]).cpu_seconds
        sandbox = _Server(process.endpoint_url, process.pids["aws"], _key(process))
        with _plain_moto(process.folder / "logs") as moto:
            progress.step("Preparing the same calls for the simulated AWS and for plain moto")
            mixes = {server.endpoint: kinds(server.endpoint, server.key) for server in (sandbox, moto)}
            speeds = _measure([sandbox, moto], mixes, progress)
            return Comparison(
                speeds[sandbox.endpoint],
                speeds[moto.endpoint],
                start_seconds,
                start_cpu_seconds,
                ProcessUsage.of(sandbox.pid).rss_mib,
                ProcessUsage.of(moto.pid).rss_mib,
            )


def _measure(
    servers: list[_Server], mixes: Mapping[str, list[Kind]], progress: Progress
) -> dict[str, dict[str, Speed]]:
    found: dict[str, dict[str, Speed]] = {
        server.endpoint: {kind.name: Speed() for kind in mixes[server.endpoint]} for server in servers
    }
    for number in range(len(mixes[servers[0].endpoint])):
        kind = mixes[servers[0].endpoint][number]
        progress.step(f"Calling {kind.name}")
        for turn in range(1 if kind.writes else ROUNDS):
            for server in servers if turn % 2 == 0 else reversed(servers):
                _add(found[server.endpoint][kind.name], server, mixes[server.endpoint][number])
    return found


def _add(speed: Speed, server: _Server, kind: Kind) -> None:
    if not kind.writes:
        send(server.endpoint, kind.calls[:1], 1)  # what is imported at first use counts for nobody
    before = ProcessUsage.of(server.pid).cpu_seconds
    speed.seconds += send(server.endpoint, kind.calls, CONNECTIONS)
    speed.cpu_seconds += ProcessUsage.of(server.pid).cpu_seconds - before
    speed.calls += len(kind.calls)


def _key(process: AwsProcess) -> dict[str, str]:
    return {"aws_access_key_id": process.access_key_id, "aws_secret_access_key": process.secret_access_key}


@contextmanager
def _plain_moto(folder: Path) -> Iterator[_Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {**without_foreign(os.environ), "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
    process = TiedProcess("moto", command, folder / "moto.log", environment=environment)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _await(endpoint, process)
        yield _Server(endpoint, process.pid, {"aws_access_key_id": "test", "aws_secret_access_key": "test"})
    finally:
        process.stop(grace_seconds=2)


def _await(endpoint: str, process: TiedProcess) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _MOTO_READY_SECONDS
    while time.monotonic() < deadline:
        process.check_running()
        try:
            opener.open(f"{endpoint}/moto-api/", timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SandboxError(f"plain moto's server does not answer after {_MOTO_READY_SECONDS:.0f} s")
