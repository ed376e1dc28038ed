"""Assignment of files to loaded tables, from items alone: no file of the project is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ai.starlake.project.assets.project_item import ProjectItem
from ai.starlake.project.landing import FileRule, FileRules


def rules_of_domains(items: Iterable[ProjectItem]) -> Mapping[str, FileRules]:
    """Return the file rules of each domain.

    Args:
        items: All items of the project: a table that is not selected takes its files from the others too.
    """
    tables: dict[str, list[ProjectItem]] = defaultdict(list)
    for item in items:
        if item.kind == "table":
            tables[item.domain].append(item)
    return {domain: FileRules(domain, tuple(map(_rule, _in_order(found)))) for domain, found in tables.items()}


def _in_order(tables: Iterable[ProjectItem]) -> list[ProjectItem]:
    """Return tables in the order in which commands match files: that of their metadata files."""
    return sorted(tables, key=lambda item: f"{item.file_stem}.sl.yml")


def _rule(item: ProjectItem) -> FileRule:
    ack = item.metadata.get("ack")
    return FileRule(item.name, item.file_stem, item.pattern, str(ack) if ack else None)
