"""Certificates of secure listeners: they must exist, in the same account and Region, and be issued.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.moto_objects import certificates
from tenant_operator.sandbox.aws.services.elbv2.paging import page
from tenant_operator.sandbox.aws.services.elbv2.quotas import CERTIFICATES
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

behaviours = Behaviours("elbv2")


def _state(sim: Simulation, call: Call) -> ElbState:
    return sim.state(ElbState, call.account, call.region)


@behaviours.answers("AddListenerCertificates")
def _add_listener_certificates(sim: Simulation, call: Call) -> Mapping[str, Any]:
    listener = _state(sim, call).listener(call.parameters["ListenerArn"])
    arns = [_usable(call, given) for given in call.parameters["Certificates"]]
    further = dict.fromkeys([*listener.certificate_arns[1:], *arns])
    further.pop(listener.certificate_arns[0] if listener.certificate_arns else "", None)
    if len(further) > CERTIFICATES.of(sim, call):
        message = "You've reached the limit on the number of certificates per load balancer"
        raise AwsFailure("TooManyCertificates", message)
    listener.certificate_arns = [*listener.certificate_arns[:1], *further]
    return {"Certificates": [{"CertificateArn": arn, "IsDefault": False} for arn in arns]}


@behaviours.answers("RemoveListenerCertificates")
def _remove_listener_certificates(sim: Simulation, call: Call) -> None:
    listener = _state(sim, call).listener(call.parameters["ListenerArn"])
    gone = {given["CertificateArn"] for given in call.parameters["Certificates"]}
    if listener.certificate_arns and listener.certificate_arns[0] in gone:
        raise AwsFailure(
            "OperationNotPermitted",
            "The default certificate of a listener cannot be removed",
        )
    listener.certificate_arns = [arn for arn in listener.certificate_arns if arn not in gone]


@behaviours.answers("DescribeListenerCertificates")
def _describe_listener_certificates(sim: Simulation, call: Call) -> Mapping[str, Any]:
    listener = _state(sim, call).listener(call.parameters["ListenerArn"])
    shown, marker = page(listener.certificate_arns, call.parameters)
    default = listener.certificate_arns[0] if listener.certificate_arns else ""
    return {
        "Certificates": [{"CertificateArn": arn, "IsDefault": arn == default} for arn in shown],
        "NextMarker": marker,
    }


def of_listener(call: Call, protocol: str, given: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ARNs of the certificates given to CreateListener or ModifyListener: one when secure, none else.

    Raises:
        AwsFailure: one is missing, unknown, not issued, or out of place.
    """
    if protocol not in ("HTTPS", "TLS"):
        if given:
            raise AwsFailure(
                "InvalidConfigurationRequest",
                f"A certificate cannot be specified for {protocol} listeners",
            )
        return []
    if not given:
        raise AwsFailure(
            "CertificateNotFound",
            f"A certificate must be specified for {protocol} listeners",
        )
    if len(given) > 1:
        raise AwsFailure(
            "ValidationError",
            f"Up to one certificate can be specified, but '{len(given)}' were",
        )
    return [_usable(call, given[0])]


def _usable(call: Call, given: Mapping[str, Any]) -> str:
    arn = str(given["CertificateArn"])
    found = certificates(call.account, call.region).get(arn)
    if found is None:
        raise AwsFailure("CertificateNotFound", f"Certificate '{arn}' not found")
    if found.status != "ISSUED":
        raise AwsFailure(
            "UnsupportedCertificate",
            f"The certificate '{arn}' must have a fully-qualified domain name, a supported signature, "
            "and a supported key size.",
        )
    return arn
