"""CloudWatch Logs."""

from __future__ import annotations

from tests.sandbox.aws.foundations.conftest import Account, refused


def test_only_some_retention_periods_exist(account: Account) -> None:
    logs = account.client("logs")
    logs.create_log_group(logGroupName="app")
    logs.put_retention_policy(logGroupName="app", retentionInDays=30)
    with refused("InvalidParameterException", "must be one of [1, 3, 5, 7, 14, 30"):
        logs.put_retention_policy(logGroupName="app", retentionInDays=8)
