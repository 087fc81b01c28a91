"""The same simulated AWS and accounts as the foundations' tests use."""

from __future__ import annotations

from tests.sandbox.aws.foundations.conftest import account, control, new_account, operator, running, slow

__all__ = ["account", "control", "new_account", "operator", "running", "slow"]
