"""The environment of a process that talks to a sandbox: nothing of the person's real AWS, and no proxy between."""

from __future__ import annotations

import os
from collections.abc import Mapping

REGION = "us-east-1"
INSTALLATION_ID = "sandbox"
_PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy"})
# The sandbox's AWS speaks plain HTTP on loopback; botocore refuses to start when such a file is named but not there.
_TRUST_VARIABLES = frozenset({"requests_ca_bundle", "curl_ca_bundle"})


def without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without proxies and foreign certificate authorities, for what stays on loopback."""
    dropped = _PROXY_VARIABLES | _TRUST_VARIABLES
    return {name: value for name, value in environment.items() if name.lower() not in dropped}


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without any setting of AWS's SDKs, which could lead to a real account."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


def aws_settings(endpoint: str, access_key_id: str, secret_access_key: str) -> dict[str, str]:
    """What boto3 and the AWS CLI must be told, to reach a simulated AWS and nothing else.

    https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
    """
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret_access_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
