"""What Flux, Helm and other kstatus users make of an object: asked of the real kstatus, not of a copy in Python.

https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from tests.deploy.go_tools import go_tool


def kstatus(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    """The status of each object, in order: InProgress, Failed, Current, Terminating or NotFound.

    The first call on a machine builds the program, which takes some seconds.

    Raises:
        RuntimeError: kstatus cannot make anything of an object; the message says of which.
    """
    done = subprocess.run(
        [str(go_tool("kstatus"))],
        input=json.dumps(list(objects)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    statuses: list[str] = json.loads(done.stdout)
    return statuses
