"""CloudWatch Logs: only the retention periods that exist.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.simulation import Simulation

RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)


def install(sim: Simulation) -> None:
    """Add the refusal."""

    @sim.validates("logs", "PutRetentionPolicy")
    def check_retention(call: Call) -> None:
        days = call.parameters["retentionInDays"]
        if days not in RETENTION_DAYS:
            allowed = ", ".join(str(day) for day in sorted(RETENTION_DAYS))
            message = (
                f"1 validation error detected: Value '{days}' at 'retentionInDays' must be one of [{allowed}]"
            )
            raise AwsFailure("InvalidParameterException", message)
