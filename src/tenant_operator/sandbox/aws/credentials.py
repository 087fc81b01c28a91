"""Access keys, and who they are. An unknown key is refused; with plain moto it acts in a default account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from tenant_operator.sandbox.aws.calls import Principal

_KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_LETTERS_AND_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key as a client gets it, and the principal it stands for."""

    access_key_id: str
    secret_access_key: str
    principal: Principal
    session_token: str = ""  # empty: a long-lived key
    expires: datetime | None = None
    issued: datetime = field(default_factory=lambda: datetime.now(UTC))


class Credentials:
    """All keys of all accounts."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._keys: dict[str, AccessKey] = {}

    def issue_user_key(self, account: str, arn: str) -> AccessKey:
        """A long-lived key of a user (or the root) of an account."""
        return self._issue("AKIA", account, arn)

    def issue_session(
        self,
        account: str,
        arn: str,
        role_name: str,
        session_name: str,
        duration_seconds: int = 3600,
    ) -> AccessKey:
        """The temporary credentials of a role session.

        Args:
            account: The role's account.
            arn: `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
            role_name: The role's name, without its path.
            session_name: As the caller chose it.
            duration_seconds: Until they expire.
        """
        return self._issue("ASIA", account, arn, role_name, session_name, duration_seconds)

    def add(self, key: AccessKey) -> None:
        """Take in a key that was made elsewhere (IAM CreateAccessKey)."""
        self._keys[key.access_key_id] = key

    def revoke(self, access_key_id: str) -> None:
        """Make a key unknown."""
        self._keys.pop(access_key_id, None)

    def find(self, access_key_id: str) -> AccessKey | None:
        """The key with this id, expired or not."""
        return self._keys.get(access_key_id)

    def _issue(
        self,
        prefix: str,
        account: str,
        arn: str,
        role_name: str = "",
        session_name: str = "",
        seconds: int = 0,
    ) -> AccessKey:
        key_id = prefix + "".join(self._rng.choices(_KEY_ALPHABET, k=16))
        key = AccessKey(
            access_key_id=key_id,
            secret_access_key="".join(self._rng.choices(_LETTERS_AND_DIGITS, k=40)),
            principal=Principal(account, arn, key_id, role_name, session_name),
            session_token="".join(self._rng.choices(_LETTERS_AND_DIGITS, k=96)) if seconds else "",
            expires=datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None,
        )
        self._keys[key_id] = key
        return key
