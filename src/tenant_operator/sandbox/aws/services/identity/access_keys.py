"""Users' access keys that are made through IAM are known to the front door, and unknown again once they are deleted.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html
"""

from __future__ import annotations

from moto.iam.models import iam_backends

from tenant_operator.sandbox.aws.calls import Call, Principal
from tenant_operator.sandbox.aws.credentials import AccessKey
from tenant_operator.sandbox.aws.simulation import Simulation


def install(sim: Simulation) -> None:
    """Follow what is done with access keys."""

    @sim.observes("iam", "CreateAccessKey", "UpdateAccessKey")
    def learn(call: Call) -> None:
        for user in iam_backends[call.account][call.partition].users.values():
            for key in user.access_keys:
                if key.status != "Active":
                    sim.credentials.revoke(key.access_key_id)
                elif sim.credentials.find(key.access_key_id) is None:
                    principal = Principal(call.account, user.arn, key.access_key_id)
                    sim.credentials.add(AccessKey(key.access_key_id, key.secret_access_key, principal))

    @sim.observes("iam", "DeleteAccessKey")
    def forget(call: Call) -> None:
        sim.credentials.revoke(call.parameters["AccessKeyId"])
