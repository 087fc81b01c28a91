"""From an API call to the event that CloudTrail makes of it.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from moto.core.utils import get_service_model

from tenant_operator.sandbox.aws.calls import Call, Outcome
from tenant_operator.sandbox.aws.services.cloudtrail import ec2_spelling, spelling
from tenant_operator.sandbox.aws.services.cloudtrail.identity import identity_of
from tenant_operator.sandbox.aws.services.events import delivery
from tenant_operator.sandbox.aws.simulation import Simulation

DETAIL_TYPE = "AWS API Call via CloudTrail"
_GLOBAL_SERVICES = frozenset({"iam", "route53", "cloudfront", "organizations"})
_GLOBAL_REGION = "us-east-1"
_SOURCES = {"elbv2": "elasticloadbalancing", "cloudwatch": "monitoring", "service-quotas": "servicequotas"}
# Data events, which a trail does not have by default, and which EventBridge does not get from it here.
_DATA = frozenset(
    {
        ("events", "PutEvents"),
        ("logs", "PutLogEvents"),
        ("sqs", "SendMessage"),
        ("sqs", "SendMessageBatch"),
        ("sqs", "DeleteMessage"),
        ("sqs", "DeleteMessageBatch"),
        ("sqs", "ChangeMessageVisibility"),
        ("sqs", "ChangeMessageVisibilityBatch"),
    }
)


class Trail:
    """Records calls. Called with the simulation's lock held."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def wants(self, call: Call) -> bool:
        """Writes that a rule of the account could be about."""
        return (
            call.kind == "write"
            and (call.service, call.action) not in _DATA
            and delivery.is_heard(self._sim, call.account, region_of(call))
        )

    def record(self, outcome: Outcome) -> None:
        """Make the event at once, for state goes on changing; deliver it later, once, twice or not at all."""
        call = outcome.call
        source = _SOURCES.get(call.service, call.service)
        event = delivery.envelope(
            self._sim,
            call.account,
            region_of(call),
            f"aws.{source}",
            DETAIL_TYPE,
            self._detail(outcome, f"{source}.amazonaws.com"),
        )
        self.deliver(call.account, region_of(call), event)

    def deliver(self, account: str, region: str, event: Mapping[str, Any]) -> None:
        """To the default bus, after a while that differs from event to event: they overtake each other."""
        sim = self._sim
        if sim.rng.random() < sim.imperfections.trail_lost:
            return
        times = 2 if sim.rng.random() < sim.imperfections.trail_duplicated else 1
        for _ in range(times):
            seconds = sim.durations.trail_delivery * sim.rng.uniform(0.5, 2.0)
            sim.after(seconds, lambda: delivery.put_on_default_bus(sim, account, region, event))

    def _detail(self, outcome: Outcome, source: str) -> dict[str, Any]:
        call = outcome.call
        request, response = _spelled(outcome)
        detail: dict[str, Any] = {
            "eventVersion": "1.11",
            "userIdentity": _identity(self._sim, call),
            "eventTime": self._sim.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": source,
            "eventName": call.action,
            "awsRegion": region_of(call),
            "sourceIPAddress": call.source_ip,
            "userAgent": call.user_agent,
            "requestParameters": request,
            "responseElements": response,
            "requestID": call.request_id,
            "eventID": str(uuid.UUID(int=self._sim.rng.getrandbits(128), version=4)),
            "readOnly": False,
            "eventType": "AwsApiCall",
            "apiVersion": str(get_service_model(call.service).api_version),
            "managementEvent": True,
            "recipientAccountId": call.account,
            "eventCategory": "Management",
        }
        if outcome.error_code:
            prefix = "Client." if call.service == "ec2" else ""
            detail["errorCode"] = prefix + outcome.error_code
            detail["errorMessage"] = outcome.error_message
        if (call.service, call.action) == ("route53", "ChangeResourceRecordSets"):
            detail["additionalEventData"] = {"Note": "Do not use to reconstruct hosted zone"}
        return detail


def _identity(sim: Simulation, call: Call) -> dict[str, Any]:
    """With `invokedBy`, where an AWS service made the call."""
    found = identity_of(sim, call.principal)
    return {**found, "invokedBy": call.source_ip} if call.source_ip.endswith(".amazonaws.com") else found


def region_of(call: Call) -> str:
    """Where the event appears: those of global services in us-east-1 alone."""
    return _GLOBAL_REGION if call.service in _GLOBAL_SERVICES else call.region


def _spelled(outcome: Outcome) -> tuple[Any, Any]:
    """The event's `requestParameters` and `responseElements`; null of a refused call, or where there is nothing."""
    call = outcome.call
    try:
        operation = get_service_model(call.service).operation_model(call.action)
    except KeyError:
        return None, None
    if call.service == "ec2":
        request = ec2_spelling.request(operation, call.parameters)
        result = (
            None if outcome.error_code else ec2_spelling.response(operation, outcome.result, call.request_id)
        )
        return request, result
    request = spelling.spelled(operation.input_shape, call.parameters)
    result = None if outcome.error_code else spelling.spelled(operation.output_shape, outcome.result)
    return request or None, result or None
