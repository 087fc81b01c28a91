"""`tenant-operator crds`: print the CRDs, write them to files, or check that files are up to date."""

from __future__ import annotations

from pathlib import Path

import click

from tenant_operator.api import crds


@click.command(name="crds")
@click.option(
    "--write",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write one file per kind to DIR instead of printing.",
)
@click.option(
    "--check",
    "checked",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Exit with 1 when DIR does not hold exactly what --write would write.",
)
def command(target: Path | None, checked: Path | None) -> None:
    """Print the CustomResourceDefinitions as YAML.

    Install them: tenant-operator crds | kubectl apply --server-side -f -
    """
    if target is not None and checked is not None:
        raise click.UsageError("--write and --check do not go together; give one of them")
    if target is not None:
        _write(target)
    elif checked is not None:
        _check(checked)
    else:
        click.echo("---\n".join(crds.as_yaml(manifest) for manifest in crds.manifests()), nl=False)


def _write(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in crds.files().items():
        (directory / name).write_text(content, encoding="utf-8")
        click.echo(f"wrote {directory / name}", err=True)


def _check(directory: Path) -> None:
    wanted = crds.files()
    there = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*.yaml")}
    stale = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if stale:
        raise click.ClickException(
            f"not what the models say: {', '.join(stale)}; run: tenant-operator crds --write {directory}"
        )
    click.echo(f"{directory} is up to date", err=True)
