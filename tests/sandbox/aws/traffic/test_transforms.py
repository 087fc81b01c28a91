"""What transforms make of a request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.sandbox.aws.traffic.http1 import Request
from tenant_operator.sandbox.aws.traffic.transforms import TransformFailed, transformed


def url(regex: str, replace: str) -> dict[str, Any]:
    return {"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": regex, "Replace": replace}]}}


def host(regex: str, replace: str) -> dict[str, Any]:
    config = {"Rewrites": [{"Regex": regex, "Replace": replace}]}
    return {"Type": "host-header-rewrite", "HostHeaderRewriteConfig": config}


def asked(target: str) -> Request:
    return Request("GET", target, [("host", "acme.example.com"), ("x", "1")])


STRIP = url("^/acme/?(.*)$", "/$1")


@pytest.mark.parametrize(
    ("before", "after"),
    [("/acme", "/"), ("/acme/", "/"), ("/acme/x/y?z=1", "/x/y?z=1"), ("/acme?z=1", "/?z=1")],
)
def test_a_prefix_is_stripped(before: str, after: str) -> None:
    assert transformed(asked(before), [STRIP]).target == after


@given(st.text("abc/?=", max_size=8).map(lambda text: "/" + text))
def test_without_a_match_the_request_stays_as_it_is(target: str) -> None:
    assert transformed(asked(target), [url("^/nobody", "/x")]) == asked(target)


def test_a_host_is_rewritten_and_other_headers_stay() -> None:
    changed = transformed(asked("/"), [host(r"^(.+)\.example\.com$", "$1.internal")])
    assert changed.headers == [("host", "acme.internal"), ("x", "1")]


@pytest.mark.parametrize("transform", [url("^/acme", ""), url("^/(a)", "/$2"), host(".*", "")])
def test_a_rewrite_that_leaves_no_request_fails(transform: dict[str, Any]) -> None:
    with pytest.raises(TransformFailed):
        transformed(asked("/acme"), [transform])
