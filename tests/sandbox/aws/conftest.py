"""One simulated AWS for the tests of load balancers, compute and the front door; the foundations' have their own."""

from __future__ import annotations

from tests.sandbox.aws.foundations.conftest import account, control, new_account, operator, running, slow

__all__ = ["account", "control", "new_account", "operator", "running", "slow"]
