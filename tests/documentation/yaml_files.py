"""YAML that pages show, given to what reads it: the project, the component, the job, or Dagster's own configuration."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from dagster import DagsterInstance

from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from ai.starlake.project import Severity, validate
from tests.documentation.code_blocks import ROOT, Block, blocks_of

APPLICATION = {
    "version": 1,
    "application": {
        "connectionRef": "duckdb",
        "connections": {
            "duckdb": {"type": "jdbc", "options": {"url": "jdbc:duckdb:{{SL_ROOT}}/datasets/duckdb.db"}},
            "lake": {"type": "jdbc", "options": {"url": "jdbc:duckdb:{{SL_ROOT}}/datasets/lake.db"}},
        },
    },
}
DOMAIN = {"version": 1, "load": {"name": "shop", "metadata": {"directory": "{{SL_ROOT}}/incoming/shop"}}}
ATTRIBUTES = [{"name": "order_id", "type": "long"}, {"name": "status", "type": "string"}, {"name": "customer"}]
PLACES = {
    "application": "metadata/application.sl.yml",
    "connections": "metadata/application.sl.yml",
    "dag": "metadata/dags/shown.sl.yml",
    "load": "metadata/load/shop/_config.sl.yml",
    "table": "metadata/load/shop/shown.sl.yml",
    "task": "metadata/transform/kpis/shown.sl.yml",
    "types": "metadata/types/shown.sl.yml",
}
PATH = re.compile(r"(?:#|--) (metadata/\S+)\n")
DAGSTER = {"compute_logs", "concurrency", "run_coordinator", "run_launcher", "run_monitoring", "run_retries", "storage"}


def completed(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a file of a project of which a page shows a part."""
    if kind == "connections":
        return {**APPLICATION, "application": {"connections": content["connections"], "connectionRef": "lake"}}
    if kind == "table":
        table = {"pattern": "shown.*", "attributes": ATTRIBUTES, **content["table"]}
        return {"version": 1, "table": table}
    return {"version": 1, **content}


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")


def _place(kind: str, block: Block) -> str:
    content = yaml.safe_load(block.text)[kind]
    return PLACES[kind].replace("shown", content.get("name", "shown") if kind == "table" else "shown")


def _show(file: Path, block: Block) -> None:
    if block.language != "yaml":
        return _write(file, block.text)
    content = yaml.safe_load(block.text)
    return _write(file, completed(next(key for key in content if key != "version"), content))


def check_file_of_project(kind: str, block: Block, folder: Path) -> None:
    """Read a file of a project with the project's own reader.

    What the page leaves out is added; files whose paths stand on the same page are there, too.
    """
    expectations = ROOT / "ai/starlake/embedded/cli/templates/starter/metadata/expectations"
    shutil.copytree(expectations, folder / "metadata/expectations")
    _write(folder / "metadata/application.sl.yml", APPLICATION)
    _write(folder / "metadata/load/shop/_config.sl.yml", DOMAIN)
    for each in (*blocks_of(ROOT / block.page), block):
        named = PATH.match(each.text)
        if each is block or named:
            _show(folder / (named[1] if named else _place(kind, each)), each)
    for task in folder.glob("metadata/transform/*/*.sl.yml"):
        scripts = [task.with_name(task.name.replace(".sl.yml", suffix)) for suffix in (".sql", ".py")]
        if not any(script.exists() for script in scripts):
            _write(scripts[0], "SELECT 1 AS customer")
    wrong = [each.message for each in validate(folder) if each.severity is Severity.ERROR]
    assert wrong == [], "\n".join(wrong)


def check_component(content: dict[str, Any]) -> None:
    """Read the fields of a component with its model."""
    from ai.starlake.dagster import StarlakeProjectComponent

    model = StarlakeProjectComponent.get_model_cls()
    model.model_validate({"project": "bakery", **content.get("attributes", {})})


def check_dagster(text: str, folder: Path) -> None:
    """Open an instance of Dagster with a `dagster.yaml`."""
    _write(folder / "dagster.yaml", text)
    with DagsterInstance.from_config(str(folder)) as instance:
        assert instance.run_monitoring_enabled is not None


def check_yaml(block: Block, folder: Path) -> None:
    """Give YAML of a page to what reads it.

    Args:
        block: The YAML.
        folder: An empty folder.
    """
    content = yaml.safe_load(block.text)
    keys = set(content) - {"version"}
    (kind, *_) = keys
    checks: list[tuple[bool, Callable[[], object]]] = [
        (keys & PLACES.keys() != set(), lambda: check_file_of_project(kind, block, folder)),
        ("attributes" in keys, lambda: check_component(content)),
        (keys <= DAGSTER, lambda: check_dagster(block.text, folder)),
        (keys == {"sl_env_var"}, lambda: StarlakeDagsterShellJob(options=content)),
    ]
    check = next((each for fits, each in checks if fits), None)
    assert check is not None, f"nothing reads YAML with {sorted(keys)}: say so in yaml_files.py"
    check()
