"""What becomes of a message of the drift feed: it is deleted only once everybody whom it concerns is going to look."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.drift_feed import Message
from tenant_operator.engine.cache import Key
from tenant_operator.engine.feed import End, Feed
from tests.engine.test_drift_hints import ACME, DNS_ACCOUNT, RULE, changes, hints, told

NOON = 1_800_000_000.0
RULE_DELETED = told("elasticloadbalancing", "DeleteRule", {"ruleArn": RULE})


def message(body: str, sent: float = NOON) -> Message:
    return Message(id="m-1", receipt="r-1", body=body, sent=sent)


def feed(holds: Callable[[Key], bool] = lambda _: True) -> tuple[Feed, list[tuple[Key, Priority]]]:
    woken: list[tuple[Key, Priority]] = []

    def wake(keys: Iterable[Key], priority: Priority) -> None:
        woken.extend((key, priority) for key in keys)

    found = hints()
    return Feed("prod", found.clouds, found, wake, lambda: None, holds), woken


def test_whom_a_message_concerns_is_woken_as_by_an_edit_before_it_is_deleted() -> None:
    reading, woken = feed()
    assert reading.take(message(RULE_DELETED), NOON) is End.DONE
    assert woken == [(ACME, Priority.EDIT)]


def test_a_message_that_cannot_be_read_is_left_to_sqs() -> None:
    reading, woken = feed()
    assert reading.take(message("poison"), NOON) is End.LEFT
    assert not woken
    assert reading.counts == {"unreadable": 1}


def test_a_message_about_another_processs_cell_is_given_back_for_that_process() -> None:
    reading, woken = feed(holds=lambda _: False)
    assert reading.take(message(RULE_DELETED), NOON) is End.ANOTHERS
    assert not woken
    mine, _ = feed()
    assert mine.take(message(RULE_DELETED), NOON) is End.DONE


def test_a_record_of_another_processs_tier_is_handed_on_however_often_it_comes() -> None:
    reading, woken = feed(holds=lambda _: False)
    name = "acme.tier-1.us-east-1.example.com"
    body = told("route53", "ChangeResourceRecordSets", changes(name), account=DNS_ACCOUNT, id="6a7e8feb")
    assert [reading.take(message(body), NOON) for _ in range(3)] == [End.ANOTHERS] * 3
    assert not woken


def test_what_waited_since_before_the_start_is_dropped_because_a_start_looks_at_everything() -> None:
    reading, woken = feed()
    assert reading.take(message(RULE_DELETED, sent=NOON - 600), NOON) is End.DONE
    assert not woken


def test_a_message_about_nobody_is_deleted() -> None:
    reading, woken = feed()
    body = told("ec2", "CreateTags", {"resourcesSet": {"items": [{"resourceId": "i-1"}]}})
    assert reading.take(message(body), NOON) is End.DONE
    assert not woken
