"""Living with AWS's eventual consistency: what was just made may not be there for the next call yet.

Source: https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.limits import (
    CREATION_TOKEN_SECONDS,
    CREATION_VISIBLE_SECONDS,
    FIRST_LOOK_SECONDS,
    LONGEST_LOOK_SECONDS,
)
from tenant_operator.desired import names
from tenant_operator.desired.resources import Address

T = TypeVar("T")


async def once_visible(call: Callable[[], Awaitable[T]], *, seconds: float = CREATION_VISIBLE_SECONDS) -> T:
    """Make a call on something just created; a not-found is tried again, with growing pauses, for `seconds`.

    Raises:
        AwsError: any other error, or NOT_FOUND when the time is over.
    """
    pause, slept = FIRST_LOOK_SECONDS, 0.0
    while True:
        try:
            return await call()
        except AwsError as error:
            if error.category is not Category.NOT_FOUND or slept + pause > seconds:
                raise
        await asyncio.sleep(pause)
        slept += pause
        pause = min(pause * 2, LONGEST_LOOK_SECONDS)


def creation_token(address: Address, *identity: str, clock: Callable[[], float] = time.time) -> str:
    """A client token for the creation of a resource: a repetition of the same creation meets the same token.

    Args:
        address: the resource.
        identity: what tells this creation from others at the same address, such as the ids of predecessors that are
            gone: AWS would answer a token that it remembers with the resource that it made then.
        clock: seconds since the epoch.
    """
    hour = int(clock() // CREATION_TOKEN_SECONDS)
    return names.client_token(str(address), str(hour), *identity)
