"""SQS queues: their attributes, their messages, and who may use them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tenant_operator.sandbox.aws.client import SandboxAWS
from tests.sandbox.aws.events.conftest import Queue
from tests.sandbox.aws.foundations.conftest import REGION, Account, client, refused

POLLS = 20
MISSING = "AWS.SimpleQueueService.NonExistentQueue"


@pytest.fixture
def unordered(control: SandboxAWS) -> Iterator[SandboxAWS]:
    yield control
    control.settings(imperfections={"queue_duplicated": 0})


def test_creating_a_queue_again_gives_the_same_one(queue: Queue) -> None:
    assert queue.sqs.create_queue(QueueName="feed")["QueueUrl"] == queue.url
    assert queue.sqs.list_queues(QueueNamePrefix="fe")["QueueUrls"] == [queue.url]


def test_creating_a_queue_with_other_attributes_is_refused(queue: Queue) -> None:
    _ = queue.url
    with refused("QueueAlreadyExists"):
        queue.sqs.create_queue(QueueName="feed", Attributes={"VisibilityTimeout": "31"})


def test_a_queue_has_the_defaults_of_aws(queue: Queue) -> None:
    shown = queue.sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
    expected = {
        "QueueArn": queue.arn,
        "VisibilityTimeout": "30",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "DelaySeconds": "0",
        "ApproximateNumberOfMessages": "0",
    }
    assert shown.items() >= expected.items()


def test_attributes_outside_their_ranges_are_refused(queue: Queue) -> None:
    for name, value in (
        ("VisibilityTimeout", "43201"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("MessageRetentionPeriod", "59"),
        ("DelaySeconds", "x"),
        ("Policy", "none"),
        ("RedrivePolicy", "{}"),
    ):
        with refused("InvalidAttributeValue", name):
            queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={name: value})
    with refused("InvalidAttributeName"):
        queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Colour": "blue"})


def test_a_queue_that_is_not_there_is_refused_in_the_old_words(queue: Queue) -> None:
    with refused(MISSING):
        queue.sqs.get_queue_url(QueueName="none")
    with refused(MISSING):
        queue.sqs.receive_message(QueueUrl=queue.url + "-none")


def test_the_name_of_a_deleted_queue_is_held_for_a_while(queue: Queue, slow: Callable[..., None]) -> None:
    queue.sqs.delete_queue(QueueUrl=queue.url)
    slow(queue_name_held=600)
    with refused("AWS.SimpleQueueService.QueueDeletedRecently"):
        queue.sqs.create_queue(QueueName="feed")
    slow(queue_name_held=0)
    assert queue.sqs.create_queue(QueueName="feed")["QueueUrl"] == queue.url


def test_a_long_poll_is_answered_as_soon_as_a_message_comes(queue: Queue) -> None:
    received: list[dict[str, Any]] = []
    poll = threading.Thread(target=lambda: received.extend(queue.receive(wait=20)))
    _ = queue.url
    poll.start()
    other = client(queue.account.control.endpoint, "sqs", REGION, queue.account.credentials)
    other.send_message(QueueUrl=queue.url, MessageBody="hello")  # the poll blocks no other call
    poll.join(15)
    assert [message["Body"] for message in received] == ["hello"]


def test_polls_that_wait_do_not_hold_up_other_calls(queue: Queue) -> None:
    endpoint, credentials = queue.account.control.endpoint, queue.account.credentials
    polls = [
        threading.Thread(
            target=client(endpoint, "sqs", REGION, credentials).receive_message,
            kwargs={"QueueUrl": queue.url, "WaitTimeSeconds": 20},
        )
        for _ in range(POLLS)
    ]
    for poll in polls:
        poll.start()
    queue.account.client("ecs").list_clusters()
    assert all(poll.is_alive() for poll in polls)
    queue.send(*map(str, range(POLLS)))  # each poll takes one, and ends
    for poll in polls:
        poll.join()


def test_a_received_message_is_hidden_until_its_timeout(queue: Queue) -> None:
    queue.send("one")
    [first] = queue.receive(VisibilityTimeout=600)
    assert (queue.receive(), queue.counts()) == ([], (0, 1, 0))
    queue.sqs.change_message_visibility(
        QueueUrl=queue.url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=1
    )
    [again] = queue.receive(wait=10)
    assert again["MessageId"] == first["MessageId"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_deleted_message_does_not_come_back(queue: Queue) -> None:
    queue.send("one", "two")
    entries = [
        {"Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"]}
        for message in queue.receive(VisibilityTimeout=0)
    ]
    assert len(queue.sqs.delete_message_batch(QueueUrl=queue.url, Entries=entries)["Successful"]) == 2
    assert (queue.receive(), queue.counts()) == ([], (0, 0, 0))


def test_an_old_receipt_handle_deletes_nothing(queue: Queue) -> None:
    queue.send("one")
    [first] = queue.receive(VisibilityTimeout=0)
    [second] = queue.receive()
    queue.delete(first)
    assert queue.counts() == (0, 1, 0)
    queue.delete(second)
    assert queue.counts() == (0, 0, 0)
    with refused("ReceiptHandleIsInvalid"):
        queue.delete({"ReceiptHandle": "made up"})


def test_visibility_can_be_ended_and_only_in_flight(queue: Queue) -> None:
    queue.send("one")
    [message] = queue.receive()
    change = {"QueueUrl": queue.url, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
    queue.sqs.change_message_visibility(**change)
    assert queue.counts() == (1, 0, 0)
    with refused("AWS.SimpleQueueService.MessageNotInflight"):
        queue.sqs.change_message_visibility(**change)


def test_a_delayed_message_is_not_seen_before_its_time(queue: Queue) -> None:
    queue.send("later", DelaySeconds=900)
    assert (queue.receive(), queue.counts()) == ([], (0, 0, 1))


def test_batches_have_ten_entries_with_distinct_ids(queue: Queue) -> None:
    def entries(*ids: str) -> list[dict[str, str]]:
        return [{"Id": entry_id, "MessageBody": "x"} for entry_id in ids]

    for wrong, code in (
        (entries(*map(str, range(11))), "TooManyEntriesInBatchRequest"),
        (entries("a", "a"), "BatchEntryIdsNotDistinct"),
        (entries("a b"), "InvalidBatchEntryId"),
    ):
        with refused(f"AWS.SimpleQueueService.{code}"):
            queue.sqs.send_message_batch(QueueUrl=queue.url, Entries=wrong)
    handles = [{"Id": "bad", "ReceiptHandle": "none"}]
    [failed] = queue.sqs.delete_message_batch(QueueUrl=queue.url, Entries=handles)["Failed"]
    assert (failed["Id"], failed["Code"]) == ("bad", "ReceiptHandleIsInvalid")


def test_a_message_received_too_often_goes_to_the_dead_letters(account: Account) -> None:
    dead = Queue(account, "dead")
    _ = dead.url
    redrive = {"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2}
    queue = Queue(account, "feed", {"RedrivePolicy": json.dumps(redrive)})
    queue.send("poison")
    for _ in range(2):
        [message] = queue.receive(VisibilityTimeout=0)
        assert message["Body"] == "poison"
    assert (queue.receive(), queue.counts()) == ([], (0, 0, 0))
    [buried] = dead.receive()
    assert buried["Attributes"]["DeadLetterQueueSourceArn"] == queue.arn
    assert dead.sqs.list_dead_letter_source_queues(QueueUrl=dead.url)["queueUrls"] == [queue.url]


def test_a_dead_letter_queue_has_to_be_there(queue: Queue) -> None:
    redrive = json.dumps({"deadLetterTargetArn": f"{queue.arn}-none", "maxReceiveCount": 2})
    with refused("InvalidAttributeValue", "Dead letter target does not exist"):
        queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"RedrivePolicy": redrive})


def test_a_standard_queue_may_hand_out_a_message_twice(queue: Queue, unordered: SandboxAWS) -> None:
    unordered.settings(imperfections={"queue_duplicated": 1})
    queue.send("one")
    assert [message["Body"] for message in queue.receive() + queue.receive()] == ["one", "one"]


def test_a_purged_queue_is_empty_and_is_purged_once_a_minute(queue: Queue) -> None:
    queue.send("one", "two")
    queue.sqs.purge_queue(QueueUrl=queue.url)
    assert queue.counts() == (0, 0, 0)
    with refused("AWS.SimpleQueueService.PurgeQueueInProgress"):
        queue.sqs.purge_queue(QueueUrl=queue.url)


def test_message_attributes_come_with_the_message(queue: Queue) -> None:
    given = {"kind": {"DataType": "String", "StringValue": "drift"}}
    queue.send("one", MessageAttributes=given)
    [message] = queue.receive(MessageAttributeNames=["other.*"], VisibilityTimeout=0)
    assert "MessageAttributes" not in message
    [message] = queue.receive(MessageAttributeNames=["All"])
    assert message["MessageAttributes"] == given


def test_another_account_needs_the_queues_policy(queue: Queue, new_account: Callable[[], Account]) -> None:
    stranger = new_account()
    theirs = stranger.client("sqs")
    with refused(MISSING):
        theirs.get_queue_url(QueueName="feed", QueueOwnerAWSAccountId=queue.account.id)
    with refused("AccessDenied"):
        theirs.send_message(QueueUrl=queue.url, MessageBody="x")
    queue.allow({"AWS": stranger.id})
    theirs.send_message(QueueUrl=queue.url, MessageBody="let in")
    with refused("AccessDenied"):
        theirs.receive_message(QueueUrl=queue.url)
    assert [message["Body"] for message in queue.receive()] == ["let in"]


def test_tags_of_queues(queue: Queue) -> None:
    queue.sqs.tag_queue(QueueUrl=queue.url, Tags={"a": "1", "b": "2"})
    queue.sqs.untag_queue(QueueUrl=queue.url, TagKeys=["a"])
    assert queue.sqs.list_queue_tags(QueueUrl=queue.url)["Tags"] == {"b": "2"}


def test_a_deleted_queue_ends_its_polls(queue: Queue) -> None:
    ended: list[str] = []

    def poll() -> None:
        try:
            queue.receive(wait=20)
        except queue.sqs.exceptions.QueueDoesNotExist as error:
            ended.append(error.response["Error"]["Code"])

    _ = queue.url
    waiting = threading.Thread(target=poll)
    waiting.start()
    time.sleep(0.2)
    queue.account.client("sqs").delete_queue(QueueUrl=queue.url)
    waiting.join(15)
    assert ended == [MISSING]


def test_fifo_queues_are_not_simulated_and_say_so(queue: Queue) -> None:
    with refused("SandboxNotImplemented", "FIFO"):
        queue.sqs.create_queue(QueueName="a.fifo", Attributes={"FifoQueue": "true"})
