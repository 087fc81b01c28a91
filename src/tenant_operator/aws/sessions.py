"""botocore's clients, and who calls through them: one client per service and Region, shared by all accounts.

A client takes 50 ms of CPU to make and half a megabyte to keep: a process with twenty accounts and seven services would
spend seven seconds and 60 MB on the same few things. So the clients are not bound to credentials: each call is signed with
those of its session, which its thread keeps at hand while it calls.

botocore is told to make one attempt (`total_max_attempts=1`). Retries are the caller's, because only there each attempt
takes a token of its own, a throttle answer slows everybody who uses the bucket, and a write whose answer was lost is
looked up rather than repeated.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    Credentials,
    ReadOnlyCredentials,
    RefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError
from botocore.loaders import JSONFileLoader, Loader, create_loader
from botocore.utils import parse_timestamp

from tenant_operator.aws.limits import CONNECT_TIMEOUT_SECONDS, MAX_THREADS, READ_TIMEOUT_SECONDS

USER_AGENT = f"tenant-operator/{version('tenant-operator')} Botocore/{version('botocore')}"
"""botocore's own is built anew for each call, which is a sixth of what a call costs."""

CLIENT_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=CONNECT_TIMEOUT_SECONDS,
    read_timeout=READ_TIMEOUT_SECONDS,
    max_pool_connections=MAX_THREADS,
    tcp_keepalive=True,
    user_agent=USER_AGENT,
)


# --- one call -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Call:
    """What a thread needs to know of the call that it makes."""

    credentials: Callable[[], Credentials | None]
    permit: Callable[[], None] | None
    """Asked before it sends: signing may have fetched new credentials first, and so taken its time."""


_present = threading.local()


@contextmanager
def _calling(call: _Call) -> Iterator[None]:
    """Whatever this thread sends belongs to a call; fetching credentials is a call within the one that needs them."""
    outer = getattr(_present, "call", None)
    _present.call = call
    try:
        yield
    finally:
        _present.call = outer


def _ask(**_: object) -> None:
    call: _Call | None = getattr(_present, "call", None)
    if call is not None and call.permit is not None:
        call.permit()


class _CallersCredentials(Credentials):
    """The credentials of the call that this thread makes; none where it makes none."""

    def __init__(self) -> None:
        super().__init__(access_key="", secret_key="", method="tenant-operator")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Called by botocore when it signs."""
        call: _Call | None = getattr(_present, "call", None)
        credentials = None if call is None else call.credentials()
        if credentials is None:
            raise NoCredentialsError
        return credentials.get_frozen_credentials()


class _CallersSource(CredentialProvider):
    METHOD: str | None = "tenant-operator"

    def load(self) -> Credentials:
        return _CallersCredentials()


# --- clients --------------------------------------------------------------------------------------


class Clients:
    """The clients of all accounts. Thread-safe."""

    def __init__(self) -> None:
        self._session = _bare()
        self._session.register_component("credential_provider", CredentialResolver([_CallersSource()]))
        parsers = self._session.get_component("response_parser_factory")
        parsers.set_parser_defaults(timestamp_parser=_moment)
        self._clients: dict[tuple[str, str], Any] = {}
        self._making = threading.Lock()
        """botocore is not thread-safe where it makes clients, and its loader no cache where several threads ask at once."""

    def get(self, service: str, region: str) -> Any:
        """The client for a service (boto3's name) in a Region."""
        client = self._clients.get((service, region))
        if client is not None:
            return client
        with self._making:
            client = self._clients.get((service, region))
            if client is None:
                client = self._session.create_client(service, region_name=region, config=CLIENT_CONFIG)
                client.meta.events.register("before-send", _ask)
                self._clients[(service, region)] = client
            return client

    def pagination(self, service: str, region: str, operation: str) -> Pagination:
        """How the answers of an operation are continued.

        Raises:
            ValueError: they come in one piece.
        """
        client = self.get(service, region)
        if not client.can_paginate(operation):
            raise ValueError(f"{service} {operation} has no pages")
        name = client.meta.method_to_api_mapping[operation]
        return Pagination(self._session.get_paginator_model(service).get_paginator(name))

    def close(self) -> None:
        """Close the connections."""
        with self._making:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def _bare() -> botocore.session.Session:
    session = botocore.session.Session()
    session.set_config_variable("sts_regional_endpoints", "regional")
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@cache
def _loader(data_path: str | None) -> Loader:
    """The one of the whole process: it keeps what it has read."""
    loader = create_loader(data_path)
    loader.file_loader = _WithoutDocumentation()
    return loader


class _WithoutDocumentation(JSONFileLoader):
    """Reads AWS's service models as far as they are needed to make calls.

    They are by far the largest thing in the process, and most of them is text for people; besides, botocore's own reader keeps
    each object in an `OrderedDict`, which is twice a `dict`.
    """

    def load_file(self, file_path: str) -> Any:
        """The content of a file, given without `.json`; None where there is none."""
        for suffix, opened in ((".json", open), (".json.gz", gzip.open)):
            path = Path(f"{file_path}{suffix}")
            if path.is_file():
                with opened(path, "rb") as file:
                    return json.loads(file.read(), object_hook=_needed)
        return None


def _needed(found: dict[str, Any]) -> dict[str, Any]:
    if isinstance(found.get("documentation"), str):  # a structure may have a member of that name
        del found["documentation"]
    return found


def _moment(value: Any) -> dt.datetime:
    """What botocore's own parser gives. That looks up the machine's time zone for each number, and ECS sends many."""
    if isinstance(value, (int, float)):
        return dt.datetime.fromtimestamp(value, dt.UTC)
    moment: dt.datetime = parse_timestamp(value)
    return moment


class Pagination:
    """Which fields of an answer are put into the next request (botocore's `paginators-1.json`)."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        self._inputs = _listed(model["input_token"])
        self._outputs = _listed(model["output_token"])
        self._more: str | None = model.get("more_results")

    def next(self, answer: Mapping[str, Any]) -> dict[str, Any] | None:
        """The parameters that ask for the page after this answer, or None when it was the last."""
        if self._more is not None and not answer.get(self._more):
            return None
        tokens = {
            name: answer[key]
            for name, key in zip(self._inputs, self._outputs, strict=True)
            if answer.get(key)
        }
        return tokens or None


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


# --- sessions -------------------------------------------------------------------------------------


class Session:
    """Calls with one set of credentials. Thread-safe."""

    def __init__(
        self,
        clients: Clients,
        credentials: Callable[[], Credentials | None],
        reject: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clients = clients
        self._credentials = credentials
        self._reject = reject

    def call(
        self,
        service: str,
        region: str,
        operation: str,
        parameters: Mapping[str, Any],
        permit: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Make one call, in this thread. `permit` is asked when it is signed and about to be sent.

        Raises:
            Exception: what `permit` raised; nothing was sent.
            botocore.exceptions.ClientError: AWS has refused it.
            botocore.exceptions.BotoCoreError: it was not sent, or not answered.
        """
        client = self._clients.get(service, region)
        with _calling(_Call(self._credentials, permit)):
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        return answer

    def pagination(self, service: str, region: str, operation: str) -> Pagination:
        """How the answers of an operation are continued.

        Raises:
            ValueError: they come in one piece.
        """
        return self._clients.pagination(service, region, operation)

    def renew(self) -> bool:
        """Get new credentials for the next call, because AWS no longer takes these; False where we cannot."""
        return self._reject()


class Sessions:
    """Makes sessions that share their clients."""

    def __init__(self) -> None:
        self._clients = Clients()

    def default(self) -> Session:
        """With the credentials of boto3's own chain: environment, profile, web identity, Pod identity, metadata."""
        return Session(self._clients, _Chain().credentials)

    def refreshed(self, fetch: Callable[[], Mapping[str, Any]]) -> Session:
        """With credentials that `fetch` gives (the `Credentials` of an AssumeRole answer), again before they expire.

        `fetch` runs in whichever thread meets credentials near their end; the others wait for it.
        """
        role = _Role(fetch)
        return Session(self._clients, role.credentials, role.reject)

    def close(self) -> None:
        """Close the connections of all sessions."""
        self._clients.close()


class _Chain:
    """The credentials that boto3 finds by itself, searched for when they are needed first."""

    def __init__(self) -> None:
        self._session = _bare()
        self._searching = threading.Lock()

    def credentials(self) -> Credentials | None:
        with self._searching:
            found: Credentials | None = self._session.get_credentials()
            return found


class _RoleCredentials(RefreshableCredentials):
    """Credentials that are renewed before they expire, or as soon as AWS has rejected them."""

    rejected = False

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        return self.rejected or bool(super().refresh_needed(refresh_in))


class _Role:
    """A role's credentials, which come from a function."""

    def __init__(self, fetch: Callable[[], Mapping[str, Any]]) -> None:
        self._fetch = fetch
        self._given: _RoleCredentials | None = None
        self._fetching = threading.Lock()

    def credentials(self) -> Credentials:
        with self._fetching:
            if self._given is None:
                given = _RoleCredentials.create_from_metadata(self._metadata(), self._again, "assume-role")
                assert isinstance(given, _RoleCredentials)
                self._given = given
            return self._given

    def reject(self) -> bool:
        """Have the credentials renewed before they are used again; False when none were given yet."""
        if self._given is None:
            return False
        self._given.rejected = True
        return True

    def _again(self) -> dict[str, str]:
        fresh = self._metadata()
        if self._given is not None:
            self._given.rejected = False
        return fresh

    def _metadata(self) -> dict[str, str]:
        found = self._fetch()
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }
