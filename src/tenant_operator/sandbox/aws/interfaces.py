"""Network interfaces that AWS services put into subnets: of load balancers, tasks and endpoints.

They are what makes subnets and security groups undeletable, and they outlive their owner for a while
(https://docs.aws.amazon.com/vpc/latest/userguide/delete-subnets.html,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-eni.html).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from random import Random
from typing import Literal

from tenant_operator.sandbox.aws.failures import AwsFailure

Owner = Literal["load-balancer", "task", "endpoint"]

RESERVED_ADDRESSES = 4  # AWS keeps the first four addresses of a subnet, and the last one


@dataclass(frozen=True, slots=True)
class Interface:
    """A requester-managed network interface."""

    id: str
    account: str
    region: str
    vpc_id: str
    subnet_id: str
    availability_zone: str
    private_ip: str
    security_group_ids: tuple[str, ...]
    owner: Owner
    description: str  # "ELB app/name/id", "VPC Endpoint Interface vpce-…", "arn:aws:ecs:…:attachment/…"


@dataclass(slots=True)
class _Subnet:
    """The addresses of one subnet."""

    network: IPv4Network
    used: set[int] = field(default_factory=set)
    cursor: int = RESERVED_ADDRESSES

    def take(self) -> str | None:
        last = self.network.num_addresses - 1
        for _ in range(last - RESERVED_ADDRESSES):
            offset = self.cursor
            self.cursor = offset + 1 if offset + 1 < last else RESERVED_ADDRESSES
            if offset not in self.used:
                self.used.add(offset)
                return str(self.network.network_address + offset)
        return None


class Interfaces:
    """All requester-managed interfaces, with indexes by subnet and by security group."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._all: dict[str, Interface] = {}
        self._subnets: dict[str, _Subnet] = {}
        self._by_subnet: defaultdict[str, set[str]] = defaultdict(set)
        self._by_security_group: defaultdict[str, set[str]] = defaultdict(set)

    def __iter__(self) -> Iterator[Interface]:
        return iter(list(self._all.values()))

    def attach(
        self,
        *,
        account: str,
        region: str,
        vpc_id: str,
        subnet_id: str,
        availability_zone: str,
        cidr_block: str,
        security_group_ids: tuple[str, ...],
        owner: Owner,
        description: str,
    ) -> Interface:
        """A new interface with the next free address of the subnet (`cidr_block` is the subnet's).

        Raises:
            AwsFailure: InsufficientFreeAddressesInSubnet.
        """
        subnet = self._subnets.setdefault(subnet_id, _Subnet(IPv4Network(cidr_block)))
        address = subnet.take()
        if address is None:
            raise AwsFailure(
                "InsufficientFreeAddressesInSubnet",
                f"The specified subnet does not have enough free addresses to satisfy the request: {subnet_id}",
            )
        interface = Interface(
            id=f"eni-{self._rng.getrandbits(68):017x}",
            account=account,
            region=region,
            vpc_id=vpc_id,
            subnet_id=subnet_id,
            availability_zone=availability_zone,
            private_ip=address,
            security_group_ids=security_group_ids,
            owner=owner,
            description=description,
        )
        self._all[interface.id] = interface
        self._by_subnet[subnet_id].add(interface.id)
        for group_id in security_group_ids:
            self._by_security_group[group_id].add(interface.id)
        return interface

    def release(self, interface_id: str) -> None:
        """The interface is gone, its address free. Unknown ids are no error."""
        interface = self._all.pop(interface_id, None)
        if interface is None:
            return
        self._by_subnet[interface.subnet_id].discard(interface_id)
        for group_id in interface.security_group_ids:
            self._by_security_group[group_id].discard(interface_id)
        subnet = self._subnets[interface.subnet_id]
        subnet.used.discard(int(IPv4Address(interface.private_ip)) - int(subnet.network.network_address))

    def set_security_groups(self, interface_id: str, security_group_ids: tuple[str, ...]) -> None:
        """Replace an interface's security groups. Unknown ids are no error."""
        interface = self._all.get(interface_id)
        if interface is None:
            return
        for group_id in interface.security_group_ids:
            self._by_security_group[group_id].discard(interface_id)
        for group_id in security_group_ids:
            self._by_security_group[group_id].add(interface_id)
        self._all[interface_id] = replace(interface, security_group_ids=security_group_ids)

    def get(self, interface_id: str) -> Interface | None:
        """The interface with this id."""
        return self._all.get(interface_id)

    def in_subnet(self, subnet_id: str) -> list[Interface]:
        """All interfaces of a subnet."""
        return [self._all[found] for found in sorted(self._by_subnet.get(subnet_id, ()))]

    def in_security_group(self, group_id: str) -> list[Interface]:
        """All interfaces that carry a security group."""
        return [self._all[found] for found in sorted(self._by_security_group.get(group_id, ()))]
