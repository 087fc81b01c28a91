"""The environment of a process that talks to a sandbox: nothing of the person's real AWS, and no proxy between."""

from __future__ import annotations

import os
from collections.abc import Mapping

REGION = "us-east-1"
INSTALLATION_ID = "sandbox"
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
# All is plain HTTP or has its own authority here; and botocore does not start when such a file is named but not there.
_AUTHORITIES = frozenset({"requests_ca_bundle", "curl_ca_bundle"})


def is_aws_setting(name: str) -> bool:
    """Is this an environment variable of AWS's SDKs, which could lead to a real account?"""
    return name.startswith("AWS_")


def is_foreign(name: str) -> bool:
    """Could this environment variable lead to a real AWS account, or away from loopback?"""
    return is_aws_setting(name) or name.lower() in _PROXIES | _AUTHORITIES


def without_foreign(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what could lead to a real AWS account, or away from loopback."""
    return {name: value for name, value in environment.items() if not is_foreign(name)}


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
