"""ACM: a requested certificate becomes ISSUED, as one whose DNS validation records are in place does.

https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html. Plain moto leaves it PENDING_VALIDATION.
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.moto_objects import certificates
from tenant_operator.sandbox.aws.simulation import Simulation


def install(sim: Simulation) -> None:
    """Add the behaviour."""

    @sim.observes("acm", "RequestCertificate")
    def issue(call: Call) -> None:
        for certificate in certificates(call.account, call.region).values():
            if certificate.status == "PENDING_VALIDATION":
                certificate.status = "ISSUED"
