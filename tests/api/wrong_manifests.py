"""Manifests that must not be stored, each with words that the API server's refusal must hold."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.api.manifests import EXISTING_NETWORK, HTTPS_LISTENER, Manifest, manifest

SECRET = "arn:aws:secretsmanager:us-east-1:222222222222:secret:database-AbCdEf"


@dataclass(frozen=True)
class Wrong:
    """One wrong manifest: what is wrong with it, the spec that makes it so, and what the refusal must say."""

    kind: str
    what: str
    spec: Manifest
    says: str
    name: str = ""

    @property
    def object_name(self) -> str:
        """A name that tells the manifests apart; the given one where the name is what is wrong."""
        return self.name or f"{self.kind.lower()}-{zlib.crc32(self.what.encode())}"

    @property
    def manifest(self) -> Manifest:
        """The manifest."""
        return manifest(self.kind, self.object_name, self.spec)


def _tier(what: str, spec: dict[str, Any], says: str, name: str = "") -> Wrong:
    return Wrong("Tier", what, spec, says, name)


def _cell(what: str, spec: dict[str, Any], says: str, name: str = "") -> Wrong:
    return Wrong("Cell", what, spec, says, name)


def _group(what: str, spec: dict[str, Any], says: str, name: str = "") -> Wrong:
    return Wrong("InfraGroup", what, spec, says, name)


def _tenant(what: str, spec: dict[str, Any], says: str, name: str = "") -> Wrong:
    return Wrong("Tenant", what, spec, says, name)


def _create(**fields: Any) -> dict[str, Any]:
    return {"network": {"create": fields}}


def _existing(**fields: Any) -> dict[str, Any]:
    network = {**EXISTING_NETWORK, "existing": {**EXISTING_NETWORK["existing"], **fields}}
    return {"network": network}


def _listener(**fields: Any) -> dict[str, Any]:
    return {"loadBalancer": {"listener": fields}}


def _https(**fields: Any) -> dict[str, Any]:
    return _listener(**{**HTTPS_LISTENER, **fields})


def _workload(**fields: Any) -> dict[str, Any]:
    return {"workload": fields}


def _allowed(**fields: Any) -> dict[str, Any]:
    return {"allowedTenants": fields}


def _endpoint(**fields: Any) -> dict[str, Any]:
    service = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"
    return {"privateLink": {"endpoints": [{"name": "store", "serviceName": service, **fields}]}}


def _tiers() -> Iterator[Wrong]:
    yield _tier("name too long", {}, "metadata.name must be 1 to 40", name="t" * 41)
    yield _tier("name with a dot", {}, "metadata.name must be 1 to 40", name="tier.one")
    yield _tier("no Region", {"region": None}, "spec.region: Required value")
    yield _tier("Availability Zone for a Region", {"region": "us-east-1a"}, "such as us-east-1")
    yield _tier("no workload", {"workload": None}, "spec.workload: Required value")
    yield _tier("unknown field", {"colour": "red"}, "field not declared in schema")
    yield _tier("field of a later version", {"canary": "Slow"}, "field not declared in schema")
    yield _tier(
        "hosted zone by id and name",
        {"endpoint": {"hostedZone": {"id": "Z0123456789ABCDEFGHIJ"}}},
        "write exactly one of hostedZone.id and hostedZone.name",
    )
    yield _tier(
        "hosted zone by nothing", {"endpoint": {"hostedZone": {"name": None}}}, "exactly one of hostedZone.id"
    )
    yield _tier(
        "hosted zone's id with a prefix",
        {"endpoint": {"hostedZone": {"name": None, "id": "/hostedzone/Z0123456789"}}},
        "without /hostedzone/ before it",
    )
    yield _tier(
        "private with an id",
        {"endpoint": {"hostedZone": {"name": None, "id": "Z0123456789", "private": True}}},
        "hostedZone.private goes with hostedZone.name only",
    )
    yield _tier(
        "name outside its zone",
        {"endpoint": {"name": "tier.example.org"}},
        "not inside the hosted zone example.com; write a name that ends in .example.com",
    )
    yield _tier(
        "name that only ends like its zone",
        {"endpoint": {"name": "tierexample.com"}},
        "not inside the hosted zone",
    )
    yield _tier("name with a final dot", {"endpoint": {"name": "tier.example.com."}}, "without a final dot")
    yield _tier("name in capitals", {"endpoint": {"name": "Tier.example.com"}}, "in lower case")
    yield _tier(
        "name too long for tenants' names",
        {"endpoint": {"name": f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.example.com"}},
        "Too long: may not be more than 220",
    )
    yield _tier(
        "external id without a role", {"endpoint": {"externalId": "secret"}}, "goes with endpoint.roleArn"
    )
    yield _tier(
        "ARN of a user", {"endpoint": {"roleArn": "arn:aws:iam::111111111111:user/x"}}, "ARN of an IAM role"
    )
    yield _tier("unknown endpoint mode", {"endpoint": {"mode": "Private"}}, '"Shared", "PerTenant"')
    yield _tier(
        "Host in Shared mode", {"routing": {"by": "Host"}}, "works with endpoint.mode: PerTenant only"
    )
    yield _tier(
        "header with Path",
        {"routing": {"header": "X-Customer"}},
        "routing.header goes with routing.by: Header",
    )
    yield _tier(
        "Host as the header", {"routing": {"by": "Header", "header": "host"}}, "write routing.by: Host"
    )
    yield _tier(
        "wildcard in the header's name", {"routing": {"by": "Header", "header": "X-*"}}, "without wildcards"
    )
    yield _tier(
        "header's name too long", {"routing": {"by": "Header", "header": "X" * 41}}, "may not be more than 40"
    )
    yield _tier(
        "prefix to strip with Header",
        {"routing": {"by": "Header", "stripPrefix": True}},
        "routing.by: Path only",
    )
    yield _tier(
        "reserved paths with Header",
        {"routing": {"by": "Header", "reservedPaths": ["/status"]}},
        "routing.reservedPaths works with routing.by: Path only",
    )
    yield _tier(
        "wildcard in a reserved path", {"routing": {"reservedPaths": ["/status/*"]}}, "without wildcards"
    )
    yield _tier("override that does not exist", _allowed(overrides=["autoscaling"]), "Unsupported value")
    yield _tier("override named twice", _allowed(overrides=["cpu", "cpu"]), "duplicate")
    yield _tier(
        "prefix of an image with blanks", _allowed(imagePrefixes=["my registry"]), "beginning of an image"
    )
    yield _tier(
        "wildcard in a secret's prefix",
        _allowed(secretArnPrefixes=["arn:aws:secretsmanager:us-east-1:222222222222:secret:*"]),
        "without wildcards",
    )
    yield _tier(
        "secret's prefix without an account", _allowed(secretArnPrefixes=["arn:aws:ssm:"]), "account included"
    )
    yield _tier("prefix of tenant ids in capitals", _allowed(tenantIdPrefixes=["EU-"]), "lower-case letters")
    yield _tier("six clusters at most", _allowed(max={"clusters": 6}), "less than or equal to 5")
    yield _tier(
        "selector In without values",
        _allowed(namespaceSelector={"matchExpressions": [{"key": "team", "operator": "In"}]}),
        "In and NotIn need values",
    )
    yield _tier(
        "full name of an AWS service",
        {"privateLink": {"awsServices": ["com.amazonaws.S3"]}},
        "such as ecr.api",
    )
    yield _tier(
        "endpoint without a service",
        _endpoint(serviceName="feature-store"),
        "full name of an endpoint service",
    )
    yield _tier("endpoint named like AWS's", _endpoint(name="aws-s3"), "are those of awsServices")
    yield _tier("endpoint without ports", _endpoint(ports=[]), "should have at least 1 items")
    yield _tier("empty endpoint policy", _endpoint(policy={}), "should have at least 1 properties")
    yield _tier(
        "two endpoints for one service",
        {
            "privateLink": {
                "endpoints": [{"name": n, "serviceName": "com.amazonaws.vpce.x"} for n in ("a", "b")]
            }
        },
        "two endpoints have the same serviceName",
    )
    yield _tier(
        "name of a policy for its ARN",
        {"iam": {"managedPolicyArns": ["ReadOnlyAccess"]}},
        "ARN of an IAM policy",
    )
    yield _tier(
        "policy's name with blanks", {"iam": {"inlinePolicies": {"my policy": {"a": 1}}}}, "1 to 128 letters"
    )
    yield _tier(
        "the operator's own policy",
        {"iam": {"execution": {"inlinePolicies": {"tenant-operator-execution": {"a": 1}}}}},
        "is the operator's own inline policy",
    )
    yield _tier(
        "memory too small for Fargate",
        _workload(cpu=1024, memory=1024),
        "memory 2048 to 8192 in steps of 1024",
    )
    yield _tier(
        "memory between Fargate's steps", _workload(cpu=8192, memory=17000), "16384 to 61440 in steps of 4096"
    )
    yield _tier("smallest CPU with much memory", _workload(cpu=256, memory=4096), "512, 1024 or 2048")
    yield _tier("CPU that Fargate lacks", _workload(cpu=1000), 'supported values: "256", "512", "1024"')
    yield _tier("CPU in words", _workload(cpu="1 vCPU"), "expected")
    yield _tier("port zero", _workload(port=0), "greater than or equal to 1")
    yield _tier("no replicas", _workload(replicas=0), "greater than or equal to 1")
    yield _tier("image with blanks", _workload(image="my app"), "must be a container image")
    yield _tier(
        "stop timeout beyond Fargate's", _workload(stopTimeoutSeconds=121), "less than or equal to 120"
    )
    yield _tier(
        "health path without a slash", _workload(healthCheck={"path": "healthz"}), "begins with a slash"
    )
    yield _tier(
        "check longer than its interval",
        _workload(healthCheck={"intervalSeconds": 10, "timeoutSeconds": 10}),
        "timeoutSeconds must be less than intervalSeconds",
    )
    yield _tier(
        "deployment 100/100",
        _workload(deployment={"minimumHealthyPercent": 100, "maximumPercent": 100}),
        "must not both be 100",
    )
    yield _tier(
        "one replica without room",
        _workload(replicas=1, deployment={"maximumPercent": 150}),
        "write maximumPercent: 200",
    )
    yield _tier("variable TENANT_ID", _workload(environment={"TENANT_ID": "x"}), "are set by the operator")
    yield _tier("variable of AWS", _workload(environment={"AWS_REGION": "x"}), "AWS_* and ECS_* by AWS")
    yield _tier("secret REGION", _workload(secrets={"REGION": SECRET}), "choose another name")
    yield _tier("variable with a blank", _workload(environment={"MY VAR": "x"}), "the name of a variable")
    yield _tier(
        "variable in both",
        _workload(environment={"A": "x"}, secrets={"A": SECRET}),
        "in both environment and secrets",
    )
    yield _tier(
        "name of a secret for its ARN",
        _workload(secrets={"A": "database"}),
        "ARN of a Secrets Manager secret",
    )
    yield _tier("wildcard secret", _workload(secrets={"A": SECRET[:-6] + "*"}), "without wildcards")
    yield _tier(
        "retention that CloudWatch lacks",
        {"observability": {"logRetentionDays": 31}},
        'supported values: "1", "3"',
    )
    yield _tier("unknown strategy", {"placement": {"strategy": "Random"}}, "Unsupported value")
    yield _tier(
        "more tenants than rules", {"limits": {"tenantsPerInfraGroup": 101}}, "less than or equal to 100"
    )
    yield _tier(
        "rollout of nobody at a time",
        {"rollout": {"maxConcurrentTenants": 0}},
        "greater than or equal to 1",
    )
    yield _tier("rollout that never stops", {"rollout": {"pauseOnFailures": 0}}, "greater than or equal to 1")
    yield _tier("soak of two days", {"rollout": {"soakSeconds": 172800}}, "less than or equal to 86400")
    yield _tier("tag of AWS", {"tags": {"aws:x": "value"}}, "tag keys must not begin with aws:")
    yield _tier(
        "tag of the operator", {"tags": {"tenant-operator.dev/tier": "value"}}, "the operator sets those"
    )
    yield _tier("tag with a bracket", {"tags": {"a<b": "value"}}, "letters, digits, blanks and")


def _cells() -> Iterator[Wrong]:
    yield _cell("name in capitals", {}, "RFC 1123", name="Cell-A")
    yield _cell("name too long", {}, "metadata.name must be 1 to 40", name="c" * 41)
    yield _cell("no tier", {"tierRef": None}, "spec.tierRef: Required value")
    yield _cell("wrong tier's name", {"tierRef": {"name": "Tier_1"}}, "must be a name of 1 to 40")
    yield _cell("no account", {"accountId": None}, "spec.accountId: Required value")
    yield _cell("account as a number", {"accountId": 222222222222}, "expected string")
    yield _cell(
        "account with letters",
        {"accountId": "22222222222a"},
        "an AWS account id is 12 digits; write it in quotes",
    )
    yield _cell(
        "role of another account",
        {"roleArn": "arn:aws:iam::333333333333:role/tenant-operator"},
        "roleArn must be a role in account 222222222222",
    )
    yield _cell(
        "external id without a role", {"externalId": "secret"}, "externalId goes with roleArn; write both"
    )


def _groups() -> Iterator[Wrong]:
    yield _group("name with an underscore", {}, "RFC 1123", name="group_1")
    yield _group("name ends in a hyphen", {}, "RFC 1123", name="group-")
    yield _group("no cell", {"cellRef": None}, "spec.cellRef: Required value")
    yield _group(
        "no network", {"network": {"create": None}}, "exactly one of network.create and network.existing"
    )
    yield _group(
        "both networks",
        {"network": {"existing": EXISTING_NETWORK["existing"]}},
        "exactly one of network.create and network.existing",
    )
    yield _group("no CIDR block", _create(cidr="10.20.0.0"), "in CIDR notation")
    yield _group(
        "bits behind the prefix", _create(cidr="10.20.1.0/16"), "has bits set behind the prefix length"
    )
    yield _group("block too large", _create(cidr="10.0.0.0/8"), "must be a /16 to /20 block")
    yield _group("block too small", _create(cidr="10.20.0.0/24"), "must be a /16 to /20 block")
    yield _group("public block", _create(cidr="8.8.0.0/16"), "must be a private block")
    yield _group("IPv6 block", _create(cidr="fd00::/16"), "must be an IPv4 block")
    yield _group("one zone", _create(availabilityZones=["us-east-1a"]), "should have at least 2 items")
    yield _group("one zone twice", _create(availabilityZones=["us-east-1a", "us-east-1a"]), "duplicate")
    yield _group(
        "Region for a zone",
        _create(availabilityZones=["us-east-1", "us-east-2"]),
        "such as us-east-1a or use1-az1",
    )
    yield _group(
        "more zones than fit",
        _create(cidr="10.20.0.0/20", availabilityZones=[f"us-east-1{zone}" for zone in "abcde"]),
        "a /20 takes four",
    )
    yield _group("unknown egress", _create(egress="Internet"), '"None", "NatSingle", "NatPerZone"')
    yield _group("wrong VPC id", _existing(vpcId="my-vpc"), "must be the id of a VPC")
    yield _group(
        "one load balancer subnet", _existing(loadBalancerSubnetIds=["subnet-01234567"]), "at least 2 items"
    )
    yield _group(
        "security group by name",
        _existing(workloadSecurityGroupIds=["default"]),
        "the id of a security group",
    )
    yield _group(
        "endpoint subnets without endpoints",
        _existing(endpoints="UseExisting", endpointSubnetIds=["subnet-01234567"]),
        "goes with endpoints: Create",
    )
    yield _group(
        "no listener", {"loadBalancer": {"listener": None}}, "spec.loadBalancer.listener: Required value"
    )
    yield _group("unknown scheme", {"loadBalancer": {"scheme": "public"}}, '"internal", "internet-facing"')
    yield _group(
        "open to the Internet without saying to whom",
        {"loadBalancer": {"scheme": "internet-facing"}},
        "needs loadBalancer.ingressCidrs",
    )
    yield _group(
        "address of a host to let in",
        {"loadBalancer": {"ingressCidrs": ["203.0.113.7/24"]}},
        "has bits set behind",
    )
    yield _group(
        "HTTPS without certificates",
        _listener(protocol="HTTPS", port=443),
        "HTTPS needs listener.certificateArns",
    )
    yield _group(
        "HTTP with certificates",
        _listener(certificateArns=HTTPS_LISTENER["certificateArns"]),
        "HTTP has no listener.certificateArns",
    )
    yield _group(
        "HTTP with a TLS policy",
        _listener(sslPolicy="ELBSecurityPolicy-2016-08"),
        "HTTP has no listener.sslPolicy",
    )
    yield _group("HTTP that redirects", _listener(redirectHttp=True), "goes with protocol: HTTPS")
    yield _group("HTTPS on the redirect's port", _https(port=80), "needs port 80 for itself")
    yield _group(
        "name of a certificate for its ARN",
        _https(certificateArns=["example.com"]),
        "the ARN of a certificate",
    )
    yield _group("TLS version for a policy", _https(sslPolicy="TLSv1.2"), "name of one of ELB's policies")
    yield _group("weight beyond Route 53's", {"dnsWeight": 256}, "less than or equal to 255")
    yield _group(
        "keep-alive below ELB's",
        {"loadBalancer": {"clientKeepAliveSeconds": 59}},
        "greater than or equal to 60",
    )
    yield _group(
        "access logs of a later version",
        {"loadBalancer": {"accessLogs": {"bucket": "b"}}},
        "field not declared",
    )


def _tenants() -> Iterator[Wrong]:
    yield _tenant("name that is no tenant id", {}, "write spec.tenantId", name="acme.corp")
    yield _tenant("name too long for a tenant id", {}, "write spec.tenantId", name="t" * 33)
    yield _tenant("no tier", {"tierRef": None}, "spec.tierRef: Required value")
    yield _tenant("tenant id in capitals", {"tenantId": "ACME"}, "a tenant id is 1 to 32 lower-case letters")
    yield _tenant(
        "tenant id with a wildcard", {"tenantId": "acme*"}, "a tenant id is 1 to 32 lower-case letters"
    )
    yield _tenant("tenant id too long", {"tenantId": "a" * 33}, "may not be more than 32")
    yield _tenant("no cluster", {"clusters": 0}, "greater than or equal to 1")
    yield _tenant("six clusters", {"clusters": 6}, "less than or equal to 5")
    yield _tenant("wildcard prefix", {"routing": {"pathPrefix": "/acme/*"}}, "without wildcards")
    yield _tenant("question mark in a prefix", {"routing": {"pathPrefix": "/acm?"}}, "without wildcards")
    yield _tenant("prefix without a slash", {"routing": {"pathPrefix": "acme"}}, "such as /acme")
    yield _tenant(
        "prefix with a final slash", {"routing": {"pathPrefix": "/acme/"}}, "without a slash at its end"
    )
    yield _tenant("dots in a prefix", {"routing": {"pathPrefix": "/acme/.."}}, "no request would ever match")
    yield _tenant("the root as a prefix", {"routing": {"pathPrefix": "/"}}, "at least 2 chars")
    yield _tenant("prefix too long", {"routing": {"pathPrefix": "/" + "a" * 126}}, "may not be more than 126")
    yield _tenant("wildcard header value", {"routing": {"headerValue": "acme*"}}, "without wildcards")
    yield _tenant("header value in capitals", {"routing": {"headerValue": "Acme"}}, "lower-case letters")
    yield _tenant(
        "pinned and spread",
        {"placement": {"infraGroups": ["group-a"], "spread": 2}},
        "write placement.infraGroups (pinned by name) or placement.spread",
    )
    yield _tenant("spread over none", {"placement": {"spread": 0}}, "greater than or equal to 1")
    yield _tenant(
        "size that Fargate lacks",
        _workload(cpu=512, memory=512),
        "with cpu 512, Fargate runs memory 1024 to 4096",
    )
    yield _tenant("variable of ECS", _workload(environment={"ECS_CLUSTER": "x"}), "AWS_* and ECS_* by AWS")
    yield _tenant("secret TIER_ID", _workload(secrets={"TIER_ID": SECRET}), "are set by the operator")
    yield _tenant(
        "variable in both",
        _workload(environment={"A": "x"}, secrets={"A": SECRET}),
        "in both environment and secrets",
    )
    yield _tenant(
        "variable set and unset",
        _workload(environment={"A": "x"}, environmentUnset=["A"]),
        "leave it out of environmentUnset",
    )
    yield _tenant(
        "foreign kind of secret",
        _workload(secrets={"A": "arn:aws:s3:::bucket/key"}),
        "or of an SSM parameter",
    )
    yield _tenant(
        "deployment 100/100",
        _workload(deployment={"minimumHealthyPercent": 100, "maximumPercent": 100}),
        "must not both be 100",
    )
    yield _tenant(
        "check longer than its interval",
        _workload(healthCheck={"intervalSeconds": 5, "timeoutSeconds": 5}),
        "less than",
    )
    yield _tenant("unknown policy of deletion", {"deletionPolicy": "Orphan"}, '"Delete", "Retain"')
    yield _tenant(
        "autoscaling of a later version", _workload(autoscaling={"max": 3}), "field not declared in schema"
    )


WRONG: tuple[Wrong, ...] = (*_tiers(), *_cells(), *_groups(), *_tenants())
