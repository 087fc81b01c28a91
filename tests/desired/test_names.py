"""Names are stable, unique, and within AWS's limits, whatever people call their things."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.desired import names

installations = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
object_names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
tenants = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
slots = st.integers(1, 5)
ports = st.integers(1, 65535)

ELB_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?")


@given(installations, object_names)
def test_a_load_balancers_name_is_one_that_aws_takes(installation: str, group: str) -> None:
    name = names.load_balancer(installation, group)
    assert ELB_NAME.fullmatch(name)
    assert not name.startswith("internal-")


@given(installations, object_names, tenants, object_names, slots, ports)
def test_a_target_groups_name_is_one_that_aws_takes(
    installation: str, tier: str, tenant: str, group: str, slot: int, port: int
) -> None:
    assert ELB_NAME.fullmatch(names.target_group(installation, tier, tenant, group, slot, port))


@given(installations, object_names, tenants, object_names, slots)
def test_a_clusters_name_is_one_that_aws_takes(
    installation: str, tier: str, tenant: str, group: str, slot: int
) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", names.cluster(installation, tier, tenant, group, slot))


@given(installations, object_names, st.sampled_from(["us-east-1", "ap-southeast-4", "us-gov-west-1"]))
def test_a_roles_name_is_one_that_aws_takes(installation: str, tier: str, region: str) -> None:
    both = {names.role(installation, tier, region, purpose) for purpose in ("task", "execution")}
    assert len(both) == 2
    assert all(re.fullmatch(r"[\w+=,.@-]{1,64}", name) for name in both)


@given(installations, object_names)
def test_a_log_groups_and_a_records_names_are_ones_that_aws_takes(installation: str, tier: str) -> None:
    assert re.fullmatch(r"[._/#A-Za-z0-9-]{1,512}", names.log_group(installation, tier))
    assert len(names.set_identifier(installation, tier)) <= 128


Identity = tuple[str, str, str, str, int, int]
identities = st.tuples(installations, object_names, tenants, object_names, slots, ports)


@given(identities, identities)
def test_two_identities_never_share_a_name_and_one_always_has_the_same(
    one: Identity, other: Identity
) -> None:
    assert names.target_group(*one) == names.target_group(*one)
    assert (names.target_group(*one) == names.target_group(*other)) == (one == other)
    assert (names.cluster(*one[:5]) == names.cluster(*other[:5])) == (one[:5] == other[:5])


def test_parts_that_join_to_the_same_text_are_still_two_identities() -> None:
    assert names.short_hash("a", "bc") != names.short_hash("ab", "c")


def test_names_do_not_change_between_releases() -> None:
    """A changed name would build everything anew beside what is there: these must stay for ever."""
    assert names.load_balancer("prod", "group-1") == "prod-group-1-9b87d95d62"
    assert names.target_group("prod", "tier-1", "acme", "group-1", 1, 8080) == "prod-acme-d33a6fc24e"
