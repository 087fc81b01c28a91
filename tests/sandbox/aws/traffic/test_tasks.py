"""Tasks as servers: they load, slow down, fail, end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tenant_operator.sandbox.aws.client import ControlError
from tests.sandbox.aws.foundations.conftest import eventually
from tests.sandbox.aws.traffic.conftest import Browser, Web


@contextmanager
def behaviour(web: Web, tenant: str, **values: float) -> Iterator[None]:
    """Lets a tenant's tasks answer otherwise for a while."""
    mine = {"tenant": tenant, "account": web.account.id}
    web.control.change_tasks(**mine, **values)
    yield
    web.control.change_tasks(**mine, latency_ms=0, error_rate=0, unhealthy=False)


async def test_a_task_that_still_loads_its_state_answers_503(
    web: Web, browser: Browser, slow: Callable[..., None]
) -> None:
    slow(task_load=1.0)
    web.open_slowly("soylent")
    eventually(
        lambda: web.service("soylent")["runningCount"] == 1 and web.health(web.groups["soylent"]) != []
    )
    answer = await browser.get("/soylent")
    assert (answer.status, answer.tenant) == (503, "soylent")
    eventually(lambda: web.health(web.groups["soylent"]) == ["healthy"])
    assert (await browser.get("/soylent")).status == 200


async def test_tasks_can_be_made_slow(web: Web, browser: Browser) -> None:
    with behaviour(web, "acme", latency_ms=150):
        assert (await browser.get("/acme")).seconds >= 0.15


async def test_tasks_can_be_made_to_fail(web: Web, browser: Browser) -> None:
    with behaviour(web, "acme", error_rate=1.0):
        assert (await browser.get("/acme")).status == 500
        assert (await browser.get("/globex")).status == 200
    assert (await browser.get("/acme")).status == 200


async def test_tasks_can_be_made_unhealthy(web: Web, browser: Browser) -> None:
    with behaviour(web, "acme", unhealthy=True):
        eventually(lambda: set(web.health(web.groups["acme"])) == {"unhealthy"})
        assert (await browser.get("/acme")).status == 200
    eventually(lambda: web.health(web.groups["acme"]) == ["healthy"] * 2)


async def test_a_new_image_answers_once_its_task_has_taken_over_and_no_request_is_lost(
    web: Web, browser: Browser
) -> None:
    web.open("tyrell")
    web.ecs.update_service(
        cluster=web.cluster,
        service="tyrell",
        taskDefinition=web.revision("tyrell", image="registry.example/app:2"),
    )
    revisions = []
    while not web.is_steady("tyrell") or 2 not in revisions:
        answer = await browser.get("/tyrell")
        assert answer.status == 200
        revisions.append(answer.json()["revision"])
        await asyncio.sleep(0.02)
    assert revisions[0] == 1
    assert (await browser.get("/tyrell")).json()["image"] == "registry.example/app:2"


def without_drain(web: Web, tenant: str) -> None:
    """Targets of a tenant leave at once: SIGTERM comes while requests are under way."""
    web.elb.modify_target_group_attributes(
        TargetGroupArn=web.groups[tenant],
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "0"}],
    )


async def test_a_task_told_to_stop_finishes_what_is_under_way(web: Web, browser: Browser) -> None:
    web.open("oscorp")
    without_drain(web, "oscorp")
    with behaviour(web, "oscorp", latency_ms=400):
        under_way = asyncio.create_task(browser.get("/oscorp"))
        await asyncio.sleep(0.1)
        web.stop_tasks("oscorp")
        assert (await under_way).status == 200
        eventually(lambda: web.is_steady("oscorp"))


async def test_a_task_that_takes_longer_than_its_stop_timeout_is_killed(
    web: Web, browser: Browser, slow: Callable[..., None]
) -> None:
    web.open("cyberdyne")
    without_drain(web, "cyberdyne")
    slow(stop_timeout_factor=0.005)  # 30 s are 150 ms
    with behaviour(web, "cyberdyne", latency_ms=5_000):
        under_way = asyncio.create_task(browser.get("/cyberdyne"))
        await asyncio.sleep(0.1)
        web.stop_tasks("cyberdyne")
        assert (await under_way).status == 502
        eventually(lambda: web.is_steady("cyberdyne"))


@pytest.mark.parametrize("values", [{"latency_ms": -1}, {"error_rate": 2}])
def test_a_behaviour_out_of_range_is_refused(web: Web, values: dict[str, float]) -> None:
    with pytest.raises(ControlError, match="must be between"):
        web.control.change_tasks(tenant="acme", account=web.account.id, **values)


def test_nobody_is_hit_where_no_task_fits(web: Web) -> None:
    with pytest.raises(ControlError, match="no running task"):
        web.control.out_of_memory(tenant="nobody")
