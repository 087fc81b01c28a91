"""Who should hold which shard: pure, so that every process comes to the same answer from the same leases.

A shard stays where it is as long as that is fair; a free one goes to whoever holds least. When a process comes, shards
move only to it; when one is lost, only its shards move.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping


def assign(
    weights: Mapping[str, int], members: Collection[str], holders: Mapping[str, str]
) -> dict[str, str]:
    """Give every shard to a member.

    Arguments:
        weights: the shards by name, and how heavy each is (its cells; an empty one counts as one).
        members: the processes that are alive; none: nothing is given.
        holders: who holds a shard now; who is no member does not count.

    Returns:
        The member of each shard. No member holds more than the lightest of its shards beyond what the idlest holds.
    """
    if not members:
        return {}
    weight = {shard: max(1, cells) for shard, cells in weights.items()}
    owner = {shard: member for shard in weight if (member := holders.get(shard, "")) in members}
    load = dict.fromkeys(sorted(members), 0)
    for shard, member in owner.items():
        load[member] += weight[shard]
    for shard in sorted(weight.keys() - owner.keys(), key=lambda name: (-weight[name], name)):
        idlest = min(load, key=lambda member: (load[member], _score(member, shard)))
        owner[shard] = idlest
        load[idlest] += weight[shard]
    _balance(weight, owner, load)
    return owner


def _balance(weight: Mapping[str, int], owner: dict[str, str], load: dict[str, int]) -> None:
    """Move shards from the busiest that can give one to the idlest, for as long as that brings them closer together."""
    while True:
        idlest = min(load, key=load.__getitem__)
        movable = {
            member: [
                shard
                for shard in weight
                if owner[shard] == member and weight[shard] < load[member] - load[idlest]
            ]
            for member in load
        }
        givers = [member for member in load if movable[member]]
        if not givers:
            return
        busiest = max(givers, key=load.__getitem__)
        gap = load[busiest] - load[idlest]
        chosen = min(
            movable[busiest], key=lambda shard: (abs(gap - 2 * weight[shard]), _score(idlest, shard))
        )
        owner[chosen] = idlest
        load[busiest] -= weight[chosen]
        load[idlest] += weight[chosen]


def _score(member: str, shard: str) -> bytes:
    """A number of a pair that all processes agree on (rendezvous hashing), so that equals are told apart."""
    return hashlib.sha256(f"{member}\0{shard}".encode()).digest()
