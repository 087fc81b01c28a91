"""botocore sessions and clients: one session per set of credentials, one client per session, Region and service.

All sessions share one data loader. It holds AWS's service models, by far the largest thing in the process: with a
loader each, seven services cost 35 MB an account; with a shared one, 3 MB.

botocore is told to make one attempt (`total_max_attempts=1`). Retries are the caller's, because only there each attempt
takes a token of its own, a throttle answer slows everybody who uses the bucket, and a write whose answer was lost is
looked up rather than repeated.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials
from botocore.loaders import Loader, create_loader

from tenant_operator.aws.limits import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, THREADS_PER_ACCOUNT

USER_AGENT = f"tenant-operator/{version('tenant-operator')} Botocore/{version('botocore')}"
"""botocore's own is built anew for each call, which is a sixth of what a call costs."""

CLIENT_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=CONNECT_TIMEOUT_SECONDS,
    read_timeout=READ_TIMEOUT_SECONDS,
    max_pool_connections=THREADS_PER_ACCOUNT,
    tcp_keepalive=True,
    user_agent=USER_AGENT,
)


_making = threading.Lock()
"""One client is made at a time, for all accounts: botocore is not thread-safe there, and its loader no cache where several
threads ask at once. Each would keep a copy of a model; EC2's is 14 MB."""

_sending = threading.local()
"""What is asked before this thread sends: signing may have fetched new credentials first, and so taken its time."""


def _ask(**_: object) -> None:
    permit = getattr(_sending, "permit", None)
    if permit is not None:
        permit()


class Session:
    """The clients of one set of credentials. Thread-safe."""

    def __init__(self, session: botocore.session.Session, source: _RoleSource | None = None) -> None:
        self._session = session
        self._source = source
        self._clients: dict[tuple[str, str], Any] = {}

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
        _sending.permit = permit
        try:
            answer: dict[str, Any] = getattr(self._client(service, region), operation)(**parameters)
        finally:
            _sending.permit = None
        return answer

    def pagination(self, service: str, region: str, operation: str) -> Pagination:
        """How the answers of an operation are continued.

        Raises:
            ValueError: they come in one piece.
        """
        client = self._client(service, region)
        if not client.can_paginate(operation):
            raise ValueError(f"{service} {operation} has no pages")
        name = client.meta.method_to_api_mapping[operation]
        return Pagination(self._session.get_paginator_model(service).get_paginator(name))

    def renew(self) -> bool:
        """Get new credentials for the next call, because AWS no longer takes these; False where we cannot."""
        return self._source is not None and self._source.reject()

    def close(self) -> None:
        """Close the connections."""
        with _making:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _client(self, service: str, region: str) -> Any:
        client = self._clients.get((service, region))
        if client is not None:
            return client
        with _making:
            client = self._clients.get((service, region))
            if client is None:
                client = self._session.create_client(service, region_name=region, config=CLIENT_CONFIG)
                client.meta.events.register("before-send", _ask)
                self._clients[(service, region)] = client
            return client


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


class Sessions:
    """Makes sessions that share what is large."""

    def default(self) -> Session:
        """With the credentials of boto3's own chain: environment, profile, web identity, Pod identity, metadata."""
        return Session(self._bare())

    def refreshed(self, fetch: Callable[[], Mapping[str, Any]]) -> Session:
        """With credentials that `fetch` gives (the `Credentials` of an AssumeRole answer), again before they expire.

        `fetch` runs in whichever thread meets credentials near their end; the others wait for it.
        """
        session, source = self._bare(), _RoleSource(fetch)
        session.register_component("credential_provider", CredentialResolver([source]))
        return Session(session, source)

    def _bare(self) -> botocore.session.Session:
        session = botocore.session.Session()
        session.set_config_variable("sts_regional_endpoints", "regional")
        session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
        return session


@cache
def _loader(data_path: str | None) -> Loader:
    """The one that every session of the process shares; it keeps what it has read."""
    return create_loader(data_path)


class _RoleCredentials(RefreshableCredentials):
    """Credentials that are renewed before they expire, or as soon as AWS has rejected them."""

    rejected = False

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        return self.rejected or super().refresh_needed(refresh_in)


class _RoleSource(CredentialProvider):
    """Gives botocore credentials that come from a function."""

    METHOD: str | None = "tenant-operator-assume-role"

    def __init__(self, fetch: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__()
        self._fetch = fetch
        self._given: _RoleCredentials | None = None

    def load(self) -> RefreshableCredentials:
        given = _RoleCredentials.create_from_metadata(self._metadata(), self._again, str(self.METHOD))
        assert isinstance(given, _RoleCredentials)
        self._given = given
        return given

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
