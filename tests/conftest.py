"""What tests of the doing stand on: one API server for the run, and simulated AWSs by the test.

Everything is imported and started on first use, so tests of the thinking need no binaries and stay fast.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import HealthCheck, settings

from tenant_operator.sandbox.environment import is_aws_setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenant_operator.sandbox.aws_process import AwsProcess, Profile
    from tenant_operator.sandbox.binaries import ControlPlaneBinaries
    from tenant_operator.sandbox.cluster import ControlPlane
    from tenant_operator.sandbox.session import Sandbox


# A busy machine is no failure: no test is judged by how long an example took.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


LONGEST_FIRST = ("tests/proof/", "tests/e2e/test_crash_matrix", "tests/e2e/", "tests/deploy/", "tests/bench/")
"""Where the tests are that take minutes. Begun last, one of them would keep a single process busy at the end of a run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; with `--no-loadscope-reorder` several processes keep to that order."""

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(item.config.rootpath).as_posix()
        places = (place for place, start in enumerate(LONGEST_FIRST) if path.startswith(start))
        return next(places, len(LONGEST_FIRST))

    items.sort(key=rank)


class AwsFactory(Protocol):
    """Starts a simulated AWS that is stopped at the end of the test."""

    def __call__(self, profile: Profile = "fast", *arguments: str) -> AwsProcess: ...


_STARTED_WITH = dict(os.environ)


@pytest.fixture(scope="session", autouse=True)
def no_real_aws() -> Iterator[None]:
    """No test can reach a real account, or send what is meant for loopback to a proxy, whatever the shell has set."""
    with pytest.MonkeyPatch.context() as environment:
        for name in filter(is_aws_setting, _STARTED_WITH):
            environment.delenv(name)
        for name in ("NO_PROXY", "no_proxy"):
            environment.setenv(name, "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="session")
def control_plane_binaries() -> ControlPlaneBinaries:
    """etcd, kube-apiserver and kubectl; the first run on a machine builds them, and says so on the terminal."""
    from tenant_operator.sandbox.binaries import find_binaries
    from tenant_operator.sandbox.progress import ConsoleProgress

    return find_binaries(ConsoleProgress(sys.__stderr__ or sys.stderr), _STARTED_WITH)


@pytest.fixture(scope="session")
def control_plane(control_plane_binaries: ControlPlaneBinaries) -> Iterator[ControlPlane]:
    """One API server for the whole run, with the CRDs installed: tests keep apart by the names they give."""
    from tenant_operator.sandbox.cluster import ControlPlane
    from tenant_operator.sandbox.custom_resources import install_custom_resources
    from tenant_operator.sandbox.progress import SilentProgress

    with ControlPlane(binaries=control_plane_binaries) as plane:
        install_custom_resources(plane.kubeconfig, SilentProgress())
        yield plane


@pytest.fixture
def start_aws() -> Iterator[AwsFactory]:
    """Starts as many simulated AWSs as a test asks for, each a process of its own."""
    from tenant_operator.sandbox.aws_process import AwsProcess

    started: list[AwsProcess] = []

    def start(profile: Profile = "fast", *arguments: str) -> AwsProcess:
        aws = AwsProcess(profile, arguments=arguments)
        started.append(aws)
        aws.start()
        return aws

    yield start
    for aws in started:
        aws.stop()


@pytest.fixture
def aws(start_aws: AwsFactory) -> AwsProcess:
    """A fresh simulated AWS, a process of its own, in which things take a moment only."""
    return start_aws()


@pytest.fixture
def sandbox(control_plane_binaries: ControlPlaneBinaries) -> Iterator[Sandbox]:
    """An API server and a simulated AWS of the test's own."""
    from tenant_operator.sandbox.session import Sandbox

    assert control_plane_binaries.kubectl.exists()
    with Sandbox() as sandbox:
        yield sandbox
