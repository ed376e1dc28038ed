"""Find Starlake names that result in the same name in Dagster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ai.starlake.common import sanitize_id
from ai.starlake.project.findings import Finding
from ai.starlake.project.models import Table, Task


def check_names(items: Iterable[Table | Task]) -> Iterator[Finding]:
    """Yield collisions among the names of all tables and tasks of a project, independent of jobs.

    An asset is named after its table, an op after the table or task, a group of ops after the domain.

    Args:
        items: The tables and tasks.
    """
    assets: dict[str, tuple[str, Table | Task]] = {}
    groups: dict[str, tuple[str, Table | Task]] = {}
    for item in items:
        names = {item.full_name} if isinstance(item, Table) else {item.full_name, item.target}
        for name in sorted(names):
            yield from _claim(assets, name, item, "table or task")
        if isinstance(item, Table):
            yield from _claim(groups, item.domain, item, "domain")


def _claim(known: dict[str, tuple[str, Table | Task]], name: str, item: Table | Task, what: str) -> Iterator[Finding]:
    key = sanitize_id(name)
    other, owner = known.setdefault(key, (name, item))
    if other != name:
        message = f"{name} and {other} both become {key} in the orchestrator; {other} is in {owner.file}"
        yield Finding(item.file, 1, message, f"rename one of them: each {what} needs a name of its own")
