"""What the tests of the deployment stand on."""

from __future__ import annotations

import pytest

from tests.deploy.go_tools import go_tool


@pytest.fixture(scope="session")
def built_helm() -> None:
    """Helm is there: built in a fixture, whose minutes on a new machine do not count as the test's own."""
    go_tool("helm")
