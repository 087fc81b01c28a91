"""Clients are shared by all accounts; credentials are not."""

from __future__ import annotations

import datetime as dt
import io
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse, HTTPHeaders
from botocore.credentials import Credentials
from botocore.exceptions import NoCredentialsError
from botocore.loaders import create_loader

from tenant_operator.aws.sessions import Clients, Session, Sessions

REGION = "us-east-1"
ARN = "arn:aws:ecs:us-east-1:111111111111:cluster/c"


class _Body(io.BytesIO):
    def stream(self, **_: object) -> Any:
        yield self.read()


@dataclass
class Door:
    """Answers every call by itself, and keeps which access key each was signed with, and whose call it says it is."""

    signed_with: list[str] = field(default_factory=list)
    of_whom: list[tuple[str, str]] = field(default_factory=list)
    clients: Clients = field(default_factory=Clients)

    def __post_init__(self) -> None:
        events = self.clients.get("ecs", REGION).meta.events
        events.register_last("before-send", self._answer)

    def _answer(self, request: Any, **_: object) -> AWSResponse:
        authorization = request.headers["Authorization"]
        text = authorization.decode() if isinstance(authorization, bytes) else authorization
        key = text.partition("Credential=")[2].partition("/")[0]
        self.signed_with.append(key)
        self.of_whom.append((json.loads(request.body).get("nextToken", key), key))
        return AWSResponse(
            request.url, 200, HTTPHeaders(), _Body(b'{"clusterArns": ["' + ARN.encode() + b'"]}')
        )

    def session(self, access_key: str) -> Session:
        return Session(self.clients, lambda: Credentials(access_key, "secret"))


@pytest.fixture
def door() -> Door:
    return Door()


def ask(session: Session, permit: Callable[[], None] | None = None) -> dict[str, Any]:
    return session.call("ecs", REGION, "list_clusters", {}, permit)


def test_one_client_signs_each_call_with_its_own_sessions_credentials(door: Door) -> None:
    one, other = door.session("ONE"), door.session("OTHER")
    for session in (one, other, one):
        assert ask(session)["clusterArns"] == [ARN]
    assert door.signed_with == ["ONE", "OTHER", "ONE"]


def test_threads_that_call_at_the_same_time_do_not_mix_their_credentials(door: Door) -> None:
    names = [f"KEY{number}" for number in range(8)]
    together = threading.Barrier(len(names))

    def call(name: str) -> None:
        def here() -> Credentials:
            together.wait(timeout=30)  # everybody is about to sign
            return Credentials(name, "secret")

        session = Session(door.clients, here)
        for _ in range(5):
            session.call("ecs", REGION, "list_clusters", {"nextToken": name})

    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(call, names))
    assert all(whose == key for whose, key in door.of_whom)
    assert sorted(door.signed_with) == sorted(names * 5)


def test_a_call_without_credentials_is_not_sent(door: Door) -> None:
    with pytest.raises(NoCredentialsError):
        ask(Session(door.clients, lambda: None))
    with pytest.raises(NoCredentialsError):
        door.clients.get("ecs", REGION).list_clusters()  # nobody's: not even those of the call before
    assert not door.signed_with


def test_who_fetches_credentials_while_it_signs_is_still_asked_for_its_permit(door: Door) -> None:
    """The fetch is a call of its own, and takes its time: just then the permit may be lost."""
    own = door.session("OWN")
    asked: list[str] = []

    def fetched() -> Credentials:
        ask(own)
        return Credentials("ROLE", "secret")

    def refuse() -> None:
        asked.append("permit")
        raise PermissionError("the lease is lost")

    with pytest.raises(PermissionError):
        ask(Session(door.clients, fetched), refuse)
    assert asked == ["permit"]
    assert door.signed_with == ["OWN"], "only the fetch was sent"


def test_credentials_of_a_role_are_fetched_once_however_many_threads_need_them() -> None:
    fetched = []

    def fetch() -> dict[str, Any]:
        fetched.append(threading.get_ident())
        later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        return {"AccessKeyId": "ROLE", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": later}

    sessions = Sessions()
    role = sessions.refreshed(fetch)
    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(lambda _: role._credentials(), range(8)))  # botocore asks for them
    assert len(fetched) == 1
    assert len({id(credentials) for credentials in given}) == 1
    sessions.close()


@pytest.mark.parametrize("text", ["2026-05-12T00:00:00Z", 1778544000, 1778544000.0, "1778544000"])
def test_moments_come_with_their_time_zone(door: Door, text: str | float) -> None:
    parse = door.clients.get("ecs", REGION)._response_parser._timestamp_parser  # what botocore calls
    assert parse(text) == dt.datetime(2026, 5, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize("service", ["ec2", "ecs", "elbv2", "route53"])
@pytest.mark.parametrize("kind", ["service-2", "paginators-1", "endpoint-rule-set-1"])
def test_models_are_read_whole_but_for_the_documentation(door: Door, service: str, kind: str) -> None:
    ours = door.clients._session.get_component("data_loader").load_service_model(service, kind)
    theirs = create_loader().load_service_model(service, kind)

    def without_texts(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: without_texts(part)
                for name, part in value.items()
                if name != "documentation" or not isinstance(part, str)
            }
        return [without_texts(part) for part in value] if isinstance(value, list) else value

    assert ours == without_texts(theirs)
    assert list(ours) == [name for name in theirs if name in ours], "in the same order"
