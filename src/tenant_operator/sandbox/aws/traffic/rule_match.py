r"""Which rule of a listener a request meets. Pure.

Rules are looked at in order; all conditions of a rule must hold, and one of a condition's values is enough
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html):

| Condition | Compared with | Case | `*` `?` |
|---|---|---|---|
| path-pattern | the path as it was sent, without the query | matters | yes |
| host-header | the Host header without the port | does not | yes |
| http-header | any value of the header | does not | yes |
| query-string | the decoded keys and values of the query | does not | yes, `\*` is a plain one |
| http-request-method | the method | matters | no |
| source-ip | the client's address, never X-Forwarded-For | | CIDR |
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import parse_qsl

from tenant_operator.sandbox.aws.services.elbv2.state import Document, Rule


@dataclass(frozen=True, slots=True)
class Asked:
    """What conditions look at. Header names and the host are in lower case."""

    method: str
    host: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    source_ip: str


Matcher = Callable[[Asked], bool]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its conditions as functions."""

    rule: Rule
    matchers: tuple[Matcher, ...]

    def matches(self, asked: Asked) -> bool:
        """Whether all conditions hold; a default rule has none."""
        return all(matcher(asked) for matcher in self.matchers)


def compile_rules(rules: Iterable[Rule]) -> tuple[CompiledRule, ...]:
    """Rules in the order in which they are evaluated, the default rule last."""
    return tuple(CompiledRule(rule, tuple(_matcher(c) for c in rule.conditions)) for rule in rules)


def evaluate(rules: Iterable[CompiledRule], asked: Asked) -> Rule | None:
    """The rule that the request meets; None only where there is no default rule."""
    return next((compiled.rule for compiled in rules if compiled.matches(asked)), None)


def _matcher(condition: Document) -> Matcher:
    return _MATCHERS[condition["Field"]](condition)


def _path(condition: Document) -> Matcher:
    match = _any_of(condition["PathPatternConfig"], case_matters=True)
    return lambda asked: match(asked.path)


def _host(condition: Document) -> Matcher:
    match = _any_of(condition["HostHeaderConfig"], case_matters=False)
    return lambda asked: match(asked.host)


def _header(condition: Document) -> Matcher:
    config = condition["HttpHeaderConfig"]
    name, match = config["HttpHeaderName"].lower(), _any_of(config, case_matters=False)
    return lambda asked: any(found == name and match(value) for found, value in asked.headers)


def _method(condition: Document) -> Matcher:
    methods = frozenset(condition["HttpRequestMethodConfig"]["Values"])
    return lambda asked: asked.method in methods


def _source_ip(condition: Document) -> Matcher:
    networks = [ip_network(cidr, strict=False) for cidr in condition["SourceIpConfig"]["Values"]]

    def matches(asked: Asked) -> bool:
        source = ip_address(asked.source_ip)
        return any(source in network for network in networks)

    return matches


def _query(condition: Document) -> Matcher:
    wanted = [
        (_text_matcher(value["Key"], escapes=True) if value.get("Key") else None,
         _text_matcher(value["Value"], escapes=True))
        for value in condition["QueryStringConfig"]["Values"]
    ]  # fmt: skip

    def matches(asked: Asked) -> bool:
        given = parse_qsl(asked.query, keep_blank_values=True)
        return any(
            value_matches(value) and (key_matches is None or key_matches(key))
            for key, value in given
            for key_matches, value_matches in wanted
        )

    return matches


_MATCHERS: Mapping[str, Callable[[Document], Matcher]] = {
    "path-pattern": _path,
    "host-header": _host,
    "http-header": _header,
    "http-request-method": _method,
    "source-ip": _source_ip,
    "query-string": _query,
}

TextMatcher = Callable[[str], bool]


def _any_of(config: Mapping[str, Any], *, case_matters: bool) -> TextMatcher:
    """Whether a text is one of the config's values, or one of its regular expressions is found in it."""
    matchers = [_text_matcher(value, case_matters=case_matters) for value in config.get("Values") or ()]
    matchers += [
        _regex_matcher(value, case_matters=case_matters) for value in config.get("RegexValues") or ()
    ]
    if len(matchers) == 1:
        return matchers[0]
    return lambda text: any(matches(text) for matches in matchers)


def _text_matcher(pattern: str, *, case_matters: bool = False, escapes: bool = False) -> TextMatcher:
    if "*" not in pattern and "?" not in pattern:
        if case_matters:
            return lambda text: text == pattern
        lower = pattern.lower()
        return lambda text: text.lower() == lower
    fullmatch = _wildcards(pattern, case_matters, escapes).fullmatch
    return lambda text: fullmatch(text) is not None


def _regex_matcher(pattern: str, *, case_matters: bool) -> TextMatcher:
    search = re.compile(pattern, 0 if case_matters else re.IGNORECASE).search
    return lambda text: search(text) is not None


@functools.lru_cache(maxsize=16_384)  # a few for each tenant; the same ones again after each change of a rule
def _wildcards(pattern: str, case_matters: bool, escapes: bool) -> re.Pattern[str]:
    r"""`*` is any text, `?` any one character; with `escapes`, `\*` and `\?` are those characters."""
    parts, at = [], 0
    while at < len(pattern):
        character = pattern[at]
        if escapes and character == "\\" and pattern[at + 1 : at + 2] in ("*", "?"):
            parts.append(re.escape(pattern[at + 1]))
            at += 1
        else:
            parts.append({"*": ".*", "?": "."}.get(character) or re.escape(character))
        at += 1
    return re.compile("".join(parts), re.DOTALL if case_matters else re.DOTALL | re.IGNORECASE)
