"""Keys of the assets of rejected rows, and the tables that these assets read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dagster import AssetKey

from ai.starlake.common import StarlakeError

if TYPE_CHECKING:
    from ai.starlake.dagster.assets.asset_build import AssetBuild
    from ai.starlake.project.assets.project_item import ProjectItem


def loaded_domains(build: AssetBuild) -> Mapping[str, tuple[ProjectItem, ...]]:
    """Return the selected loaded tables, by the name of their domain in the database."""
    domains: dict[str, list[ProjectItem]] = {}
    for item in build.items:
        if item.kind == "table":
            domains.setdefault(item.target[0], []).append(item)
    return {domain: tuple(tables) for domain, tables in domains.items()}


def rejected_key(build: AssetBuild, domain: str) -> AssetKey:
    """Return the key of the rejected rows of a domain."""
    return AssetKey([*build.translated.prefix, "audit", f"{domain}_rejected"])


def require_free_keys(build: AssetBuild) -> None:
    """Refuse an item of the project with the key of rejected rows.

    Raises:
        StarlakeError: If there is such an item.
    """
    items = {key: target for target, key in build.translated.keys.items()}
    for domain in loaded_domains(build):
        key = rejected_key(build, domain)
        if key in items:
            name = next(each.full_name for each in build.translated.project.items if each.target == items[key])
            raise StarlakeError(
                f"{name} and the rejected rows of {domain} both have the asset key {'/'.join(key.path)}",
                fix="give the task another name, or build the definitions with rejects=False",
            )


def rejected_keys(build: AssetBuild, tables: Iterable[AssetKey]) -> list[AssetKey]:
    """Return the keys of the rejected rows of the domains of some tables; none if they are not assets.

    Args:
        build: The items, and whether rejected rows are assets.
        tables: The keys of the tables.
    """
    if not build.rejects:
        return []
    made = frozenset(tables)
    domains = loaded_domains(build).items()
    return [rejected_key(build, domain) for domain, items in domains if any(build.key(item) in made for item in items)]
