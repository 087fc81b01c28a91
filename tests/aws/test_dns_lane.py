"""A hosted zone's lane against a Route 53 that is as strict as AWS's, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenant_operator.aws import records
from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.caller import Caller, Transport
from tenant_operator.aws.dns import Pace, RecordChange, RecordLane, read_records
from tenant_operator.aws.errors import AwsError, Category, classify
from tenant_operator.aws.sessions import Sessions
from tenant_operator.desired.resources import Live, Record

ZONE = "Z0123456789"
ACCOUNT = "111111111111"
TIER = "tier-1.us-east-1.example.com"

RecordSet = dict[str, Any]


@dataclass
class Route53:
    """One zone of Route 53: all or nothing, exact deletes, one routing policy a name, one change at a time."""

    zone: dict[tuple[str, str, str], RecordSet] = field(default_factory=dict)
    requests: list[list[RecordSet]] = field(default_factory=list)
    busy: int = 0
    """How many more requests are answered with PriorRequestNotComplete."""
    looks_until_in_force: int = 0
    protected: set[str] = field(default_factory=set)
    """Names that may not be changed: one of them fails its whole request."""
    denied: int | None = None
    """How many requests were refused for want of permission; None: they are permitted."""
    in_flight: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the first request for a change."""

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self, operation)(**parameters)
        return answer

    def change_resource_record_sets(self, ChangeBatch: dict[str, Any], **_: str) -> dict[str, Any]:
        self.asked.set()
        if self.denied is not None:
            self.denied += 1
            raise refused("AccessDenied", "not authorized to perform: route53:ChangeResourceRecordSets")
        if self.busy:
            self.busy -= 1
            raise refused("PriorRequestNotComplete", "The request was rejected: a prior one is in progress")
        changes = ChangeBatch["Changes"]
        self.requests.append(changes)
        after = dict(self.zone)
        elements = sum(2 if change["Action"] == "UPSERT" else 1 for change in changes)
        if elements > 1000:
            raise refused("InvalidChangeBatch", "too many elements")
        keys = [key_of(change["ResourceRecordSet"]) for change in changes]
        if len(set(keys)) < len(keys):
            raise refused(
                "InvalidChangeBatch", "The request contains an invalid set of changes for a record set"
            )
        for change in changes:
            self._apply(after, change["Action"], change["ResourceRecordSet"])
        self.zone = after
        return {"ChangeInfo": {"Id": f"/change/C{len(self.requests)}", "Status": self._status()}}

    def _apply(self, zone: dict[tuple[str, str, str], RecordSet], action: str, wanted: RecordSet) -> None:
        key, shown = key_of(wanted), as_shown(wanted)
        if wanted["Name"] in self.protected:
            raise refused("InvalidChangeBatch", f"record {wanted['Name']} is protected")
        if action == "DELETE":
            if zone.get(key) != shown:
                raise refused(
                    "InvalidChangeBatch", "Tried to delete resource record set but it was not found"
                )
            del zone[key]
            return
        if action == "CREATE" and key in zone:
            raise refused("InvalidChangeBatch", "Tried to create resource record set but it already exists")
        for (name, kind, _), other in zone.items():
            if name == key[0] and (kind == "CNAME" or (kind == "A" and "Weight" not in other)):
                raise refused(
                    "InvalidChangeBatch", "a non multi-value answer rrset exists with the same name"
                )
        zone[key] = shown

    def get_change(self, Id: str) -> dict[str, Any]:
        self.looks_until_in_force = max(0, self.looks_until_in_force - 1)
        return {"ChangeInfo": {"Id": f"/change/{Id}", "Status": self._status()}}

    def list_resource_record_sets(
        self,
        StartRecordName: str,
        MaxItems: str,
        StartRecordType: str = "",
        StartRecordIdentifier: str = "",
        **_: str,
    ) -> dict[str, Any]:
        first = order((StartRecordName, StartRecordType, StartRecordIdentifier))
        found = [self.zone[key] for key in sorted(self.zone, key=order) if order(key) >= first]
        page, rest = found[: int(MaxItems)], found[int(MaxItems) :]
        answer: dict[str, Any] = {"ResourceRecordSets": page, "IsTruncated": bool(rest)}
        if rest:
            answer["NextRecordName"], answer["NextRecordType"] = rest[0]["Name"], rest[0]["Type"]
            answer["NextRecordIdentifier"] = rest[0].get("SetIdentifier", "")
        return answer

    def _status(self) -> str:
        return "PENDING" if self.looks_until_in_force else "INSYNC"

    def put(self, record_set: RecordSet) -> None:
        self.zone[key_of(record_set)] = as_shown(record_set)

    def names(self) -> set[str]:
        return {name for name, _, _ in self.zone}


def refused(code: str, message: str) -> ClientError:
    error: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(error, "ChangeResourceRecordSets")


def key_of(record_set: RecordSet) -> tuple[str, str, str]:
    name = record_set["Name"].rstrip(".").replace("\\052", "*").lower()
    return name, record_set["Type"], record_set.get("SetIdentifier", "")


def as_shown(record_set: RecordSet) -> RecordSet:
    shown = {**record_set, "Name": key_of(record_set)[0].replace("*", "\\052") + "."}
    if "AliasTarget" in shown:
        target = shown["AliasTarget"]
        shown["AliasTarget"] = {**target, "DNSName": target["DNSName"].rstrip(".").lower() + "."}
    return shown


def order(key: tuple[str, str, str]) -> tuple[str, str, str]:
    labels = key[0].rstrip(".").replace("\\052", "*").split(".")
    return ".".join(reversed(labels)) + ".", key[1], key[2]


@dataclass(frozen=True, eq=False)
class Line(Caller):
    """A caller that reaches the Route 53 above instead of a network."""

    route53: Route53 = field(default_factory=Route53)

    async def __call__(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        assert not self.route53.in_flight or operation != "change_resource_record_sets", "one writer per zone"
        self.route53.in_flight += operation == "change_resource_record_sets"
        await asyncio.sleep(0)
        try:
            return self.route53.call(operation, parameters)
        except ClientError as error:
            raise classify(error, service, operation, self.account, self.region) from error
        finally:
            self.route53.in_flight -= operation == "change_resource_record_sets"


@dataclass
class Stage:
    """A lane with its Route 53 and a clock that only sleeping moves."""

    route53: Route53 = field(default_factory=Route53)
    pace: Pace = field(default_factory=Pace)
    slept: float = 0.0

    def __post_init__(self) -> None:
        self.caller = Line(
            account=ACCOUNT,
            region="us-east-1",
            partition="aws",
            priority=Priority.EDIT,
            session=Sessions().default(),
            transport=Transport(),
            route53=self.route53,
        )
        self.lane = RecordLane(self.caller, ZONE, pace=self.pace, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept += seconds
        await asyncio.sleep(0)

    def live(self, name: str, group: str = "g1") -> Live:
        return records.live_record(ACCOUNT, ZONE, self.route53.zone[(name, "A", f"inst/{group}")])


def record(name: str, weight: int = 100, group: str = "g1") -> Record:
    return Record(
        zone=ZONE,
        name=name,
        set_identifier=f"inst/{group}",
        weight=weight,
        alias_dns_name=f"lb-{group}.us-east-1.elb.amazonaws.com",
        alias_zone="Z35SXDOTRQ7X7K",
    )


def create(name: str, weight: int = 100, group: str = "g1") -> RecordChange:
    return RecordChange(desired=record(name, weight, group), live=None)


def simple(name: str, kind: str = "A") -> RecordSet:
    return {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}


async def outcome(stage: Stage, *changes: RecordChange) -> AwsError | None:
    try:
        await stage.lane.submit(changes)
    except AwsError as error:
        return error
    return None


async def test_fifty_tenants_onboarding_at_once_are_one_request() -> None:
    stage = Stage()
    tenants = [[create(f"t{n}.{TIER}", group=group) for group in ("g1", "g2")] for n in range(50)]
    await asyncio.gather(*(stage.lane.submit(changes) for changes in tenants))
    assert len(stage.route53.requests) == 1
    assert len(stage.route53.zone) == 100


async def test_what_comes_while_a_request_is_under_way_is_gathered_for_the_next() -> None:
    stage = Stage(route53=Route53(busy=3))
    first = asyncio.ensure_future(stage.lane.submit([create(f"t0.{TIER}")]))
    await stage.route53.asked.wait()
    await asyncio.gather(first, *(stage.lane.submit([create(f"t{n}.{TIER}")]) for n in range(1, 9)))
    assert [len(request) for request in stage.route53.requests] == [1, 8]


async def test_submit_returns_only_once_the_change_is_in_force() -> None:
    stage = Stage(route53=Route53(looks_until_in_force=5))
    lives = await stage.lane.submit([create(TIER)])
    assert stage.route53.looks_until_in_force == 0
    assert [live.spec for live in lives] == [record(TIER)]
    assert [live.address.name for live in lives] == [f"{ZONE}/{TIER}/inst/g1"]


async def test_a_change_that_never_comes_into_force_is_reported_and_can_be_tried_again() -> None:
    stage = Stage(route53=Route53(looks_until_in_force=10**6))
    error = await outcome(stage, create(TIER))
    assert error is not None
    assert (error.category, error.code) == (Category.RETRY, "ChangePending")


async def test_one_tenant_whose_name_is_taken_fails_alone_and_is_told_what_to_remove() -> None:
    stage = Stage()
    stage.route53.put(simple(f"t13.{TIER}"))
    errors = await asyncio.gather(*(outcome(stage, create(f"t{n}.{TIER}")) for n in range(40)))
    assert [n for n, error in enumerate(errors) if error] == [13]
    error = errors[13]
    assert error is not None
    assert error.category is Category.CONFLICT
    assert f"simple A record for t13.{TIER}" in error.message
    assert "remove that record" in error.message
    assert stage.route53.zone[(f"t13.{TIER}", "A", "")]["TTL"] == 60
    assert len(stage.route53.names()) == 40
    assert len(stage.route53.requests) < 20


async def test_a_cname_in_the_place_of_the_tiers_name_is_named() -> None:
    stage = Stage()
    stage.route53.put(simple(TIER, "CNAME"))
    error = await outcome(stage, create(TIER))
    assert error is not None
    assert f"simple CNAME record for {TIER}" in error.message


async def test_a_tenants_records_are_made_all_or_none() -> None:
    stage = Stage()
    stage.route53.protected.add(f"t1.{TIER}")
    errors = await asyncio.gather(
        outcome(stage, create(f"t0.{TIER}")), outcome(stage, create(f"ok.t1.{TIER}"), create(f"t1.{TIER}"))
    )
    assert errors[0] is None
    assert errors[1] is not None
    assert stage.route53.names() == {f"t0.{TIER}"}


async def test_a_record_that_a_lost_answer_left_behind_is_taken_as_it_is() -> None:
    stage = Stage()
    stage.route53.put(records.to_api(record(TIER)))
    assert await outcome(stage, create(TIER)) is None
    assert len(stage.route53.requests) == 1


async def test_a_record_that_differs_from_what_was_read_is_set_right() -> None:
    stage = Stage()
    stage.route53.put(records.to_api(record(TIER, weight=1)))
    assert await outcome(stage, create(TIER, weight=50)) is None
    assert stage.live(TIER).spec == record(TIER, weight=50)


async def test_a_record_changed_by_hand_is_deleted_all_the_same() -> None:
    stage = Stage()
    stage.route53.put(records.to_api(record(TIER)))
    known = stage.live(TIER)
    stage.route53.put(records.to_api(record(TIER, weight=7)))
    assert await outcome(stage, RecordChange(desired=None, live=known)) is None
    assert stage.route53.zone == {}


async def test_a_record_that_has_gone_counts_as_deleted() -> None:
    stage = Stage()
    stage.route53.put(records.to_api(record(TIER)))
    known = stage.live(TIER)
    stage.route53.zone.clear()
    assert await outcome(stage, RecordChange(desired=None, live=known)) is None


async def test_another_operators_weighted_record_of_the_same_name_stays() -> None:
    stage = Stage()
    other = {**records.to_api(record(TIER)), "SetIdentifier": "other/g1", "Weight": 3}
    stage.route53.put(other)
    assert await outcome(stage, create(TIER)) is None
    assert stage.route53.zone[(TIER, "A", "other/g1")] == as_shown(other)
    assert len(stage.route53.zone) == 2


async def test_a_zone_that_another_writer_keeps_busy_is_given_up_in_the_end() -> None:
    stage = Stage(route53=Route53(busy=10**6))
    error = await outcome(stage, create(TIER))
    assert error is not None
    assert error.code == "PriorRequestNotComplete"
    assert stage.slept < 2 * stage.pace.busy_total


async def test_a_zone_that_is_not_ours_to_change_fails_everybody_at_once_without_a_search() -> None:
    stage = Stage(route53=Route53(denied=0))
    errors = await asyncio.gather(*(outcome(stage, create(f"t{n}.{TIER}")) for n in range(10)))
    assert {error.category for error in errors if error} == {Category.ACCESS}
    assert stage.route53.denied == 1


async def test_a_cancelled_visit_does_not_stop_the_others() -> None:
    stage = Stage()
    impatient = asyncio.ensure_future(stage.lane.submit([create(f"t0.{TIER}")]))
    patient = asyncio.ensure_future(stage.lane.submit([create(f"t1.{TIER}")]))
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    assert stage.route53.names() >= {f"t1.{TIER}"}


async def test_closing_the_lane_leaves_nobody_waiting() -> None:
    stage = Stage(route53=Route53(looks_until_in_force=10**6), pace=Pace(sync_total=float("inf")))
    waiting = [asyncio.ensure_future(stage.lane.submit([create(f"t{n}.{TIER}")])) for n in range(3)]
    await stage.route53.asked.wait()
    waiting.append(asyncio.ensure_future(stage.lane.submit([create(f"late.{TIER}")])))
    await asyncio.sleep(0)
    await stage.lane.close()
    assert all(task.cancelled() for task in await settled(waiting))


async def settled(tasks: list[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    await asyncio.gather(*tasks, return_exceptions=True)
    return tasks


async def test_too_many_or_contradicting_changes_are_refused_in_words() -> None:
    stage = Stage()
    with pytest.raises(ValueError, match="at most 500"):
        await stage.lane.submit([create(f"t{n}.{TIER}") for n in range(1001)])
    with pytest.raises(ValueError, match="two changes of one record"):
        await stage.lane.submit([create(TIER), create(TIER, weight=3)])
    assert await stage.lane.submit([]) == ()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    bad=st.sets(st.integers(min_value=0, max_value=29), max_size=6),
    existing=st.sets(st.integers(min_value=0, max_value=29), max_size=10),
    busy=st.integers(min_value=0, max_value=3),
)
def test_whatever_is_in_the_way_the_good_records_are_made_and_only_the_bad_fail(
    bad: set[int], existing: set[int], busy: int
) -> None:
    async def scenario() -> None:
        stage = Stage(route53=Route53(busy=busy, protected={f"t{n}.{TIER}" for n in bad}))
        for n in existing - bad:
            stage.route53.put(records.to_api(record(f"t{n}.{TIER}", weight=1)))
        errors = await asyncio.gather(*(outcome(stage, create(f"t{n}.{TIER}")) for n in range(30)))
        assert {n for n, error in enumerate(errors) if error} == bad
        for n in set(range(30)) - bad:
            assert stage.live(f"t{n}.{TIER}").spec == record(f"t{n}.{TIER}")

    asyncio.run(scenario())


async def test_a_tiers_records_and_those_below_it_are_read_and_no_neighbours() -> None:
    stage = Stage()
    zone = stage.route53
    wanted = [TIER, f"acme.{TIER}", f"*.{TIER}", f"a.b.{TIER}"]
    for name in wanted:
        zone.put(records.to_api(record(name)))
    for n in range(400):
        zone.put(records.to_api(record(f"t{n}.{TIER}", group=f"g{n}")))
    for name in (
        "us-east-1.example.com",
        "tier-10.us-east-1.example.com",
        f"x{TIER}",
        "tier-1-b.us-east-1.example.com",
    ):
        zone.put(simple(name))
    found = await read_records(stage.caller, ZONE, TIER)
    assert len(found) == 404
    assert {live.spec.name for live in found.values() if isinstance(live.spec, Record)} >= set(wanted)
    assert all(address.region == "aws-global" and address.account == ACCOUNT for address in found)


async def test_what_is_no_weighted_alias_is_shown_as_foreign() -> None:
    stage = Stage()
    stage.route53.put(simple(TIER))
    stage.route53.put(simple(f"acme.{TIER}", "CNAME"))
    stage.route53.put(simple(f"acme.{TIER}", "TXT"))
    found = await read_records(stage.caller, ZONE, TIER)
    assert {address.name for address in found} == {
        f"{ZONE}/{TIER}/foreign:A:",
        f"{ZONE}/acme.{TIER}/foreign:CNAME:",
    }


@pytest.mark.parametrize(
    "alter",
    [
        lambda shown: shown["AliasTarget"].update(EvaluateTargetHealth=True),
        lambda shown: shown.update(HealthCheckId="abc"),
        lambda shown: shown.update(Weight=0),
    ],
)
async def test_a_record_altered_by_hand_is_drift(alter: Callable[[RecordSet], None]) -> None:
    stage = Stage()
    shown = records.to_api(record(TIER))
    alter(shown)
    stage.route53.put(shown)
    (live,) = (await read_records(stage.caller, ZONE, TIER)).values()
    assert live.spec != record(TIER)
