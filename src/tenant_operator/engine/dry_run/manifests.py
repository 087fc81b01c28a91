"""Manifests from files, as `kubectl apply -f` takes them: pure, but for the reading of the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tenant_operator.api import GROUP
from tenant_operator.engine.cache import PLURALS, Key, Kind, key_of

Body = Mapping[str, Any]

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
"""What is read of a directory, as kubectl does; a file that is named is read whatever it is called."""
DEFAULT_NAMESPACE = "default"


class UnreadableManifest(ValueError):
    """A file is no manifest; the message says which, and why."""


@dataclass(frozen=True, kw_only=True)
class Manifests:
    """What some files declare."""

    bodies: tuple[Body, ...] = ()
    """Custom resources of ours; of one that is declared twice, the last."""
    namespaces: Mapping[str, Mapping[str, str]]
    """Namespaces' labels."""
    ignored: tuple[str, ...] = ()
    """What else there is, such as `ConfigMap settings`: it is nothing of ours."""


def read_manifests(
    paths: Iterable[Path], *, namespace: str = DEFAULT_NAMESPACE, standard_input: str = ""
) -> Manifests:
    """The manifests of some files and directories; `-` is the standard input.

    Args:
        paths: What to read; of a directory the files in it, and none below.
        namespace: The namespace of tenants that name none.
        standard_input: What stands for `-`.

    Raises:
        UnreadableManifest: a file is not YAML or JSON, or an object lacks its kind or name.
        OSError: a file cannot be read.
    """
    texts = [(str(path), _text(path, standard_input)) for path in _files(paths)]
    return sort_out((body for name, text in texts for body in _documents(name, text)), namespace)


def sort_out(bodies: Iterable[Body], namespace: str = DEFAULT_NAMESPACE) -> Manifests:
    """Ours, namespaces, and the rest."""
    ours: dict[Key, Body] = {}
    namespaces: dict[str, Mapping[str, str]] = {}
    ignored: list[str] = []
    for body in bodies:
        metadata = body["metadata"]
        if str(body.get("apiVersion", "")).partition("/")[0] == GROUP and body["kind"] in set(Kind):
            cleaned = _as_applied(body, namespace)
            ours[key_of(cleaned)] = cleaned
        elif (body.get("apiVersion"), body["kind"]) == ("v1", "Namespace"):
            namespaces[metadata["name"]] = dict(metadata.get("labels") or {})
        else:
            ignored.append(f"{body['kind']} {metadata['name']}")
    return Manifests(bodies=tuple(ours.values()), namespaces=namespaces, ignored=tuple(ignored))


def merge_patch(last: Body, wanted: Body) -> dict[str, Any]:
    """What client-side apply sends: what is wanted, and null for what it wanted last time and does not any more.

    https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#merge-patch-calculation
    """
    patch: dict[str, Any] = {key: None for key in last if key not in wanted}
    for key, value in wanted.items():
        before = last.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            patch[key] = merge_patch(before, value)
        else:
            patch[key] = value
    return patch


def key_from(text: str) -> Key:
    """The key that a person means: `tenant/customers/acme`, `infragroup/group-1`.

    Raises:
        ValueError: it is none.
    """
    kind_name, _, rest = text.partition("/")
    kinds = {name.lower(): kind for kind, plural in PLURALS.items() for name in (kind.value, plural)}
    kind = kinds.get(kind_name.lower())
    namespace, _, name = rest.rpartition("/")
    if kind is None or not name or bool(namespace) != (kind is Kind.TENANT) or "/" in namespace:
        raise ValueError(
            f"{text!r} names no object; write tenant/NAMESPACE/NAME, or tier/NAME, cell/NAME, infragroup/NAME"
        )
    return Key(kind, namespace, name)


def _as_applied(body: Body, namespace: str) -> Body:
    """Without what only the API server writes, and with the namespace that kubectl would fill in."""
    metadata = {
        k: v for k, v in body["metadata"].items() if k in ("name", "namespace", "labels", "annotations")
    }
    if body["kind"] == Kind.TENANT:
        metadata.setdefault("namespace", namespace)
    return {**{k: v for k, v in body.items() if k != "status"}, "metadata": metadata}


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
        else:
            yield path


def _text(path: Path, standard_input: str) -> str:
    return standard_input if str(path) == "-" else path.read_text()


def _documents(name: str, text: str) -> Iterator[Body]:
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise UnreadableManifest(f"{name} is not YAML: {error}") from error
    for document in documents:
        if document is None:
            continue
        items = (
            document.get("items")
            if isinstance(document, dict) and document.get("kind") == "List"
            else [document]
        )
        for item in items or ():
            if (
                not isinstance(item, dict)
                or not item.get("kind")
                or not (item.get("metadata") or {}).get("name")
            ):
                raise UnreadableManifest(
                    f"{name} holds something that is no Kubernetes object: it has no kind or no name"
                )
            yield item
