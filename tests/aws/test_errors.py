"""What AWS said no to, in classes and in words."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.aws.errors import CATEGORY_OF, AwsError, Category, classify
from tenant_operator.aws.limits import MAX_ADVICE

ACCOUNT, REGION = "222222222222", "us-east-1"

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=600)
codes = st.one_of(
    st.sampled_from(sorted(CATEGORY_OF)),
    st.sampled_from(
        ["InvalidParameterException", "ClientException", "ValidationError", "CertificateNotFound"]
    ),
    st.from_regex(r"[A-Z][A-Za-z.]{2,40}", fullmatch=True),
)


def refused(code: str, message: str, status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status, "RequestId": "r-1", "HTTPHeaders": {}, "RetryAttempts": 0, "HostId": ""
            },
        },
        "Operation",
    )  # fmt: skip


def classified(exc: BaseException, service: str = "ecs", operation: str = "create_service") -> AwsError:
    return classify(exc, service, operation, ACCOUNT, REGION)


@given(codes, texts, st.sampled_from([200, 400, 403, 404, 409, 429, 500, 501, 503]))
def test_every_refusal_has_a_class_and_advice_of_bearable_length(
    code: str, message: str, status: int
) -> None:
    error = classified(refused(code, message, status))
    assert isinstance(error.category, Category)
    assert 0 < len(error.advice) <= MAX_ADVICE
    assert "\n" not in error.advice
    assert error.request_id == "r-1"
    if code in CATEGORY_OF:
        assert error.category is CATEGORY_OF[code]
    elif status >= 500:
        assert error.category is Category.OUTAGE


@given(st.from_regex(r"[A-Za-z0-9/_+=.@-]{1,80}", fullmatch=True), texts, codes)
def test_the_arn_of_a_secret_is_in_no_message(name: str, around: str, code: str) -> None:
    arn = f"arn:aws:secretsmanager:us-east-1:222222222222:secret:zq{name}"
    error = classified(refused(code, f"{around} {arn} {around}"))
    for shown in (error.advice, error.message, str(error)):
        assert f"zq{name}" not in shown


def test_the_value_of_a_parameter_is_in_no_message() -> None:
    report = "Invalid type for parameter environment[0].value, value: hunter2, type: <class 'int'>"
    error = classified(ParamValidationError(report=report))
    assert error.category is Category.SPEC
    assert "hunter2" not in str(error) + error.advice
    assert "environment[0].value" in error.advice


@pytest.mark.parametrize(
    ("exc", "category"),
    [
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), Category.OUTAGE),
        (ConnectTimeoutError(endpoint_url="http://127.0.0.1:1"), Category.OUTAGE),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), Category.OUTAGE),
        (ResponseParserError("<html>"), Category.OUTAGE),
        (NoCredentialsError(), Category.ACCESS),
    ],
)
def test_what_never_reached_aws_is_told_apart(exc: Exception, category: Category) -> None:
    assert classified(exc).category is category


@pytest.mark.parametrize(
    ("code", "message", "category"),
    [
        ("InvalidParameterException", "Unable to assume role and validate the target group.", Category.RETRY),
        ("ClientException", "ECS was unable to assume the role 'x' of this task.", Category.RETRY),
        ("InvalidParameterException", "The target group x does not have an associated load balancer.", Category.RETRY),
        ("InvalidParameterException", "Unable to Start a service that is still Draining.", Category.RETRY),
        ("InvalidParameterException", "Creation of service was not idempotent.", Category.EXISTS),
        ("InvalidInput", "Service role name x has been taken in this account.", Category.EXISTS),
        ("InvalidParameterException", "No Fargate configuration exists for given values.", Category.SPEC),
        ("InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist", Category.NOT_FOUND),
        ("CertificateNotFound", "Certificate ARN 'x' is not found", Category.SPEC),
        ("SomethingLimitExceeded", "too many", Category.QUOTA),
        ("SomethingNew", "no", Category.SPEC),
    ],
)  # fmt: skip
def test_unspecific_codes_are_told_apart_by_what_they_say(
    code: str, message: str, category: Category
) -> None:
    assert classified(refused(code, message)).category is category


def test_what_the_simulated_aws_lacks_says_so() -> None:
    error = classified(refused("SandboxNotImplemented", "no such call", 501), "wafv2", "get_web_acl")
    assert error.category is Category.OUTAGE
    assert error.advice.startswith("the simulated AWS does not have wafv2:GetWebAcl")


def test_a_mistake_of_this_program_is_no_error_of_aws() -> None:
    with pytest.raises(TypeError, match="KeyError is no error of AWS"):
        classified(KeyError("x"))


def test_a_denied_call_says_which_permission_is_missing_and_where() -> None:
    error = classified(refused("AccessDeniedException", "User: arn:… is not authorized", 403))
    assert error.category is Category.ACCESS
    assert "account 222222222222 does not permit ecs:CreateService" in error.advice
