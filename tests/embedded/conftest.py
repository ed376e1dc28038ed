"""Small projects to run the engine on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ai.starlake.embedded import Engine
from tests.stored_rows import rows_in


class Workshop:
    """A project in a scratch folder, and what its database holds.

    Metadata is written as JSON, which is YAML too.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment: dict[str, str] = {"SL_ROOT": str(root)}
        self.application()
        self.write("metadata/load/shop/_config.sl.yml", load={"metadata": {"directory": str(root / "incoming/shop")}})

    def write(self, name: str, **content: Any) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"version": 1, **content}), encoding="utf-8")
        return file

    def application(self, **keys: Any) -> None:
        url = f"jdbc:duckdb:{self.root}/datasets/duckdb.db"
        connections = {"duckdb": {"type": "jdbc", "options": {"url": url}}}
        self.write(
            "metadata/application.sl.yml", application={"connectionRef": "duckdb", "connections": connections, **keys}
        )

    def table(
        self, name: str, attributes: dict[str, Any] | list[dict[str, Any]], *, pattern: str = "", **keys: Any
    ) -> None:
        if isinstance(attributes, dict):
            attributes = [{"name": column, "type": kind} for column, kind in attributes.items()]
        metadata = {"separator": ",", **keys.pop("metadata", {})}
        table = {
            "name": name,
            "pattern": pattern or rf"{name}.*",
            "metadata": metadata,
            "attributes": attributes,
            **keys,
        }
        self.write(f"metadata/load/shop/{name}.sl.yml", table=table)

    def task(self, name: str, sql: str, **keys: Any) -> None:
        folder, _, stem = name.partition(".")
        file = self.root / "metadata/transform" / folder / f"{stem}.sql"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(sql, encoding="utf-8")
        if keys:
            self.write(f"metadata/transform/{folder}/{stem}.sl.yml", task=keys)

    def put(self, name: str, content: str | bytes, *, area: str = "datasets/stage/shop") -> Path:
        file = self.root / area / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return file

    @property
    def engine(self) -> Engine:
        return Engine.open(self.root, environment=self.environment)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return rows_in(self.root / "datasets/duckdb.db", sql)

    def rows(self, table: str = "shop.rows") -> list[tuple[Any, ...]]:
        return sorted(self.query(f"SELECT * FROM {table}"), key=repr)

    def errors(self) -> list[str]:
        """Return the messages of the rejects, without the common part."""
        found = self.query("SELECT error FROM audit.rejected")
        return [text.removeprefix("ERR -> \n").partition("\n\nFILE -> ")[0] for (text,) in found]

    def files(self) -> list[str]:
        """Return the data files in all areas, without the database."""
        found = (path for path in self.root.joinpath("datasets").rglob("*") if path.is_file())
        return sorted(
            str(path.relative_to(self.root / "datasets")) for path in found if not path.name.startswith("duckdb.db")
        )


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "project")
