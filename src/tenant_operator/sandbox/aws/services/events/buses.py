"""Event buses. Every account has one named `default` in every Region.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-bus.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure, not_simulated
from tenant_operator.sandbox.aws.services.events import paging, tags
from tenant_operator.sandbox.aws.services.events.state import DEFAULT, Bus, EventsState
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_BUSES = ("L-658A4FD9", 100)
_NAME = re.compile(r"[.\-_A-Za-z0-9]{1,256}")

behaviours = Behaviours("events")


def default_bus(sim: Simulation, account: str, region: str) -> Bus:
    """An account's default bus."""
    state = sim.state(EventsState, account, region)
    found = state.buses.get(DEFAULT)
    if found is None:
        partition = "aws-cn" if region.startswith("cn-") else "aws"
        arn = f"arn:{partition}:events:{region}:{account}:event-bus/{DEFAULT}"
        found = state.buses[DEFAULT] = Bus(DEFAULT, arn, sim.timestamp())
    return found


def by_arn(sim: Simulation, arn: str) -> tuple[str, str, Bus] | None:
    """A bus in whatever account, with its account and Region."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "events" or not parts[5].startswith("event-bus/"):
        return None
    region, account, name = parts[3], parts[4], parts[5].removeprefix("event-bus/")
    default_bus(sim, account, region)
    bus = sim.state(EventsState, account, region).buses.get(name)
    return None if bus is None else (account, region, bus)


def used(sim: Simulation, call: Call, name_or_arn: str | None) -> Bus:
    """The caller's own bus by name or ARN; the default one when none is named.

    Raises:
        AwsFailure: ResourceNotFoundException; another account's bus (not simulated).
    """
    name = name_or_arn or DEFAULT
    if name.startswith("arn:"):
        parts = name.split(":", 5)
        if parts[4] != call.account or parts[3] != call.region:
            raise not_simulated("events", call.action, "another account's or Region's bus named by its ARN")
        name = parts[5].removeprefix("event-bus/")
    default_bus(sim, call.account, call.region)
    bus = sim.state(EventsState, call.account, call.region).buses.get(name)
    if bus is None:
        raise not_found(f"Event bus {name} does not exist.")
    return bus


def not_found(message: str) -> AwsFailure:
    """ResourceNotFoundException."""
    return AwsFailure("ResourceNotFoundException", message)


def invalid(message: str) -> AwsFailure:
    """ValidationException."""
    return AwsFailure("ValidationException", message)


def shown(bus: Bus) -> dict[str, Any]:
    """As DescribeEventBus shows it."""
    found = {"Name": bus.name, "Arn": bus.arn, "CreationTime": bus.created, "LastModifiedTime": bus.created}
    if bus.description:
        found["Description"] = bus.description
    return {**found, "Policy": policy_of(bus)} if bus.statements else found


def policy_of(bus: Bus) -> str:
    """The bus's policy as JSON; empty when there is none."""
    return json.dumps({"Version": "2012-10-17", "Statement": bus.statements}) if bus.statements else ""


@behaviours.answers("CreateEventBus")
def _create(sim: Simulation, call: Call) -> Mapping[str, Any]:
    name, state = call.parameters["Name"], sim.state(EventsState, call.account, call.region)
    if not _NAME.fullmatch(name):
        raise invalid(f"Value '{name}' at 'name' failed to satisfy constraint: [/\\.\\-_A-Za-z0-9]+")
    default_bus(sim, call.account, call.region)
    if name in state.buses:
        raise AwsFailure("ResourceAlreadyExistsException", f"Event bus {name} already exists.")
    if len(state.buses) >= sim.quota(call.account, call.region, *MAX_BUSES):
        raise AwsFailure(
            "LimitExceededException", "The requested resource exceeds the maximum number allowed."
        )
    arn = f"arn:{call.partition}:events:{call.region}:{call.account}:event-bus/{name}"
    description = call.parameters.get("Description") or ""
    tags.put(state, arn, call.parameters.get("Tags") or [])
    state.buses[name] = Bus(name, arn, sim.timestamp(), description)
    made = {"EventBusArn": arn}
    return {**made, "Description": description} if description else made


@behaviours.answers("DeleteEventBus")
def _delete(sim: Simulation, call: Call) -> None:
    name, state = call.parameters["Name"], sim.state(EventsState, call.account, call.region)
    if name == DEFAULT:
        raise invalid("Cannot delete event bus default.")
    bus = state.buses.get(name)
    if bus is None:
        return
    if bus.rules:
        raise invalid("Event bus can't be deleted because it has rules.")
    state.tags.pop(bus.arn, None)
    del state.buses[name]


@behaviours.answers("DescribeEventBus")
def _describe(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return shown(used(sim, call, call.parameters.get("Name")))


@behaviours.answers("ListEventBuses")
def _list(sim: Simulation, call: Call) -> Mapping[str, Any]:
    default_bus(sim, call.account, call.region)
    buses = sim.state(EventsState, call.account, call.region).buses
    prefix = call.parameters.get("NamePrefix") or ""
    page, token = paging.page(call, [name for name in sorted(buses) if name.startswith(prefix)])
    return {"EventBuses": [shown(buses[name]) for name in page], **token}
