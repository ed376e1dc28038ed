"""A small Starlake project on DuckDB that a test fills and runs in process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb
import yaml

from ai.starlake.embedded import Engine
from ai.starlake.embedded.transform.task_run import TransformRequest
from tests.stored_rows import reading

APPLICATION = {
    "connectionRef": "duckdb",
    "connections": {
        "duckdb": {
            "type": "jdbc",
            "options": {
                "url": "jdbc:duckdb:{{SL_ROOT}}/datasets/duckdb.db",
                "driver": "org.duckdb.DuckDBDriver",
            },
        }
    },
}
_EPOCH = 1_700_000_000


class Shop:
    """A project with the one domain ``shop``.

    Args:
        root: Its folder, which is made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.datasets = root / "datasets"
        self.metadata = root / "metadata"
        self.environment = {"SL_ROOT": str(root), "TZ": "UTC"}
        self._files = 0
        self.application()
        self.write("load/shop/_config.sl.yml", {"load": {"metadata": {"directory": "{{SL_ROOT}}/incoming/shop"}}})

    def application(self, **more: Any) -> None:
        """Write the application's file."""
        self.write("application.sl.yml", {"application": {**APPLICATION, **more}})

    def write(self, name: str, content: Mapping[str, Any] | str) -> Path:
        """Write a file of metadata."""
        path = self.metadata / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else yaml.safe_dump({"version": 1, **content}, sort_keys=False)
        path.write_text(text, encoding="utf-8")
        return path

    def table(
        self, name: str, attributes: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any], **more: Any
    ) -> None:
        """Write a table's file; its files are called ``{name}-....csv`` or whatever they are."""
        body = {"name": name, "pattern": rf"{name}-.*", "metadata": dict(metadata), "attributes": list(attributes)}
        self.write(f"load/shop/{name}.sl.yml", {"table": {**body, **more}})

    def task(self, name: str, sql: str, **fields: Any) -> None:
        """Write a task of the domain ``kpi``."""
        self.write(f"transform/kpi/{name}.sql", sql)
        self.write(f"transform/kpi/{name}.sl.yml", {"task": fields})

    def put(self, name: str, content: str | bytes, area: str = "stage") -> Path:
        """Put a file into an area; each is newer than the one before."""
        folder = self.root / "incoming" / "shop" if area == "incoming" else self.datasets / area / "shop"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        self._files += 1
        os.utime(path, (_EPOCH + self._files, _EPOCH + self._files))
        return path

    def engine(self, **environment: str) -> Engine:
        """Return the engine on what the metadata says now."""
        return Engine.open(self.root, environment={**self.environment, **environment})

    def load(self, **environment: str) -> Any:
        """Load what waits; the result says what failed."""
        return self.engine(**environment).load()

    def transform(self, name: str, **fields: Any) -> Any:
        """Run a task."""
        return self.engine().transform(TransformRequest(name, **fields))

    def database(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Return the database, to be read."""
        return reading(self.datasets / "duckdb.db")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Asks the database."""
        with self.database() as connection:
            return connection.execute(query).fetchall()

    def files(self, area: str) -> list[str]:
        """Return the names of the files in an area, those of the engine's own included."""
        folder = self.root / "incoming" / "shop" if area == "incoming" else self.datasets / area / "shop"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows of every table but the audit's."""
        with self.database() as connection:
            return tables_of(connection)

    def clear(self) -> None:
        """Drop all data; the metadata stays."""
        shutil.rmtree(self.datasets, ignore_errors=True)
        shutil.rmtree(self.root / "incoming", ignore_errors=True)


def tables_of(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every table but the audit's."""
    names = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE schema_name <> 'audit'"
    ).fetchall()
    return {
        f"{schema}.{name}": sorted(connection.execute(f'FROM "{schema}"."{name}"').fetchall(), key=repr)
        for schema, name in names
    }
