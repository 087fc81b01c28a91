"""The simulated AWS with tenants in it: a few here, thousands by `bench --sandbox --held 4000`."""

from __future__ import annotations

import pytest

from tenant_operator.sandbox.bench.crowd import crowd
from tenant_operator.sandbox.progress import SilentProgress


@pytest.mark.e2e
def test_tenants_are_made_and_answered_for() -> None:
    held = crowd(3, SilentProgress())
    assert held.tenants == 3
    assert held.rss_mib > 0
    assert set(held.calls_a_second) == {
        "elbv2:describe_rules",
        "elbv2:describe_target_groups",
        "ecs:list_clusters",
    }
