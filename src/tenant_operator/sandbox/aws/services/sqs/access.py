"""Finding a queue by its URL or ARN, and who may use it.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-basic-examples-of-sqs-policies.html
"""

from __future__ import annotations

from tenant_operator.sandbox.aws import resource_policies
from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.resource_policies import Requester
from tenant_operator.sandbox.aws.services.sqs.failures import denied, no_such_queue, with_old_code
from tenant_operator.sandbox.aws.services.sqs.state import Queue, SqsState
from tenant_operator.sandbox.aws.simulation import Simulation

# What cannot be allowed to another account by a queue's policy.
_OWN_ACCOUNT_ONLY = frozenset(
    {
        "AddPermission",
        "CreateQueue",
        "DeleteQueue",
        "ListQueues",
        "ListQueueTags",
        "RemovePermission",
        "SetQueueAttributes",
        "TagQueue",
        "UntagQueue",
    }
)


def url_of(sim: Simulation, queue: Queue) -> str:
    """`<endpoint>/<account>/<name>`, as AWS's `https://sqs.<Region>.amazonaws.com/<account>/<name>`."""
    return f"{sim.endpoint}/{queue.account}/{queue.name}"


def find(sim: Simulation, account: str, region: str, name: str) -> Queue:
    """A queue by its owner and name.

    Raises:
        AwsFailure: QueueDoesNotExist.
    """
    queue = sim.state(SqsState, account, region).queues.get(name)
    if queue is None:
        raise no_such_queue()
    return queue


def by_arn(sim: Simulation, arn: str) -> Queue | None:
    """A queue by its ARN, in whatever account."""
    parts = arn.split(":")
    if len(parts) != 6 or parts[2] != "sqs":
        return None
    return sim.state(SqsState, parts[4], parts[3]).queues.get(parts[5])


def used(sim: Simulation, call: Call, action: str | None = None) -> Queue:
    """The queue that a call's `QueueUrl` names, if the caller may.

    Raises:
        AwsFailure: QueueDoesNotExist, AccessDenied, InvalidAddress.
    """
    parts = str(call.parameters["QueueUrl"]).rstrip("/").rsplit("/", 2)
    if len(parts) != 3 or not parts[1].isdigit():
        raise with_old_code("InvalidAddress", f"The address {call.parameters['QueueUrl']} is not valid.")
    queue = find(sim, parts[1], call.region, parts[2])
    check_allowed(call, queue, action or call.action)
    return queue


def check_allowed(call: Call, queue: Queue, action: str) -> None:
    """Raises AwsFailure: another account's caller whom the queue's policy does not let."""
    if call.account == queue.account:
        return
    document = queue.attributes.get("Policy", "")
    requester = Requester.of(call.principal)
    if action in _OWN_ACCOUNT_ONLY or not resource_policies.allows(
        document, f"sqs:{action}", queue.arn, requester
    ):
        raise denied(f"sqs:{action.lower()}")
