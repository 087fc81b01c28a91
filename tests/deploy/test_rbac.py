"""Who may do what once the chart is installed, asked of the API server's own authorizer."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass

import pytest
import yaml

from tenant_operator.sandbox.cluster import ControlPlane
from tests.deploy.test_helm_chart import REQUIRED, only, render

pytestmark = pytest.mark.usefixtures("built_helm")

NAMESPACE = "rbac-system"
CUSTOMERS = "rbac-customers"
GROUP = "tenant-operator.dev"
CLUSTER_KINDS = ("tiers", "cells", "infragroups")
KINDS = (*CLUSTER_KINDS, "tenants")
READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete", "deletecollection")

Right = tuple[str, str, str]
"""API group, resource (with its subresource), verb."""


def rights(group: str, resources: tuple[str, ...], verbs: tuple[str, ...]) -> set[Right]:
    return set(itertools.product((group,), resources, verbs))


OPERATOR = (
    rights(GROUP, KINDS, (*READ, "patch"))  # patch: the finalizer
    | rights(GROUP, tuple(f"{kind}/status" for kind in KINDS), ("patch",))
    | rights("", ("namespaces",), READ)
    | rights("", ("events",), ("create",))
)

LEASES = rights("coordination.k8s.io", ("leases",), ("get", "list", "create", "update", "delete"))
"""In the operator's own namespace only."""


@dataclass(frozen=True)
class Cluster:
    """An API server on which the chart's rights are installed."""

    control_plane: ControlPlane
    account: str
    """The operator's user name."""
    roles: tuple[str, ...]

    def rights_of(self, user: str, namespace: str = "default") -> set[Right]:
        """What the API server's authorizer says that a user may do in a namespace, beyond what everybody may."""
        return self._rights(user, namespace) - self._rights("nobody", namespace)

    def bind(self, user: str, suffix: str, *, namespace: str = "") -> None:
        """Give a user one of the chart's roles, in a namespace or everywhere."""
        (role,) = [name for name in self.roles if name.endswith(suffix)]
        where = ("rolebinding", f"--namespace={namespace}") if namespace else ("clusterrolebinding",)
        self._kubectl("create", *where, f"rbac-{user}", f"--clusterrole={role}", f"--user={user}")

    def _rights(self, user: str, namespace: str) -> set[Right]:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        how = ("-f", "-", "-o", "json", "--validate=false", f"--as={user}")
        answer = self._kubectl("create", *how, input=json.dumps(review))
        found: set[Right] = set()
        for rule in json.loads(answer)["status"]["resourceRules"]:
            assert "resourceNames" not in rule
            found |= set(itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"]))
        return found

    def _kubectl(self, *arguments: str, input: str | None = None) -> str:
        done = self.control_plane.run_kubectl(*arguments, input=input)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Cluster:
    documents = render(*REQUIRED, "crds.install=false", "fullnameOverride=rbac-test")
    kinds = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    wanted = [d for d in documents if d["kind"] in kinds]
    for document in wanted:
        for place in (document["metadata"], *document.get("subjects", ())):
            if "namespace" in place:
                place["namespace"] = NAMESPACE
    for namespace in (NAMESPACE, CUSTOMERS):
        control_plane.run_kubectl("create", "namespace", namespace)
    done = control_plane.run_kubectl("apply", "-f", "-", input=yaml.safe_dump_all(wanted))
    assert done.returncode == 0, done.stderr
    account = only(wanted, "ServiceAccount")["metadata"]["name"]
    roles = tuple(d["metadata"]["name"] for d in wanted if d["kind"] == "ClusterRole")
    return Cluster(control_plane, f"system:serviceaccount:{NAMESPACE}:{account}", roles)


def test_the_operator_may_do_what_it_does_and_nothing_more(cluster: Cluster) -> None:
    assert cluster.rights_of(cluster.account) == OPERATOR
    assert cluster.rights_of(cluster.account, NAMESPACE) == OPERATOR | LEASES


@pytest.mark.parametrize(
    "attempt",
    [
        ("delete", "tenant", "acme", f"--namespace={CUSTOMERS}"),
        ("create", "namespace", "rbac-another"),
        ("get", "secrets", "--all-namespaces"),
        ("auth", "can-i", "create", "tenants", f"--namespace={CUSTOMERS}"),
        ("auth", "can-i", "update", "tiers"),
    ],
    ids=" ".join,
)
def test_the_operator_is_refused_what_is_none_of_its_business(
    cluster: Cluster, attempt: tuple[str, ...]
) -> None:
    done = cluster.control_plane.run_kubectl(*attempt, f"--as={cluster.account}")
    assert done.returncode != 0
    assert "forbidden" in done.stderr or done.stdout.startswith("no")


def test_an_editor_of_tenants_may_write_tenants_and_only_in_the_namespace(cluster: Cluster) -> None:
    cluster.bind("customer-team", "-tenancy-editor", namespace=CUSTOMERS)
    assert cluster.rights_of("customer-team", CUSTOMERS) == rights(GROUP, ("tenants",), (*READ, *WRITE))
    assert not cluster.rights_of("customer-team", NAMESPACE)


def test_a_viewer_sees_all_four_kinds_and_changes_none(cluster: Cluster) -> None:
    cluster.bind("auditor", "-tenancy-viewer")
    assert cluster.rights_of("auditor") == rights(GROUP, KINDS, READ)


def test_the_platform_team_writes_tiers_cells_and_infra_groups_but_no_status(cluster: Cluster) -> None:
    cluster.bind("platform-team", "-platform-editor")
    assert cluster.rights_of("platform-team") == rights(GROUP, CLUSTER_KINDS, (*READ, *WRITE))


def test_the_built_in_roles_take_the_rights_on_tenants_up_unless_told_not_to() -> None:
    def aggregated(*settings: str) -> dict[str, set[str]]:
        prefix = "rbac.authorization.k8s.io/aggregate-to-"
        return {
            d["metadata"]["name"].removeprefix("tenancy-system-operator-tenant-operator-"): {
                label.removeprefix(prefix) for label in d["metadata"]["labels"] if label.startswith(prefix)
            }
            for d in render(*REQUIRED, *settings)
            if d["kind"] == "ClusterRole" and d["metadata"]["name"].endswith(("viewer", "editor"))
        }

    assert aggregated() == {
        "tenancy-viewer": {"view", "edit", "admin"},
        "tenancy-editor": {"edit", "admin"},
        "platform-editor": set(),
    }
    assert not any(aggregated("rbac.aggregateToDefaultRoles=false").values())
