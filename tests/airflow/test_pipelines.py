"""Pipelines of generated files become DAGs: ids, groups, edges, trigger rules, outlets and arguments."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ai.starlake.airflow.pipelines import AirflowOrchestration
from ai.starlake.common import StarlakeError
from ai.starlake.job import IStarlakeJob
from ai.starlake.orchestration import StarlakeSchedule
from tests.airflow.airflow_home import dag_bag
from tests.airflow.dag_files import DATAPROC, dag_of, dags_of, edges, load_file, node, table, transform_file

ONE = [("daily", "0 5 * * *", {"crm": ["people"], "shop": ["orders", "lines"]})]
TWO = [("daily", "0 5 * * *", {"crm": ["people"]}), ("hourly", "0 * * * *", {"crm": ["calls"]})]
CHAIN = [node("kpi.c", node("kpi.b", node("kpi.a", table("shop.orders")), table("shop.lines")))]


def flat(*trees: dict[str, Any]) -> str:
    """Return the text of dependencies in which each transform of the trees is one of the file."""
    found: dict[str, dict[str, Any]] = {}

    def walk(tree: dict[str, Any]) -> None:
        if tree["task"]:
            found.setdefault(tree["data"]["name"], tree)
        for child in tree["children"]:
            walk(child)

    for tree in trees:
        walk(tree)
    return repr(json.dumps(list(found.values())))


@pytest.mark.parametrize(("strategy", "awaited"), [("imported", "incoming_files"), ("pending", "pending_files")])
def test_the_tasks_of_loads_have_the_ids_of_starlakes_own(tmp_path, strategy, awaited):
    dag = dag_of(load_file(tmp_path, ONE, pre_load_strategy=strategy))
    assert dag.dag_id == "shop_load"
    crm = ["crm.load_crm.load_crm_people", f"crm.pre_load_crm.check_crm_{awaited}"]
    crm += ["crm.pre_load_crm.skip_or_start_loading_crm", *(["crm.pre_load_crm.import_crm"] * (strategy == "imported"))]
    assert {task for task in dag.task_ids if task.startswith("crm")} == set(crm)
    assert {"start", "end", "shop.load_shop.load_shop_orders", "shop.load_shop.load_shop_lines"} <= set(dag.task_ids)


def test_the_tasks_of_each_of_several_schedules_are_a_dag(tmp_path):
    dags = dags_of(load_file(tmp_path, TWO, pre_load_strategy="ack"))
    assert sorted(dags) == ["shop_load_daily", "shop_load_hourly"]
    assert sorted(dags["shop_load_daily"].task_ids) == [
        "crm_daily.load_crm_daily.load_crm_people",
        "crm_daily.pre_load_crm_daily.check_crm_ack_file",
        "crm_daily.pre_load_crm_daily.skip_or_start_loading_crm_daily",
        "end_daily",
        "start_daily",
    ]


def test_loads_come_after_their_check_and_before_the_end(tmp_path):
    dag = dag_of(load_file(tmp_path, ONE, pre_load_strategy="imported"))
    assert edges(dag) == {
        *(f"start >> check_{d}_incoming_files" for d in ("crm", "shop")),
        *(f"check_{d}_incoming_files >> skip_or_start_loading_{d}" for d in ("crm", "shop")),
        *(f"skip_or_start_loading_{d} >> import_{d}" for d in ("crm", "shop")),
        "import_crm >> load_crm_people",
        "import_shop >> load_shop_orders",
        "import_shop >> load_shop_lines",
        *(f"{load} >> end" for load in ("load_crm_people", "load_shop_orders", "load_shop_lines")),
    }
    rules = {task.task_id: task.trigger_rule.value for task in dag.tasks if task.trigger_rule.value != "all_success"}
    assert rules == {"end": "none_failed"}


def test_without_a_check_loads_come_right_after_the_start(tmp_path):
    dag = dag_of(load_file(tmp_path, ONE))
    loads = ("load_crm_people", "load_shop_orders", "load_shop_lines")
    assert edges(dag) == {*(f"start >> {load}" for load in loads), *(f"{load} >> end" for load in loads)}


def test_what_is_made_is_an_asset(tmp_path):
    dag = dag_of(load_file(tmp_path, [("daily", None, {"Crm": ["People"]})]))
    outlets = {task.task_id: [(asset.name, asset.uri) for asset in task.outlets] for task in dag.tasks}
    assert outlets == {
        "start": [],
        "Crm.load_Crm.load_Crm_People": [("crm_people", "crm_people")],
        "end": [("shop_load", "shop_load")],
    }


def test_the_end_does_not_record_the_table_that_the_file_is_named_after_a_second_time(tmp_path):
    dag = dag_of(load_file(tmp_path, [("daily", None, {"crm": ["people"]})], name="crm_people.py"))
    assert dag.get_task("end").outlets == []


def test_transforms_run_after_what_they_read(tmp_path):
    dag = dag_of(transform_file(tmp_path, flat(*CHAIN)))
    assert sorted(dag.task_ids) == ["end", "kpi_a_task", "kpi_b_task", "kpi_c_task", "start"]
    assert edges(dag) >= {"start >> kpi_a_task", "kpi_a_task >> kpi_b_task", "kpi_b_task >> kpi_c_task"}
    assert edges(dag) - {"kpi_b_task >> end", "kpi_a_task >> end"} == {
        "start >> kpi_a_task",
        "kpi_a_task >> kpi_b_task",
        "kpi_b_task >> kpi_c_task",
        "kpi_c_task >> end",
    }


@pytest.mark.parametrize(("width", "depth"), [(3, 3), (3, 7)])
def test_all_that_transforms_depend_on_runs_first_however_deep(tmp_path, width, depth):
    below = [table("earth.ground")]
    layers = []
    for level in range(depth):
        layer = [node(f"tower.t{level}_{number}") for number in range(width)]
        layers.append(layer)
    known = {}
    for level, layer in enumerate(layers):
        for each in layer:
            known[each["data"]["name"]] = {**each, "children": below if level == 0 else layers[level - 1]}
    file = transform_file(tmp_path, repr(json.dumps(list(known.values()))), run_dependencies_first="true")
    dag = dag_of(file)
    tasks = {f"tower_t{level}_{number}_task" for level in range(depth) for number in range(width)}
    assert set(dag.task_ids) == {"start", "end", "earth_ground_table", *tasks}
    assert dag.get_task("tower_t1_0_task").upstream_task_ids == {f"tower_t0_{number}_task" for number in range(width)}
    assert dag.get_task("tower_t0_0_task").upstream_task_ids == {"earth_ground_table"}
    assert dag.schedule is None


def test_a_thousand_transforms_are_read_in_linear_time(tmp_path):
    tasks = "[{'data': {'name': f'kpi.t{n}', 'typ': 'task', 'sink': f'kpi.t{n}'}, 'task': True, 'children': "
    tasks += "[{'data': {'name': f'kpi.t{n - 1}', 'typ': 'task'}, 'task': True}] if n else []} for n in range(1000)]"
    dag = dag_of(transform_file(tmp_path, f"json.dumps({tasks})", run_dependencies_first="true"))
    assert len(dag.tasks) == 1_002


def test_a_cluster_is_there_for_all_tasks_and_no_failure_is_lost(tmp_path):
    file = transform_file(tmp_path, flat(*CHAIN), environment="DATAPROC", **DATAPROC)
    dag = dag_of(file)
    create, delete = dag.get_task("create_kpi_tasks_cluster"), dag.get_task("delete_kpi_tasks_cluster")
    tasks = {"kpi_a_task", "kpi_b_task", "kpi_c_task"}
    assert create.upstream_task_ids == {"start"}
    assert create.is_setup
    assert delete.is_teardown
    assert dag.get_task("kpi_a_task").upstream_task_ids == {create.task_id}
    # nothing runs any more when it is deleted, and the end hears of every failure
    assert dag.get_task("all_done").upstream_task_ids == tasks
    assert dag.get_task("all_done").trigger_rule.value == "all_done"
    assert delete.upstream_task_ids == {"all_done", create.task_id}
    assert dag.get_task("end").upstream_task_ids == {*tasks, delete.task_id}
    assert dag.get_task("end").trigger_rule.value == "none_failed"


def test_loads_on_a_cluster_have_the_same_guarantees(tmp_path):
    dag = dag_of(load_file(tmp_path, ONE, environment="DATAPROC", **DATAPROC))
    loads = {task for task in dag.task_ids if ".load_" in task}
    assert dag.get_task("all_done").upstream_task_ids == loads
    assert dag.get_task("end").upstream_task_ids == {*loads, "delete_shop_load_cluster"}


def test_two_tables_of_one_asset_are_refused(tmp_path):
    bag = dag_bag(load_file(tmp_path, [("daily", None, {"a_b": ["c"], "a": ["b_c"]})]))
    (error,) = bag.import_errors.values()
    assert "a_b.c" in error
    assert "a.b_c" in error


def test_arguments_of_tasks_come_from_the_options_the_file_and_the_defaults(tmp_path):
    options = {"default_dag_args": '{"retries": 4, "owner": "me"}', "retry_delay": "7"}
    dag = dag_of(load_file(tmp_path, ONE, extra="default_dag_args['email_on_retry'] = True", **options))
    assert dag.default_args == {
        "depends_on_past": False,
        "email_on_failure": False,
        "email_on_retry": True,
        "owner": "me",
        "retries": 4,
        "retry_delay": timedelta(seconds=7),
    }
    load = dag.get_task("crm.load_crm.load_crm_people")
    assert (load.retries, load.retry_delay, load.owner) == (4, timedelta(seconds=7), "me")


def test_arguments_of_the_dag_come_from_the_options_and_the_file(tmp_path):
    extra = "user_defined_macros = {'twice': lambda x: 2 * x}\nuser_defined_filters = {'half': lambda x: x / 2}\n"
    dag = dag_of(load_file(tmp_path, ONE, extra=extra, tags="nightly eu", max_active_runs="7", default_pool="slow"))
    assert dag.description == "what it is for"
    assert dag.tags == {"nightly", "eu", "crm", "shop"}
    assert dag.max_active_runs == 7
    assert dag.user_defined_macros["twice"](4) == 8
    assert dag.user_defined_filters["half"](4) == 2
    assert dag.get_task("crm.load_crm.load_crm_people").pool == "slow"


def test_the_macros_of_starlake_are_there_beside_those_of_the_file(tmp_path):
    dag = dag_of(load_file(tmp_path, ONE, extra="user_defined_macros = {'mine': str}"))
    names = {"sl_dates", "ts_as_datetime", "sl_scheduled_date", "sl_scheduled_dataset", "mine"}
    assert names <= set(dag.user_defined_macros)


def test_options_of_single_tasks_come_from_the_variable_jobs(tmp_path):
    file = transform_file(tmp_path, flat(*CHAIN), extra="jobs = {'kpi.b': {'options': 'country=FR'}}")
    assert "country=FR" in " ".join(dag_of(file).get_task("kpi_b_task").command.argv)


def test_operators_of_others_join_the_dag_in_the_with_statement(tmp_path):
    file = load_file(tmp_path, [("daily", None, {"crm": ["people"]})])
    text = file.read_text().replace(
        "            end = pipeline.end_task()\n",
        "            end = pipeline.end_task()\n"
        "            from airflow.providers.standard.operators.empty import EmptyOperator\n"
        "            end.task >> EmptyOperator(task_id='mine')\n",
    )
    file.write_text(text)
    assert "end >> mine" in edges(dag_of(file))


def test_the_dag_is_a_variable_of_the_module_too(tmp_path: Path):
    namespace: dict[str, Any] = {"__file__": str(tmp_path / "shop_load.py"), "__name__": "shop_load"}
    file = load_file(tmp_path, ONE)
    exec(compile(file.read_text(), file, "exec"), namespace)
    assert namespace["shop_load"] is namespace["pipelines"][0].dag
    assert namespace["shop_load"].fileloc == str(file)


def test_the_roles_that_see_the_dag_are_those_of_the_file(tmp_path):
    rights = {"SL_1_VIEWER": {"DAGs": {"can_read"}}}
    bag = dag_bag(load_file(tmp_path, ONE, extra=f"access_control = {rights}"))  # Airflow itself warns of it
    assert bag.dags["shop_load"].access_control == rights


class OtherJob(IStarlakeJob[Any]):
    """A job of somebody who does not know Airflow."""

    def sl_job(self, task_id, arguments, spark_config=None, *, dataset=None, **kwargs):
        raise NotImplementedError

    def dummy_op(self, task_id, **kwargs):
        raise NotImplementedError

    def _pre_load(self, domain, tables, strategy, **kwargs):
        raise NotImplementedError


def test_a_job_for_another_orchestrator_is_refused():
    with pytest.raises(StarlakeError, match="OtherJob does not make operators of Airflow"):
        AirflowOrchestration(OtherJob(), caller_globals={}).sl_create_pipeline(StarlakeSchedule("a"))


def test_a_circle_is_an_error_that_names_it(tmp_path):
    file = load_file(tmp_path, [("daily", None, {"crm": ["people"]})])
    text = file.read_text().replace(
        "            end << load_domains\n", "            end << load_domains\n            end >> start\n"
    )
    file.write_text(text)
    (error,) = dag_bag(file).import_errors.values()
    assert "wait for each other in a circle" in error


def test_start_and_end_are_those_of_the_pipeline(tmp_path):
    dag = dag_of(load_file(tmp_path, ONE))
    assert dag.start_date == datetime.fromisoformat("2025-01-01T00:00:00+00:00")
    assert [task.task_id for task in dag.roots] == ["start"]
    assert [task.task_id for task in dag.leaves] == ["end"]
