"""Find unknown keys in metadata files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from ai.starlake.project.findings import Finding, nearest
from ai.starlake.project.models import DagConfig, Domain, Table, Task, TransformDomain, TypeDefinition
from ai.starlake.project.models.refs import TableRef
from ai.starlake.project.reading.documents import Document, KeyPath
from ai.starlake.project.reading.invalid import unknown_keys

_MODELS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "dag": DagConfig,
        "load": Domain,
        "refs": TableRef,
        "table": Table,
        "task": Task,
        "transform": TransformDomain,
        "types": TypeDefinition,
    }
)
_OF_THE_USER = ("x-", "_", ".")
"""Prefixes of keys that contain values for aliases."""


def unread_keys(document: Document, root: str, data: Any) -> Iterator[Finding]:
    """Yield the findings about unknown keys of a file.

    Args:
        document: The file.
        root: The root key of files of this kind.
        data: The content below it.
    """
    for key in document.data:
        if key not in (root, "version") and root in document.data and not key.startswith(_OF_THE_USER):
            message = f"{key} stands beside {root}, where nobody reads it"
            yield document.finding((key,), message, nearest(key, [root, "version"]) or f"indent it below {root}")
    model = _MODELS.get(root)
    if model is None:
        return
    items: list[tuple[Any, KeyPath]] = [(data, (root,))]
    if isinstance(data, list):
        items = [(item, (root, index)) for index, item in enumerate(data)]
    also = frozenset({"default"}) if root == "transform" else frozenset()
    for item, path in items:
        yield from unknown_keys(model, item, document, path, also)
    if also and isinstance(data, dict):
        yield from unknown_keys(Task, data.get("default"), document, (root, "default"))
