"""Names of assets, groups, tags and owners, derived from Starlake's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from dagster import AssetKey

from ai.starlake.common import sanitize_id
from ai.starlake.project.assets.project_item import ProjectItem

_LONGEST = 63
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.-]")
_OWNER = "owner:"


@lru_cache(maxsize=65_536)
def default_key(parts: tuple[str, ...]) -> AssetKey:
    """Return the key of a table from the parts of its name in the database."""
    return AssetKey(list(parts))


def group_of(item: ProjectItem) -> str:
    """Return the group of an item: its domain, in the characters that Dagster accepts."""
    return sanitize_id(item.domain)


def tags_of(item: ProjectItem) -> Mapping[str, str]:
    """Return the tags of an item: ``name=value`` is a tag with a value; ``owner:...`` is not a tag but an owner."""
    tags = {}
    for tag in item.tags:
        name, _, value = tag.partition("=")
        if not tag.lower().startswith(_OWNER) and name.strip():
            tags[tag_text(name)] = tag_text(value)
    return tags


def owners_of(item: ProjectItem) -> list[str]:
    """Return the owners of an item: tags ``owner:ada@example.org`` for a person, ``owner:data`` for a team."""
    named = [tag[len(_OWNER) :].strip() for tag in item.tags if tag.lower().startswith(_OWNER)]
    return [name if "@" in name or name.startswith("team:") else f"team:{name}" for name in named if name]


def kinds_of(item: ProjectItem) -> set[str]:
    """Return the kinds, which Dagster shows as icons: Starlake, the database, and the format, the language or a view.

    Dagster 1.9 accepts no more than three.
    """
    return {kind for kind in ("starlake", item.warehouse, "view" if item.kind == "view" else item.format) if kind}


def tag_text(text: str) -> str:
    """Return a string as a valid value of a tag."""
    return _NOT_IN_TAGS.sub("_", text.strip())[:_LONGEST]
