"""The load balancers, listeners, rules and target groups of one account and Region."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.interfaces import Interface

Document = Mapping[str, Any]  # a structure of the API, by the members' own names


@dataclass(frozen=True, slots=True)
class Rule:
    """A listener rule; a change makes a new one, so that what the data plane acts on can lag behind."""

    arn: str
    priority: int | None  # None: the default rule
    conditions: tuple[Document, ...]
    actions: tuple[Document, ...]
    transforms: tuple[Document, ...] = ()

    @property
    def is_default(self) -> bool:
        """Whether it is the listener's default rule."""
        return self.priority is None

    def describe(self) -> dict[str, Any]:
        """As Describe shows it."""
        return {
            "RuleArn": self.arn,
            "Priority": "default" if self.priority is None else str(self.priority),
            "Conditions": list(self.conditions),
            "Actions": list(self.actions),
            "Transforms": list(self.transforms),
            "IsDefault": self.is_default,
        }


@dataclass(slots=True)
class Listener:
    """`rules` is what Describe shows; `served` what requests meet, up to a propagation time later."""

    arn: str
    load_balancer: LoadBalancer
    port: int
    protocol: str
    ssl_policy: str
    certificate_arns: list[str]  # the first one is the default certificate
    alpn_policy: list[str]
    default_rule: Rule
    rules: dict[int, Rule] = field(default_factory=dict)  # by priority
    attributes: dict[str, str] = field(default_factory=dict)
    served: tuple[Rule, ...] = ()
    publication_due: bool = False

    def in_order(self) -> list[Rule]:
        """All rules as they are evaluated; the default rule last."""
        return [
            *(self.rules[priority] for priority in sorted(self.rules)),
            self.default_rule,
        ]

    def describe(self) -> dict[str, Any]:
        """As Describe shows it."""
        shown: dict[str, Any] = {
            "ListenerArn": self.arn,
            "LoadBalancerArn": self.load_balancer.arn,
            "Port": self.port,
            "Protocol": self.protocol,
            "DefaultActions": list(self.default_rule.actions),
        }
        if self.protocol in ("HTTPS", "TLS"):
            shown["SslPolicy"] = self.ssl_policy
            shown["Certificates"] = [{"CertificateArn": self.certificate_arns[0]}]
            shown["MutualAuthentication"] = {"Mode": "off"}
        if self.alpn_policy:
            shown["AlpnPolicy"] = self.alpn_policy
        return shown


@dataclass(slots=True)
class LoadBalancer:
    """An Application (or Network) Load Balancer. `interfaces` maps a subnet to the interface in it."""

    arn: str
    name: str
    kind: str  # application | network
    scheme: str
    dns_name: str
    hosted_zone_id: str
    vpc_id: str
    ip_address_type: str
    security_group_ids: list[str]
    interfaces: dict[str, Interface]
    created: datetime
    active_at: float  # on the simulation's clock
    attributes: dict[str, str]
    listeners: dict[str, Listener] = field(default_factory=dict)
    target_groups: Counter[str] = field(default_factory=Counter)  # ARN → in how many actions

    @property
    def path(self) -> str:
        """`app/<name>/<id>`, which the ARNs of listeners and rules repeat."""
        return self.arn.split(":loadbalancer/")[1]

    def rule_count(self) -> int:
        """Rules over all listeners, without default rules."""
        return sum(len(listener.rules) for listener in self.listeners.values())


@dataclass(slots=True)
class Target:
    """A registered address. `answers` is whether its health check passes, and since when it does (or does not)."""

    id: str
    port: int
    availability_zone: str
    registered_at: float
    answers: bool = True
    answers_since: float = 0.0
    healthy_at: float = 0.0  # when enough checks in a row will have passed, as long as it answers
    was_healthy: bool = False  # failing checks find it healthy, not initial, until the threshold
    reason: str = ""  # why it does not answer, as a health reason code
    made_sick: bool = False  # by the control API: it fails its checks whatever runs behind it
    draining_until: float | None = None


@dataclass(slots=True)
class TargetGroup:
    """`load_balancer_arn` is derived from listeners and rules: a group belongs to one load balancer at most."""

    arn: str
    name: str
    settings: dict[str, Any]  # members of CreateTargetGroup and ModifyTargetGroup, defaults filled in
    attributes: dict[str, str]
    load_balancer_arn: str | None = None
    used_since: float = 0.0
    targets: dict[tuple[str, int], Target] = field(default_factory=dict)
    watchers: dict[str, Callable[[], None]] = field(
        default_factory=dict
    )  # told when targets' states may change

    def describe(self) -> dict[str, Any]:
        """As Describe shows it."""
        return {
            "TargetGroupArn": self.arn,
            "TargetGroupName": self.name,
            "LoadBalancerArns": [self.load_balancer_arn] if self.load_balancer_arn else [],
            **self.settings,
        }


@dataclass(slots=True)
class ElbState:
    """Everything of one account and Region, by ARN; names are unique within a kind."""

    load_balancers: dict[str, LoadBalancer] = field(default_factory=dict)
    load_balancer_names: dict[str, str] = field(default_factory=dict)
    listeners: dict[str, Listener] = field(default_factory=dict)
    rules: dict[str, tuple[Listener, Rule]] = field(default_factory=dict)  # default rules too
    target_groups: dict[str, TargetGroup] = field(default_factory=dict)
    target_group_names: dict[str, str] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    def load_balancer(self, arn: str) -> LoadBalancer:
        """Raises AwsFailure: LoadBalancerNotFound."""
        found = self.load_balancers.get(arn)
        if found is None:
            raise AwsFailure("LoadBalancerNotFound", f"Load balancer '{arn}' not found")
        return found

    def listener(self, arn: str) -> Listener:
        """Raises AwsFailure: ListenerNotFound."""
        found = self.listeners.get(arn)
        if found is None:
            raise AwsFailure("ListenerNotFound", f"Listener '{arn}' not found")
        return found

    def rule(self, arn: str) -> tuple[Listener, Rule]:
        """Raises AwsFailure: RuleNotFound."""
        found = self.rules.get(arn)
        if found is None:
            raise AwsFailure("RuleNotFound", f"Rule '{arn}' not found")
        return found

    def target_group(self, arn: str) -> TargetGroup:
        """Raises AwsFailure: TargetGroupNotFound."""
        found = self.target_groups.get(arn)
        if found is None:
            raise AwsFailure("TargetGroupNotFound", f"Target groups '{arn}' not found")
        return found

    def exists(self, arn: str) -> bool:
        """Whether anything taggable has this ARN."""
        return any(
            arn in kind
            for kind in (
                self.load_balancers,
                self.target_groups,
                self.listeners,
                self.rules,
            )
        )


def target_groups_in(actions: Iterable[Document]) -> Iterator[str]:
    """The ARNs that actions forward to, each as often as it is named."""
    for action in actions:
        forward = action.get("ForwardConfig")
        if forward is not None:
            for target_group in forward.get("TargetGroups", ()):
                yield target_group["TargetGroupArn"]
        elif action.get("TargetGroupArn"):
            yield action["TargetGroupArn"]
