"""Tables and tasks of a project by their names in the audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ai.starlake.project.assets.project_item import ProjectItem
from ai.starlake.project.audit import AuditRow, ItemOnRecord

Names = tuple[str, str]


class ItemsOnRecord:
    """Finds the table or task of a row of the audit. Names differ by more than case.

    Args:
        all_items: All items of the project.
        chosen: The items that the facade shows.
    """

    def __init__(self, all_items: Iterable[ProjectItem], chosen: Iterable[ProjectItem]) -> None:
        items = list(all_items)
        self._named = {item.full_name: item for item in chosen}
        self._tasks = {item.full_name.lower(): item for item in items if item.kind != "table"}
        tables = {_lower(item.domain, item.name): item for item in items if item.kind == "table"}
        self._items: Mapping[Names, ProjectItem] = {**{_lower(*item.target): item for item in items}, **tables}

    def chosen(self, row: AuditRow) -> ProjectItem | None:
        """Return the item of a row; None if the project does not have it, or the facade does not show it."""
        item = self._find(row.domain, row.table, row.paths)
        return item if item is not None and item.full_name in self._named else None

    def named(self, name: str) -> ProjectItem:
        """Return an item by its Starlake name."""
        return self._named[name]

    def knows(self, row: AuditRow) -> bool:
        """Return True if the project has the item of a row, whether the facade shows it or not."""
        return self._find(row.domain, row.table, row.paths) is not None

    def item_on_record(self, domain: str, table: str, paths: str) -> ItemOnRecord | None:
        """Return the key of a row's item for readers of the audit; None if the facade does not show it."""
        item = self._find(domain, table, paths)
        if item is None or item.full_name not in self._named:
            return None
        return ItemOnRecord(item.full_name, domain, table, None)  # all recorded expectations

    def _find(self, domain: str, table: str, paths: str) -> ProjectItem | None:
        return self._tasks.get(paths.lower()) or self._items.get(_lower(domain, table))


def _lower(domain: str, table: str) -> Names:
    return domain.lower(), table.lower()
