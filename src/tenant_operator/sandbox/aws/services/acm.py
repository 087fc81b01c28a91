"""ACM: a requested certificate becomes ISSUED, as one whose DNS validation records are in place does.

https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html. Plain moto leaves it PENDING_VALIDATION.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.moto_objects import certificates
from tenant_operator.sandbox.aws.simulation import Simulation

# https://docs.aws.amazon.com/acm/latest/APIReference/API_CertificateDetail.html
STATUSES = (
    "PENDING_VALIDATION",
    "ISSUED",
    "INACTIVE",
    "EXPIRED",
    "VALIDATION_TIMED_OUT",
    "REVOKED",
    "FAILED",
)


def install(sim: Simulation) -> None:
    """Add the behaviour, and a control route.

    `POST acm/status {"arn": …, "status": "PENDING_VALIDATION"}`: a certificate stays in this state.
    """
    held: set[str] = set()  # ARNs whose state was set by hand

    @sim.observes("acm", "RequestCertificate")
    def issue(call: Call) -> None:
        for arn, certificate in certificates(call.account, call.region).items():
            if certificate.status == "PENDING_VALIDATION" and arn not in held:
                certificate.status = "ISSUED"

    @sim.controls("POST", "acm/status")
    def set_status(values: Mapping[str, Any]) -> Mapping[str, Any]:
        arn, status = str(values["arn"]), values["status"]
        if status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {status!r}")
        parts = arn.split(":")
        certificate = certificates(parts[4], parts[3]).get(arn) if len(parts) == 6 else None
        if certificate is None:
            raise ValueError(f"there is no certificate {arn}")
        certificate.status = status
        held.add(arn)
        return {"arn": arn, "status": status}
