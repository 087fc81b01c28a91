"""What a dry run found out, as data: the steps in their order, what they cost, and what will not be done."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tenant_operator.api import Cell, UnreadableObject
from tenant_operator.aws.budgets import rate_of
from tenant_operator.aws.dry_run.transport import Call
from tenant_operator.aws.limits import RATE_HEADROOM, Rate
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Address, Live
from tenant_operator.engine.cache import Cache, Key, Kind
from tenant_operator.engine.capacity import used_in_cell
from tenant_operator.engine.dry_run.journal import UPKEEP, Entry
from tenant_operator.plan.change import Action, Risk, Verb
from tenant_operator.plan.risk import worst
from tenant_operator.plan.shown import Names, ShownChange, shown_changes, shown_creation


class Effect(StrEnum):
    """What becomes of an AWS resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    """Another is made in its place, and it goes once that serves."""
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that would be done to one AWS resource."""

    object: str
    """The custom resource on whose behalf, such as `Tenant customers/acme`."""
    effect: Effect
    type: str
    name: str
    account: str
    region: str
    id: str
    """As AWS has it now; empty where it has none."""
    replaces: str
    """The name of the one in whose place this is made; empty where there is none."""
    changes: tuple[ShownChange, ...]
    reason: str
    risk: Risk
    calls: tuple[str, ...]
    """In their order, such as `elbv2 CreateRule`."""
    after: tuple[str, ...]
    """The resources whose steps come first, such as `TargetGroup sandbox-acme-1`."""
    waited_seconds: float
    """How much waiting (drains, rollouts, changes coming into force) there was before, at least."""


@dataclass(frozen=True, kw_only=True)
class Blocked:
    """A custom resource that will not be as its spec says, and why."""

    object: str
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """What is taken from one of AWS's token buckets."""

    account: str
    region: str
    name: str
    calls: int
    seconds: float
    """How long the calls take at the rate that AWS allows, if nobody else takes from it."""


@dataclass(frozen=True, kw_only=True)
class QuotaUse:
    """A quota of which the use changes."""

    cell: str
    code: str
    name: str
    limit: float
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Everything that a dry run found out."""

    steps: tuple[Step, ...]
    blocked: tuple[Blocked, ...]
    buckets: tuple[Bucket, ...]
    quotas: tuple[QuotaUse, ...]
    unread: tuple[str, ...]
    """Readings that AWS refused: what they would have shown is missing here."""
    reads: int
    counts: Mapping[Effect, int]
    """Resources by what becomes of them: one that is changed twice counts once."""

    @property
    def calls(self) -> int:
        """How many writes there would be."""
        return sum(bucket.calls for bucket in self.buckets)

    @property
    def seconds(self) -> float:
        """How long the writes take at least, under AWS's limits: the slowest bucket decides."""
        return max((bucket.seconds for bucket in self.buckets), default=0.0)

    @property
    def waiting_seconds(self) -> float:
        """How much waiting lies before the last step."""
        return max((step.waited_seconds for step in self.steps), default=0.0)

    @property
    def risk(self) -> Risk:
        """The worst of all steps' risks."""
        return worst(step.risk for step in self.steps)


def steps_of(entries: Sequence[Entry], names: Names) -> tuple[Step, ...]:
    """The steps, in the order of the entries."""
    replaced = replacements(entry.action for entry in entries if entry.action is not None)
    acted_on = {entry.action.address for entry in entries if entry.action is not None}
    return tuple(_step(entry, names, replaced, acted_on) for entry in entries)


def replacements(actions: Iterable[Action]) -> dict[Address, Address]:
    """What is made in whose place: the same part of the same tenant or infra group, made and deleted."""
    made: dict[tuple[str, ...], Address] = {}
    gone: dict[tuple[str, ...], Address] = {}
    for action in actions:
        part = _part(action)
        if part is None:
            continue
        if action.verb is Verb.CREATE:
            made.setdefault(part, action.address)
        elif action.verb is Verb.DELETE:
            gone.setdefault(part, action.address)
    return {address: gone[part] for part, address in made.items() if part in gone}


def counts_of(entries: Sequence[Entry]) -> dict[Effect, int]:
    """How many resources are created, updated, replaced, deleted."""
    actions = [entry.action for entry in entries if entry.action is not None]
    verbs: defaultdict[Address, list[Verb]] = defaultdict(list)
    for action in actions:
        verbs[action.address].append(action.verb)
    replaced = replacements(actions)
    counts = Counter(dict.fromkeys(Effect, 0))
    for address, done in verbs.items():
        if address in replaced:
            counts[Effect.REPLACE] += 1
        elif address not in replaced.values():
            counts[_effect_of(done)] += 1
    upkeep = {call.about for entry in entries if entry.action is None for call in entry.calls}
    counts[Effect.UPDATE] += len(upkeep)
    return dict(counts)


def buckets_of(calls: Iterable[Call], api_rate: float = 1.0) -> tuple[Bucket, ...]:
    """What the writes take from each of AWS's token buckets, the slowest first.

    Args:
        calls: The writes.
        api_rate: Times AWS's published rates (`Settings.api_rate`).
    """
    calls = tuple(calls)
    counted = Counter(call.bucket for call in calls)
    rates = {call.bucket: rate_of(call.service, call.operation) for call in calls}
    found = [
        Bucket(
            account=account,
            region=region,
            name=name,
            calls=count,
            seconds=_seconds(count, rates[(account, region, name)], api_rate * RATE_HEADROOM),
        )
        for (account, region, name), count in counted.items()
    ]
    return tuple(sorted(found, key=lambda b: (-b.seconds, b.account, b.region, b.name)))


def blocked_in(cache: Cache) -> tuple[Blocked, ...]:
    """The objects that are not as they should be when nothing is left to do, and what they say of it."""
    return tuple(
        Blocked(object=str(key), reason=said["reason"], message=said["message"])
        for key in sorted(cache, key=lambda key: (list(Kind).index(key.kind), key))
        for said in _objections(cache.status(key).get("conditions") or ())
    )


def _objections(conditions: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The conditions that say why an object is not, or not wholly, as its spec says."""
    known = {condition["type"]: condition for condition in conditions}
    true = {type_ for type_, condition in known.items() if condition["status"] == "True"}
    if "Drifted" in true:
        yield known["Drifted"]
    if "Paused" in true or "Stalled" in true:
        yield known["Paused" if "Paused" in true else "Stalled"]
    elif "Ready" in known and "Ready" not in true:
        yield known["Ready"]


def cache_of(bodies: Iterable[Mapping[str, Any]]) -> Cache:
    """Some custom resources as the engine knows them; what cannot be read is left out, as the engine does."""
    cache = Cache()
    for body in bodies:
        with contextlib.suppress(UnreadableObject):
            cache.put(body)
    return cache


def quota_uses(before: Cache, after: Cache) -> tuple[QuotaUse, ...]:
    """The quotas of which the use changes, as the cells' statuses count it."""
    found = []
    for key in sorted(key for key in after if key.kind is Kind.CELL):
        was, now = _used(before, key), _used(after, key)
        found += [
            QuotaUse(
                cell=key.name,
                code=quota["code"],
                name=quota.get("name", ""),
                limit=quota["limit"],
                before=was.get(quota["code"], 0),
                after=now[quota["code"]],
            )
            for quota in after.status(key).get("quotas") or ()
            if quota["code"] in now and now[quota["code"]] != was.get(quota["code"], 0)
        ]
    return tuple(found)


def _used(cache: Cache, key: Key) -> dict[str, int]:
    """How much of each quota a cell uses, by code; nothing where there is no such cell, or no tier."""
    cell = cache.get(key)
    tier = cache.tier(cell.spec.tier_ref.name) if isinstance(cell, Cell) else None
    if not isinstance(cell, Cell) or tier is None:
        return {}
    return {code.value: used for code, used in used_in_cell(cache, tier, cell).items()}


def as_json(preview: Preview) -> dict[str, Any]:
    """The whole preview as JSON has it; its schema is in docs/plan.md."""
    return {
        "formatVersion": "1",
        "summary": {
            **{effect.value: preview.counts[effect] for effect in Effect},
            "calls": preview.calls,
            "seconds": round(preview.seconds, 1),
            "waitingSeconds": round(preview.waiting_seconds, 1),
            "risk": preview.risk.value,
            "reads": preview.reads,
            "complete": not preview.unread,
        },
        "steps": [_camel(dataclasses.asdict(step)) for step in preview.steps],
        "blocked": [_camel(dataclasses.asdict(blocked)) for blocked in preview.blocked],
        "buckets": [
            _camel({**dataclasses.asdict(b), "seconds": round(b.seconds, 1)}) for b in preview.buckets
        ],
        "quotas": [_camel(dataclasses.asdict(use)) for use in preview.quotas],
        "unread": list(preview.unread),
    }


def _step(entry: Entry, names: Names, replaced: Mapping[Address, Address], acted_on: set[Address]) -> Step:
    action = entry.action
    if action is None:
        return _upkeep(entry)
    address, live = action.address, action.live
    gone = replaced.get(address)
    effect = Effect(action.verb.value)
    reason = action.reason
    if action.verb is Verb.CREATE and gone is not None:
        effect, reason = Effect.REPLACE, f"{gone.name} cannot be changed in place; it goes once this serves"
    elif action.verb is Verb.DELETE and address in replaced.values():
        reason = "another has been made in its place"
    if action.verb is Verb.CREATE and action.desired is not None:
        changes = shown_creation(action.desired, names)
    else:
        changes = shown_changes(action.changes, names)
    return Step(
        object=str(entry.key),
        effect=effect,
        type=address.type,
        name=address.name,
        account=address.account,
        region=address.region,
        id="" if live is None else names.get(live.id, live.id),
        replaces="" if gone is None or effect is not Effect.REPLACE else gone.name,
        changes=changes,
        reason=reason,
        risk=action.risk,
        calls=tuple(f"{call.service} {call.action}" for call in entry.calls),
        after=tuple(f"{a.type} {a.name}" for a in action.after if a in acted_on),
        waited_seconds=entry.passed,
    )


def _upkeep(entry: Entry) -> Step:
    call = entry.calls[0]
    return Step(
        object=str(entry.key),
        effect=Effect.UPDATE,
        type="Service" if "service" in call.operation else "TaskDefinition",
        name=call.about.rsplit("/", 1)[-1],
        account=call.account,
        region=call.region,
        id=call.about,
        replaces="",
        changes=(),
        reason=UPKEEP.get(call.operation, call.operation.replace("_", " ")),
        risk=Risk.RESTART if call.operation == "update_service" else Risk.NONE,
        calls=(f"{call.service} {call.action}",),
        after=(),
        waited_seconds=entry.passed,
    )


def _part(action: Action) -> tuple[str, ...] | None:
    """Which part of whose it is; None where there are no tags to tell."""
    known = action.desired.tags if action.desired is not None else _tags(action.live)
    component = known.get(tags.COMPONENT)
    if component is None:
        return None
    owner = (known.get(tags.INFRA_GROUP, ""), known.get(tags.TENANT, ""))
    return (action.address.account, action.address.region, action.address.type, *owner, component)


def _tags(live: Live | None) -> Mapping[str, str]:
    return {} if live is None else live.tags


def _effect_of(verbs: Sequence[Verb]) -> Effect:
    if Verb.CREATE in verbs and Verb.DELETE in verbs:
        return Effect.REPLACE
    return next((Effect(verb.value) for verb in (Verb.CREATE, Verb.DELETE) if verb in verbs), Effect.UPDATE)


def _seconds(calls: int, rate: Rate, share: float) -> float:
    """How long so many calls take from a full bucket, of which a share of what AWS allows is ours."""
    return max(0.0, calls - max(1.0, rate.burst * share)) / (rate.refill * share)


def _camel(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Keys as Kubernetes and AWS write them in JSON."""

    def renamed(name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(part.capitalize() for part in rest)

    return {renamed(name): value for name, value in fields.items()}
