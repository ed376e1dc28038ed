"""Files of the shape that `dag-generate` writes, loaded as Dagster loads them, and run."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.orchestration.pipeline_runs import RunOptions

STARBAKE = Path(__file__).resolve().parents[3] / "samples" / "starbake"

HEADER = """
description = "What the shops sold"
options = {options}
from ai.starlake.job import StarlakeOrchestrator, StarlakeExecutionEnvironment
orchestrator = StarlakeOrchestrator.DAGSTER
execution_environment = StarlakeExecutionEnvironment.{environment}
{globals}
import os
import sys
from ai.starlake.job import StarlakeJobFactory, StarlakePreLoadStrategy
from ai.starlake.common import sanitize_id
from ai.starlake.orchestration import (
    AbstractTask, AbstractTaskGroup, OrchestrationFactory, StarlakeDependencies, StarlakeDependency,
    StarlakeDependencyType, StarlakeDomain, StarlakeSchedule, StarlakeTable, TreeNodeMixin,
)
sl_job = StarlakeJobFactory.create_job(
    filename=os.path.basename(__file__), module_name=f"{{__name__}}", orchestrator=orchestrator,
    execution_environment=execution_environment,
    options=dict(options, **sys.modules[__name__].__dict__.get("jobs", {{}})),
)
"""

LOAD = """
schedules = [
    StarlakeSchedule(name=name, cron=cron, domains=[
        StarlakeDomain(name=domain, final_name=domain, tables=[StarlakeTable(name=t, final_name=t) for t in tables])
        for domain, tables in domains.items()
    ])
    for name, cron, domains in {schedules}
]
with OrchestrationFactory.create_orchestration(job=sl_job) as orchestration:
    def generate(schedule):
        if len(schedules) == 1:
            schedule.name = None
        with orchestration.sl_create_pipeline(schedule=schedule) as pipeline:
            suffix = f"_{{sanitize_id(pipeline.schedule.name)}}" if pipeline.schedule.name else ""
            start = pipeline.start_task()
            pre_tasks = pipeline.pre_tasks()
            if pre_tasks:
                start >> pre_tasks
            def domain_group(domain):
                name = domain.name + suffix
                with orchestration.sl_create_task_group(group_id=sanitize_id(name), pipeline=pipeline) as group:
                    ready = None
                    if pipeline.pre_load_strategy != StarlakePreLoadStrategy.NONE:
                        group_id = f"pre_load_{{name}}"
                        with orchestration.sl_create_task_group(group_id=group_id, pipeline=pipeline) as ready:
                            tables = set([table.name for table in domain.tables])
                            pre_load = pipeline.sl_pre_load(domain=domain.name, tables=tables)
                            skip = pipeline.skip_or_start(task_id=f"skip_{{name}}", upstream_task=pre_load)
                            if skip:
                                pre_load >> skip
                            if pipeline.pre_load_strategy == StarlakePreLoadStrategy.IMPORTED:
                                (skip or pre_load) >> pipeline.sl_import(
                                    task_id=f"import_{{name}}", domain=domain.name, tables=tables
                                )
                    with orchestration.sl_create_task_group(group_id=f"load_{{name}}", pipeline=pipeline) as loads:
                        for table in domain.tables:
                            task_id = sanitize_id(f"load_{{domain.name}}_{{table.name}}")
                            pipeline.sl_load(task_id=task_id, domain=domain.name, table=table.name)
                    if ready:
                        ready >> loads
                return group
            groups = [domain_group(domain) for domain in schedule.domains]
            end = pipeline.end_task()
            (start >> pre_tasks >> groups) if pre_tasks else (start >> groups)
            end << groups
            post_tasks = pipeline.post_tasks()
            if post_tasks:
                all_done = pipeline.sl_dummy_op(task_id="all_done")
                all_done << groups
                all_done >> post_tasks >> end
        return pipeline
    pipelines = [generate(schedule) for schedule in schedules]
"""

TRANSFORM = """
cron = "{cron}"
dependencies = StarlakeDependencies(
    dependencies=\"\"\"{dependencies}\"\"\",
    filtered_datasets=sys.modules[__name__].__dict__.get("filtered_datasets", set()),
)
with OrchestrationFactory.create_orchestration(job=sl_job) as orchestration:
    with orchestration.sl_create_pipeline(dependencies=dependencies) as pipeline:
        graphs = pipeline.graphs
        start = pipeline.start_task()
        pre_tasks = pipeline.pre_tasks()
        if pre_tasks:
            start >> pre_tasks
        end = pipeline.end_task()
        post_tasks = pipeline.post_tasks()
        all_done = None
        if post_tasks:
            all_done = pipeline.sl_dummy_op(task_id="all_done")
            all_done >> post_tasks >> end
        for graph in graphs:
            parents = [pipeline.dependency_to_task(parent.node) for parent in graph.parents]
            task = pipeline.dependency_to_task(graph.node)
            if parents:
                task << parents
                (pre_tasks or start) >> parents
            else:
                (pre_tasks or start) >> task
            task >> (all_done or end)
pipelines = [pipeline]
"""

CLOUDS = {
    "DATAPROC": {
        "sl_env_var": '{"SL_ROOT": "gs://starbake/project"}',
        "dataproc_project_id": "starbake",
        "dataproc_name": "starbake",
        "spark_bucket": "starbake-spark",
        "spark_jar_list": "gs://starbake-spark/starlake.jar",
    },
    "CLOUD_RUN": {
        "sl_env_var": '{"SL_ROOT": "gs://starbake/project"}',
        "cloud_run_project_id": "starbake",
        "cloud_run_job_name": "starlake",
        "cloud_run_job_region": "europe-west1",
    },
}

DEPENDENCIES = json.dumps(
    [
        {
            "data": {
                "name": "Customers.CustomerLifeTimeValue",
                "typ": "task",
                "sink": "Customers.CustomerLifeTimeValue",
            },
            "children": [
                {"data": {"name": "starbake.Customers", "typ": "table", "sink": "None"}},
                {"data": {"name": "starbake.Orders", "typ": "table", "cron": "0 5 * * *"}},
            ],
        },
        {
            "data": {"name": "Customers.HighValueCustomers", "typ": "task"},
            "children": [{"data": {"name": "Customers.CustomerLifeTimeValue", "typ": "task"}}],
        },
    ]
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a file as it is generated from a template and options."""

    def write(
        template: str, options: dict[str, Any], environment: str = "EMBEDDED", name: str = "shop.py", **given: Any
    ) -> Path:
        file = tmp_path / name
        given = {"globals": "", "schedules": "[]", "cron": "None", "dependencies": "[]", **given}
        text = (HEADER + template).format(options=options, environment=environment, **given)
        file.write_text(text)
        return file

    return write


@pytest.fixture
def imported() -> Iterator[Callable[[Path], ModuleType]]:
    """Yield a function that imports files as Dagster does."""
    names: list[str] = []

    def load(file: Path) -> ModuleType:
        name = f"generated_{len(names)}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        names.append(name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in names:
        del sys.modules[name]


@pytest.fixture
def starbake(tmp_path: Path) -> dict[str, Any]:
    """Return a project with files to load, as the options of a job."""
    shutil.copytree(STARBAKE, tmp_path / "starbake")
    return {"sl_env_var": json.dumps({"SL_ROOT": str(tmp_path / "starbake")}), "SL_TIMEZONE": "Europe/Paris"}


def schedules(*crons: tuple[str | None, str | None], tables: tuple[str, ...] = ("Customers", "Orders")) -> str:
    return repr([(name, cron, {"starbake": list(tables)}) for name, cron in crons])


def around(environment: str) -> tuple[str, str, set[str]]:
    """Return the tasks before and after the work of a pipeline, and their edges to its start and end."""
    if environment != "DATAPROC":
        return "start", "end", set()
    own = {
        "start >> create_dataproc_cluster",
        "all_done >> delete_dataproc_cluster",
        "delete_dataproc_cluster >> end",
    }
    return "create_dataproc_cluster", "all_done", own


class TestLoads:
    def test_a_domain_is_imported_and_loaded(
        self, write: Any, imported: Any, starbake: Any, run: Any, outcome: Any
    ) -> None:
        file = write(LOAD, {**starbake, "pre_load_strategy": "imported"}, schedules=schedules(("daily", "0 5 * * *")))
        module = imported(file)
        job = module.defs.get_job_def("shop")
        assert job.description == "What the shops sold"
        result = run(job, partition_key="2026-11-02T05:00:00+0100")
        assert result.success
        assert list(outcome(result)) == [
            "start",
            "starbake.pre_load_starbake.check_starbake_incoming_files",
            "starbake.pre_load_starbake.import_starbake",
            "starbake.load_starbake.load_starbake_Customers",
            "starbake.load_starbake.load_starbake_Orders",
            "end",
        ]
        found = {event.asset_key.to_user_string(): event.partition for event in result.all_events if event.asset_key}
        assert found == dict.fromkeys(["starbake_Customers", "starbake_Orders", "shop"], "2026-11-02T05:00:00+0100")

    def test_each_schedule_has_a_job(self, write: Any, imported: Any, starbake: Any) -> None:
        module = imported(
            write(LOAD, starbake, schedules=schedules(("daily", "0 5 * * *"), ("every hour", "0 * * * *")))
        )
        assert [pipeline.pipeline_id for pipeline in module.pipelines] == ["shop_daily", "shop_every_hour"]
        repository = module.defs.get_repository_def()
        assert {schedule.name: schedule.cron_schedule for schedule in repository.schedule_defs} == {
            "shop_daily_schedule": "0 5 * * *",
            "shop_every_hour_schedule": "0 * * * *",
        }
        assert {str(schedule.execution_timezone) for schedule in repository.schedule_defs} == {"Europe/Paris"}

    @pytest.mark.parametrize("environment", sorted(CLOUDS))
    def test_the_clouds_have_the_same_graph(
        self, write: Any, imported: Any, edges: Any, starbake: Any, environment: str
    ) -> None:
        given = {**CLOUDS[environment], "pre_load_strategy": "pending"}
        one = schedules(("daily", "0 5 * * *"))
        [pipeline] = imported(write(LOAD, given, environment, schedules=one)).pipelines
        assert "starbake.load_starbake.load_starbake_Orders" in pipeline.tasks_names
        check = "starbake.pre_load_starbake.check_starbake_pending_files"
        loads = [f"starbake.load_starbake.load_starbake_{table}" for table in ("Customers", "Orders")]
        first, last, own = around(environment)
        assert edges(pipeline) == {
            *own,
            f"{first} >> {check}",
            *(f"{check} >> {load}" for load in loads),
            *(f"{load} >> {last}" for load in loads),
            f"{check} >> {last}",
        }

    @pytest.mark.slow
    @pytest.mark.parametrize("environment", ["EMBEDDED", *sorted(CLOUDS)])
    def test_dagster_finds_the_definitions(self, write: Any, starbake: Any, tmp_path: Path, environment: str) -> None:
        options = CLOUDS.get(environment, starbake)
        file = write(LOAD, options, environment, "1st my-dag.v2.py", schedules=schedules(("daily", "0 5 * * *")))
        command = [sys.executable, "-m", "dagster", "definitions", "validate", "-f", str(file)]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr


class TestTransforms:
    def test_what_they_depend_on_runs_first(
        self, write: Any, imported: Any, starbake: Any, edges: Any, run: Any, outcome: Any
    ) -> None:
        options = {**starbake, "run_dependencies_first": "True"}
        module = imported(write(TRANSFORM, options, dependencies=DEPENDENCIES))
        [pipeline] = module.pipelines
        assert edges(pipeline) == {
            "start >> starbake_Customers_table",
            "start >> starbake_Orders_table",
            "starbake_Customers_table >> Customers_CustomerLifeTimeValue_task",
            "starbake_Orders_table >> Customers_CustomerLifeTimeValue_task",
            "Customers_CustomerLifeTimeValue_task >> Customers_HighValueCustomers_task",
            "Customers_HighValueCustomers_task >> end",
        }
        assert not module.defs.get_repository_def().sensor_defs
        staged = imported(
            write(
                LOAD,
                {**starbake, "pre_load_strategy": "imported"},
                name="stage.py",
                schedules=schedules((None, None), tables=("Customers", "Orders")),
            )
        )
        assert run(staged.defs.get_job_def("stage")).success
        result = run(pipeline.dag)
        assert result.success
        assert list(outcome(result))[-2:] == ["Customers_HighValueCustomers_task", "end"]

    def test_they_wait_for_what_they_depend_on(self, write: Any, imported: Any, starbake: Any, edges: Any) -> None:
        module = imported(write(TRANSFORM, starbake, dependencies=DEPENDENCIES))
        [pipeline] = module.pipelines
        assert [dataset.name for dataset in pipeline.datasets] == ["starbake.Customers", "starbake.Orders"]
        [sensor] = module.defs.get_repository_def().sensor_defs
        assert (sensor.name, sensor.job_name) == ("shop_sensor", "shop")
        assert edges(pipeline) == {
            "start >> Customers_CustomerLifeTimeValue_task",
            "Customers_CustomerLifeTimeValue_task >> Customers_HighValueCustomers_task",
            "Customers_HighValueCustomers_task >> end",
        }

    def test_the_variable_filtered_datasets_takes_some_of_them_away(
        self, write: Any, imported: Any, starbake: Any
    ) -> None:
        given = "filtered_datasets = {'starbake_customers'}"
        [pipeline] = imported(write(TRANSFORM, starbake, dependencies=DEPENDENCIES, globals=given)).pipelines
        assert [dataset.name for dataset in pipeline.datasets] == ["starbake.Orders"]

    def test_the_clock_starts_them_and_tells_their_interval(self, write: Any, imported: Any, starbake: Any) -> None:
        """D19: without quotes, which the peer leaves in the argument."""
        options = {**starbake, "start_date": "2026-11-01", "run_dependencies_first": "True"}
        module = imported(write(TRANSFORM, options, dependencies=DEPENDENCIES, cron="0 6 * * *"))
        repository = module.defs.get_repository_def()
        assert [schedule.name for schedule in repository.schedule_defs] == ["shop_schedule"]
        assert not repository.sensor_defs
        job = module.defs.get_job_def("shop")
        assert job.partitions_def.get_first_partition_key() == "2026-11-01T06:00:00+0100"
        [pipeline] = module.pipelines
        report = pipeline.runs.execute(pipeline.runs.date_of(date(2026, 11, 1)), RunOptions(dry=True))
        commands = {step.name: step.commands for step in report.steps}
        [command] = commands["Customers_HighValueCustomers_task"]
        assert "--scheduledDate 2026-11-01T05:00:00+0000 --options sl_data_interval_start=" in command
        assert command.endswith("=2026-11-01T05:00:00+0000,sl_data_interval_end=2026-11-02T05:00:00+0000")

    @pytest.mark.parametrize("environment", sorted(CLOUDS))
    def test_the_clouds_have_the_same_graph(self, write: Any, imported: Any, edges: Any, environment: str) -> None:
        [pipeline] = imported(write(TRANSFORM, CLOUDS[environment], environment, dependencies=DEPENDENCIES)).pipelines
        first, last, own = around(environment)
        assert edges(pipeline) == {
            *own,
            f"{first} >> Customers_CustomerLifeTimeValue_task",
            "Customers_CustomerLifeTimeValue_task >> Customers_HighValueCustomers_task",
            f"Customers_HighValueCustomers_task >> {last}",
        }


class TestPeerDefects:
    def test_o01_nothing_is_printed(
        self, write: Any, imported: Any, starbake: Any, capfd: pytest.CaptureFixture[str]
    ) -> None:
        imported(write(LOAD, starbake, schedules=schedules(("daily", "0 5 * * *"))))
        imported(write(TRANSFORM, starbake, dependencies=DEPENDENCIES))
        assert tuple(capfd.readouterr()) == ("", "")

    @pytest.mark.parametrize(
        "name", ["my-dag.py", "sales.v2.py", "1st dag.py", "données.py", "start.py", "starbake.py"]
    )
    def test_o02_any_name_of_a_file_will_do(self, write: Any, imported: Any, starbake: Any, name: str) -> None:
        module = imported(write(LOAD, starbake, name=name, schedules=schedules(("daily", "0 5 * * *"))))
        [job] = [job for job in module.defs.get_repository_def().get_all_jobs() if not job.name.startswith("__")]
        assert job.name == {
            "my-dag.py": "my_dag",
            "sales.v2.py": "sales_v2",
            "1st dag.py": "1st_dag",
            "données.py": "donnees",
        }.get(name, name.removesuffix(".py"))

    @pytest.mark.parametrize("domain", ["my-domain", "données", "start", "end", "shop", "load_sales", "input", "1st"])
    def test_o03_any_name_of_a_domain_will_do(
        self, write: Any, imported: Any, starbake: Any, run: Any, domain: str
    ) -> None:
        given = repr([("daily", None, {domain: ["t.v"], "sales": ["orders"]})])
        options = {**starbake, "pre_load_strategy": "pending"}
        module = imported(write(LOAD, options, schedules=given))
        assert run(module.defs.get_job_def("shop"), tags={"starlake/dry_run": "true"}).success

    @pytest.mark.parametrize(
        ("domains", "both"),
        [
            ({"a": ["b_c"], "a_b": ["c"]}, ["table a.b_c", "table a_b.c"]),
            ({"my-domain": [], "my_domain": []}, ["domain my-domain", "domain my_domain"]),
        ],
    )
    def test_o03_names_that_clash_are_both_named(
        self, write: Any, imported: Any, starbake: Any, domains: Any, both: list[str]
    ) -> None:
        file = write(LOAD, starbake, schedules=repr([("daily", None, domains)]))
        with pytest.raises(StarlakeError) as caught:
            imported(file)
        assert all(name in str(caught.value) for name in both)

    @pytest.mark.parametrize("place", ["orchestration", "pipeline", "group"])
    def test_o08_an_exception_reaches_the_user_as_it_is(self, make_module: Any, place: str) -> None:
        module = make_module()
        mine = KeyError("what went wrong")

        def body() -> None:
            with module.orchestration() as orchestration:
                if place == "orchestration":
                    raise mine
                with orchestration.sl_create_pipeline(SCHEDULE()) as pipeline:
                    if place == "pipeline":
                        raise mine
                    with orchestration.sl_create_task_group("g", pipeline):
                        raise mine

        with pytest.raises(KeyError) as caught:
            body()
        assert caught.value is mine
        assert caught.value.__context__ is None
        assert "defs" not in module.variables

    def test_o11_commands_are_the_same_in_every_process(
        self, write: Any, starbake: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        options = {**starbake, "pre_load_strategy": "imported"}
        tables = tuple(f"t{number}" for number in range(30))
        file = write(LOAD, options, schedules=schedules((None, None), tables=tables))
        code = (
            f"import runpy\nmodule = runpy.run_path({str(file)!r}, run_name='__main__')\n"
            "from datetime import datetime\n"
            "from ai.starlake.orchestration.pipeline_runs import RunOptions\n"
            "[pipeline] = module['pipelines']\n"
            "report = pipeline.runs.execute(pipeline.runs.date_of(datetime(2026, 3, 1)), RunOptions(dry=True))\n"
            "print(*[(step.name, step.commands) for step in report.steps], pipeline.tasks_names, sep='\\n')\n"
        )
        elsewhere = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": "1", "PYTHONPATH": str(STARBAKE.parents[1])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        exec(code)
        assert capsys.readouterr().out == elsewhere
        assert "--tables t0,t1,t10,t11" in elsewhere

    def test_g07_the_same_code_runs_where_a_cluster_is_made(
        self, write: Any, imported: Any, run: Any, outcome: Any
    ) -> None:
        file = write(LOAD, CLOUDS["DATAPROC"], "DATAPROC", schedules=schedules(("daily", None)))
        job = imported(file).defs.get_job_def("shop")
        waiting = {node.name for node in job.graph.nodes if node.definition.input_dict}
        assert waiting == {"create_dataproc_cluster", "starbake", "all_done", "delete_dataproc_cluster", "end"}
        result = run(job, tags={"starlake/dry_run": "true"})
        assert result.success
        assert list(outcome(result)) == [
            "start",
            "create_dataproc_cluster",
            "starbake.load_starbake.load_starbake_Customers",
            "starbake.load_starbake.load_starbake_Orders",
            "all_done",
            "delete_dataproc_cluster",
            "end",
        ]


def SCHEDULE() -> Any:  # noqa: N802  a constant that is created again
    from ai.starlake.orchestration import StarlakeDomain, StarlakeSchedule, StarlakeTable

    return StarlakeSchedule("daily", None, [StarlakeDomain("sales", "sales", [StarlakeTable("orders")])])
