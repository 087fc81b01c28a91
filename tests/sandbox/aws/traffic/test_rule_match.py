"""Which rule a request meets, against a second, slower and plainer reading of AWS's pages."""

from __future__ import annotations

import functools
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.sandbox.aws.services.elbv2.state import Rule
from tenant_operator.sandbox.aws.traffic.rule_match import Asked, compile_rules, evaluate

# --- the reference: wildcards by recursion, conditions one by one, no regular expressions -------------------------------


@functools.cache
def fits(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return fits(pattern[1:], text) or (bool(text) and fits(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and fits(pattern[1:], text[1:])


def fits_any_case(pattern: str, text: str) -> bool:
    return fits(pattern.lower(), text.lower())


def holds(condition: dict[str, Any], asked: Asked) -> bool:
    [config] = [value for key, value in condition.items() if key.endswith("Config")]
    values = config["Values"]
    match condition["Field"]:
        case "path-pattern":
            return any(fits(value, asked.path) for value in values)
        case "host-header":
            return any(fits_any_case(value, asked.host) for value in values)
        case "http-header":
            name = config["HttpHeaderName"].lower()
            sent = [text for found, text in asked.headers if found == name]
            return any(fits_any_case(value, text) for value in values for text in sent)
        case "http-request-method":
            return asked.method in values
        case "source-ip":
            return any(in_network(asked.source_ip, cidr) for cidr in values)
        case _:
            pairs = [part.partition("=")[::2] for part in asked.query.split("&") if part]
            return any(
                fits_any_case(value["Value"], text)
                and ("Key" not in value or fits_any_case(value["Key"], key))
                for key, text in pairs
                for value in values
            )


def in_network(address: str, cidr: str) -> bool:
    base, _, bits = cidr.partition("/")
    shift = 32 - int(bits)
    return int(IPv4Address(address)) >> shift == int(IPv4Address(base)) >> shift


def reference(rules: list[Rule], asked: Asked) -> Rule | None:
    for rule in sorted(rules, key=lambda rule: rule.priority or 50_001):
        if all(holds(dict(condition), asked) for condition in rule.conditions):
            return rule
    return None


# --- a small world, so that rules and requests often meet -----------------------------------------------------------------

letters = st.text("aA/", min_size=1, max_size=3)
patterns = st.text("aA/*?", min_size=1, max_size=4)
addresses = st.sampled_from(["10.0.0.1", "10.0.1.1", "127.0.0.1"])


def values_of(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=1, max_size=3)


def condition(field: str, config: str, values: st.SearchStrategy[Any], **more: Any) -> Any:
    fixed = {name: st.just(value) for name, value in more.items()}
    documents = st.fixed_dictionaries({"Values": values_of(values), **fixed})
    return documents.map(lambda document: {"Field": field, config: document})


conditions = st.one_of(
    condition("path-pattern", "PathPatternConfig", patterns.map(lambda text: "/" + text)),
    condition("host-header", "HostHeaderConfig", patterns),
    condition("http-header", "HttpHeaderConfig", patterns, HttpHeaderName="X-Tenant"),
    condition("http-request-method", "HttpRequestMethodConfig", st.sampled_from(["GET", "get", "POST"])),
    condition("source-ip", "SourceIpConfig", st.sampled_from(["10.0.0.0/24", "10.0.0.0/8", "127.0.0.1/32"])),
    condition(
        "query-string",
        "QueryStringConfig",
        st.one_of(
            st.fixed_dictionaries({"Value": patterns}),
            st.fixed_dictionaries({"Key": st.sampled_from(["k", "?"]), "Value": patterns}),
        ),
    ),
)
requests = st.builds(
    Asked,
    method=st.sampled_from(["GET", "POST"]),
    host=letters.map(str.lower),
    path=letters.map(lambda text: "/" + text),
    query=st.lists(st.tuples(st.sampled_from("kj"), letters), max_size=2).map(
        lambda pairs: "&".join(f"{key}={value}" for key, value in pairs)
    ),
    headers=st.lists(st.tuples(st.sampled_from(["x-tenant", "x-other"]), letters), max_size=3),
    source_ip=addresses,
)


@st.composite
def rule_lists(draw: st.DrawFn) -> list[Rule]:
    priorities = draw(st.lists(st.integers(1, 50_000), unique=True, max_size=5).map(sorted))
    rules = [
        Rule(f"rule-{priority}", priority, tuple(draw(st.lists(conditions, min_size=1, max_size=2))), ())
        for priority in priorities
    ]
    return [*rules, Rule("default", None, (), ())]


@given(rule_lists(), requests)
def test_the_rule_a_request_meets_is_the_one_that_awss_pages_say(rules: list[Rule], asked: Asked) -> None:
    assert evaluate(compile_rules(rules), asked) == reference(rules, asked)


# --- what the pages say, one by one ---------------------------------------------------------------------------------------


def meets(document: dict[str, Any], **given_: Any) -> bool:
    usual = {
        "method": "GET",
        "host": "a.example",
        "path": "/",
        "query": "",
        "headers": [],
        "source_ip": "10.0.0.1",
    }
    rules = compile_rules([Rule("rule", 1, (document,), ()), Rule("default", None, (), ())])
    found = evaluate(rules, Asked(**{**usual, **given_}))
    return found is not None and not found.is_default


def paths(*values: str) -> dict[str, Any]:
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}


def queries(**value: str) -> dict[str, Any]:
    return {"Field": "query-string", "QueryStringConfig": {"Values": [value]}}


def headers(*values: str) -> dict[str, Any]:
    return {
        "Field": "http-header",
        "HttpHeaderConfig": {"HttpHeaderName": "X-Tenant", "Values": list(values)},
    }


def test_paths_are_compared_by_case() -> None:
    assert meets(paths("/acme/*"), path="/acme/x")
    assert not meets(paths("/acme/*"), path="/ACME/x")


def test_a_prefix_with_a_star_takes_longer_names_too() -> None:
    assert meets(paths("/acme*"), path="/acmeb")
    assert not meets(paths("/acme", "/acme/*"), path="/acmeb")


def test_a_path_condition_never_looks_at_the_query() -> None:
    assert not meets(paths("/*x=1*"), path="/acme", query="x=1")


def test_header_names_and_values_are_compared_without_case() -> None:
    assert meets(headers("AcMe"), headers=[("x-tenant", "aCmE")])
    assert not meets(headers("acme"), headers=[("x-tenant", "acmeb")])


def test_a_header_that_comes_twice_meets_by_either_value() -> None:
    assert meets(headers("acme"), headers=[("x-tenant", "globex"), ("x-tenant", "acme")])


def test_hosts_are_compared_without_case() -> None:
    host = {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.Example.com"]}}
    assert meets(host, host="acme.example.com")
    assert not meets(host, host="example.com")


def test_query_values_are_compared_decoded_and_without_case() -> None:
    assert meets(queries(Key="Name", Value="a b"), query=f"name={quote('A B')}")


def test_an_escaped_star_in_a_query_is_a_star() -> None:
    assert meets(queries(Value=r"\*"), query="x=*")
    assert not meets(queries(Value=r"\*"), query="x=y")


def test_the_address_in_x_forwarded_for_is_no_source() -> None:
    source = {"Field": "source-ip", "SourceIpConfig": {"Values": ["192.0.2.0/24"]}}
    assert not meets(source, headers=[("x-forwarded-for", "192.0.2.7")])
    assert meets(source, source_ip="192.0.2.7")


@pytest.mark.parametrize(
    ("path", "expected"), [("/v1/x", True), ("/v12/x", True), ("/V1/x", False), ("/v/x", False)]
)
def test_a_regular_expression_is_searched_for(path: str, expected: bool) -> None:
    assert (
        meets({"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/v[0-9]+/"]}}, path=path)
        is expected
    )
