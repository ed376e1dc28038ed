"""Options of jobs on Airflow: how they are read, and what they become as arguments of DAGs."""

from __future__ import annotations

import json
import os
import sys
import types
import warnings
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ai.starlake.airflow import DEFAULT_DAG_ARGS, StarlakeAirflowOptions
from ai.starlake.airflow.bash import StarlakeAirflowBashJob
from ai.starlake.common import MissingEnvironmentVariable, StarlakeError
from ai.starlake.job import StarlakeOptionWarning
from ai.starlake.orchestration.dates.first_day import DEFAULT_START

PARIS = ZoneInfo("Europe/Paris")


def job(**options: object) -> StarlakeAirflowBashJob:
    return StarlakeAirflowBashJob(options=options)


class TestGetContextVar:
    def test_generated_files_get_the_text_of_a_json_object(self):
        found = StarlakeAirflowOptions.get_context_var(var_name="default_dag_args", default_value="{}", options={})
        assert json.loads(found) == {}
        given = {"default_dag_args": {"retries": 3}}
        found = StarlakeAirflowOptions.get_context_var(var_name="default_dag_args", default_value="{}", options=given)
        assert json.loads(found) == {"retries": 3}
        assert found == job().get_context_var("default_dag_args", "{}", given)

    def test_options_come_first_then_the_environment_then_the_default(self, monkeypatch):
        monkeypatch.setenv("SOME_PATH", "/of/the/environment")
        assert StarlakeAirflowOptions.get_context_var("SOME_PATH", "/d", {"SOME_PATH": "/o"}) == "/o"
        assert StarlakeAirflowOptions.get_context_var("SOME_PATH", "/d", {}) == "/of/the/environment"
        assert StarlakeAirflowOptions.get_context_var("other", "/d", {}) == "/d"
        assert StarlakeAirflowOptions.get_context_var("other", options={"other": 0}) == 0

    def test_what_is_nowhere_is_an_error_not_a_lookup_of_a_variable(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW_VAR_OTHER", "of Airflow")
        with pytest.raises(MissingEnvironmentVariable, match="other is not defined"):
            StarlakeAirflowOptions.get_context_var("other")


class TestDefaultDagArgs:
    def test_the_defaults_are_those_of_generated_files(self):
        assert dict(DEFAULT_DAG_ARGS) == {
            "depends_on_past": False,
            "start_date": datetime(2025, 1, 1),  # noqa: DTZ001
            "email_on_failure": False,
            "email_on_retry": False,
            "retries": 1,
            "retry_delay": timedelta(minutes=5),
            "max_active_runs": 1,
        }
        # as generated files write it
        assert dict({"retries": 7, "owner": "me"}, **DEFAULT_DAG_ARGS)["retries"] == 1

    def test_options_take_precedence_over_those_of_the_file_and_these_over_the_defaults(self, monkeypatch):
        module = types.ModuleType("a_dag_file")
        module.default_dag_args = {**DEFAULT_DAG_ARGS, "owner": "file", "queue": "file"}
        monkeypatch.setitem(sys.modules, "a_dag_file", module)
        options = {"default_dag_args": '{"queue": "option", "execution_timeout": 60, "retries": 5}', "retries": "2"}
        found = StarlakeAirflowBashJob("f.py", "a_dag_file", options=options).default_dag_args()
        assert found["owner"] == "file"
        assert found["queue"] == "option"
        assert found["execution_timeout"] == timedelta(minutes=1)
        assert found["retries"] == 2
        assert found["retry_delay"] == timedelta(minutes=5)

    def test_the_shared_defaults_stay_as_they_are(self):
        job(retries=9, default_dag_args={"retries": 4}).default_dag_args()["owner"] = "x"
        assert "owner" not in DEFAULT_DAG_ARGS
        assert DEFAULT_DAG_ARGS["retries"] == 1

    def test_a_duration_is_in_seconds(self):
        assert job(retry_delay="90").default_dag_args()["retry_delay"] == timedelta(seconds=90)
        with pytest.raises(StarlakeError, match="retry_delay is not a number of seconds"):
            job(default_dag_args={"retry_delay": "soon"})

    def test_text_that_is_not_json_is_an_error_that_names_the_option(self):
        with pytest.raises(StarlakeError, match=r"option default_dag_args(.|\n)*not valid JSON"):
            job(default_dag_args="{retries: 1}")


class TestDates:
    @pytest.mark.parametrize("name", ["timezone", "SL_TIMEZONE"])
    def test_days_begin_in_the_time_zone_of_the_dag(self, name):
        """The peer takes them in the server's time, and does not read SL_TIMEZONE, which is what files set."""
        made = job(start_date="2026-01-01", end_date="2026-12-31", **{name: "Europe/Paris"})
        assert made.start_date == datetime(2026, 1, 1, tzinfo=PARIS)
        assert made.end_date == datetime(2026, 12, 31, tzinfo=PARIS)
        assert made.start_date.tzinfo.name == made.timezone == "Europe/Paris"
        assert made.default_dag_args()["start_date"] == made.start_date

    def test_without_an_option_it_is_that_of_the_file_and_else_a_fixed_day(self, tmp_path, monkeypatch):
        """Neither a deployment nor the age of the file changes it: the peer takes the day of its last change."""
        file = tmp_path / "loads.py"
        file.touch()
        os.utime(file, (0, datetime(2026, 3, 4, 12, tzinfo=ZoneInfo("UTC")).timestamp()))
        module = types.ModuleType("loads")
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, "loads", module)
        made = StarlakeAirflowBashJob("loads.py", "loads")
        assert made.start_date == job().start_date == datetime(2025, 1, 1, tzinfo=ZoneInfo("UTC"))
        assert made.start_date.date() == DEFAULT_START
        module.default_dag_args = {"start_date": datetime(2024, 2, 3, 4, 5)}  # noqa: DTZ001
        assert made.start_date == datetime(2024, 2, 3, 4, 5, tzinfo=ZoneInfo("UTC"))
        of_option = StarlakeAirflowBashJob("loads.py", "loads", options={"start_date": "2026-01-01"})
        assert (
            of_option.start_date
            == of_option.default_dag_args()["start_date"]
            == datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))
        )
        assert job().end_date is None

    def test_a_date_that_is_none_is_an_error(self):
        with pytest.raises(StarlakeError, match="option end_date: 'tomorrow'"):
            job(end_date="tomorrow")


class TestNames:
    def test_a_misspelt_option_is_named_with_the_right_one(self):
        with pytest.warns(StarlakeOptionWarning, match="option default_pol .* did you mean default_pool"):
            job(default_pol="x")

    def test_options_of_generated_files_are_known(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            job(
                sl_env_var="{}",
                pre_load_strategy="none",
                ack_wait_timeout="3600",
                retries="1",
                retry_delay="300",
                tags="a b",
                catchup="False",
                default_pool="default_pool",
                max_active_runs="3",
                cron_period_frequency="week",
                sl_schedule_parameter_name="sl_schedule",
                sl_schedule_format="%Y%m%dT%H%M",
                run_dependencies_first="False",
                dataset_triggering_strategy="any",
                data_cycle_enabled="false",
                data_cycle="none",
                min_timedelta_between_runs="900",
                airflow_api_conn_id="airflow_api",
                airflow_api_base_url="http://localhost",
                airflow_api_auth="jwt",
                pre_load_deferrable="true",
                SL_STARLAKE_PATH="starlake",
                sl_include_env_vars="*",
                SL_TIMEZONE="UTC",
            )

    def test_the_pool_has_the_name_of_airflow_or_that_of_dagster(self):
        assert job().pool == "default_pool"
        assert job(default_pool="loads").pool == job(pool="loads").pool == "loads"


class TestValues:
    def test_values_may_hold_commas_and_equals_signs(self):
        """The peer splits options at both, so that no URL of a JDBC driver passes."""
        url = "jdbc:sqlserver://h;database=a,b;user=c=d"
        made = job(sl_env_var=json.dumps({"DB_URL": url}))
        assert made.sl_env_vars["DB_URL"] == url
        assert made.sl_transform(None, "kpi.sales").command.environment["DB_URL"] == url

    def test_the_root_of_the_project_is_known(self, monkeypatch):
        assert job(sl_env_var={"SL_ROOT": "/data"}).sl_root == "/data"
        assert job().sl_root is None
        monkeypatch.setenv("SL_ROOT", "/of/the/environment")
        assert job().sl_root == "/of/the/environment"

    def test_options_are_kept_as_they_were_given(self):
        assert dict(job(tags="a").options) == {"tags": "a"}


def test_a_job_without_a_file_reads_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert StarlakeAirflowBashJob("not_there.py", "not_there").start_date.year == 2025
