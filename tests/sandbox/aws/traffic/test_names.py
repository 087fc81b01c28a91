"""Names that lead to load balancers, and what a client makes of them."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tenant_operator.sandbox.aws.client import ControlError
from tenant_operator.sandbox.traffic.client import Client, NameNotFound, RequestLost, covers
from tests.sandbox.aws.foundations.conftest import REGION, eventually
from tests.sandbox.aws.traffic.conftest import Web

_zones = itertools.count()


@dataclass
class Zone:
    """A hosted zone of the test's own, with records that are in sync."""

    web: Web
    vpc: str = ""
    name: str = field(default_factory=lambda: f"zone-{next(_zones)}.example.net")
    id: str = field(init=False)

    def __post_init__(self) -> None:
        vpc = {"VPC": {"VPCRegion": REGION, "VPCId": self.vpc}} if self.vpc else {}
        made = self.route53.create_hosted_zone(Name=self.name, CallerReference=self.name, **vpc)
        self.id = made["HostedZone"]["Id"]

    @property
    def route53(self) -> Any:
        return self.web.account.client("route53")

    def put(self, name: str, **record: Any) -> None:
        self.change("UPSERT", name, **record)

    def change(self, action: str, name: str, **record: Any) -> None:
        whole = {"Name": name, "Type": "A", **record}
        changed = self.route53.change_resource_record_sets(
            HostedZoneId=self.id, ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": whole}]}
        )
        change_id = changed["ChangeInfo"]["Id"]
        eventually(lambda: self.route53.get_change(Id=change_id)["ChangeInfo"]["Status"] == "INSYNC")

    def alias(self, arn: str = "") -> dict[str, Any]:
        """Members of a record that leads to a load balancer."""
        arns = [arn or self.web.load_balancer]
        [found] = self.web.elb.describe_load_balancers(LoadBalancerArns=arns)["LoadBalancers"]
        target = {
            "DNSName": f"dualstack.{found['DNSName']}.",
            "HostedZoneId": found["CanonicalHostedZoneId"],
            "EvaluateTargetHealth": False,
        }
        return {"AliasTarget": target}


@pytest.fixture
def zone(web: Web) -> Zone:
    return Zone(web)


@pytest.fixture
def second(web: Web) -> str:
    """Another load balancer, without rules: it answers 404."""
    arn = web.new_load_balancer()
    web.new_listener(arn)
    return arn


def target_of(web: Web, name: str) -> str:
    found: str = web.control.resolve(name)["target"]
    return found


async def test_an_alias_leads_to_the_load_balancer(web: Web, zone: Zone, client: Client) -> None:
    name = f"shop.{zone.name}"
    zone.put(name, **zone.alias())
    answer = await client.request("GET", f"http://{name}/acme")
    assert (answer.tenant, answer.load_balancer, answer.json()["host"]) == ("acme", web.name, name)


def test_an_alias_has_the_ttl_of_the_load_balancers_own_name(web: Web, zone: Zone) -> None:
    zone.put(zone.name, **zone.alias())
    answer = web.control.resolve(zone.name)
    assert (answer["ttl"], answer["expiresIn"], answer["private"]) == (60, 0.6, False)


def test_weights_share_the_answers_out(web: Web, zone: Zone, second: str) -> None:
    zone.put(zone.name, SetIdentifier="a", Weight=3, **zone.alias())
    zone.put(zone.name, SetIdentifier="b", Weight=1, **zone.alias(second))
    drawn = Counter(target_of(web, zone.name) == web.name for _ in range(200))
    assert drawn[True] > drawn[False] > 0


def test_a_weight_of_0_is_never_drawn_beside_another(web: Web, zone: Zone, second: str) -> None:
    zone.put(zone.name, SetIdentifier="a", Weight=1, **zone.alias())
    zone.put(zone.name, SetIdentifier="b", Weight=0, **zone.alias(second))
    assert {target_of(web, zone.name) for _ in range(50)} == {web.name}


def test_a_cname_is_followed_with_its_own_ttl(web: Web, zone: Zone) -> None:
    zone.put(f"www.{zone.name}", Type="CNAME", TTL=30, ResourceRecords=[{"Value": web.name}])
    answer = web.control.resolve(f"www.{zone.name}")
    assert (answer["target"], answer["ttl"]) == (web.name, 30)


def test_a_load_balancers_own_name_resolves(web: Web) -> None:
    assert target_of(web, web.name) == web.name


def test_a_record_that_is_not_in_sync_yet_does_not_answer(
    web: Web, zone: Zone, slow: Callable[..., None]
) -> None:
    slow(record_insync=30.0)
    record = {"Name": zone.name, "Type": "A", **zone.alias()}
    changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
    zone.route53.change_resource_record_sets(HostedZoneId=zone.id, ChangeBatch={"Changes": changes})
    with pytest.raises(ControlError, match="NXDOMAIN"):
        web.control.resolve(zone.name)


def test_an_alias_to_a_load_balancer_that_is_gone_does_not_answer(web: Web, zone: Zone, second: str) -> None:
    zone.put(zone.name, **zone.alias(second))
    web.elb.delete_load_balancer(LoadBalancerArn=second)
    with pytest.raises(ControlError, match="NXDOMAIN"):
        web.control.resolve(zone.name)


async def test_a_private_zone_answers_inside_its_vpc_only(web: Web, client: Client) -> None:
    zone = Zone(web, vpc=web.vpc)
    zone.put(zone.name, **zone.alias())
    with pytest.raises(NameNotFound):
        await client.request("GET", f"http://{zone.name}/acme")
    async with Client(client.endpoint, inside=True) as inside:
        assert (await inside.request("GET", f"http://{zone.name}/acme")).tenant == "acme"
    assert web.control.resolve(zone.name, private=True)["private"]


# --- the client


async def test_a_client_keeps_an_answer_of_dns_for_its_ttl(
    web: Web, zone: Zone, second: str, client: Client
) -> None:
    zone.put(zone.name, SetIdentifier="a", Weight=1, **zone.alias())
    async with (
        Client(client.endpoint, keep_alive=False, ttl_scale=100.0) as patient,
        Client(client.endpoint, keep_alive=False, ttl_scale=0.0) as hasty,
    ):
        for each in (patient, hasty):
            assert (await each.request("GET", f"http://{zone.name}/acme")).status == 200
        zone.put(zone.name, SetIdentifier="b", Weight=1, **zone.alias(second))
        zone.change("DELETE", zone.name, SetIdentifier="a", Weight=1, **zone.alias())
        assert (await patient.request("GET", f"http://{zone.name}/acme")).load_balancer == web.name
        assert (await hasty.request("GET", f"http://{zone.name}/acme")).load_balancer != web.name


async def test_a_kept_connection_outlives_a_change_of_dns(
    web: Web, zone: Zone, second: str, client: Client
) -> None:
    zone.put(zone.name, SetIdentifier="a", Weight=1, **zone.alias())
    async with Client(client.endpoint, ttl_scale=0.0) as keeping:
        await keeping.request("GET", f"http://{zone.name}/acme")
        zone.put(zone.name, SetIdentifier="b", Weight=1, **zone.alias(second))
        zone.change("DELETE", zone.name, SetIdentifier="a", Weight=1, **zone.alias())
        assert (await keeping.request("GET", f"http://{zone.name}/acme")).load_balancer == web.name


async def test_a_request_on_a_kept_connection_that_was_closed_is_sent_again(
    web: Web, client: Client, slow: Callable[..., None]
) -> None:
    slow(connection_factor=0.002)
    await client.request("GET", f"http://{web.name}/acme")
    time.sleep(0.4)  # noqa: ASYNC251  # the load balancer closes meanwhile, and this loop does not hear of it
    assert (await client.request("GET", f"http://{web.name}/acme")).status == 200


async def test_a_post_is_never_sent_twice(web: Web, client: Client, slow: Callable[..., None]) -> None:
    slow(connection_factor=0.002)
    await client.request("POST", f"http://{web.name}/acme", body=b"1")
    time.sleep(0.4)  # noqa: ASYNC251  # the same
    with pytest.raises(RequestLost, match="closed before an answer"):
        await client.request("POST", f"http://{web.name}/acme", body=b"2")


async def test_a_port_where_nothing_listens_loses_the_request(web: Web, client: Client) -> None:
    with pytest.raises(RequestLost, match="nothing listens on port 81"):
        await client.request("GET", f"http://{web.name}:81/")


@pytest.mark.parametrize("url", ["acme.example.com", "ftp://acme.example.com/", "http:///x"])
async def test_what_is_no_url_is_refused(client: Client, url: str) -> None:
    with pytest.raises(ValueError, match="is no URL"):
        await client.request("GET", url)


@pytest.mark.parametrize(
    ("certificate", "host", "expected"),
    [
        ("*.example.com", "acme.example.com", True),
        ("*.Example.com", "ACME.example.com", True),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "example.com", False),
        ("example.com", "example.com", True),
    ],
)
def test_a_wildcard_certificate_covers_one_label(certificate: str, host: str, expected: bool) -> None:
    assert covers(certificate, host) is expected
