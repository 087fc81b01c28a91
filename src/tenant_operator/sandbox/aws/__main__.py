"""`python -m tenant_operator.sandbox.aws`: serve a simulated AWS on loopback until told to stop."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import resource
import signal
import sys
import threading
from pathlib import Path

# A request through a load balancer crosses its thread some ten times, each time behind whatever call is being worked on.
SWITCH_SECONDS = 0.0005
_PR_SET_PDEATHSIG = 1  # prctl(2): the kernel sends this process a signal when its parent dies


def main() -> int:
    """Exit codes: 0 stopped by a signal, 2 wrong use."""
    parser = argparse.ArgumentParser(prog="python -m tenant_operator.sandbox.aws", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port (default: %(default)s)")
    parser.add_argument(
        "--ready-file",
        type=Path,
        help="JSON with endpoint and keys, written once calls are answered",
    )
    parser.add_argument(
        "--profile",
        choices=("fast", "aws"),
        default="fast",
        help="how long things take",
    )
    parser.add_argument("--seed", type=int, help="of the random numbers, to repeat a run's ids")
    parser.add_argument(
        "--die-with-parent",
        action="store_true",
        help="stop when the starting process ends (Linux)",
    )
    arguments = parser.parse_args()
    if not arguments.host.startswith("127.") and arguments.host != "localhost":
        parser.error(
            "--host must be a loopback address such as 127.0.0.1: the simulated AWS checks no signatures"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if arguments.die_with_parent:
        _die_with_parent(os.getppid())

    # after the flags: --help needs no moto
    from tenant_operator.sandbox.aws.moto_import import import_moto_ec2

    import_moto_ec2()
    from tenant_operator.sandbox.aws.server import SimulatedAws

    sys.setswitchinterval(SWITCH_SECONDS)
    _raise_open_files()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    aws = SimulatedAws(arguments.host, arguments.port, arguments.profile, arguments.seed)
    ready = aws.start()
    logging.getLogger(__name__).info("serving on %s (profile %s)", ready.endpoint, arguments.profile)
    if arguments.ready_file:
        ready.write(arguments.ready_file)
    stop.wait()
    aws.stop()
    return 0


def _raise_open_files() -> None:
    """Allow as many sockets as the system does: each task that was called has one, each load balancer too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _die_with_parent(parent: int) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel knew
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
