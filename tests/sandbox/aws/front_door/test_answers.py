"""What is written in each wire protocol is what botocore reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.parsers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.core.utils import get_service_model

from tenant_operator.sandbox.aws.serializing import serialize

OPERATIONS = [
    ("elbv2", "DescribeRules"),
    ("elbv2", "DescribeTargetGroups"),
    ("elbv2", "DeleteRule"),
    ("ecs", "DescribeServices"),
    ("ecs", "RegisterTaskDefinition"),
    ("ec2", "DescribeVpcEndpoints"),
    ("route53", "ListResourceRecordSets"),
    ("route53", "CreateHostedZone"),
    ("sqs", "ReceiveMessage"),
    ("events", "ListTargetsByRule"),
    ("sts", "AssumeRole"),
]
# XML has no other control characters, and its readers make \n of \r.
TEXTS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), max_codepoint=0xFFFD), min_size=1, max_size=8
)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001  # made aware below
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)
MOST_DEEP = 5


def values(shape: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a shape; lists and maps hold at least one, for an empty one may be read as none."""
    match shape.type_name:
        case "structure":
            members = {
                name: values(member, depth + 1)
                for name, member in shape.members.items()
                if depth < MOST_DEEP or member.type_name not in ("structure", "list", "map")
            }
            return st.fixed_dictionaries({}, optional=members)
        case "list":
            return st.lists(values(shape.member, depth + 1), min_size=1, max_size=2)
        case "map":
            return st.dictionaries(TEXTS, values(shape.value, depth + 1), min_size=1, max_size=2)
        case "boolean":
            return st.booleans()
        case "integer" | "long":
            return st.integers(-(2**31), 2**31)
        case "float" | "double":
            return st.floats(-1e6, 1e6)
        case "timestamp":
            return MOMENTS
        case "blob":
            return st.binary(max_size=4)
        case _:
            return TEXTS


def without_empty(value: Any) -> Any:
    """Without empty structures, which nobody can tell from missing ones."""
    if isinstance(value, Mapping):
        kept = {name: without_empty(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in ({}, [])}
    if isinstance(value, list):
        return [item for item in map(without_empty, value) if item != {}]
    return value


@pytest.mark.parametrize(("service", "action"), OPERATIONS)
@settings(max_examples=20)
@given(st.data())
def test_what_is_written_is_what_is_read(service: str, action: str, data: st.DataObject) -> None:
    model = get_service_model(service)
    operation: Any = model.operation_model(action)
    result = data.draw(values(operation.output_shape)) if operation.output_shape else {}
    made = serialize(operation, model.protocol, result, "request-1")
    answer = {"status_code": made.status, "headers": made.headers, "body": made.body}
    parsed: dict[str, Any] = botocore.parsers.create_parser(model.protocol).parse(
        answer, operation.output_shape
    )
    metadata = parsed.pop("ResponseMetadata")
    assert without_empty(parsed) == without_empty(result)
    assert model.protocol in ("json", "rest-xml") or metadata["RequestId"] == "request-1"


def test_what_is_none_or_unknown_is_left_out() -> None:
    operation: Any = get_service_model("ecs").operation_model("ListClusters")
    made = serialize(operation, "json", {"clusterArns": [], "nextToken": None, "colour": "blue"}, "1")
    assert made.body == b'{"clusterArns": []}'


def test_an_empty_list_is_read_as_an_empty_list() -> None:
    model = get_service_model("elbv2")
    operation: Any = model.operation_model("DescribeRules")
    made = serialize(operation, "query", {"Rules": []}, "1")
    answer = {"status_code": 200, "headers": {}, "body": made.body}
    parsed: dict[str, Any] = botocore.parsers.create_parser("query").parse(answer, operation.output_shape)
    assert parsed["Rules"] == []


def test_dates_in_json_are_seconds_with_milliseconds() -> None:
    operation: Any = get_service_model("ecs").operation_model("DescribeServices")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    made = serialize(
        operation, "json", {"services": [{"createdAt": moment + timedelta(milliseconds=250)}]}, "1"
    )
    assert made.body == b'{"services": [{"createdAt": 1767225600.25}]}'
