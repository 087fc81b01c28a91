"""Where the numbers of an account's quotas come from."""

from __future__ import annotations

import pytest

from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.limits import READ_ATTEMPTS
from tenant_operator.aws.quotas import read_quotas
from tenant_operator.placement.quotas import KNOWN, Quota, Source
from tenant_operator.sandbox.aws.faults import Fault, FaultKind
from tests.aws.conftest import Cell


def broken(
    cell: Cell, kind: FaultKind, service: str, action: str = "*", code: str = "InternalFailure"
) -> None:
    status = 400 if code != "InternalFailure" else 500
    cell.aws.door.faults.add(
        Fault(
            kind=kind, account=cell.caller.account, service=service, action=action, code=code, status=status
        )
    )


async def test_every_quota_has_a_number_and_a_source(cell: Cell) -> None:
    found = {quota.code: quota for quota in await read_quotas(cell.caller)}
    assert list(found) == [known.code for known in KNOWN if known.code is not QuotaCode.SPOT_VCPU]
    assert found[QuotaCode.VCPU].source is Source.SERVICE_QUOTAS
    assert all(quota.limit > 0 for quota in found.values())
    assert found["L-822D1B1B"].limit <= 100


async def test_where_nothing_may_be_asked_the_built_in_numbers_count(cell: Cell) -> None:
    broken(cell, FaultKind.DENY, "service-quotas")
    broken(cell, FaultKind.DENY, "servicequotas")
    broken(cell, FaultKind.DENY, "elasticloadbalancing")
    broken(cell, FaultKind.DENY, "elbv2")
    found = await read_quotas(cell.caller)
    built_in = {(known.code, known.default) for known in KNOWN if known.default is not None}
    assert {(quota.code, quota.limit) for quota in found} == built_in
    assert {quota.source for quota in found} == {Source.BUILT_IN}


async def test_what_was_known_counts_where_it_is_lower_and_nothing_answers(cell: Cell) -> None:
    for service in ("service-quotas", "servicequotas", "elasticloadbalancing", "elbv2"):
        broken(cell, FaultKind.DENY, service)
    last = [
        Quota(code="L-7EED9B64", name="rules", limit=80, source=Source.SERVICE_QUOTAS),
        Quota(code="L-53DA6B97", name="load balancers", limit=500, source=Source.SERVICE_QUOTAS),
    ]
    found = {quota.code: quota.limit for quota in await read_quotas(cell.caller, last)}
    assert (found["L-7EED9B64"], found["L-53DA6B97"]) == (80, 50)


async def test_an_outage_of_service_quotas_costs_two_tries_each_and_no_error(cell: Cell) -> None:
    assert READ_ATTEMPTS == 2
    for service in ("service-quotas", "servicequotas"):
        broken(cell, FaultKind.ERROR, service)
    found = await read_quotas(cell.caller)
    assert all(quota.source is not Source.AWS_DEFAULT for quota in found)


async def test_a_call_that_the_simulated_aws_lacks_is_no_outage_of_its_service(cell: Cell) -> None:
    for _ in range(7):
        with pytest.raises(AwsError) as lacking:
            await cell.caller("ec2", "describe_trunk_interface_associations")
        assert (lacking.value.code, lacking.value.category) == ("SandboxNotImplemented", Category.OUTAGE)
    assert cell.caller.transport.broken() == []
    assert "the simulated AWS does not have ec2:DescribeTrunkInterfaceAssociations" in lacking.value.advice
