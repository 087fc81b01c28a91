"""How many records a tier's hosted zone holds and may hold: the quota that tenants' own names use up."""

from __future__ import annotations

import logging

from tenant_operator.api import Tier
from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.hosted_zones import records_in_zone
from tenant_operator.desired.resources import Record
from tenant_operator.engine.capacity import Ledgers, tiers_in_zone
from tenant_operator.engine.clouds import Zone
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.settings import QUOTAS_SECONDS
from tenant_operator.engine.visit import Visit
from tenant_operator.placement.quotas import BUILT_IN, RECORDS, Source

log = logging.getLogger(__name__)


async def look_at_zone(engine: Engine, visit: Visit, tier: Tier, zone: Zone) -> None:
    """Write down what others have in the zone, and the limit. Where Route 53 cannot be asked, what was known stays."""
    memory = engine.remember(visit.key)
    if visit.forced or engine.clock() - memory.get("records_at", float("-inf")) > QUOTAS_SECONDS:
        try:
            memory["records"] = await _read(engine, visit, tier, zone)
            memory["records_at"] = engine.clock()
        except AwsError as error:
            log.info("%s: the zone's limit is not known: %s", visit.key, error)
    if "records" not in memory:
        return
    others, limit, source = memory["records"]
    before = int((visit.previous.get("summary") or {}).get("recordsOfOthers") or 0)
    visit.fields["summary"]["recordsOfOthers"] = others
    used = Ledgers(engine.cache).records(tier) - before + others
    visit.fields["quotas"] = [
        {"code": RECORDS.code.value, "name": RECORDS.name, "used": used, "limit": limit, "source": source}
    ]


async def _read(engine: Engine, visit: Visit, tier: Tier, zone: Zone) -> tuple[int, int, str]:
    """Others' records, the limit and its source; AWS's default where the limit may not be read."""
    try:
        count, limit = await records_in_zone(zone.caller, zone.id)
    except AwsError as error:
        if error.category is not Category.ACCESS:
            raise
        return 0, BUILT_IN[QuotaCode.RECORDS].limit, Source.BUILT_IN.value
    ours = 0
    for other in tiers_in_zone(engine.cache, tier):
        name = other.spec.endpoint.name.lower()
        await zone.view.load_records(zone.caller, zone.id, name, max_age=visit.trust)
        ours += sum(
            1
            for live in zone.view.of_type(Record.__name__)
            if isinstance(live.spec, Record)
            and live.spec.zone == zone.id
            and (live.spec.name == name or live.spec.name.endswith(f".{name}"))
            and live.spec.set_identifier.startswith(f"{engine.settings.installation}/")
        )
    return max(0, count - ours), limit, Source.SERVICE_QUOTAS.value
