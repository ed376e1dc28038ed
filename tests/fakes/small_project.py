"""A minimal Starlake project of one domain, for the tests of every orchestrator."""

from __future__ import annotations

from pathlib import Path

TABLES = ("Customers", "Ingredients", "Orders", "Products")


class Project:
    """A minimal Starlake project: one domain, and areas without a file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        load = root / "metadata" / "load" / "starbake"
        load.mkdir(parents=True)
        (root / "metadata" / "application.sl.yml").write_text("version: 1\napplication:\n  loader: spark\n")
        (load / "_config.sl.yml").write_text(
            f"version: 1\nload:\n  name: starbake\n  metadata:\n    directory: '{root}/incoming/starbake'\n"
        )
        for table in TABLES:
            (load / f"{table}.sl.yml").write_text(
                f"version: 1\ntable:\n  name: {table}\n  pattern: {table.lower()}.*.csv\n"
                "  attributes:\n  - name: id\n    type: string\n"
            )

    def put(
        self, area: str, name: str = "customers_1.csv", content: str = "id\n1\n2\n", domain: str = "starbake"
    ) -> Path:
        """Put a file into an area."""
        folder = self.root / "incoming" / domain if area == "incoming" else self.root / "datasets" / area / domain
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / name
        file.write_text(content)
        return file

    def files(self, area: str, domain: str = "starbake") -> list[str]:
        """Return the names of the files in an area."""
        folder = self.root / "incoming" / domain if area == "incoming" else self.root / "datasets" / area / domain
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
