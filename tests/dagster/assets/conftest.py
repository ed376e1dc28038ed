"""Small projects on disk, and a cache of their own for the tests."""

from pathlib import Path
from textwrap import dedent, indent

import pytest
from dagster import AssetKey, AssetSpec

from ai.starlake.dagster import StarlakeProject, build_starlake_asset_specs
from tests.fakes.project_folder import APPLICATION, ProjectFolder

SAMPLE = Path(__file__).parents[3] / "samples" / "starbake"


class Folder(ProjectFolder):
    """A project's folder, and what Dagster makes of it."""

    def table(self, domain: str, name: str, columns: str = "id: long", more: str = "") -> Path:
        """Write a loaded table; its columns as ``name: type`` with commas between."""
        attributes = "".join(
            f"\n    - {{name: {part.split(':')[0].strip()}, type: {part.split(':')[1].strip()}}}"
            for part in columns.split(",")
        )
        head = f"version: 1\ntable:\n  name: {name}\n  pattern: {name}.*\\.csv\n  attributes:{attributes}\n"
        return self.write(f"load/{domain}/{name}.sl.yml", head + indent(dedent(more), "  "))

    def task(self, domain: str, name: str, sql: str, yaml: str = "") -> None:
        """Write a task."""
        self.write(f"transform/{domain}/{name}.sql", sql)
        if yaml:
            self.write(f"transform/{domain}/{name}.sl.yml", yaml)

    @property
    def project(self) -> StarlakeProject:
        """The project, opened again."""
        return StarlakeProject(self.root)

    def specs(self, **arguments: object) -> dict[str, AssetSpec]:
        """Return the specs by their keys with slashes."""
        return by_key(build_starlake_asset_specs(self.project, **arguments))

    def lineage(self, asset: str) -> dict[str, list[str]]:
        """Return the columns that those of an asset are made of: as ``domain/table.column``."""
        found = self.specs()[asset].metadata.get("dagster/column_lineage")
        return {} if found is None else lineage_of(found)

    def types(self, asset: str) -> dict[str, str]:
        """Return the types of the columns of an asset."""
        return {column.name: column.type for column in columns_of(self.specs()[asset]).values()}


def by_key(specs: list[AssetSpec]) -> dict[str, AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in specs}


def lineage_of(lineage) -> dict[str, list[str]]:
    return {
        column: sorted(f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in deps)
        for column, deps in lineage.deps_by_column.items()
    }


def columns_of(spec: AssetSpec) -> dict:
    schema = spec.metadata.get("dagster/column_schema")
    return {column.name: column for column in schema.columns} if schema else {}


def deps_of(spec: AssetSpec) -> set[str]:
    return {dep.asset_key.to_user_string() for dep in spec.deps}


def key(text: str) -> AssetKey:
    return AssetKey.from_user_string(text)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SL_DAGSTER_CACHE", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return a project with an application and nothing else."""
    folder = Folder(tmp_path / "bakery")
    folder.write("application.sl.yml", APPLICATION)
    return folder
