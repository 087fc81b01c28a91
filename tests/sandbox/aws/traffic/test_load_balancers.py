"""What a load balancer makes of requests: its own answers, targets' health, connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tenant_operator.sandbox.aws_process import AwsProcess
from tenant_operator.sandbox.traffic.client import CertificateMismatch, Client, RequestLost
from tests.sandbox.aws.foundations.conftest import eventually
from tests.sandbox.aws.traffic.conftest import Browser, Web
from tests.sandbox.aws.workloads.conftest import forward, path, rewrite


@contextlib.asynccontextmanager
async def raw_connection(web: Web) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to the load balancer."""
    [listener] = web.control.resolve(web.name)["listeners"]
    reader, writer = await asyncio.open_connection(listener["address"], listener["at"])
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> bytes:
    """Sends a request and returns the head of its answer; the body is read, too."""
    writer.write(f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    await reader.readexactly(length)
    return head.lower()


# --- its own answers


async def test_a_fixed_response_says_what_the_rule_says(web: Web, browser: Browser) -> None:
    config = {"StatusCode": "503", "ContentType": "text/plain", "MessageBody": "suspended\n"}
    web.put_in_force(path("/paused"), Actions=[{"Type": "fixed-response", "FixedResponseConfig": config}])
    answer = await browser.get("/paused")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (503, b"suspended\n", "text/plain")
    assert answer.headers["server"] == "awselb/2.0"


async def test_a_redirect_keeps_what_it_does_not_change(web: Web, browser: Browser) -> None:
    config = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    web.put_in_force(path("/old/*"), Actions=[{"Type": "redirect", "RedirectConfig": config}])
    answer = await browser.get("/old/x?y=1")
    assert (answer.status, answer.headers["location"]) == (301, f"https://{web.name}:443/old/x?y=1")


async def test_a_rule_change_takes_effect_after_the_propagation_time_only(
    web: Web, browser: Browser, slow: Callable[..., None]
) -> None:
    slow(rule_propagation=0.5)
    rule = web.new_rule(41_000, Conditions=[path("/late")], Actions=forward(web.groups["acme"]))
    assert (await browser.get("/late")).status == 404
    eventually(lambda: rule in web.in_force)
    assert (await browser.get("/late")).tenant == "acme"


# --- targets


async def test_a_group_without_targets_answers_503(web: Web, browser: Browser) -> None:
    web.put_in_force(path("/empty"), Actions=forward(web.new_group()))
    assert (await browser.get("/empty")).status == 503


async def test_a_weighted_group_without_targets_keeps_its_share(web: Web, browser: Browser) -> None:
    web.put_in_force(path("/half"), Actions=forward(web.new_group(), web.groups["acme"]))
    assert set(await browser.statuses("/half", 60)) == {200, 503}


async def test_a_group_of_weight_0_gets_nothing(web: Web, browser: Browser) -> None:
    [to_empty] = forward(web.new_group(), weight=0)
    [to_acme] = forward(web.groups["acme"])
    groups = [action["ForwardConfig"]["TargetGroups"][0] for action in (to_empty, to_acme)]
    web.put_in_force(path("/none"), Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}])
    assert set(await browser.statuses("/none", 30)) == {200}


def sick(web: Web, tenant: str, *addresses: str, answers: bool = False) -> None:
    for address in addresses:
        body = {"target_group_arn": web.groups[tenant], "id": address, "answers": answers}
        web.control.request("POST", "elbv2/target", body)
    wanted = "healthy" if answers else "unhealthy"
    eventually(lambda: web.health(web.groups[tenant]).count(wanted) >= len(addresses))


async def test_an_unhealthy_target_gets_nothing_while_another_is_healthy(web: Web, browser: Browser) -> None:
    address = web.target_ids("acme")[0]
    sick(web, "acme", address)
    tasks = {(await browser.get("/acme")).json()["task"] for _ in range(6)}
    sick(web, "acme", address, answers=True)
    assert len(tasks) == 1


async def test_all_targets_get_requests_when_none_is_healthy(web: Web, browser: Browser) -> None:
    addresses = web.target_ids("acme")
    sick(web, "acme", *addresses)
    tasks = {(await browser.get("/acme")).json()["task"] for _ in range(6)}
    sick(web, "acme", *addresses, answers=True)
    assert len(tasks) == 2


async def test_a_draining_target_finishes_its_requests_and_gets_no_new_ones(
    web: Web, browser: Browser
) -> None:
    web.open("hooli")
    web.control.change_tasks(tenant="hooli", account=web.account.id, latency_ms=400)
    under_way = asyncio.create_task(browser.get("/hooli"))
    await asyncio.sleep(0.1)
    web.stop_tasks("hooli")
    assert (await browser.get("/hooli")).status == 503
    assert (await under_way).status == 200


async def test_a_killed_target_is_a_502_to_whoever_waits_for_it(web: Web, browser: Browser) -> None:
    web.open("umbrella")
    web.control.change_tasks(tenant="umbrella", account=web.account.id, latency_ms=5_000)
    under_way = asyncio.create_task(browser.get("/umbrella"))
    await asyncio.sleep(0.1)
    web.control.out_of_memory(tenant="umbrella", account=web.account.id)
    assert (await under_way).status == 502


async def test_a_target_that_takes_longer_than_the_idle_timeout_is_a_504(
    web: Web, browser: Browser, slow: Callable[..., None]
) -> None:
    slow(target_timeout_factor=0.002)  # an idle timeout of 60 s is 120 ms
    web.control.change_tasks(tenant="globex", account=web.account.id, latency_ms=2_000)
    try:
        assert (await browser.get("/globex")).status == 504
    finally:
        web.control.change_tasks(tenant="globex", account=web.account.id, latency_ms=0)


async def test_an_address_where_nothing_runs_is_a_504(web: Web, browser: Browser) -> None:
    group = web.new_group()
    web.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "10.0.0.200"}])
    web.put_in_force(path("/hand-made"), Actions=forward(group))
    assert (await browser.get("/hand-made")).status == 504


async def test_a_port_that_no_container_has_is_a_502(web: Web, browser: Browser) -> None:
    group = web.new_group()
    address = web.target_ids("acme")[0]
    web.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": address, "Port": 9}])
    web.put_in_force(path("/wrong-port"), Actions=forward(group))
    assert (await browser.get("/wrong-port")).status == 502


@pytest.fixture
def reachability(web: Web) -> Iterator[None]:
    web.control.settings(reachability=True)
    yield
    web.control.settings(reachability=False)


@pytest.mark.usefixtures("reachability")
async def test_a_target_whose_security_group_lets_nobody_in_is_a_504(web: Web, browser: Browser) -> None:
    ec2 = web.account.client("ec2")
    [group] = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [web.vpc]}])[
        "SecurityGroups"
    ]
    opened = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group["GroupId"]}]}]
    assert (await browser.get("/globex")).status == 504
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=opened)
    assert (await browser.get("/globex")).status == 200


# --- what targets see


async def test_targets_are_told_who_asked_and_how(browser: Browser) -> None:
    seen = (await browser.get("/acme", **{"X-Forwarded-For": "192.0.2.7"})).json()["headers"]
    assert seen["x-forwarded-for"] == "192.0.2.7, 127.0.0.1"
    assert (seen["x-forwarded-proto"], seen["x-forwarded-port"]) == ("http", "80")
    assert seen["x-amzn-trace-id"].startswith("Root=1-")


async def test_headers_of_the_connection_are_not_passed_on(browser: Browser) -> None:
    seen = (await browser.get("/acme", Connection="keep-alive", TE="trailers")).json()["headers"]
    assert "te" not in seen
    assert "connection" not in seen


async def test_a_transform_changes_what_the_target_sees_not_where_it_goes(web: Web, browser: Browser) -> None:
    web.put_in_force(
        path("/strip/*"),
        Actions=forward(web.groups["acme"]),
        Transforms=[rewrite("^/strip/(.*)$", "/globex/$1")],
    )
    answer = await browser.get("/strip/x?y=1")
    assert (answer.tenant, answer.json()["path"], answer.json()["query"]) == ("acme", "/globex/x", "y=1")


async def test_a_transform_that_fails_is_a_500(web: Web, browser: Browser) -> None:
    web.put_in_force(
        path("/broken"), Actions=forward(web.groups["acme"]), Transforms=[rewrite("^/broken$", "$9")]
    )
    assert (await browser.get("/broken")).status == 500


async def test_head_is_answered_without_a_body(web: Web, browser: Browser) -> None:
    answer = await browser.client.request("HEAD", f"http://{web.name}/acme")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


# --- connections


async def test_a_connection_is_kept_for_many_requests(web: Web) -> None:
    async with raw_connection(web) as (reader, writer):
        for _ in range(3):
            assert b"connection: keep-alive" in await exchange(reader, writer, "/acme")


async def test_the_client_may_ask_to_close(web: Web) -> None:
    async with raw_connection(web) as (reader, writer):
        writer.write(b"GET /acme HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert b"connection: close" in await reader.read()


async def test_an_idle_connection_is_closed_after_the_idle_timeout(
    web: Web, slow: Callable[..., None]
) -> None:
    slow(connection_factor=0.002)
    async with raw_connection(web) as (reader, _):
        assert await asyncio.wait_for(reader.read(), 10) == b""


@pytest.fixture
def brief_keep_alive(web: Web, slow: Callable[..., None]) -> Iterator[None]:
    """A client keep-alive of 60 s is 60 ms, the idle timeout 4 s."""
    slow(connection_factor=0.001)
    web.attributes(client_keep_alive__seconds="60", idle_timeout__timeout_seconds="4000")
    yield
    web.attributes(client_keep_alive__seconds="3600", idle_timeout__timeout_seconds="60")


@pytest.mark.usefixtures("brief_keep_alive")
async def test_after_the_client_keep_alive_one_more_request_is_answered_and_the_connection_closed(
    web: Web,
) -> None:
    async with raw_connection(web) as (reader, writer):
        await exchange(reader, writer, "/acme")
        await asyncio.sleep(0.1)
        assert b"connection: close" in await exchange(reader, writer, "/acme")
        assert await reader.read() == b""


async def test_what_is_no_http_is_a_400(web: Web) -> None:
    async with raw_connection(web) as (reader, writer):
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_went_away_is_counted_as_460(web: Web) -> None:
    web.control.change_tasks(tenant="globex", account=web.account.id, latency_ms=200)
    try:
        async with raw_connection(web) as (_, writer):
            writer.write(b"GET /globex/gone HTTP/1.1\r\nhost: x\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)
        eventually(
            lambda: any(found["path"] == "/globex/gone" for found in web.control.traffic()["failures"])
        )
    finally:
        web.control.change_tasks(tenant="globex", account=web.account.id, latency_ms=0)
    [gone] = [found for found in web.control.traffic()["failures"] if found["path"] == "/globex/gone"]
    assert (gone["status"], gone["tenant"]) == (460, "globex")


# --- load balancers that come and go


async def test_a_load_balancer_that_is_provisioning_refuses_connections(
    web: Web, client: Client, slow: Callable[..., None]
) -> None:
    slow(load_balancer_provisioning=1.0)
    arn = web.new_load_balancer()
    web.new_listener(arn)
    name = web.elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["DNSName"]
    with pytest.raises(RequestLost, match="refused"):
        await client.request("GET", f"http://{name}/")
    eventually(lambda: is_active(web, arn))
    assert (await answered(client, f"http://{name}/")).status == 404


def is_active(web: Web, arn: str) -> bool:
    [found] = web.elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    return bool(found["State"]["Code"] == "active")


async def answered(client: Client, url: str) -> Any:
    """The first answer, of a load balancer that is about to listen."""
    for _ in range(100):
        with contextlib.suppress(RequestLost):
            return await client.request("GET", url)
        await asyncio.sleep(0.05)
    raise AssertionError("it never answered")


async def test_a_deleted_load_balancer_resets_what_is_open_and_refuses_the_rest(
    web: Web, client: Client
) -> None:
    arn = web.new_load_balancer()
    web.new_listener(arn)
    name = web.elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["DNSName"]
    eventually(lambda: is_active(web, arn))
    await answered(client, f"http://{name}/")
    [listener] = web.control.resolve(name)["listeners"]
    reader, writer = await asyncio.open_connection(listener["address"], listener["at"])
    await exchange(reader, writer, "/")
    web.elb.delete_load_balancer(LoadBalancerArn=arn)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(listener["address"], listener["at"])
    with pytest.raises(RequestLost):
        await client.request("GET", f"http://{name}/")


def open_files(process: AwsProcess) -> int:
    return len(list(Path(f"/proc/{process.pids['aws']}/fd").iterdir()))


async def test_no_socket_is_left_of_what_is_gone(web: Web, client: Client, running: AwsProcess) -> None:
    web.open("ephemeral")
    before = open_files(running)
    for _ in range(3):
        assert (await client.request("GET", f"http://{web.name}/ephemeral")).status == 200
    assert open_files(running) > before
    await client.close()
    web.ecs.update_service(cluster=web.cluster, service="ephemeral", desiredCount=0)
    eventually(lambda: open_files(running) <= before)


async def test_a_listener_with_a_new_port_leaves_the_old_one(web: Web, client: Client) -> None:
    arn = web.new_load_balancer()
    listener = web.new_listener(arn)
    name = web.elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["DNSName"]
    eventually(lambda: is_active(web, arn))
    await answered(client, f"http://{name}/")
    web.elb.modify_listener(ListenerArn=listener, Port=8080)
    async with Client(client.endpoint) as another:
        assert (await another.request("GET", f"http://{name}:8080/")).status == 404
        with pytest.raises(RequestLost, match="nothing listens on port 80 "):
            await another.request("GET", f"http://{name}/")


# --- https


@pytest.fixture(scope="session")
def https(web: Web) -> Web:
    """Port 443 with a certificate for *.example.com, and all tenants' default answer."""
    acm = web.account.client("acm")
    asked = acm.request_certificate(DomainName="*.example.com", SubjectAlternativeNames=["example.org"])
    config = {"StatusCode": "200", "MessageBody": "secure"}
    web.new_listener(
        web.load_balancer, 443, Protocol="HTTPS", Certificates=[{"CertificateArn": asked["CertificateArn"]}],
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": config}],
    )  # fmt: skip
    return web


def test_a_listeners_certificate_names_are_told(https: Web) -> None:
    listeners = https.control.resolve(https.name)["listeners"]
    assert {found["port"]: found["certificateNames"] for found in listeners} == {
        80: [], 443: ["*.example.com", "example.org"],
    }  # fmt: skip


async def test_https_needs_a_certificate_for_the_host(https: Web, client: Client) -> None:
    with pytest.raises(CertificateMismatch, match="no certificate"):
        await client.request("GET", f"https://{https.name}/")


async def test_plain_http_to_an_https_port_is_lost(https: Web, client: Client) -> None:
    with pytest.raises(RequestLost, match="speaks HTTPS"):
        await client.request("GET", f"http://{https.name}:443/")
