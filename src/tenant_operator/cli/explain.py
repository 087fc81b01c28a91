"""`tenant-operator explain`: why something is where it is, and why not elsewhere."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from tenant_operator.cli.run import own_namespace

if TYPE_CHECKING:
    from tenant_operator.engine.cache import Cache
    from tenant_operator.engine.explaining import Explanation, Place

KINDS = {
    "tenant": "Tenant", "tn": "Tenant", "tier": "Tier", "cell": "Cell", "infragroup": "InfraGroup", "ig": "InfraGroup",
}  # fmt: skip


@click.command("explain")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("name")
@click.option("-n", "--namespace", help="The tenant's namespace. Default: the kubeconfig's.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(kind: str, name: str, namespace: str | None, output: str) -> None:
    """Say why a tenant lives where it does and why not elsewhere, or what a tier, cell or infra group has room for.

    It reads custom resources and nothing else: the numbers are those that the operator wrote into their statuses, and
    the verdicts come from the operator's own functions (docs/capacity.md).
    """
    found = asyncio.run(_explained(KINDS[kind], name, namespace))
    click.echo(json.dumps(found.as_json(), indent=2) if output == "json" else _as_text(found), nl=True)


async def _explained(kind: str, name: str, namespace: str | None) -> Explanation:
    from tenant_operator.api import Cell, InfraGroup, Tenant, Tier
    from tenant_operator.engine import explaining
    from tenant_operator.engine.cache import Key, Kind
    from tenant_operator.engine.kubernetes import Gone, Refused

    inside = _connect(namespace)
    try:
        cache = await _cache()
    except Gone as error:
        raise click.ClickException(
            "the CRDs are not installed: tenant-operator crds | kubectl apply --server-side -f -"
        ) from error
    except (Refused, OSError) as error:
        raise click.ClickException(f"cannot read the custom resources: {error}") from error
    key = Key(Kind(kind), inside if kind == "Tenant" else "", name)
    obj = cache.get(key)
    try:
        if isinstance(obj, Tenant):
            return explaining.explain_tenant(cache, obj)
        if isinstance(obj, Tier):
            return explaining.explain_tier(cache, obj)
        if isinstance(obj, Cell):
            return explaining.explain_cell(cache, obj)
        if isinstance(obj, InfraGroup):
            return explaining.explain_group(cache, obj)
    except explaining.NotThere as error:
        raise click.ClickException(f"{key}: {error}") from error
    raise click.ClickException(f"there is no {key}")


def _connect(namespace: str | None) -> str:
    """Find the cluster; the namespace that is meant."""
    import kubernetes

    try:
        kubernetes.config.load_incluster_config()
    except kubernetes.config.ConfigException:
        try:
            kubernetes.config.load_kube_config()
            _, active = kubernetes.config.list_kube_config_contexts()
        except kubernetes.config.ConfigException as error:
            raise click.ClickException(
                f"no Kubernetes cluster to connect to: {error}; set KUBECONFIG"
            ) from error
        return namespace or active["context"].get("namespace") or "default"
    return namespace or own_namespace()


async def _cache() -> Cache:
    from tenant_operator.api import UnreadableObject
    from tenant_operator.engine.cache import Cache, Kind
    from tenant_operator.engine.kubernetes import Kubernetes

    api, cache = Kubernetes(), Cache()
    try:
        for bodies in await asyncio.gather(*(api.list_objects(kind) for kind in Kind)):
            for body in bodies:
                try:
                    cache.put(body)
                except UnreadableObject as error:
                    click.echo(f"left out: {error}", err=True)
    finally:
        api.close()
    return cache


# --- the text -------------------------------------------------------------------------------------


def _as_text(found: Explanation) -> str:
    lines = [found.subject, *(f"  {sentence}" for sentence in found.sentences)]
    manifest = found.facts.get("scaleUp", {}).get("manifest")
    for place in sorted(found.places, key=_here_first):
        lines += ["", *_place(place)]
    if manifest:
        lines += ["", "To apply:", "---", manifest.rstrip()]
    return "\n".join(lines)


def _here_first(place: Place) -> tuple[bool, str]:
    return place.verdict not in ("Here", "Waiting"), place.infra_group


def _place(place: Place) -> list[str]:
    room = f"{place.tenants} tenants, room for {place.room} more of this size"
    lines = [f"{place.infra_group} (cell {place.cell}, account {place.account}): {place.verdict}; {room}"]
    if place.why and not any(not finding.fits for finding in place.findings):
        lines.append(f"  {place.why}")
    if not place.findings:
        return lines
    rows: list[tuple[str, ...]] = [("", "USED", "KEPT FREE", "NEEDED", "LIMIT", "SOURCE", "WHERE", "QUOTA")]
    for f in place.findings:
        numbers = (f"{n / f.unit:g}" for n in (f.used, f.kept, f.needed, f.limit))
        rows.append(("ok" if f.fits else "NO", *numbers, f.source, f.where, f"{f.name} ({f.code})"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell.rjust(w) if 1 <= i <= 4 else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        lines.append(("  " + "  ".join(cells)).rstrip())
    return lines
