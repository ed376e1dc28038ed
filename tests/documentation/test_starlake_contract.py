"""docs/starlake-contract.md names what the code reads, calls and writes."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import duckdb
import pytest

from ai.starlake.job import StarlakeCli, StarlakePreLoadStrategy
from ai.starlake.job.starlake_commands import load_command, stage_command, transform_command
from ai.starlake.project import Project
from ai.starlake.project import models as package_of_models
from ai.starlake.project.models import application, attribute, dag, metadata, table, task, types, write_options
from ai.starlake.project.models.base import Model
from ai.starlake.project.models.strategy_kinds import DEFAULT_STRATEGY, STRATEGY_KINDS
from tests.documentation.markdown_tables import names, rows_of
from tests.documentation.test_engine_tables import project

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "starlake-contract.md").read_text("utf-8")
READ_FROM_ELSEWHERE = {"Connection": {"name"}, "TransformDomain": {"tasks"}}
"""Fields that are not keys of their file: the name of a connection is its key, tasks have files of their own."""
VALUES = {
    "SL_LOADER": "native",
    "SL_LOAD_STRATEGY": "ai.starlake.job.load.IngestionNameStrategy",
    "SL_MAX_REJECTED": "5",
    "SL_MAX_UNPACKED_SIZE": "5GB",
    "SL_MISSING_FOLDERS": "empty",
    "SL_TIMEZONE": "Europe/Paris",
    "SL_UNDEFINED_VARIABLES": "warn",
    "SL_UNKNOWN_KEYS": "warn",
}
"""Values of variables that do not take any string."""


def section(heading: str, number: int = 0) -> list[list[str]]:
    return rows_of(PAGE, heading, number)


def test_the_commands_have_the_arguments_of_the_page() -> None:
    listed = {row[0].strip("`"): names(row[1]) for row in section("Commands")}
    commands = [
        stage_command(StarlakeCli(), "sales", ["orders"]),
        load_command("sales", "orders", {"a": "b"}),
        transform_command("kpi.revenue", {"a": "b"}),
    ]
    for command in commands:
        flags = {text for text in command.argv if text.startswith("--")}
        assert flags <= set(listed[command.verb])
        assert {"--domains", "--tables", "--name"} & set(listed[command.verb]) == flags - {"--options"}
    assert set(listed) == {*(command.verb for command in commands), "preload"}


def test_the_versions_are_those_of_the_command_line() -> None:
    since = {name: row[1] for row in section("Versions") for name in names(row[0])}
    for flag in ("--scheduledDate", "--reportFormat", "--notReadySentinel"):
        major, minor, patch = map(int, since[flag].split("."))
        assert StarlakeCli((major, minor, patch)).accepts(flag)
        assert not StarlakeCli((major, minor, patch - 1)).accepts(flag)
    before, after = StarlakeCli.of("1.1.9"), StarlakeCli.of(since["stage"])
    assert (before.stage_verb, after.stage_verb) == ("import", "stage")
    assert (before.stage_arguments("d", ())[0], after.stage_arguments("d", ())[0]) == ("--include", "--domains")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bare")
    project(root, {"people": {"attributes": [{"name": "id", "type": "long"}]}})
    return root


def setting(root: Path, path: str, environment: dict[str, str]) -> object:
    """Return the value of a key of the application, such as ``audit.domain``."""
    value: object = Project.read(root, environment={"SL_ROOT": str(root), **environment}).application
    for key in path.split("."):
        assert isinstance(value, Model)
        value = getattr(value, next(name for name, field in type(value).model_fields.items() if field.alias == key))
    return value


@pytest.mark.parametrize("row", section("Environment variables"), ids=lambda row: row[0].strip("`"))
def test_a_variable_takes_precedence_over_the_key(row: list[str], bare: Path) -> None:
    variable, path = row[0].strip("`"), names(row[1])[0]
    before = setting(bare, path, {})
    value = VALUES.get(variable, str(not before).lower() if isinstance(before, bool) else "7")
    assert setting(bare, path, {variable: value}) != before


def test_no_variable_is_missing() -> None:
    source = (ROOT / "ai/starlake/project/settings.py").read_text("utf-8")
    known = set(re.findall(r'"(SL_\w+)": \("', source))
    assert len(known) > 40
    assert {row[0].strip("`") for row in section("Environment variables")} == known


def test_the_areas_have_the_names_of_the_page() -> None:
    areas = {row[0].strip("`"): row[2].strip("`") for row in section("Areas of files")}
    assert areas == application.Area().model_dump(exclude={"hive_database"})


@pytest.mark.parametrize("row", section("Keys of the project's files"), ids=lambda row: row[0].strip("`"))
def test_the_keys_are_those_that_are_read(row: list[str]) -> None:
    name = row[0].strip("`")
    modules = (package_of_models, application, attribute, dag, metadata, table, task, types, write_options)
    model = next(getattr(module, name) for module in modules if hasattr(module, name))
    fields = {field.alias or key for key, field in model.model_fields.items()}
    read = fields - model.filled_in - READ_FROM_ELSEWHERE.get(name, set())
    assert {*names(row[2]), *names(row[3])} == read


def test_the_write_strategies_are_those_of_the_engine() -> None:
    listed = {row[0].strip("`"): names(row[1]) for row in section("Write strategies")}
    assert listed == {name: list(kind.lacking((), None, ())) for name, kind in STRATEGY_KINDS.items()}
    assert f"The default is `{DEFAULT_STRATEGY}`." in PAGE


def test_the_default_of_an_expectation_is_that_of_the_page() -> None:
    assert not application.Expectations().fail_on_error
    assert attribute.Expectation(expect="unique('id')").fail_on_error


def test_the_audit_has_the_columns_of_the_page(tmp_path: Path) -> None:
    people = {"attributes": [{"name": "id", "type": "long"}], "expectations": [{"expect": "rows()"}]}
    engine = project(tmp_path, {"people": people})
    (tmp_path / "metadata/expectations").mkdir()
    (tmp_path / "metadata/expectations/rows.j2").write_text("{% macro rows() %}SELECT 0 FROM sl_this{% endmacro %}")
    (tmp_path / "incoming/people-1.csv").write_text("id\n1\nx\n")
    engine.stage()
    assert engine.load(["shop"]).rejected_count == 1
    with duckdb.connect(str(tmp_path / "datasets/duckdb.db"), read_only=True) as database:
        found = {
            name: [row[0] for row in database.sql(f"DESCRIBE audit.{name}").fetchall()]
            for name in ("audit", "rejected", "expectations")
        }
    found["rejected"].remove("LINE")  # added by the engine
    assert {row[0].strip("`"): names(row[1]) for row in section("Audit tables")} == found
    assert f"`audit.maxErrors` ({application.Audit().max_errors})" in PAGE


def test_the_pre_load_strategies_are_those_of_the_jobs() -> None:
    assert [row[0].strip("`") for row in section("Pre-load strategies")] == StarlakePreLoadStrategy.all_strategies()


def test_the_options_have_the_defaults_of_the_page(reference: ModuleType) -> None:
    defaults: dict[str, str] = {}
    for *_, model, _ in reference.SECTIONS:
        for name, field in model.model_fields.items():
            for each in names(reference.names_of(name, field)):
                defaults.setdefault(each, reference.default_of(field))
    listed = {row[0].strip("`"): row[2] for row in section("Options of DAG configurations")}
    assert len(listed) > 40
    assert listed == {name: defaults[name] for name in listed}
