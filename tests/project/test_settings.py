"""Application, variables, areas, connections."""

import socket
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.project import Project, ProjectError
from ai.starlake.project.databases.connections import duckdb_file
from ai.starlake.project.settings import read_settings
from ai.starlake.project.templating.environment import clock_variables, resolve_variables
from tests.project.conftest import APPLICATION, TABLE, Files


def test_no_project(tmp_path):
    with pytest.raises(StarlakeError, match="is not a Starlake project"):
        Project.read(tmp_path, environment={})


def test_a_project_may_have_no_application(tmp_path):
    (tmp_path / "metadata").mkdir()
    project = Project.read(tmp_path, environment={})
    assert project.application.audit.max_errors == 100
    assert project.application.archive is True


def test_an_unknown_key_of_the_application_is_an_error(files):
    files.write("application.sl.yml", "version: 1\napplication:\n  name: mine\n  audit:\n    activ: false\n")
    with pytest.raises(ProjectError) as caught:
        files.read()
    assert [(each.line, each.message) for each in caught.value.findings] == [
        (3, "name is not a known key"),
        (5, "activ is not a known key"),
    ]
    assert "did you mean active?" in caught.value.findings[1].hint


def test_keys_for_spark_are_accepted(files):
    files.write(
        "application.sl.yml", "version: 1\napplication:\n  spark: {yarn: {x: 1}}\n  sparkScheduling: {maxJobs: 2}\n"
    )
    assert files.read().application.connections == {}


def test_variables_from_the_lowest_to_the_highest(files):
    files.write("env.sl.yml", "version: 1\nenv: {a: base, b: base, c: base}")
    files.write("env.QA.sl.yml", "version: 1\nenv: {b: qa, c: qa}")
    variables = files.read({"SL_ENV": "QA", "a": "os", "z": "os"}, {"c": "option"}).environment
    assert [variables[name] for name in "abcz"] == ["base", "qa", "option", "os"]
    assert variables["SL_ENV"] == "QA"


def test_the_profile_may_come_from_the_base_file_or_an_option(files):
    files.write("env.sl.yml", "version: 1\nenv: {SL_ENV: DEV, a: '{{b}}-a', b: base}")
    files.write("env.DEV.sl.yml", "version: 1\nenv: {b: dev}")
    files.write("env.QA.sl.yml", "version: 1\nenv: {b: qa}")
    assert files.read().environment["a"] == "dev-a"
    assert files.read(options={"SL_ENV": "QA"}).environment["a"] == "qa-a"
    assert files.read({"SL_ENV": "NONE"}).environment["a"] == "base-a"


def test_folders_cannot_be_changed_by_env_files(files):
    files.write("env.sl.yml", "version: 1\nenv: {SL_ROOT: /elsewhere, SL_DATASETS: /elsewhere}")
    variables = files.read().environment
    assert variables["SL_ROOT"] == str(files.root)
    assert variables["SL_DATASETS"] == f"{files.root}/datasets"


@pytest.mark.parametrize("name", ['a "b"', "it's", "back\\slash", "a #b: c", "[a]", '"', "{{x}}", "süß", "a;b=c"])
def test_a_folder_is_read_as_it_is_whatever_its_characters_mean_in_yaml(tmp_path, name):
    files = Files(tmp_path / name)
    files.write("application.sl.yml", APPLICATION)
    files.write("env.sl.yml", "version: 1\nenv: {landing: '{{SL_ROOT}}/landing'}")
    config = "version: 1\nload:\n  metadata:\n    directory: %s\n"
    for domain, directory in {
        "double": '"{{SL_ROOT}}/in"',
        "single": "'${SL_INCOMING}/in'",
        "plain": "{{SL_DATASETS}}/in",
        "own": '"{{landing}}/in"',
    }.items():
        files.write(f"load/{domain}/_config.sl.yml", config % directory)
        files.write(f"load/{domain}/orders.sl.yml", TABLE)
    project = files.read()
    root = tmp_path / name
    assert duckdb_file(project.application.connections["duckdb"], project.areas) == root / "datasets" / "duckdb.db"
    assert {domain.name: domain.metadata.directory for domain in project.domains} == {
        "double": f"{root}/in",
        "single": f"{root}/datasets/incoming/in",
        "plain": f"{root}/datasets/in",
        "own": f"{root}/landing/in",
    }


def test_env_values_must_be_texts(files):
    files.write("env.sl.yml", "version: 1\nenv:\n  a: 1\n  b: [1]\n")
    with pytest.raises(ProjectError, match=r"env\.sl\.yml:4: b must be a string"):
        files.read()


def test_references_between_variables():
    layers = [{"HOME": "/h"}, {"x": "${HOME}/x {{nosuch}} ${nosuch}", "HOME": "{{HOME}}/more"}, {"y": "{{ x }}"}]
    resolved = resolve_variables(layers)
    assert resolved.values == {
        "HOME": "/h/more",
        "x": "/h/more/x  ${nosuch}",
        "y": "/h/more/x  ${nosuch}",
    }
    assert {(missing.variable, missing.name) for missing in resolved.missing} == {("x", "nosuch")}


def test_values_of_env_files_are_jinja():
    zone = "{{ zone | default('cet') }}"
    layers = [{"HOME": "/h"}, {"x": "{{ HOME if HOME else '' }}{{ zone | upper }}", "zone": zone}]
    assert resolve_variables(layers) == ({"HOME": "/h", "x": "/hCET", "zone": "cet"}, ())


def test_a_circle_of_variables_is_named():
    with pytest.raises(StarlakeError, match="a -> b -> a"):
        resolve_variables([{}, {"a": "{{b}}", "b": "{{a}}"}])


def test_a_circle_that_the_environment_ends_is_none():
    assert resolve_variables([{"a": "1"}, {"a": "{{a}}2"}, {"a": "{{a}}3"}]).values == {"a": "123"}


def test_date_variables():
    now = datetime(2024, 3, 4, 5, 6, 7, 89_000, tzinfo=timezone.utc)
    variables = clock_variables(now)
    assert (variables["sl_date"], variables["sl_datetime"]) == ("20240304", "20240304050607")
    assert (variables["sl_milli"], variables["sl_epoch_second"]) == ("089", "1709528767")
    assert variables["sl_epoch_milli"] == "1709528767089"


def test_areas(files):
    files.write("application.sl.yml", "version: 1\napplication: {area: {stage: waiting, archive: /mnt/archive}}")
    areas = files.read({"SL_AREA_REPLAY": "gs://bucket/replay"}).areas
    datasets = files.root / "datasets"
    assert areas.stage("shop") == datasets / "waiting" / "shop"
    assert areas.archive("shop") == Path("/mnt/archive/shop")
    assert areas.ingesting("shop") == datasets / "ingesting" / "shop"
    assert areas.address("replay", "shop") == "gs://bucket/replay/shop"


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("SL_ARCHIVE", "false", lambda app: app.archive is False),
        ("SL_GROUPED", "true", lambda app: app.grouped is True),
        ("SL_REJECT_ALL_ON_ERROR", "true", lambda app: app.reject_all_on_error is True),
        ("SL_DROP_COLUMNS", "true", lambda app: app.drop_columns is True),
        ("SL_AUDIT_DOMAIN", "journal", lambda app: app.audit.domain == "journal"),
        ("SL_AUDIT_SINK_CONNECTION_REF", "x", lambda app: app.audit.sink.connection_ref == "x"),
        ("SL_EXPECTATIONS_FAIL_ON_ERROR", "true", lambda app: app.expectations.fail_on_error is True),
        ("SL_LOAD_STRATEGY", "ai.starlake.job.load.IngestionNameStrategy", lambda app: app.files_by_name is True),
        ("SL_DAG_REF_LOAD", "nightly", lambda app: app.dag_ref.load == "nightly"),
    ],
)
def test_environment_variables_that_are_settings(files, name, value, read):
    assert not read(files.read().application)
    assert read(files.read({name: value}).application)


def test_an_environment_variable_with_a_wrong_value(files):
    with pytest.raises(ProjectError, match="archive"):
        files.read({"SL_ARCHIVE": "perhaps"})


def test_connections_of_tables_and_tasks(shop):
    shop.write(
        "application.sl.yml",
        """
        version: 1
        application:
          connectionRef: main
          transformConnectionRef: calc
          connections:
            main: {type: jdbc, options: {url: "jdbc:duckdb:{{SL_ROOT}}/main.db"}}
            calc: {type: jdbc, options: {url: "jdbc:duckdb:calc.db;threads=2", password: hunter2}}
            bq: {type: bigquery}
        """,
    )
    shop.write("transform/kpi/a.sql", "SELECT 1 AS x")
    shop.write("transform/kpi/b.sql", "SELECT 1 AS x")
    shop.write("transform/kpi/b.sl.yml", "version: 1\ntask: {sink: {connectionRef: bq}}")
    project = shop.read()
    items = (project.table("shop", "orders"), project.task("kpi.a"), project.task("kpi.b"))
    files = [duckdb_file(project.connection_of(item), project.areas) for item in items]
    assert files == [shop.root / "main.db", shop.root / "calc.db", None]
    assert "hunter2" not in repr(project.application)
    with pytest.raises(StarlakeError, match="the connection mian does not exist") as caught:
        shop.read({"SL_CONNECTION_REF": "mian"}).connection_of(project.table("shop", "orders"))
    assert "did you mean main?" in str(caught.value)


def test_schedules(files):
    files.write("application.sl.yml", "version: 1\napplication: {schedulePresets: {nightly: 0 3 * * *}}")
    application = files.read().application
    assert application.cron("nightly") == "0 3 * * *"
    assert application.cron("daily") == "0 0 * * *"
    assert application.cron("5 4 * * *") == "5 4 * * *"
    assert application.cron("None") is None
    assert application.cron(None) is None


def test_types_are_merged_by_name(files):
    files.write(
        "types/default.sl.yml", "version: 1\ntypes: [{name: string, pattern: '[a-z]*'}, {name: code, pattern: x}]"
    )
    files.write("types/types.sl.yml", "version: 1\ntypes: [{name: code, primitiveType: long, pattern: 'y+'}]")
    types = files.read().types
    assert (types["string"].pattern, types["code"].pattern) == ("[a-z]*", "y+")
    assert types["int"].pattern == r"[-|\+|0-9][0-9]*"
    with pytest.raises(StarlakeError, match="did you mean string"):
        files.read().type("sting")


def test_macros_can_be_called_in_what_is_rendered(files):
    files.write("macros/money.j2", "{% macro cents(c) %}{{ c }} * {{ factor }}{% endmacro %}")
    files.write("expectations/e/q.j2", "{% macro nulls(c) %}SELECT {{ cents(c) }}{% endmacro %}")
    project = files.read(options={"factor": "100"})
    assert project.render("{{ nulls('x') }}{{ missing | default('') }}", macros=True) == "SELECT x * 100"
    with pytest.raises(StarlakeError, match="the variable nobody is not defined"):
        project.render("{{ nobody('x') }}", macros=True)


def test_templates_cannot_reach_out_of_the_sandbox(files):
    with pytest.raises(StarlakeError):
        files.read().render("{{ ''.__class__.__mro__[1].__subclasses__() }}")


class TestObjectStores:
    """A project on an object store, which may not answer."""

    @pytest.fixture
    def address(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        """Yield a store that takes connections and never answers."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.getsockname()[1]}")
            yield f"gs://bucket/{server.getsockname()[1]}"

    def test_a_store_that_does_not_answer_is_not_a_missing_project(
        self, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ai.starlake.common.storage.file_layer._PATIENCE", 0.5)
        with pytest.raises(StarlakeError, match=rf"{address}/metadata cannot be reached\nTimeoutError: no answer"):
            read_settings(address, {})

    def test_an_error_of_the_driver_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError("you may not")

        monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.info", refuse)
        with pytest.raises(StarlakeError, match=r"cannot be reached\nPermissionError: you may not"):
            read_settings("memory://somewhere", {})

    def test_a_store_without_the_folder_has_no_project(self) -> None:
        with pytest.raises(StarlakeError, match="memory://nowhere is not a Starlake project"):
            read_settings("memory://nowhere", {})
