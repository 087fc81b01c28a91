"""What a rule's transforms make of a request. Pure.

A transform changes what the target sees, never which rule was met; no match: nothing is changed
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-transforms.html).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tenant_operator.sandbox.aws.services.elbv2.state import Document
from tenant_operator.sandbox.aws.traffic.http1 import Request

_GROUP = re.compile(r"\$(\d+)")


class TransformFailed(Exception):
    """It matched, but what came out is no request: the load balancer answers 500."""


def transformed(request: Request, transforms: Iterable[Document]) -> Request:
    """The request as the target gets it.

    Raises:
        TransformFailed: a group that the expression does not have, or a path or host that is none.
    """
    for transform in transforms:
        if transform["Type"] == "url-rewrite":
            request = _rewrite_url(request, transform["UrlRewriteConfig"])
        else:
            request = _rewrite_host(request, transform["HostHeaderRewriteConfig"])
    return request


def _rewrite_url(request: Request, config: Mapping[str, Any]) -> Request:
    target = _rewritten(request.target, config)
    if not target.startswith("/") or " " in target:
        raise TransformFailed(f"the rewritten URL {target!r} is none")
    return replace(request, target=target)


def _rewrite_host(request: Request, config: Mapping[str, Any]) -> Request:
    host = _rewritten(request.host, config)
    if not host or " " in host:
        raise TransformFailed(f"the rewritten host {host!r} is none")
    others = [(name, value) for name, value in request.headers if name != "host"]
    return replace(request, headers=[("host", host), *others])


def _rewritten(text: str, config: Mapping[str, Any]) -> str:
    [rewrite] = config["Rewrites"]
    match = _compiled(rewrite["Regex"]).search(text)
    if match is None:
        return text
    try:
        new = _GROUP.sub(lambda group: match.group(int(group.group(1))) or "", rewrite.get("Replace", ""))
    except IndexError:
        raise TransformFailed(
            f"{rewrite['Regex']!r} has not as many groups as {rewrite['Replace']!r}"
        ) from None
    return text[: match.start()] + new + text[match.end() :]


@functools.lru_cache(maxsize=4096)  # one for each tenant whose prefix is stripped
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
