"""EventBridge: buses, rules, targets and permissions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.sandbox.aws.events.conftest import Bus, Queue
from tests.sandbox.aws.foundations.conftest import REGION, Account, refused

PATTERN = {"source": ["app"]}


def test_a_rule_is_shown_as_it_was_put(bus: Bus) -> None:
    arn = bus.rule(PATTERN, Description="mine", Tags=[{"Key": "a", "Value": "1"}])
    shown = bus.events.describe_rule(Name="rule")
    assert (shown["Arn"], shown["State"], shown["Description"]) == (arn, "ENABLED", "mine")
    assert json.loads(shown["EventPattern"]) == PATTERN
    assert bus.events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
    assert [rule["Name"] for rule in bus.events.list_rules(NamePrefix="ru")["Rules"]] == ["rule"]


def test_putting_a_rule_again_changes_it_and_keeps_its_targets_and_tags(bus: Bus, queue: Queue) -> None:
    arn = bus.rule(PATTERN, {"Arn": queue.arn}, Tags=[{"Key": "a", "Value": "1"}])
    bus.events.put_rule(Name="rule", EventPattern='{"source":["b"]}', Tags=[{"Key": "b", "Value": "2"}])
    assert [found["Arn"] for found in bus.events.list_targets_by_rule(Rule="rule")["Targets"]] == [queue.arn]
    assert bus.events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
    assert bus.events.list_rule_names_by_target(TargetArn=queue.arn)["RuleNames"] == ["rule"]


def test_an_invalid_pattern_is_refused(bus: Bus) -> None:
    with refused("InvalidEventPatternException", "Event pattern is not valid. Reason: "):
        bus.events.put_rule(Name="rule", EventPattern='{"source": "app"}')


def test_a_rule_with_targets_is_not_deleted(bus: Bus, queue: Queue) -> None:
    bus.rule(PATTERN, {"Arn": queue.arn})
    with refused("ValidationException", "it has targets"):
        bus.events.delete_rule(Name="rule")
    bus.events.remove_targets(Rule="rule", Ids=["t0"])
    bus.events.delete_rule(Name="rule")
    with refused("ResourceNotFoundException"):
        bus.events.describe_rule(Name="rule")
    bus.events.delete_rule(Name="rule")  # once more is no error


def test_a_rule_has_five_targets_at_most(bus: Bus, queue: Queue) -> None:
    bus.rule(PATTERN, *[{"Arn": queue.arn}] * 5)
    with refused("LimitExceededException"):
        bus.events.put_targets(Rule="rule", Targets=[{"Id": "sixth", "Arn": queue.arn}])


def test_a_bus_has_three_hundred_rules_at_most(bus: Bus) -> None:
    for number in range(300):
        bus.rule(PATTERN, name=f"r{number}")
    with refused("LimitExceededException"):
        bus.rule(PATTERN)
    first = bus.events.list_rules()
    assert (len(first["Rules"]), "NextToken" in first) == (100, True)


def test_a_bus_has_thirty_rules_with_wildcards_at_most(bus: Bus) -> None:
    wild = {"source": [{"wildcard": "a*"}]}
    for number in range(30):
        bus.rule(wild, name=f"w{number}")
    with refused("LimitExceededException"):
        bus.rule(wild)
    bus.rule(PATTERN)


def test_a_pattern_has_two_thousand_and_forty_eight_characters_at_most(bus: Bus) -> None:
    with refused("LimitExceededException"):
        bus.rule({"source": ["a" * 2048]})


def test_targets_that_are_wrong_are_refused(bus: Bus, queue: Queue) -> None:
    bus.rule(PATTERN)
    for target, code in (
        ({"Arn": "nothing"}, "ValidationException"),
        ({"Arn": queue.arn, "Input": "{"}, "ValidationException"),
        ({"Arn": queue.arn, "Input": "{}", "InputPath": "$.detail"}, "ValidationException"),
        ({"Arn": bus.arn, "Input": "{}"}, "ValidationException"),
        ({"Arn": queue.arn, "RetryPolicy": {"MaximumRetryAttempts": 186}}, "ValidationException"),
        ({"Arn": f"arn:aws:lambda:{REGION}:1:function:f"}, "SandboxNotImplemented"),
    ):
        with refused(code):
            bus.events.put_targets(Rule="rule", Targets=[{"Id": "t", **target}])


def test_events_of_aws_cannot_be_put(bus: Bus) -> None:
    assert bus.put({}, source="aws.ecs")["ErrorCode"] == "NotAuthorizedForSourceException"
    assert bus.put({}, Detail="[]")["ErrorCode"] == "MalformedDetail"
    assert "EventId" in bus.put({})


def test_a_pattern_can_be_tried_out(bus: Bus) -> None:
    event = {
        "id": "1",
        "account": "1",
        "source": "app",
        "time": "2026-01-01T00:00:00Z",
        "region": REGION,
        "resources": [],
        "detail-type": "t",
    }
    assert bus.events.test_event_pattern(EventPattern=json.dumps(PATTERN), Event=json.dumps(event))["Result"]


def test_own_buses_and_their_permissions(bus: Bus, new_account: Callable[[], Account]) -> None:
    other = new_account()
    arn = bus.events.create_event_bus(Name="own")["EventBusArn"]
    with refused("ResourceAlreadyExistsException"):
        bus.events.create_event_bus(Name="own")
    permission: dict[str, Any] = {"EventBusName": "own", "StatementId": "other"}
    bus.events.put_permission(**permission, Action="events:PutEvents", Principal=other.id)
    assert other.id in bus.events.describe_event_bus(Name="own")["Policy"]
    assert "EventId" in Bus(other).put({}, EventBusName=arn)
    bus.events.remove_permission(**permission)
    assert Bus(other).put({}, EventBusName=arn)["ErrorCode"] == "AccessDeniedException"
    with refused("ResourceNotFoundException"):
        bus.events.remove_permission(**permission)
    bus.events.delete_event_bus(Name="own")
    assert [found["Name"] for found in bus.events.list_event_buses()["EventBuses"]] == ["default"]
