"""What AWS said no to, put into classes that decide what happens next, and into words that a person can act on.

Codes: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html,
https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html#API_ChangeResourceRecordSets_Errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from tenant_operator.aws.limits import MAX_ADVICE


class Category(StrEnum):
    """What an error means for whoever made the call."""

    RETRY = "Retry"
    """Not yet: something else is under way, or AWS does not show it everywhere. Try again by itself."""
    THROTTLED = "Throttled"
    """AWS refused the rate."""
    SPEC = "Spec"
    """The user's to fix: AWS does not take what was asked for."""
    ACCESS = "Access"
    """Credentials or permissions."""
    QUOTA = "Quota"
    """A limit of the account or of the resource."""
    NOT_FOUND = "NotFound"
    EXISTS = "Exists"
    """The name or the place is taken."""
    IN_USE = "InUse"
    """Something else still needs it: the order of deletes."""
    CONFLICT = "Conflict"
    """What we knew is no longer so: read again, decide again."""
    OUTAGE = "Outage"
    """AWS is down, unreachable, or answers nothing."""


NOT_SIMULATED = "SandboxNotImplemented"
"""The code with which the simulated AWS answers calls that it does not have (HTTP 501)."""

REJECTED_CREDENTIALS = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)
"""The codes with which AWS says that it does not know credentials, or no more."""

_CODES: Mapping[Category, frozenset[str]] = {
    Category.THROTTLED: frozenset({
        "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
        "RequestLimitExceeded", "TooManyRequestsException", "BandwidthLimitExceeded", "RequestThrottlingException",
        "EC2ThrottledException", "SlowDown", "TransactionInProgressException",
    }),
    Category.OUTAGE: frozenset({
        "InternalError", "InternalFailure", "InternalServerError", "InternalServiceError", "ServerException",
        "ServiceFailure", "ServiceFailureException", "ServiceUnavailable",
        "ServiceUnavailableException", "Unavailable",
        "RequestTimeout", "RequestTimeoutException",
        NOT_SIMULATED,
    }),
    Category.ACCESS: frozenset({
        "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedAccess", "NotAuthorized",
        "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch",
        "IncompleteSignature", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "ExpiredToken",
        "ExpiredTokenException", "RequestExpired", "OptInRequired", "InvalidSignatureException",
        "TokenRefreshRequired",
        "Blocked", "PendingVerification", "RegionDisabledException", "InvalidIdentityToken", "NotAuthorizedForSource",
    }),
    Category.QUOTA: frozenset({
        "LimitExceeded", "LimitExceededException", "ServiceQuotaExceededException", "VpcEndpointLimitExceeded",
        "VpcLimitExceeded", "RulesPerSecurityGroupLimitExceeded", "SecurityGroupLimitExceeded",
        "SecurityGroupsPerInterfaceLimitExceeded", "SubnetLimitExceeded", "RouteTableLimitExceeded",
        "RouteLimitExceeded", "InternetGatewayLimitExceeded",
        "NatGatewayLimitExceeded", "AddressLimitExceeded",
        "NetworkInterfaceLimitExceeded", "InsufficientFreeAddressesInSubnet", "TagLimitExceeded",
        "ResourceLimitExceeded",
        "TooManyLoadBalancers", "TooManyRules", "TooManyUniqueTargetGroupsPerLoadBalancer", "TooManyTargetGroups",
        "TooManyTargets", "TooManyRegistrationsForTargetId", "TooManyActions", "TooManyTags", "TooManyListeners",
        "TooManyCertificates", "TooManyHostedZones", "TooManyHealthChecks", "LimitsExceeded",
        "QuotaExceededException",
    }),
    Category.NOT_FOUND: frozenset({
        "LoadBalancerNotFound", "ListenerNotFound", "RuleNotFound", "TargetGroupNotFound", "NoSuchHostedZone",
        "NoSuchHealthCheck", "NoSuchChange", "NoSuchEntity", "NoSuchEntityException", "ResourceNotFoundException",
        "ClusterNotFoundException", "ServiceNotFoundException", "ServiceNotActiveException",
        "NoSuchResourceException",
        "TaskSetNotFoundException", "TargetNotFoundException", "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist", "InvalidPermission.NotFound", "Gateway.NotAttached", "NatGatewayNotFound",
    }),
    Category.EXISTS: frozenset({
        "DuplicateTargetGroupName", "DuplicateLoadBalancerName", "DuplicateListener", "EntityAlreadyExists",
        "EntityAlreadyExistsException", "AlreadyExistsException", "ResourceAlreadyExistsException",
        "HostedZoneAlreadyExists", "HealthCheckAlreadyExists", "InvalidPermission.Duplicate",
        "InvalidGroup.Duplicate",
        "InvalidSubnet.Conflict", "RouteAlreadyExists", "QueueAlreadyExists", "QueueNameExists", "ForeignOwner",
    }),
    Category.IN_USE: frozenset({
        "ResourceInUse", "ResourceInUseException", "DependencyViolation", "DeleteConflict", "DeleteConflictException",
        "ExistingVpcEndpointConnections", "HostedZoneNotEmpty", "ClusterContainsServicesException",
        "ClusterContainsTasksException", "ClusterContainsContainerInstancesException",
        "ClusterContainsCapacityProviderException", "InvalidIPAddress.InUse", "InvalidGroup.InUse",
        "HealthCheckInUse",
    }),
    Category.CONFLICT: frozenset({
        "PriorityInUse", "InvalidChangeBatch", "TargetGroupAssociationLimit", "ConflictException",
        "IdempotentParameterMismatch", "Resource.AlreadyAssociated", "InvalidAssociationID.NotFound",
        "ConflictingDomainExists",
    }),
    Category.RETRY: frozenset({
        "PriorRequestNotComplete", "UpdateInProgressException", "OperationAbortedException",
        "ConcurrentModification", "ConcurrentModificationException", "HealthUnavailable",
        "WAFUnavailableEntityException",
        "IncorrectState", "IncorrectInstanceState", "InvalidState", "ConcurrentTagAccess",
        "EntityTemporarilyUnmodifiable",
        "EntityTemporarilyUnmodifiableException", "RouteAlreadyPending", "BlockedException",
    }),
}  # fmt: skip

CATEGORY_OF: Mapping[str, Category] = {code: category for category, codes in _CODES.items() for code in codes}
"""AWS's error codes, each with its class. What is not listed is classified by its shape and by its HTTP status."""

_NOT_YET = re.compile(
    r"unable to assume (the )?(service.linked )?role|unable to assume the role|service.linked role.*(creat|again)"
    r"|verify that the ecs service role being passed has the proper permissions"
    r"|target group.*does not have an associated load balancer|still draining|is draining",
    re.IGNORECASE,
)
"""Messages of ECS that come with an unspecific code and mean that AWS needs a moment: a role or a rule just made,
a service that is going."""

_MISSING = re.compile(r"\bnot (be )?found\b|does not exist", re.IGNORECASE)
_STILL_THERE = re.compile(r"not idempotent|already exists|has been taken", re.IGNORECASE)

_SECRETS = (
    (re.compile(r"(arn:aws[a-z-]*:(?:secretsmanager|ssm):)[^\s,\"')\]]+"), r"\1…"),
    (re.compile(r"(Encoded authorization failure message:).*", re.DOTALL), r"\1 …"),
    (re.compile(r"(, value: ).*?(, (?:type|valid))", re.DOTALL), r"\1…\2"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "…"),
)


def scrubbed(text: str) -> str:
    """The text on one line, without what may be secret: secrets' ARNs, parameter values, access key ids."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())


class AwsError(Exception):
    """A call to AWS that failed, or that was given up.

    `code` is AWS's own, or one of ours: `ForeignOwner`, `WrongAccount`, `CircuitOpen`, `Unreachable`.
    """

    def __init__(
        self,
        *,
        service: str,
        operation: str,
        code: str,
        message: str,
        category: Category,
        account: str = "",
        region: str = "",
        request_id: str = "",
    ) -> None:
        self.service = service
        self.operation = operation
        self.code = code
        self.message = scrubbed(message)
        self.category = category
        self.account = account
        self.region = region
        self.request_id = request_id
        super().__init__(
            f"{service} {operation} in {account or 'an unknown account'} ({region}): {code}: {self.message}"
        )

    @property
    def advice(self) -> str:
        """One sentence, at most 400 characters, that says what happened and what to do. It holds no secrets."""
        template = _ADVICE_OF_CODE.get(self.code, _ADVICE[self.category])
        text = template.format(
            call=f"{self.service}:{_api_name(self.operation)}",
            account=self.account or "the account",
            region=self.region,
            code=self.code,
            message=self.message.rstrip(". "),
        )
        return text if len(text) <= MAX_ADVICE else text[: MAX_ADVICE - 1].rstrip() + "…"


class WrongAccount(AwsError):
    """The credentials are of another account than the one that the spec names."""


_ADVICE: Mapping[Category, str] = {
    Category.RETRY: "AWS is not ready for {call} yet ({message}); this is tried again by itself",
    Category.THROTTLED: (
        "AWS limits the rate of {call} in account {account}, {region}; calls are slowed down and go on "
        "by themselves"
    ),
    Category.SPEC: "AWS refuses {call}: {message} ({code}); correct the spec",
    Category.ACCESS: (
        "account {account} does not permit {call}: {message}; grant the operator's role this permission"
    ),
    Category.QUOTA: (
        "a quota of account {account} in {region} is used up: {message} ({code}); ask AWS to raise it in "
        "Service Quotas, or free some"
    ),
    Category.NOT_FOUND: (
        "{call} did not find what it needs: {message}; if it was deleted by hand it is made again by itself"
    ),
    Category.EXISTS: "{call}: {message}; remove or rename what is in its place",
    Category.IN_USE: "it cannot be deleted yet: {message}",
    Category.CONFLICT: (
        "something else changed it at the same time ({code}: {message}); it is read again and retried by "
        "itself"
    ),
    Category.OUTAGE: (
        "AWS does not answer {call} in account {account}, {region} ({message}); this is tried again by itself"
    ),
}
_ADVICE_OF_CODE: Mapping[str, str] = {
    NOT_SIMULATED: "the simulated AWS does not have {call}; use a real account for this, or ask for it to be simulated",
    "ForeignOwner": "{message}",
    "WrongAccount": "{message}",
    "RoleNotAssumable": "{message}",
    "InvalidRoleArn": "{message}",
    "NoCredentials": (
        "the operator has no AWS credentials; give its Pod a role (IRSA or EKS Pod Identity), or set "
        "boto3's environment variables"
    ),
    "RequestExpired": "AWS says that the operator's clock is wrong ({call}); set the node's clock",
    "SignatureDoesNotMatch": (
        "AWS does not accept the signature of {call}; check the operator's secret key and the node's clock"
    ),
    "OptInRequired": (
        "account {account} is not enabled for {region} or this service ({call}); enable it in the "
        "account's settings"
    ),
    "RegionDisabledException": (
        "STS is not active for {region} in account {account}; activate it in the account's IAM settings"
    ),
    "InvalidServiceName": (
        "AWS knows no endpoint service of that name here: {message}; correct serviceName, or ask the "
        "provider to allow account {account}"
    ),
    "TooManyUniqueTargetGroupsPerLoadBalancer": (
        "the load balancer uses 100 target groups, and AWS allows no more; add an infra group ({message})"
    ),
    "MalformedPolicyDocument": (
        "IAM does not accept a policy document: {message}; correct it in the tier's spec.iam"
    ),
    "DependencyViolation": "{message}",
    "CertificateNotFound": (
        "the listener's certificate does not exist in account {account}, {region} ({message}); correct "
        "certificateArns"
    ),
}


def _api_name(operation: str) -> str:
    return "".join(part.capitalize() for part in operation.split("_"))


def classify(exc: BaseException, service: str, operation: str, account: str, region: str) -> AwsError:
    """The error of one call as an `AwsError`.

    Args:
        exc: what boto3 raised.
        service: boto3's name of the service, such as `elbv2`.
        operation: boto3's name of the method, such as `create_rule`.
        account: 12 digits, as far as known.
        region: the Region that was called.

    Returns:
        The same error if it is one already.

    Raises:
        TypeError: `exc` is none of botocore's; it is a mistake in this program and must not look like AWS's.
    """
    if isinstance(exc, AwsError):
        return exc

    def error(code: str, message: str, category: Category, request_id: str = "") -> AwsError:
        return AwsError(
            service=service,
            operation=operation,
            code=code,
            message=message,
            category=category,
            account=account,
            region=region,
            request_id=request_id,
        )

    if isinstance(exc, boto.ClientError):
        details = exc.response.get("Error", {})
        metadata = exc.response.get("ResponseMetadata", {})
        code = str(details.get("Code", "Unknown"))
        message = str(details.get("Message", "")) or code
        category = _category(code, message, int(metadata.get("HTTPStatusCode", 0)))
        if (
            exc.operation_name == "AssumeRole"
        ):  # whatever was called: the credentials for it are what could not be had
            service, operation = "sts", "assume_role"
        return error(code, message, category, str(metadata.get("RequestId", "")))
    if isinstance(exc, _CREDENTIALS):
        return error("NoCredentials", str(exc), Category.ACCESS)
    if isinstance(exc, _MISTAKES):
        return error(type(exc).__name__, str(exc), Category.SPEC)
    if isinstance(exc, _UNREACHABLE):
        return error("Unreachable", str(exc), Category.OUTAGE)
    if isinstance(exc, boto.BotoCoreError):
        return error(type(exc).__name__, str(exc), Category.SPEC)
    raise TypeError(f"{type(exc).__name__} is no error of AWS") from exc


_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
    boto.NoAuthTokenError,
    boto.TokenRetrievalError,
    boto.SSOError,
)
_MISTAKES = (boto.ParamValidationError, boto.InvalidRegionError, boto.NoRegionError)
_UNREACHABLE = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.ReadTimeoutError,
    boto.IncompleteReadError,
    boto.EndpointConnectionError,
    boto.MetadataRetrievalError,
    ResponseParserError,
)


def _category(code: str, message: str, status: int) -> Category:
    """The class of an answer: by its code, then by its message where AWS's codes say little, then by HTTP status."""
    if code in CATEGORY_OF:
        return CATEGORY_OF[code]
    if status >= 500:
        return Category.OUTAGE
    if status == 429:
        return Category.THROTTLED
    if code.endswith((".NotFound", "NotFound", "NotFoundException")):
        # CertificateNotFound and SSLPolicyNotFound name what the spec asks for, not what we manage.
        return Category.SPEC if code in _NAMED_BY_THE_SPEC else Category.NOT_FOUND
    if code.endswith(("LimitExceeded", "LimitExceededException")):
        return Category.QUOTA
    if code in _UNSPECIFIC:
        return _category_of_message(message)
    if status == 403:
        return Category.ACCESS
    return Category.SPEC


_NAMED_BY_THE_SPEC = frozenset({"CertificateNotFound", "SSLPolicyNotFound", "AllocationIdNotFound"})
_UNSPECIFIC = frozenset({
    "InvalidParameterException", "ClientException", "InvalidParameterValue", "InvalidInput", "ValidationError",
})  # fmt: skip
"""Codes under which ECS, IAM and Route 53 say quite different things."""


def _category_of_message(message: str) -> Category:
    if _NOT_YET.search(message):
        return Category.RETRY
    if _STILL_THERE.search(message):
        return Category.EXISTS
    if _MISSING.search(message):
        return Category.NOT_FOUND
    return Category.SPEC
