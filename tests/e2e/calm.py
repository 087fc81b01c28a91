"""Telling that the operator has come to rest: whole sweeps go by in which it reads and writes nothing."""

from __future__ import annotations

from typing import Any

from tests.e2e.stage import ACCOUNT_A, Stage

QUIET_SWEEPS = 2


def sweeps_since(stage: Stage, mark: int, account: str = ACCOUNT_A) -> int:
    """How often everything in an account was read anew since a mark: each sweep lists the clusters once."""
    return len(stage.aws.calls(since=mark, account=account, action="ListClusters"))


def await_rest(stage: Stage, account: str = ACCOUNT_A) -> None:
    """Wait until two whole sweeps have gone by without a write in AWS."""
    mark = stage.aws.last_call()

    def at_rest() -> bool:
        nonlocal mark
        writes = stage.writes_since(mark)
        if writes:
            mark = writes[-1]["sequence"]
        return sweeps_since(stage, mark, account) > QUIET_SWEEPS

    stage.wait("two sweeps go by without a write in AWS", at_rest)


def writes_of_quiet_sweeps(stage: Stage, account: str = ACCOUNT_A) -> list[str]:
    """What is written in AWS while two whole sweeps go by from now on; it should be nothing."""
    return writes_of_sweeps_since(stage, stage.aws.last_call(), account)


def writes_of_sweeps_since(stage: Stage, mark: int, account: str = ACCOUNT_A) -> list[str]:
    """What was written in AWS since a mark, once two whole sweeps have gone by since."""
    stage.wait("two sweeps go by", lambda: sweeps_since(stage, mark, account) > QUIET_SWEEPS)
    return [described(call) for call in stage.writes_since(mark)]


def described(call: dict[str, Any]) -> str:
    """A call in short."""
    return f"{call['account']} {call['service']}:{call['action']} {call.get('code') or ''}".strip()
