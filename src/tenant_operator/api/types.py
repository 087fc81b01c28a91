"""The words that the four kinds share: names, ARNs, addresses, JSON documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from tenant_operator.api.constraints import (
    Constraint,
    Rule,
    Struct,
    between,
    entries,
    length,
    matching,
    rules,
)

PARTITION = "aws[a-z-]*"

# --- Kubernetes -----------------------------------------------------------------------------------

OBJECT_NAME_PATTERN = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
TENANT_ID_PATTERN = "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"

ObjectName = Annotated[
    str,
    length(40),
    matching(
        OBJECT_NAME_PATTERN,
        "must be a name of 1 to 40 lower-case letters, digits and inner hyphens, such as tier-1",
    ),
]
"""The name of a Tier, Cell or InfraGroup."""

TenantId = Annotated[
    str,
    length(32),
    matching(
        TENANT_ID_PATTERN, "a tenant id is 1 to 32 lower-case letters, digits and inner hyphens, such as acme"
    ),
]


class Reference(Struct):
    """Names another object."""

    name: ObjectName
    """Its name."""


# --- AWS ------------------------------------------------------------------------------------------

Region = Annotated[
    str,
    length(25),
    matching("^[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}$", "must be the code of an AWS Region, such as us-east-1"),
]
AccountId = Annotated[
    str,
    length(12, least=12),
    matching("^[0-9]{12}$", 'an AWS account id is 12 digits; write it in quotes, such as "222222222222"'),
]
RoleArn = Annotated[
    str,
    length(2048),
    matching(
        f"^arn:{PARTITION}:iam::[0-9]{{12}}:role/[A-Za-z0-9+=,.@_/-]+$",
        "must be the ARN of an IAM role, such as arn:aws:iam::222222222222:role/tenant-operator",
    ),
]
ExternalId = Annotated[
    str,
    length(1224, least=2),
    matching("^[A-Za-z0-9+=,.@:/_-]+$", "an external id holds letters, digits and + = , . @ : / _ - only"),
]
POLICY_ARN_PATTERN = (
    rf"^arn:({PARTITION}|\$\{{Partition\}}):iam::(aws|[0-9]{{12}}|\$\{{AccountId\}}):policy/"
    r"[A-Za-z0-9+=,.@_/${}-]+$"
)
PolicyArn = Annotated[
    str,
    length(2048),
    matching(
        POLICY_ARN_PATTERN,
        "must be the ARN of an IAM policy, such as arn:${Partition}:iam::${AccountId}:policy/app "
        "(${AccountId}, ${Region} and ${Partition} are filled in per cell)",
    ),
]
CertificateArn = Annotated[
    str,
    length(2048),
    matching(
        f"^arn:{PARTITION}:(acm:[a-z0-9-]+:[0-9]{{12}}:certificate/[A-Za-z0-9-]+"
        "|iam::[0-9]{12}:server-certificate/[A-Za-z0-9+=,.@_/-]+)$",
        "must be the ARN of a certificate, such as "
        "arn:aws:acm:us-east-1:222222222222:certificate/12345678-1234-1234-1234-123456789012",
    ),
]
SECRET_ARN_PATTERN = (
    f"^arn:{PARTITION}:(secretsmanager:[a-z0-9-]+:[0-9]{{12}}:secret:[A-Za-z0-9/_+=.@!-]+(:[^:*]*){{0,3}}"
    "|ssm:[a-z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9/_.-]+)$"
)
SecretArn = Annotated[
    str,
    length(2048),
    matching(
        SECRET_ARN_PATTERN,
        "must be the ARN of a Secrets Manager secret "
        "(arn:aws:secretsmanager:us-east-1:222222222222:secret:name-AbCdEf, with :json-key:: behind it for one key) "
        "or of an SSM parameter (arn:aws:ssm:us-east-1:222222222222:parameter/name), without wildcards",
    ),
]
SecretArnPrefix = Annotated[
    str,
    length(2048),
    matching(
        f"^arn:{PARTITION}:(secretsmanager:[a-z0-9-]+:[0-9]{{12}}:secret:|ssm:[a-z0-9-]+:[0-9]{{12}}:parameter/)"
        "[A-Za-z0-9/_+=.@!{}-]*$",
        "must be the beginning of a secret's ARN, account included and without wildcards, such as "
        "arn:aws:secretsmanager:us-east-1:222222222222:secret:{tenantId}/",
    ),
]


def _resource_id(prefix: str, what: str) -> Constraint:
    return matching(
        f"^{prefix}-[0-9a-f]{{8,17}}$", f"must be the id of {what}, such as {prefix}-0123456789abcdef0"
    )


VpcId = Annotated[str, length(30), _resource_id("vpc", "a VPC")]
SubnetId = Annotated[str, length(30), _resource_id("subnet", "a subnet")]
SecurityGroupId = Annotated[str, length(30), _resource_id("sg", "a security group")]
HostedZoneId = Annotated[
    str,
    length(32),
    matching(
        "^Z[A-Z0-9]+$",
        "must be a hosted zone's id, such as Z0123456789ABCDEFGHIJ, without /hostedzone/ before it",
    ),
]
Zone = Annotated[
    str,
    length(40),
    matching(
        "^([a-z]{2,3}(-[a-z]+)+-[0-9]+[a-z]|[a-z]+[0-9]+-az[0-9]+)$",
        "must be the name or the id of an Availability Zone, such as us-east-1a or use1-az1",
    ),
]
Tags = Annotated[
    Mapping[str, Annotated[str, length(256, least=0)]],
    entries(30),
    rules(
        Rule(
            "self.all(k, k.size() <= 128 && k.matches('^[\\\\p{L}\\\\p{Z}\\\\p{N}_.:/=+@-]+$') && "
            "self[k].matches('^[\\\\p{L}\\\\p{Z}\\\\p{N}_.:/=+@-]*$'))",
            "a tag's key (at most 128 characters) and value hold letters, digits, blanks and _ . : / = + - @ only",
        ),
        Rule(
            "self.all(k, !k.lowerAscii().startsWith('aws:') && !k.startsWith('tenant-operator.dev/'))",
            "tag keys must not begin with aws: (AWS keeps those) or tenant-operator.dev/ (the operator sets those)",
        ),
    ),
]

# --- Networking -----------------------------------------------------------------------------------

DNS_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DnsName = Annotated[
    str,
    length(220),
    matching(
        rf"^{DNS_LABEL}(\.{DNS_LABEL})+$",
        "must be a DNS name in lower case without a final dot, such as tier-1.us-east-1.example.com",
    ),
]
ZoneName = Annotated[
    str,
    length(220),
    matching(
        rf"^{DNS_LABEL}(\.{DNS_LABEL})*$",
        "must be a zone's DNS name in lower case without a final dot, such as example.com",
    ),
]
Port = Annotated[int, between(1, 65535)]
Ipv4Cidr = Annotated[
    str,
    length(18),
    rules(
        Rule(
            "isCIDR(self) && cidr(self).ip().family() == 4",
            "must be an IPv4 block in CIDR notation, such as 203.0.113.0/24",
        ),
        Rule(
            "!isCIDR(self) || cidr(self) == cidr(self).masked()",
            "the address has bits set behind the prefix length; write the block's first address, such as 10.20.0.0/16",
        ),
    ),
]
PathPrefix = Annotated[
    str,
    length(126, least=2),
    matching(
        "^(/[A-Za-z0-9_.~-]+)+$",
        "a path prefix is one or more segments of letters, digits and _ . ~ -, such as /acme, "
        "without wildcards and without a slash at its end",
    ),
    rules(
        Rule(
            "!self.split('/').exists(segment, segment == '.' || segment == '..')",
            "clients resolve the segments . and .. away, so no request would ever match; write other segments",
        )
    ),
]
HeaderValue = Annotated[
    str,
    length(128),
    matching(
        "^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$",
        "a header value is lower-case letters, digits and inner . _ -, such as acme, without wildcards",
    ),
]

# --- JSON -----------------------------------------------------------------------------------------

Document = Annotated[
    Mapping[str, Any],
    Constraint({"minProperties": 1, "x-kubernetes-map-type": "atomic"}),
]
"""A JSON document (an IAM or endpoint policy). CEL does not see its size: a condition tells when AWS refuses it."""
