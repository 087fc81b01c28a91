"""Listener rules: reading those of a listener, and making, changing and deleting one.

A rule's priority is chosen once and kept for life. `CreateRule` has no client token, so a lost answer shows as
`PriorityInUse`: what holds the priority then decides whether the rule is ours already or another slot must be taken.
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

from tenant_operator.aws import elb_tags, listener_actions, rule_translation, tagging
from tenant_operator.aws.adoption import adopted
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tag_repair import with_tags
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Address, ListenerRule, Live, Resource
from tenant_operator.plan.change import FieldChange

FOREIGN = "foreign/"
"""How the address names of rules begin that are not this installation's; a rule's id follows."""

DUPLICATE = "duplicate/"
"""The same for a second rule of ours with the tags of another. The one that AWS looks at first keeps the name."""

FIRST_PRIORITY = 1
LAST_PRIORITY = 50_000
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html"""


def free_priority(taken: Collection[int], wanted: int | None = None) -> int:
    """A priority for a new rule that no other rule of its listener has.

    Without a wish it is the middle of the widest gap, so that priorities stay sparse and people who make rules of their
    own by hand find room beside ours. With a wish it is the first free one from there on, and after the last the first.

    Args:
        taken: The priorities in use; the order means nothing.
        wanted: Where to begin to look, 1–50,000.

    Raises:
        ValueError: `wanted` is out of bounds, or all priorities are taken.
    """
    used = {priority for priority in taken if FIRST_PRIORITY <= priority <= LAST_PRIORITY}
    if len(used) == LAST_PRIORITY:
        raise ValueError(
            "every priority from 1 to 50000 is taken on this listener; delete rules, or add a listener"
        )
    if wanted is None:
        fences = [FIRST_PRIORITY - 1, *sorted(used), LAST_PRIORITY + 1]
        below, above = max(pairwise(fences), key=_width)
        return (below + above) // 2
    if not FIRST_PRIORITY <= wanted <= LAST_PRIORITY:
        raise ValueError(
            f"priority {wanted} does not exist; ask for one from {FIRST_PRIORITY} to {LAST_PRIORITY}"
        )
    onwards = chain(range(wanted, LAST_PRIORITY + 1), range(FIRST_PRIORITY, wanted))
    return next(priority for priority in onwards if priority not in used)


def _width(gap: tuple[int, int]) -> int:
    return gap[1] - gap[0]


async def read_rules(
    caller: Caller, installation: str, listener: Live, known_tags: Mapping[str, Mapping[str, str]]
) -> dict[Address, Live]:
    """Every rule of a listener but the default one, ours by their tags and others as `foreign/<rule id>`.

    Live attribute `priority`: an int. A listener that has gone has no rules.

    Args:
        caller: Bound to the listener's account and Region.
        installation: The installation whose rules are ours.
        listener: The listener.
        known_tags: Tags by rule ARN that need not be read again.

    Raises:
        AwsError: AWS refused a reading.
    """
    try:
        found = await caller.pages("elbv2", "describe_rules", "Rules", ListenerArn=listener.id)
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return {}
        raise
    found = [rule for rule in found if not rule.get("IsDefault")]
    unread = [rule["RuleArn"] for rule in found if rule["RuleArn"] not in known_tags]
    all_tags = {**known_tags, **await elb_tags.read_tags(caller, unread)}
    rules: dict[Address, Live] = {}
    for rule in sorted(found, key=lambda rule: int(rule["Priority"])):
        if rule["RuleArn"] in all_tags:
            live = _live(caller, installation, listener.id, rule, all_tags[rule["RuleArn"]])
            if live.address in rules:
                live = replace(live, address=replace(live.address, name=DUPLICATE + _rule_id(live.id)))
            rules[live.address] = live
    return rules


async def create_rule(caller: Caller, resource: Resource, priority: int) -> Live:
    """Make a rule at a priority, tagged as it is made.

    Raises:
        AwsError: CONFLICT with code `PriorityInUse` when another rule has the priority: take another one.
    """
    spec = _spec(resource)
    optional = {"Transforms": transforms} if (transforms := rule_translation.transforms(spec)) else {}
    try:
        answer = await caller(
            "elbv2",
            "create_rule",
            ListenerArn=str(spec.listener),
            Priority=priority,
            Conditions=rule_translation.conditions(spec),
            Actions=listener_actions.to_api(spec.action),
            Tags=tagging.as_list(resource.tags),
            **optional,
        )
    except AwsError as error:
        if error.code != "PriorityInUse":
            raise
        return await _holder(caller, resource, priority, error)
    return _as(resource.address, answer["Rules"][0], str(spec.listener), resource.tags)


async def update_rule(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Set a rule right in place: conditions, action and transforms are each sent whole; the priority stays.

    Raises:
        AwsError: AWS refused the change; NOT_FOUND when the rule has gone.
    """
    spec = _spec(resource)
    if any(change.field != "tags" for change in changes):
        wanted: dict[str, Any] = {}
        if transforms := rule_translation.transforms(spec):
            wanted["Transforms"] = transforms
        elif _has_transforms(live):
            wanted["ResetTransforms"] = True
        answer = await caller(
            "elbv2",
            "modify_rule",
            RuleArn=live.id,
            Conditions=rule_translation.conditions(spec),
            Actions=listener_actions.to_api(spec.action),
            **wanted,
        )
        live = _as(live.address, answer["Rules"][0], str(spec.listener), live.tags)
    return await with_tags(caller, resource, live)


async def delete_rule(caller: Caller, live: Live) -> None:
    """Delete a rule; one that has gone is done.

    Raises:
        AwsError: AWS refused.
    """
    try:
        await caller("elbv2", "delete_rule", RuleArn=live.id)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def _holder(caller: Caller, resource: Resource, priority: int, error: AwsError) -> Live:
    """The rule that has the priority, when it is the one that was to be made; else the error."""
    listener = str(_spec(resource).listener)
    found = await caller.pages("elbv2", "describe_rules", "Rules", ListenerArn=listener)
    holder = next((rule for rule in found if rule["Priority"] == str(priority)), None)
    if holder is None:
        raise error
    live_tags = (await elb_tags.read_tags(caller, [holder["RuleArn"]])).get(holder["RuleArn"], {})
    mine = tags.is_ours(live_tags, resource.tags.get(tags.INSTALLATION, ""))
    if not mine or tags.address_name(live_tags) != resource.address.name:
        raise error
    return adopted(
        caller, resource, _as(resource.address, holder, listener, live_tags), "elbv2", "create_rule"
    )


def _live(
    caller: Caller, installation: str, listener: str, rule: dict[str, Any], rule_tags: Mapping[str, str]
) -> Live:
    ours = tags.is_ours(rule_tags, installation) and tags.address_name(rule_tags)
    name = tags.address_name(rule_tags) if ours else FOREIGN + _rule_id(rule["RuleArn"])
    address = Address(account=caller.account, region=caller.region, type=ListenerRule.__name__, name=name)
    return _as(address, rule, listener, rule_tags)


def _as(address: Address, rule: dict[str, Any], listener: str, rule_tags: Mapping[str, str]) -> Live:
    return Live(
        address=address,
        id=rule["RuleArn"],
        spec=rule_translation.from_api(rule, listener),
        tags=dict(rule_tags),
        attributes={"priority": int(rule["Priority"]), "transforms": len(rule.get("Transforms") or ())},
    )


def _has_transforms(live: Live) -> bool:
    """Whether there is anything to reset. Asking AWS to reset nothing is allowed, but not everything understands it."""
    return bool(live.attributes.get("transforms"))


def _rule_id(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def _spec(resource: Resource) -> ListenerRule:
    if not isinstance(resource.spec, ListenerRule):
        raise TypeError(f"{resource.address} is not a listener rule")
    return resource.spec
