"""Resolution of names in a task's SQL."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from ai.starlake.common import PermanentError
from ai.starlake.project.models import Table, Task

_SYSTEM = re.compile(r"(?i)^(sl_|duckdb_|pragma_|sqlite_|pg_|zztmp_)")
_FILES = frozenset({"csv", "tsv", "txt", "parquet", "json", "jsonl", "ndjson", "gz", "zst", "db", "xlsx"})


def may_be_a_table(name: str) -> bool:
    """Return True if a name in SQL is neither a file nor a built-in table of the database or of Starlake.

    >>> may_be_a_table("shop.rows"), may_be_a_table("rows.csv"), may_be_a_table("duckdb_tables")
    (True, False, False)
    """
    last = name.lower().rpartition(".")[2]
    return not (_SYSTEM.match(last) or last in _FILES or "/" in name or "*" in name)


class TargetNames:
    """Names of all items of a project.

    Args:
        tasks: The tasks.
        tables: The loaded tables.
    """

    def __init__(self, tasks: Iterable[Task], tables: Iterable[Table]) -> None:
        tasks = list(tasks)
        # a task's name takes precedence over a task's table, and that over a loaded table
        self._by_name: dict[str, Task | Table] = {
            **{table.target.lower(): table for table in tables},
            **{task.target.lower(): task for task in tasks},
            **{task.full_name.lower(): task for task in tasks},
        }
        self._by_last_part: dict[str, list[Task | Table]] = defaultdict(list)
        for name, item in self._by_name.items():
            known = self._by_last_part[name.rpartition(".")[2]]
            if not any(item is each for each in known):
                known.append(item)

    def resolve(self, name: str, task: Task) -> Task | Table | None:
        """Return the item of a name in a task's SQL; see `references`.

        Raises:
            StarlakeError: If a name with one part matches several tables.
        """
        parts = name.lower().split(".")
        if len(parts) > 1:
            return self._by_name.get(".".join(parts[-2:]))
        own = self._by_name.get(f"{task.domain.lower()}.{parts[0]}")
        if own is not None:
            return own
        named = self._by_last_part.get(parts[0], [])
        candidates = [item for item in named if isinstance(item, Task)] or named
        if len(candidates) > 1:
            names = ", ".join(sorted(candidate.full_name for candidate in candidates))
            raise PermanentError(
                f"{name} in the task {task.full_name} may be any of {names}",
                fix="write it with its domain",
            )
        return candidates[0] if candidates else None
