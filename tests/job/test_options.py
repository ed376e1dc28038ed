from __future__ import annotations

import json
import warnings
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from ai.starlake.common import MissingEnvironmentVariable, StarlakeError
from ai.starlake.dagster.job import StarlakeDagsterJob
from ai.starlake.dagster.shell import ShellOptions, StarlakeDagsterShellJob
from ai.starlake.executor import StarlakeExecutor
from ai.starlake.job import EnvironmentReference, JobOptions, StarlakeOptionWarning, StarlakePreLoadStrategy
from ai.starlake.job.job_options import StarlakeOptions, composed
from ai.starlake.orchestration import OrchestrationOptions

DEFAULTS = {
    "incoming_path": None,
    "pending_path": None,
    "global_ack_file_path": "{SL_DATASETS}/pending/{domain}/{{ds}}.ack",
    "ack_wait_timeout": 3600,
    "ack_poll_interval": 10,
    "pre_load_sensor": False,
    "pre_load_poke_interval": 300,
    "pre_load_timeout": 3600,
    "pre_load_sensor_soft_fail": False,
    "pre_load_check": "files",
    "pre_load_not_ready_sentinel_path": None,
    "retries": 0,
    "retry_delay": 300,
    "timezone": "UTC",
    "tags": "",
    "asset_key_style": "id",
    "event_log_lines": "important",
    "duckdb_lock": "auto",
    "duckdb_lock_timeout": 3600,
    "spark_executor_memory": "11g",
    "spark_executor_cores": 4,
    "spark_executor_instances": 1,
    "SL_STARLAKE_PATH": "starlake",
    "warm": False,
    "warm_servers": None,
    "warm_idle_timeout": 600,
    "warm_scope": "run",
    "warm_java": None,
    "warm_class_path": None,
    "warm_jvm_options": None,
    "warm_start_timeout": 120,
    "shell_runner": "process",
}

ACCEPTED: list[tuple[str, Any, Any]] = [
    ("sl_env_var", '{"SL_ROOT": "/p", "N": 3}', {"SL_ROOT": "/p", "N": "3"}),
    ("sl_env_var", {"T": {"env": "TOKEN"}}, {"T": EnvironmentReference("TOKEN")}),
    ("sl_env_var", "", {}),
    ("pre_load_strategy", "ACK", StarlakePreLoadStrategy.ACK),
    ("pre_load_strategy", StarlakePreLoadStrategy.PENDING, StarlakePreLoadStrategy.PENDING),
    ("ack_wait_timeout", "90", 90),
    ("ack_wait_timeout", 0, 0),
    ("pre_load_sensor", "true", True),
    ("retries", 0, 0),
    ("retries", "2", 2),
    ("retry_delay", 1.5, 1.5),
    ("timezone", "Europe/Paris", "Europe/Paris"),
    ("asset_key_style", "path", "path"),
    ("event_log_lines", "all", "all"),
    ("spark_executor_memory", "4g", "4g"),
    ("spark_executor_cores", "8", 8),
    ("tags", "", ""),
    ("incoming_path", "gs://bucket/in", "gs://bucket/in"),
    ("SL_STARLAKE_PATH", "/opt/my starlake/starlake", "/opt/my starlake/starlake"),
    ("SL_STARLAKE_PATH", ["python", "-m", "x"], ("python", "-m", "x")),
    ("warm", "true", True),
    ("warm_servers", "3", 3),
    ("warm_idle_timeout", "90", 90),
    ("warm_scope", "code_location", "code_location"),
    ("warm_class_path", "/opt/starlake.jar:/opt/spark/jars/*", ("/opt/starlake.jar", "/opt/spark/jars/*")),
    ("warm_class_path", ["/opt/starlake.jar"], ("/opt/starlake.jar",)),
    ("warm_jvm_options", "-Xmx4g '-Dname=a b'", ("-Xmx4g", "-Dname=a b")),
    ("warm_jvm_options", ["-Dname=a b"], ("-Dname=a b",)),
]

REFUSED: list[tuple[str, Any]] = [
    ("sl_env_var", "{not json"),
    ("sl_env_var", "[1, 2]"),
    ("sl_env_var", 5),
    ("sl_env_var", '{"A": [1]}'),
    ("sl_env_var", '{"A": null}'),
    ("pre_load_strategy", "sometimes"),
    ("pre_load_strategy", 5),
    ("ack_wait_timeout", -1),
    ("ack_wait_timeout", "soon"),
    ("ack_wait_timeout", float("nan")),
    ("ack_poll_interval", 0),
    ("pre_load_sensor", "perhaps"),
    ("pre_load_poke_interval", 0),
    ("pre_load_timeout", -1),
    ("retries", -1),
    ("retries", 1.5),
    ("retries", "many"),
    ("retry_delay", float("inf")),
    ("timezone", "Mars/Olympus"),
    ("asset_key_style", "key"),
    ("event_log_lines", "some"),
    ("pre_load_check", "guess"),
    ("starlake_version", "nonsense"),
    ("spark_executor_cores", 0),
    ("shell_runner", "bash"),
    ("SL_STARLAKE_PATH", ""),
    ("SL_STARLAKE_PATH", []),
    ("incoming_path", ["a"]),
    ("warm", "perhaps"),
    ("warm_servers", 0),
    ("warm_servers", "two"),
    ("warm_idle_timeout", 0),
    ("warm_idle_timeout", "soon"),
    ("warm_scope", "job"),
    ("warm_java", ""),
    ("warm_class_path", 5),
    ("warm_jvm_options", "'-Dname=a b"),
    ("warm_start_timeout", 0),
]


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items())
def test_defaults(name: str, default: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SL_STARLAKE_PATH", raising=False)
    assert getattr(ShellOptions.read({}), name) == default


@pytest.mark.parametrize(("name", "given_value", "value"), ACCEPTED)
def test_values_of_every_type_are_read(name: str, given_value: object, value: object) -> None:
    assert getattr(ShellOptions.read({name: given_value}), name) == value


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_wrong_value_is_an_error_that_names_the_option_and_what_it_accepts(name: str, value: object) -> None:
    with pytest.raises(StarlakeError) as caught:
        ShellOptions.read({name: value})
    assert f"option {name}" in str(caught.value)
    accepts = caught.value.fix or ShellOptions.model_fields[name].description
    assert accepts
    assert accepts in str(caught.value)


def test_all_wrong_values_are_named_at_once() -> None:
    with pytest.raises(StarlakeError) as caught:
        JobOptions.read({"retries": -1, "timezone": "Mars"})
    assert "option retries" in str(caught.value)
    assert "option timezone" in str(caught.value)


def test_invalid_json_says_where_and_hides_secrets() -> None:
    with pytest.raises(StarlakeError, match="not valid JSON") as caught:
        JobOptions.read({"sl_env_var": '{"DB_PASSWORD": "hunter2", "x": }'})
    assert "sl_env_var" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", ['"MARK"', "MARK", ["MARK"], '["MARK"]', '{"A": ["MARK"]}'])
def test_an_environment_that_is_not_accepted_is_not_shown(value: object) -> None:
    with pytest.raises(StarlakeError, match="sl_env_var") as caught:
        JobOptions.read({"sl_env_var": value})
    assert "MARK" not in str(caught.value)


def test_options_show_no_environment() -> None:
    read = JobOptions.read({"sl_env_var": {"DB_PASSWORD": "MARK"}})
    assert "MARK" not in f"{read!r} {read}"


def test_an_unknown_name_is_warned_of_once_with_the_nearest_known_one() -> None:
    with pytest.warns(StarlakeOptionWarning) as caught:
        JobOptions.read({"retires": 3})
    assert [str(warning.message) for warning in caught] == [
        "option retires is not known and is ignored; did you mean retries?"
    ]


def test_an_unknown_name_like_no_other_is_warned_of_without_a_guess() -> None:
    with pytest.warns(StarlakeOptionWarning, match=r"^option zzz is not known and is ignored$"):
        JobOptions.read({"zzz": 3})


READ_BY_PIPELINES = {
    "load_dependencies": "true",
    "run_dependencies_first": "true",
    "spark_config_name": "x",
    "start_date": "2026-01-01",
    "catchup": "false",
    "cron_period_frequency": "week",
    "dataset_triggering_strategy": "any",
    "optional_dataset_enabled": "true",
    "data_cycle_enabled": "true",
    "data_cycle": "daily",
    "SL_TIMEZONE": "Europe/Paris",
    "beyond_data_cycle_enabled": "true",
    "min_timedelta_between_runs": "900",
    "sl_include_env_vars": "x",
    "default_status": "running",
    "missed_intervals": "skip",
}


@pytest.mark.parametrize("name", READ_BY_PIPELINES)
def test_options_that_generated_files_set_for_pipelines_are_known(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        StarlakeDagsterShellJob(options={name: READ_BY_PIPELINES[name]})


def test_the_nearest_name_is_searched_among_the_options_of_executor_and_pipelines() -> None:
    with pytest.warns(StarlakeOptionWarning) as caught:
        StarlakeDagsterShellJob(options={"catch_up": "false", "shel_runner": "process"})
    assert [str(warning.message) for warning in caught] == [
        "option catch_up is not known and is ignored; did you mean catchup?",
        "option shel_runner is not known and is ignored; did you mean shell_runner?",
    ]


class OwnOptions(JobOptions):
    """The options of somebody's executor, of which one is for another program."""

    unread_options: ClassVar[frozenset[str]] = frozenset({"for_another_program"})
    own: int = Field(default=1, description="an option of its own")


class OwnJob(StarlakeDagsterJob[OwnOptions]):
    options_model = OwnOptions

    def make_executor(self) -> StarlakeExecutor:
        raise NotImplementedError


def test_the_options_of_somebodys_executor_and_of_pipelines_are_read_at_once() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        job = OwnJob(options={"own": "3", "catchup": "true", "for_another_program": 1, "sl_include_env_vars": "x"})
    assert job.settings.own == 3
    assert job.options_of(OrchestrationOptions).catchup
    assert job.options_of(OrchestrationOptions) is job.settings
    assert job.options_of(OwnOptions) is job.settings


def test_options_of_a_model_that_a_job_does_not_name_are_read_when_they_are_asked_for() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = StarlakeDagsterShellJob(options={"own": "3"})
    assert job.options_of(OwnOptions).own == 3


def test_models_are_composed_once() -> None:
    assert composed(JobOptions) is JobOptions
    assert composed(ShellOptions, JobOptions) is ShellOptions
    both = composed(ShellOptions, OrchestrationOptions)
    assert composed(ShellOptions, OrchestrationOptions) is both
    assert both.read({"SL_STARLAKE_PATH": "x", "data_cycle": "daily"}).timezone == "UTC"


class TestOver:
    """Options with some values in place of their own."""

    def test_what_is_read_already_stays_as_it_is(self) -> None:
        read = ShellOptions.read({"retries": "3", "starlake_version": "1.3.0", "max_rejected": "10%"})
        assert ShellOptions.over(read) is read
        assert JobOptions.over(read, retries=None) is read

    def test_changes_are_checked_and_take_precedence(self) -> None:
        given = {
            "sl_env_var": '{"A": "1"}',
            "retries": "3",
            "starlake_version": "1.3.0",
            "max_rejected": "10%",
            "SL_TIMEZONE": "Europe/Paris",
            "start_date": "2026-01-01",
            "data_cycle": "none",
            "run_dependencies_first": "true",
        }
        read = composed(ShellOptions, OrchestrationOptions).read(given)
        changed = JobOptions.over(read, retries=4)
        assert changed.retries == 4
        assert changed.model_dump(exclude={"retries"}) == read.model_dump(exclude={"retries"})
        with pytest.raises(StarlakeError, match="option retries: -1 is not accepted"):
            JobOptions.over(read, retries=-1)

    def test_what_a_user_gave_is_read(self) -> None:
        assert JobOptions.over({"retries": "3", "unknown": 1}, retry_delay=5).retries == 3
        assert JobOptions.over(None, retry_delay=5).retry_delay == 5


def test_none_counts_as_not_given() -> None:
    assert JobOptions.read({"retries": None}).retries == 0


def test_the_environment_is_asked_for_names_in_upper_case_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SL_STARLAKE_PATH", "/from/the/environment")
    monkeypatch.setenv("retries", "9")
    options = ShellOptions.read({})
    assert isinstance(options, ShellOptions)
    assert (options.SL_STARLAKE_PATH, options.retries) == ("/from/the/environment", 0)
    given = ShellOptions.read({"SL_STARLAKE_PATH": "given"})
    assert isinstance(given, ShellOptions)
    assert given.SL_STARLAKE_PATH == "given"


def test_options_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        JobOptions.read({}).retries = 3


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.floats(allow_nan=False), max_size=5))
def test_the_text_of_an_object_and_the_object_are_one(variables: dict[str, Any]) -> None:
    as_text = JobOptions.read({"sl_env_var": json.dumps(variables)})
    assert as_text.environment == JobOptions.read({"sl_env_var": variables}).environment
    assert set(as_text.environment) == set(variables)


class TestGetContextVar:
    get = staticmethod(StarlakeOptions.get_context_var)

    def test_options_count_more_than_the_environment_and_that_more_than_the_default(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SL_X", "environment")
        assert self.get("SL_X", "default", {"SL_X": "option"}) == "option"
        assert self.get("SL_X", "default", {}) == "environment"
        monkeypatch.delenv("SL_X")
        assert self.get("SL_X", "default", {}) == "default"

    def test_names_in_lower_case_are_not_looked_up_in_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("sl_x", "environment")
        with pytest.raises(MissingEnvironmentVariable, match="sl_x"):
            self.get("sl_x")

    @pytest.mark.parametrize("value", [0, False, "", 0.0])
    def test_falsy_values_are_values(self, value: object) -> None:
        assert self.get("x", None, {"x": value}) is value
        assert self.get("x", 5, {"x": value}) is value

    @pytest.mark.parametrize(("value", "text"), [(True, "True"), (False, "False"), (0, "0")])
    def test_a_text_is_returned_where_the_default_is_one(self, value: object, text: str) -> None:
        assert self.get("load_dependencies", "False", {"load_dependencies": value}) == text

    def test_a_falsy_default_is_a_default(self) -> None:
        assert self.get("x", "", {}) == ""
        assert self.get("x", 0) == 0
