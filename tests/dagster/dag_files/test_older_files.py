"""Calls in DAG files of Starlake 1.1 to 1.3, and the errors of those that cannot run here."""

from __future__ import annotations

import pytest
from dagster import AssetKey, GraphDefinition, In, Nothing

from ai.starlake.common import NameCollisionError, StarlakeError
from ai.starlake.dataset import StarlakeDataset
from ai.starlake.orchestration import OrchestrationFactory, StarlakeDomain, StarlakeSchedule, StarlakeTable

CRON = "0 0 * * *"


def test_load_files_of_1_2_pass_cron_expressions_and_assets(factory):
    sl_job = factory()
    load = sl_job.sl_load(task_id=None, domain="shop", table="rows", ins={"domain": In(str)}, cron=CRON)
    check = sl_job.sl_pre_load(domain="shop", cron=CRON, pre_load_strategy="imported")
    assets = [AssetKey(sl_job.sl_dataset("shop_load", cron=CRON))]
    end = sl_job.dummy_op(task_id="end", ins={"result": In(str)}, assets=assets)
    assert (load.name, check.name, end.name) == ("shop_rows_load", "shop_pre_load", "end")
    assert sl_job.sl_dataset("shop.rows", cron=None) == "shop_rows"


def test_the_last_op_materializes_the_assets_of_its_file(factory, instance):
    sl_job = factory()
    nodes = [sl_job.dummy_op(task_id="end", assets=[AssetKey("shop_load")])]
    assert GraphDefinition("g", node_defs=nodes).to_job().execute_in_process(instance=instance).success
    assert instance.get_latest_materialization_event(AssetKey("shop_load"))


def test_load_files_of_1_3_pass_parameters_and_datasets(factory):
    schedule = StarlakeSchedule(
        name="daily", cron=CRON, domains=[StarlakeDomain("shop", tables=[StarlakeTable("rows")])]
    )
    with (
        OrchestrationFactory.create_orchestration(job=factory(pre_load_strategy="imported")) as orchestration,
        orchestration.sl_create_pipeline(schedule=schedule) as pipeline,
    ):
        start = pipeline.start_task(task_id="start_daily")
        parameters = {"cron": CRON, "schedule": "daily"}
        check = pipeline.sl_pre_load(domain="shop", tables={"rows"}, params=parameters)
        stage = pipeline.sl_import(task_id="import_shop", domain="shop", tables={"rows"}, params=parameters)
        load = pipeline.sl_load(task_id="load_shop_rows", domain="shop", table="rows", params={"cron": CRON})
        datasets = [StarlakeDataset(uri=pipeline.pipeline_id, cron=CRON)]
        end = pipeline.end_task(task_id="end_daily", output_datasets=datasets)
        start >> check >> stage >> load >> end
    assert len(list(pipeline.dag.graph.nodes)) == 5


def test_files_of_tasks_say_that_they_are_to_be_generated_again():
    with pytest.raises(ImportError, match=r"1\.2 or 1\.3\. Generate it again with starlake-dagster generate"):
        from ai.starlake.common import sort_crons_by_frequency  # noqa: F401


def test_other_names_are_as_unknown_as_ever():
    with pytest.raises(ImportError, match="cannot import name"):
        from ai.starlake.common import sort_of  # noqa: F401


def test_two_ops_of_one_task_are_refused_with_what_to_do(factory):
    sl_job = factory()
    sl_job.sl_transform("kpi_task", "kpi.sales", ins={"start": In(Nothing)})
    with pytest.raises(NameCollisionError, match="generate again"):
        sl_job.sl_transform("kpi_task", "kpi.sales", ins={"other": In(Nothing)})


def test_an_argument_that_nobody_knows_is_refused_still(factory):
    with pytest.raises(StarlakeError, match="crons is not a known argument of an op") as caught:
        factory().sl_load(None, "shop", "rows", crons=CRON)
    assert "pool" in str(caught.value)
    assert "params" not in str(caught.value)
