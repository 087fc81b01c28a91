"""DryRun: every call that takes it answers DryRunOperation and does nothing; moto carries most of them out.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html
"""

from __future__ import annotations

from moto.core.utils import get_service_model

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.simulation import Simulation


def install(sim: Simulation) -> None:
    """To be installed last: a call that would be refused says so first."""
    for action in get_service_model("ec2").operation_names:
        sim.validates("ec2", action)(_refuse)


def _refuse(call: Call) -> None:
    if call.parameters.get("DryRun"):
        message = "Request would have succeeded, but DryRun flag is set."
        raise AwsFailure("DryRunOperation", message, status=412)
