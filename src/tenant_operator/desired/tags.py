"""The tags that say whose an AWS resource is (a contract: people and cost reports read them).

AWS resources without a name of their own (a VPC, a subnet, a rule) are found again by these tags, so they are identity
as well as label. Nothing without the installation's tag is ever changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "tenant-operator.dev/"
INSTALLATION = PREFIX + "installation"
KIND = PREFIX + "kind"
NAMESPACE = PREFIX + "namespace"
NAME = PREFIX + "name"
UID = PREFIX + "uid"
TIER = PREFIX + "tier"
CELL = PREFIX + "cell"
INFRA_GROUP = PREFIX + "infra-group"
TENANT = PREFIX + "tenant"
RELEASED = PREFIX + "released"
COMPONENT = PREFIX + "component"
"""Which of its owner's resources this is: `vpc`, `subnet-tasks-us-east-1a`, `rule`, `cluster-1` …"""
TAG_KEYS = PREFIX + "tag-keys"
"""The keys of the tier's `tags` that were put on it, so that a key taken out of the spec is taken off again."""
HUMAN_NAME = "Name"
"""What the EC2 console shows; a person may change it without consequence, so it is put on once and never compared."""

MAX_VALUE = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """The custom resource that a resource belongs to, as its tags say it."""

    kind: str
    namespace: str
    """Empty for the cluster-scoped kinds."""
    name: str
    uid: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Identity without the uid, which changes when a cluster is restored from a backup."""
        return (self.kind, self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ownership:
    """Everything that the ownership tags of one custom resource's AWS resources say, the component apart."""

    installation: str
    owner: Owner
    tier: str
    cell: str = ""
    infra_group: str = ""
    tenant: str = ""

    def tags(self, component: str, user: Mapping[str, str] | None = None) -> dict[str, str]:
        """The full set of tags of one resource: the user's own first, so that they cannot shadow ownership."""
        own = {
            INSTALLATION: self.installation,
            KIND: self.owner.kind,
            NAMESPACE: self.owner.namespace,
            NAME: self.owner.name,
            UID: self.owner.uid,
            TIER: self.tier,
            CELL: self.cell,
            INFRA_GROUP: self.infra_group,
            TENANT: self.tenant,
            COMPONENT: component,
        }
        return {
            **(user or {}),
            **({TAG_KEYS: _joined(user)} if user else {}),
            **{key: value for key, value in own.items() if value},
        }


def _joined(user: Mapping[str, str]) -> str:
    """The keys, separated by blanks, as far as a tag's value reaches."""
    text = " ".join(sorted(user))
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE].rsplit(" ", 1)[0]


def owner_of(tags: Mapping[str, str]) -> Owner | None:
    """The owner that the tags name, or None when they name none."""
    if KIND not in tags or NAME not in tags:
        return None
    return Owner(kind=tags[KIND], namespace=tags.get(NAMESPACE, ""), name=tags[NAME], uid=tags.get(UID, ""))


def is_ours(tags: Mapping[str, str], installation: str) -> bool:
    """Whether this installation owns (or once owned and released) the resource."""
    return tags.get(INSTALLATION) == installation


def is_released(tags: Mapping[str, str]) -> bool:
    """Whether the resource was left behind by `Retain`: whoever wants it next may have it."""
    return tags.get(RELEASED) == "true"


def changes(desired: Mapping[str, str], live: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """What to set and which keys to take off so that `live` says what `desired` does.

    Keys that neither this operator nor the tier's `tags` put there (other tools' tags) are left alone.
    """
    put = {k: v for k, v in desired.items() if live.get(k) != v and not (k == HUMAN_NAME and k in live)}
    mine = {key for key in live if key.startswith(PREFIX)} | set(live.get(TAG_KEYS, "").split())
    drop = tuple(sorted(key for key in mine if key in live and key not in desired))
    return put, drop


def address_name(tags: Mapping[str, str]) -> str:
    """The address name of a resource that AWS gives no name: `<infra group>[/<tenant>]/<component>`."""
    return component_name(tags.get(INFRA_GROUP, ""), tags.get(TENANT, ""), tags.get(COMPONENT, ""))


def component_name(infra_group: str, tenant: str, component: str) -> str:
    """The same from its parts. A tenant's id is unique in its tier, an infra group's name in the cluster."""
    return "/".join(part for part in (infra_group, tenant, component) if part)
