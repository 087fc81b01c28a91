"""Requests through a load balancer to tasks."""

from __future__ import annotations

from collections import Counter

import pytest

from tenant_operator.sandbox.traffic.client import NameNotFound
from tests.sandbox.aws.foundations.conftest import eventually
from tests.sandbox.aws.traffic.conftest import Browser, Web


async def test_a_task_says_whose_it_is_and_what_it_was_asked(web: Web, browser: Browser) -> None:
    answer = await browser.get("/globex/orders?page=2", **{"X-Trace": "7"})
    assert (answer.status, answer.tenant) == (200, "globex")
    said = answer.json()
    assert (said["tenant"], said["tier"], said["service"], said["cluster"]) == (
        "globex",
        "gold",
        "globex",
        "cell",
    )
    assert (said["method"], said["path"], said["query"]) == ("GET", "/globex/orders", "page=2")
    assert (said["host"], said["headers"]["x-trace"]) == (web.name, "7")
    assert (said["account"], said["region"], said["revision"]) == (web.account.id, "us-east-1", 1)


async def test_each_tenant_answers_under_its_own_path_only(browser: Browser) -> None:
    for target, tenant in {"/acme": "acme", "/acme/x": "acme", "/globex": "globex", "/acmex": ""}.items():
        assert (await browser.get(target)).tenant == tenant


async def test_what_no_rule_takes_gets_the_default_action(browser: Browser) -> None:
    assert (await browser.get("/nobody")).status == 404


async def test_healthy_targets_take_turns(browser: Browser) -> None:
    tasks = Counter([(await browser.get("/acme")).json()["task"] for _ in range(10)])
    assert sorted(tasks.values()) == [5, 5]


async def test_a_name_without_a_record_does_not_resolve(browser: Browser) -> None:
    with pytest.raises(NameNotFound, match="does not resolve"):
        await browser.client.request("GET", "http://nowhere.example.org/")


async def test_a_task_that_runs_out_of_memory_is_replaced_and_only_its_tenant_notices(
    web: Web, browser: Browser
) -> None:
    web.open("initech")
    first = (await browser.get("/initech")).json()["task"]
    web.control.out_of_memory(tenant="initech", account=web.account.id)
    assert (await browser.get("/initech")).status in (502, 503)
    assert {(await browser.get("/acme")).status, (await browser.get("/globex")).status} == {200}
    eventually(lambda: web.health(web.groups["initech"]).count("healthy") == 1 and web.is_steady("initech"))
    assert (await browser.get("/initech")).json()["task"] != first
