"""The Helm chart: what it renders is what the API server takes, and what the operator needs."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tenant_operator.cli.run import command
from tenant_operator.sandbox.cluster import ControlPlane
from tests.deploy.go_tools import go_tool

pytestmark = pytest.mark.usefixtures("built_helm")

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "tenant-operator"
REQUIRED = ("installationId=prod-eu", "image.repository=registry.example.com/tenant-operator")
NAMESPACE = "tenancy-system"

EVERYTHING = """
installationId: prod-eu
image: {repository: registry.example.com/tenant-operator, digest: "sha256:%s", pullPolicy: Always}
imagePullSecrets: [{name: registry}]
crds: {install: true, keep: false}
aws: {region: eu-central-1, roleArn: "arn:aws:iam::111111111111:role/tenant-operator"}
serviceAccount: {name: operator, annotations: {team: platform}}
rbac: {aggregateToDefaultRoles: false}
replicas: 2
podDisruptionBudget: {maxUnavailable: 50%%}
operator: {driftEvents: true, logFormat: text, shards: 3, extraArgs: [--log-level=debug]}
extraEnv: [{name: AWS_MAX_ATTEMPTS, value: "2"}]
resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 2Gi}}
terminationGracePeriodSeconds: 45
podAnnotations: {example.com/scrape: "true"}
podLabels: {team: platform}
priorityClassName: system-cluster-critical
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: dedicated, operator: Exists}]
affinity: {nodeAffinity: {}}
fullnameOverride: tenancy
""" % ("0" * 64)


def helm(*arguments: str, values: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(go_tool("helm")), *arguments, *(["--values=-"] if values else [])]
    return subprocess.run(command, input=values, capture_output=True, text=True, check=False, timeout=120)


def render(*settings: str, values: str = "", release: str = "operator") -> list[dict[str, Any]]:
    done = helm(
        "template",
        release,
        str(CHART),
        f"--namespace={NAMESPACE}",
        *(f"--set={s}" for s in settings),
        values=values,
    )
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def only(documents: Sequence[Mapping[str, Any]], kind: str) -> Mapping[str, Any]:
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


def container(documents: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    (found,) = only(documents, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_helm_finds_nothing_to_complain_about() -> None:
    done = helm("lint", str(CHART), "--strict", *(f"--set={setting}" for setting in REQUIRED))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (REQUIRED[1:], "installationId: say which installation this is"),
        (REQUIRED[:1], "image.repository: say where you pushed the image"),
        (("installationId=Prod_EU", REQUIRED[1]), "'Prod_EU' does not match pattern"),
        ((*REQUIRED, "instalationId=typo"), "additional properties 'instalationId' not allowed"),
        ((*REQUIRED, "operator.shards=few"), "'few' does not match pattern"),
        ((*REQUIRED, "operator.logFormat=xml"), "value must be one of 'json', 'text'"),
        ((*REQUIRED, "serviceAccount.create=false"), "serviceAccount.name: name the ServiceAccount"),
        ((*REQUIRED, "aws.roleArn=tenant-operator"), "'tenant-operator' does not match pattern"),
    ],
)
def test_wrong_values_are_refused_with_what_to_write(settings: tuple[str, ...], said: str) -> None:
    done = helm("template", "operator", str(CHART), *(f"--set={setting}" for setting in settings))
    assert done.returncode != 0
    assert said in done.stderr


def test_the_crds_are_the_generated_ones_and_outlive_the_release() -> None:
    rendered = {
        d["metadata"]["name"]: d for d in render(*REQUIRED) if d["kind"] == "CustomResourceDefinition"
    }
    generated = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    assert rendered.keys() == {crd["metadata"]["name"] for crd in generated}
    for crd in generated:
        found = rendered[crd["metadata"]["name"]]
        assert found["spec"] == crd["spec"]
        assert found["metadata"]["annotations"] == {
            **crd["metadata"].get("annotations", {}),
            "helm.sh/resource-policy": "keep",
        }


def test_the_crds_can_be_left_to_somebody_else() -> None:
    assert not [d for d in render(*REQUIRED, "crds.install=false") if d["kind"] == "CustomResourceDefinition"]


def test_the_container_starts_the_operator_with_arguments_that_it_knows() -> None:
    started = container(render(*REQUIRED))
    assert started["args"][0] == "run"
    environment = {entry["name"]: entry["value"] for entry in started["env"] if "value" in entry}
    assert environment == {"TENANT_OPERATOR_INSTALLATION_ID": "prod-eu"}
    (identity,) = [entry for entry in started["env"] if "valueFrom" in entry]
    assert identity["name"] == "TENANT_OPERATOR_IDENTITY"
    assert identity["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    # An unusable --health-address is the last thing that is looked at before anything is connected to.
    arguments = [*started["args"][1:], "--health-address=nowhere"]
    result = CliRunner().invoke(command, arguments, env=environment)
    assert result.exit_code == 2
    assert "HOST:PORT" in result.output


def test_the_probes_ask_where_the_operator_answers() -> None:
    started = container(render(*REQUIRED))
    assert "--health-address=0.0.0.0:8080" in started["args"]
    assert [port["containerPort"] for port in started["ports"] if port["name"] == "probes"] == [8080]
    paths = {
        probe: started[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert {started[probe]["httpGet"]["port"] for probe in paths} == {"probes"}


def test_one_operator_by_default_and_a_new_one_is_ready_before_it_ends() -> None:
    spec = only(render(*REQUIRED), "Deployment")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    assert "affinity" not in spec["template"]["spec"]


def test_replicas_are_kept_apart_and_not_all_drained_at_once() -> None:
    documents = render(*REQUIRED, "replicas=3")
    deployment = only(documents, "Deployment")["spec"]
    assert deployment["replicas"] == 3
    terms = deployment["template"]["spec"]["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    assert {term["podAffinityTerm"]["topologyKey"] for term in terms} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    budget = only(documents, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == deployment["selector"]
    assert not [d for d in render(*REQUIRED) if d["kind"] == "PodDisruptionBudget"]


def test_the_service_account_gets_its_role_in_aws() -> None:
    arn = "arn:aws:iam::111111111111:role/tenant-operator"
    account = only(render(*REQUIRED, f"aws.roleArn={arn}"), "ServiceAccount")
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": arn}
    assert "annotations" not in only(render(*REQUIRED), "ServiceAccount")["metadata"]


def test_a_digest_wins_over_a_tag() -> None:
    digest = "sha256:" + "a" * 64
    assert container(render(*REQUIRED, f"image.digest={digest}"))["image"].endswith(
        f"tenant-operator@{digest}"
    )
    assert container(render(*REQUIRED, "image.tag=1.2.3"))["image"].endswith("tenant-operator:1.2.3")
    assert container(render(*REQUIRED))["image"].endswith("tenant-operator:0.1.0")


def test_two_releases_share_no_cluster_scoped_name() -> None:
    scopes = ("ClusterRole", "ClusterRoleBinding")
    one, two = (
        {
            (d["kind"], d["metadata"]["name"])
            for d in render(*REQUIRED, release=release)
            if d["kind"] in scopes
        }
        for release in ("operator", "second")
    )
    assert one
    assert not one & two


@pytest.mark.parametrize(
    ("values", "settings"),
    [
        ("", REQUIRED),
        (EVERYTHING, ()),
        ("", (*REQUIRED, "serviceAccount.create=false", "serviceAccount.name=mine")),
    ],
    ids=["least", "everything", "own service account"],
)
def test_the_api_server_takes_what_is_rendered(
    control_plane: ControlPlane, values: str, settings: tuple[str, ...]
) -> None:
    control_plane.run_kubectl("create", "namespace", NAMESPACE)
    # A namespace that enforces the restricted Pod Security Standard warns of every Pod that does not keep to it.
    control_plane.run_kubectl(
        "label", "--overwrite", "namespace", NAMESPACE, "pod-security.kubernetes.io/warn=restricted"
    )
    text = yaml.safe_dump_all(render(*settings, values=values))
    done = control_plane.run_kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", input=text
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


def test_the_api_server_takes_the_manifests_of_the_argo_cd_sample(control_plane: ControlPlane) -> None:
    control_plane.run_kubectl("create", "namespace", "customers")
    folder = ROOT / "deploy" / "argocd" / "sample-resources"
    done = control_plane.run_kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", str(folder)
    )
    assert done.returncode == 0, done.stderr


def test_the_states_that_argo_cd_is_tested_with_have_only_fields_that_the_api_has(
    control_plane: ControlPlane,
) -> None:
    control_plane.run_kubectl("create", "namespace", "customers")
    folder = ROOT / "deploy" / "argocd" / "resource_customizations"
    paths = [f"--filename={path}" for path in sorted(folder.rglob("testdata/*.yaml"))]
    done = control_plane.run_kubectl("create", "--dry-run=server", "--validate=strict", *paths)
    assert done.returncode == 0, done.stderr


def test_a_packaged_chart_holds_the_crds_themselves(tmp_path: Path) -> None:
    done = helm("package", str(CHART), f"--destination={tmp_path}")
    assert done.returncode == 0, done.stderr
    (package,) = tmp_path.glob("*.tgz")
    rendered = helm("template", "operator", str(package), *(f"--set={setting}" for setting in REQUIRED))
    assert rendered.stdout.count("kind: CustomResourceDefinition") == 4


def test_the_image_runs_as_the_user_that_the_chart_names() -> None:
    context = only(render(*REQUIRED), "Deployment")["spec"]["template"]["spec"]["securityContext"]
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"\nUSER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile
