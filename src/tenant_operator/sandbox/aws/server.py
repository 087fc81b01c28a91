"""One simulated AWS, served on loopback."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenant_operator.sandbox.aws import services
from tenant_operator.sandbox.aws.control import PREFIX, ControlApi
from tenant_operator.sandbox.aws.credentials import AccessKey
from tenant_operator.sandbox.aws.durations import Profile
from tenant_operator.sandbox.aws.front_door import FrontDoor
from tenant_operator.sandbox.aws.http_server import Server
from tenant_operator.sandbox.aws.seed import Seed, Seeded, Seeder
from tenant_operator.sandbox.aws.simulation import OPERATOR_ACCOUNT, Simulation
from tenant_operator.sandbox.aws.traffic import control
from tenant_operator.sandbox.aws.wire import HttpAnswer, HttpRequest

STOP_POLL_SECONDS = 0.1  # how often the accepting thread looks whether it shall stop
OPERATOR_USER_ARN = f"arn:aws:iam::{OPERATOR_ACCOUNT}:user/tenant-operator"


@dataclass(frozen=True, slots=True)
class Ready:
    """What a client needs to know."""

    endpoint: str
    pid: int
    access_key_id: str
    secret_access_key: str
    account: str
    seed: Seeded

    def write(self, path: Path) -> None:
        """Write as JSON, atomically: whoever sees the file sees all of it."""
        document = {
            "endpoint": self.endpoint,
            "pid": self.pid,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "account": self.account,
            "seed": self.seed.as_json(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(document, file, indent=2)
        Path(file.name).replace(path)


class SimulatedAws:
    """The server, its simulation and its front door. `start` returns once it answers and is seeded."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        profile: Profile = "fast",
        seed: int | None = None,
    ) -> None:
        # moto makes 1,300 machine images for every account and Region, in a quarter of a second; nobody starts instances
        os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        self.sim = Simulation(profile, seed)
        install_services(self.sim)
        self.door = FrontDoor(self.sim)
        self._server = Server(host, port, self._answer)
        self.sim.endpoint = self._server.endpoint
        self._control = ControlApi(self.door, self._plant)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(STOP_POLL_SECONDS,),
            name="sandbox-aws-accept",
            daemon=True,
        )
        self._seeder = Seeder(self.endpoint, self.sim.credentials)

    @property
    def endpoint(self) -> str:
        """`http://<host>:<port>`."""
        return self._server.endpoint

    def start(self, seed: Seed | None = None) -> Ready:
        """Serve, plant the seed, and forget the calls that planting took."""
        self._thread.start()
        seeded = self._seeder.plant(seed or Seed())
        self.door.log.reset_counters()
        key: AccessKey = self.sim.credentials.issue_user_key(OPERATOR_ACCOUNT, OPERATOR_USER_ARN)
        return Ready(
            self.endpoint,
            os.getpid(),
            key.access_key_id,
            key.secret_access_key,
            OPERATOR_ACCOUNT,
            seeded,
        )

    def stop(self) -> None:
        """Close the port and end the timers."""
        self._server.shutdown()
        self._server.server_close()
        self.sim.stop()

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        if request.path.startswith(PREFIX):
            return self._control.answer(request)
        return self.door.answer(request)

    def _plant(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._seeder.plant(Seed.parse(values)).as_json()


def install_services(sim: Simulation) -> None:
    """Install every module of the `services` package, and the data plane."""
    for module in sorted(pkgutil.iter_modules(services.__path__), key=lambda found: found.name):
        importlib.import_module(f"{services.__name__}.{module.name}").install(sim)
    control.behaviours.install(sim)
