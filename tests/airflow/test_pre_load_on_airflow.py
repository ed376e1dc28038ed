"""Pre-load checks on Airflow: decisions as on Dagster, waits that take no slot, and failures that are never a skip."""

from __future__ import annotations

import asyncio
import json
import shlex
import threading
import time
from datetime import datetime, timedelta, timezone
from pkgutil import resolve_name
from typing import Any, ClassVar

import fsspec
import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TriggerRule
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    DownstreamTasksSkipped,
    TaskDeferred,
)
from fsspec.implementations.memory import MemoryFileSystem

from ai.starlake.airflow.operators.pre_load_sensor import StarlakePreLoadSensor
from ai.starlake.airflow.operators.pre_load_trigger import StarlakePreLoadTrigger
from ai.starlake.common import StarlakeError
from ai.starlake.common.secrets import EnvironmentReference, JoinedReference
from ai.starlake.executor.shell import ShellExecutor
from ai.starlake.job import JobOptions
from ai.starlake.orchestration.command_runs.command_runner import CommandRunner
from ai.starlake.orchestration.preload.pre_load_watch import PreLoadWatch
from ai.starlake.orchestration.project_reading import read_project
from tests.airflow.airflow_home import AirflowRun, context_of, run_dag
from tests.airflow.dag_files import dag_of, load_file
from tests.airflow.supervised_task import SupervisedTask
from tests.fakes.fake_cli import FakeStarlake
from tests.fakes.small_project import Project
from tests.orchestration.pre_load_cases import CASES, FAILED, LOADED, RUN_DATE, SKIPPED, PreLoadCase
from tests.waiting import PATIENCE, meanwhile, wait_for, wait_until_gone, whole_lines

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
PATIENT = {"pre_load_sensor": "true", "pre_load_poke_interval": 0.02, "pre_load_timeout": 60}
AREAS = {"imported": "incoming", "pending": "stage"}


class Checks:
    """Makes pre-load sensors, and runs them as Airflow does in a worker."""

    def __init__(self, project: Project, fake: FakeStarlake) -> None:
        self.project = project
        self.fake = fake

    def runner(self, *, env=None, **options) -> CommandRunner:
        environment = {"SL_ROOT": str(self.project.root), **(env or {})}
        executable = options.pop("SL_STARLAKE_PATH", str(self.fake.path))
        settings = JobOptions.read({"sl_env_var": environment, "ack_wait_timeout": 0, **options})
        return CommandRunner(settings, lambda: ShellExecutor(executable, facts=read_project))

    def sensor(self, strategy, tables=(), *, dag_arguments=None, arguments=None, **options) -> StarlakePreLoadSensor:
        with DAG("a_dag", schedule=None, start_date=START, default_args=dag_arguments or {}):
            return StarlakePreLoadSensor(
                task_id="check",
                runner=self.runner(**options),
                domain="starbake",
                tables=tables,
                strategy=strategy,
                **(arguments or {}),
            )

    def execute(self, sensor, **context) -> bool:
        return sensor.execute(self.context(sensor, **context))

    def deferred(self, sensor, **context) -> TaskDeferred:
        with pytest.raises(TaskDeferred) as deferred:
            self.execute(sensor, **context)
        return deferred.value

    def context(self, sensor, **arguments) -> Any:
        return context_of(sensor.dag, "check", **{"logical_date": RUN_DATE, **arguments})


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture
def checks(project, fake, supervisor):
    return Checks(project, fake)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_decision(case: PreLoadCase, checks: Checks, project, fake, capsys):
    case.set_up(project, fake)
    sensor = checks.sensor(case.strategy, case.tables, env=dict(case.env), **case.options)
    failure, outcome = None, FAILED
    try:
        ready = checks.execute(sensor, conf={"dry_run": True} if case.dry_run else {})
        outcome = LOADED if ready else SKIPPED
    except AirflowException as error:
        failure = error
    text = "\n".join([capsys.readouterr().out, str(failure or "")])
    assert outcome == case.outcome, text
    assert case.says in text
    case.check_files(project)
    if failure:
        assert isinstance(failure, AirflowFailException) is not case.retries
    if case.dry_run:
        assert not fake.calls()


class TestPeerDefects:
    @pytest.mark.parametrize("code", [1, 2, 126, 127, 137])
    @pytest.mark.parametrize("waits", [False, True])
    def test_a05_a_check_that_fails_is_not_nothing_to_load(self, checks, fake, supervisor, code, waits):
        """Neither a skip, nor another poll (A27), whatever the exit code and the defaults of the DAG."""
        fake.behave("preload", exit_codes=[code])
        sensor = checks.sensor(
            "imported",
            pre_load_check="command",
            dag_arguments={"soft_fail": True, "never_fail": True, "silent_fail": True},
            **(PATIENT if waits else {}),
        )
        with pytest.raises(AirflowException, match=f"exit code {code}"):
            checks.execute(sensor)
        assert len(fake.calls("preload")) == 1
        assert not supervisor.xcoms

    def test_a27_retries_wait_in_one_window(self, checks):
        """The deadline stays; somebody who clears the task begins a new window."""
        sensor = checks.sensor("pending", arguments={"retries": 2}, **PATIENT)
        first = checks.deferred(sensor, try_number=1, max_tries=2)
        again = checks.deferred(sensor, try_number=2, max_tries=2)
        cleared = checks.deferred(sensor, try_number=4, max_tries=5)
        deadlines = [datetime.fromisoformat(each.trigger.deadline) for each in (first, again, cleared)]
        assert deadlines[1] == deadlines[0]
        assert deadlines[2] > deadlines[0]

    def test_a27_a_retry_after_the_window_does_not_wait(self, checks, project, supervisor):
        project.put("stage", "strange.csv")
        sensor = checks.sensor("pending", arguments={"retries": 1}, **PATIENT)
        checks.deferred(sensor, max_tries=1)
        (window,) = supervisor.task_state.values()
        window["start"] = (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()
        with pytest.raises(AirflowFailException) as failure:
            checks.execute(sensor, try_number=2, max_tries=1)
        culprit, cause, fix = str(failure.value).splitlines()
        assert culprit == "domain starbake has nothing to load"
        assert cause.startswith("no file in ")
        assert cause.endswith("within 60 s")
        assert "pre_load_timeout" in fix
        assert "pre_load_sensor_soft_fail" in fix

    def test_a29_the_ack_file_has_the_date_of_the_run(self, checks, project):
        """By default, whenever the file of the DAG is parsed."""
        today = project.put("pending", f"{datetime.now(timezone.utc):%Y-%m-%d}.ack")
        sensor = checks.sensor("ack")
        assert checks.execute(sensor) is False
        ack = project.put("pending", "2026-03-01.ack")
        assert checks.execute(sensor) is True
        assert (ack.exists(), today.exists()) == (False, True)


class TestWaits:
    @pytest.mark.parametrize("strategy", [*AREAS, "ack"])
    def test_it_waits_in_the_triggerer(self, checks, project, strategy, capsys):
        deferred = checks.deferred(checks.sensor(strategy, **PATIENT))
        assert isinstance(deferred.trigger, StarlakePreLoadTrigger)
        assert deferred.trigger.interval == 0.02
        assert timedelta(seconds=60) < deferred.timeout < timedelta(seconds=700)
        assert "waiting: no " in capsys.readouterr().out

    def test_an_ack_file_is_waited_for_as_on_dagster(self, checks):
        sensor = checks.sensor("ack", ack_wait_timeout=60, ack_poll_interval=7)
        assert checks.deferred(sensor).trigger.interval == 7

    def test_it_is_rescheduled_without_a_triggerer(self, checks):
        sensor = checks.sensor("pending", arguments={"deferrable": False}, **{**PATIENT, "pre_load_poke_interval": 30})
        before = datetime.now(timezone.utc)
        with pytest.raises(AirflowRescheduleException) as rescheduled:
            checks.execute(sensor)
        assert before + timedelta(seconds=30) <= rescheduled.value.reschedule_date
        assert sensor.reschedule

    def test_a_command_runs_in_a_worker_each_time(self, checks, fake):
        fake.behave("preload", ready=[False, True])
        sensor = checks.sensor("imported", pre_load_check="command", **PATIENT)
        with pytest.raises(AirflowRescheduleException):
            checks.execute(sensor)
        assert checks.execute(sensor) is True
        assert len(fake.calls("preload")) == 2

    def test_the_worker_decides_and_consumes_the_ack_file_once(self, checks, project):
        sensor = checks.sensor("ack", **PATIENT)
        deferred = checks.deferred(sensor)
        ack = project.put("pending", "2026-03-01.ack")
        assert events_of(deferred.trigger) == [{"status": "seen"}]
        assert ack.exists()
        assert sensor.look_again(checks.context(sensor), {"status": "seen"}) is True
        assert not ack.exists()

    def test_the_word_of_the_trigger_is_not_trusted(self, checks):
        """Another run may have consumed the ack file meanwhile."""
        sensor = checks.sensor("ack", **PATIENT)
        deadline = checks.deferred(sensor).trigger.deadline
        with pytest.raises(TaskDeferred) as deferred:
            sensor.look_again(checks.context(sensor), {"status": "seen"})
        assert deferred.value.trigger.deadline == deadline

    def test_a_trigger_that_failed_is_a_failure(self, checks):
        sensor = checks.sensor("pending", **PATIENT)
        with pytest.raises(AirflowException, match=r"(?s)triggerer could not wait.*no such disk.*pre_load_deferrable"):
            sensor.look_again(checks.context(sensor), {"status": "failed", "error": "no such disk"})

    def test_unless_the_worker_finds_something(self, checks, project):
        sensor = checks.sensor("pending", **PATIENT)
        project.put("stage")
        assert sensor.look_again(checks.context(sensor), {"status": "failed", "error": "no such disk"}) is True

    @pytest.mark.parametrize("error", ["Trigger timeout", "Trigger failure"])
    def test_a_triggerer_that_failed_is_a_failure(self, checks, error):
        sensor = checks.sensor("pending", dag_arguments={"soft_fail": True}, **PATIENT)
        with pytest.raises(AirflowException, match=f"(?s)triggerer could not wait.*{error}"):
            sensor.resume_execution("__fail__", {"error": error}, checks.context(sensor))

    def test_time_that_is_up_may_be_no_failure(self, checks, supervisor):
        options = {**PATIENT, "pre_load_sensor_soft_fail": "true", "env": {"SL_MISSING_FOLDERS": "empty"}}
        sensor = checks.sensor("pending", **options)
        checks.deferred(sensor)
        (window,) = supervisor.task_state.values()
        window["start"] = (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()
        assert sensor.look_again(checks.context(sensor), {"status": "late"}) is False

    @pytest.mark.parametrize("argument", ["soft_fail", "never_fail", "silent_fail", "timeout", "poke_interval", "mode"])
    def test_arguments_that_options_replace(self, checks, argument):
        with pytest.raises(StarlakeError, match=f"the argument {argument} is not accepted"):
            checks.sensor("pending", arguments={argument: 1})


class TestAsBefore:
    """An earlier try in this run found it ready: its files have been moved on, and its ack file is gone."""

    def test_it_is_loaded_again(self, checks, project, capsys):
        project.put("pending", "2026-03-01.ack")
        sensor = checks.sensor("ack")
        assert checks.execute(sensor) is True
        assert checks.execute(sensor, try_number=2) is True
        assert "an earlier try in this run found it ready: found ack file" in capsys.readouterr().out

    def test_a_skip_is_looked_at_again(self, checks, project):
        sensor = checks.sensor("ack")
        assert checks.execute(sensor) is False
        project.put("pending", "2026-03-01.ack")
        assert checks.execute(sensor, try_number=2) is True

    def test_an_airflow_without_a_memory_looks_again(self, checks, project):
        """Before 3.3."""
        project.put("stage")
        sensor = checks.sensor("pending", **PATIENT)
        context = checks.context(sensor)
        del context["task_state_store"]
        assert sensor.execute(context) is True
        project.put("stage").unlink()
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context)
        left = datetime.fromisoformat(deferred.value.trigger.deadline) - context["dag_run"].start_date
        assert left == timedelta(seconds=60)


class UnreliableStore(MemoryFileSystem):
    """An object store that is slow, and does not always answer."""

    protocol = "unreliable"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    cachable = False
    failures = 0
    answers = threading.Event()
    answers.set()

    def ls(self, path, detail=True, **kwargs):
        self.answers.wait(PATIENCE)
        if type(self).failures > 0:
            type(self).failures -= 1
            raise ConnectionError("the store does not answer")
        return super().ls(path, detail=detail, **kwargs)


@pytest.fixture
def store(monkeypatch):
    fsspec.register_implementation("unreliable", UnreliableStore, clobber=True)
    UnreliableStore.store.clear()
    UnreliableStore().pipe_file("unreliable://lake/other/x", b"")
    monkeypatch.setattr(UnreliableStore, "failures", 0)
    return UnreliableStore


def events_of(trigger: StarlakePreLoadTrigger) -> list[Any]:
    async def collect():
        return [event.payload async for event in trigger.run()]

    return asyncio.run(collect())


def again(trigger: StarlakePreLoadTrigger) -> StarlakePreLoadTrigger:
    """Return the trigger as another triggerer makes it, from what the database holds."""
    path, arguments = trigger.serialize()
    made = resolve_name(path)(**json.loads(json.dumps(arguments)))
    assert isinstance(made, StarlakePreLoadTrigger)
    return made


class TestTrigger:
    @pytest.mark.parametrize("strategy", AREAS)
    def test_it_sees_what_comes(self, checks, project, strategy):
        trigger = again(checks.deferred(checks.sensor(strategy, **PATIENT)).trigger)

        def put_later():
            time.sleep(0.2)
            project.put(AREAS[strategy])

        with meanwhile(put_later):
            assert events_of(trigger) == [{"status": "seen"}]

    def test_files_of_other_tables_wake_nobody(self, checks, project):
        sensor = checks.sensor("pending", ("Orders",), **{**PATIENT, "pre_load_timeout": 0.2})
        trigger = checks.deferred(sensor).trigger
        project.put("stage")
        assert events_of(trigger) == [{"status": "late"}]

    def test_its_time_ends(self, checks):
        trigger = checks.deferred(checks.sensor("ack", **{**PATIENT, "pre_load_timeout": 0.1})).trigger
        assert events_of(trigger) == [{"status": "late"}]
        assert events_of(again(trigger)) == [{"status": "late"}]

    def test_it_goes_on_in_another_triggerer(self, checks, project):
        trigger = checks.deferred(checks.sensor("pending", **PATIENT)).trigger

        async def stopped():
            running = asyncio.ensure_future(anext(trigger.run()))
            await asyncio.sleep(0.1)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        asyncio.run(stopped())
        project.put("stage")
        assert events_of(again(trigger)) == [{"status": "seen"}]

    def test_a_kill_leaves_nothing(self, checks, project):
        """No thread, no file, and the ack file where it is."""
        threads = set(threading.enumerate())
        trigger = checks.deferred(checks.sensor("ack", **PATIENT)).trigger
        folder = project.put("pending", "other.ack").parent

        async def killed():
            running = asyncio.ensure_future(anext(trigger.run()))
            await asyncio.sleep(0.1)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            (folder / "2026-03-01.ack").touch()
            await trigger.on_kill()
            await trigger.cleanup()

        asyncio.run(killed())
        assert set(threading.enumerate()) <= threads
        assert sorted(path.name for path in folder.iterdir()) == ["2026-03-01.ack", "other.ack"]

    def test_a_store_that_does_not_answer_for_a_while(self, checks, store):
        sensor = checks.sensor("pending", pending_path="unreliable://lake", **PATIENT)
        trigger = checks.deferred(sensor).trigger
        store.failures = 3
        store().pipe_file("unreliable://lake/starbake/customers_1.csv", b"id\n1\n")
        assert events_of(trigger) == [{"status": "seen"}]

    def test_a_store_that_does_not_answer_at_all(self, checks, store):
        sensor = checks.sensor("pending", pending_path="unreliable://lake", **PATIENT)
        trigger = checks.deferred(sensor).trigger
        store.failures = 1000
        (event,) = events_of(trigger)
        assert event["status"] == "failed"
        assert "the store does not answer" in event["error"]
        assert store.failures == 1000 - 4

    def test_a_slow_store_blocks_no_other_trigger(self, checks, store, monkeypatch):
        trigger = checks.deferred(checks.sensor("pending", pending_path="unreliable://lake", **PATIENT)).trigger
        store().pipe_file("unreliable://lake/starbake/customers_1.csv", b"id\n1\n")
        monkeypatch.setattr(store, "answers", threading.Event())

        async def others():
            running = asyncio.ensure_future(anext(trigger.run()))
            for _ in range(10):
                await asyncio.sleep(0.01)
            assert not running.done()
            store.answers.set()
            return (await running).payload

        assert asyncio.run(others()) == {"status": "seen"}

    def test_it_holds_no_secret(self, checks, monkeypatch):
        monkeypatch.setenv("LAKE", "/s3cret-folder")
        env = {"DB_PASSWORD": "s3cret", "TOKEN": {"env": "LAKE"}, "SL_DATASETS": {"env": "LAKE"}}
        deferred = checks.deferred(checks.sensor("ack", env=env, **PATIENT))
        assert "s3cret" not in json.dumps([deferred.trigger.serialize(), deferred.kwargs], default=str)
        assert "s3cret" not in repr(deferred.trigger)

    def test_an_error_shows_no_secret_of_a_path(self, checks, monkeypatch):
        monkeypatch.setenv("LAKE", "s3cret-folder")
        joined = JoinedReference(("/nowhere/", EnvironmentReference("LAKE")))
        sensor = checks.sensor("imported", env={"SL_ROOT": joined}, **PATIENT)
        with pytest.raises(AirflowException) as failed:
            checks.execute(sensor)
        assert "SL_ROOT is ***" in str(failed.value)
        assert "s3cret" not in str(failed.value)
        watch = PreLoadWatch(sensor.runner.settings, "starbake", (), sensor.strategy, RUN_DATE)
        trigger = StarlakePreLoadTrigger(
            watch.as_plain_data(), 0.01, (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
        )
        (event,) = events_of(again(trigger))
        assert event["status"] == "failed"
        assert "***" in event["error"]
        assert "s3cret" not in event["error"]

    def test_references_are_resolved_in_the_triggerer(self, checks, project, monkeypatch, tmp_path):
        monkeypatch.setenv("LAKE", str(tmp_path / "there"))
        trigger = checks.deferred(checks.sensor("ack", env={"SL_DATASETS": {"env": "LAKE"}}, **PATIENT)).trigger
        monkeypatch.setenv("LAKE", str(tmp_path / "here"))
        ack = tmp_path / "here/pending/starbake/2026-03-01.ack"
        ack.parent.mkdir(parents=True)
        ack.touch()
        assert events_of(again(trigger)) == [{"status": "seen"}]


class TestSkips:
    def test_only_what_follows_is_skipped(self, checks, supervisor, project):
        project.put("stage", "strange.csv")
        sensor = checks.sensor("pending")
        with sensor.dag:
            sensor >> [EmptyOperator(task_id="load"), EmptyOperator(task_id="all_done", trigger_rule="all_done")]
            sensor >> EmptyOperator(task_id="end", trigger_rule=TriggerRule.NONE_FAILED)
            sensor >> EmptyOperator(task_id="delete").as_teardown()
        with pytest.raises(DownstreamTasksSkipped) as skipped:
            checks.execute(sensor)
        assert sorted(skipped.value.tasks) == ["all_done", "load"]
        assert supervisor.xcoms["check", "return_value"] is False

    def test_none_is_no_sensor(self, checks):
        with pytest.raises(StarlakeError, match="no pre-load check of starbake"):
            checks.sensor("none")


def fail_once(context, result=None):
    """Fail after the check has decided, and consumed its ack file."""
    if context["ti"].try_number == 1:
        raise RuntimeError("the first try")


@pytest.fixture(scope="module")
def a_run(tmp_path_factory) -> tuple[AirflowRun, Project]:
    """Domains beside each other: without a file, with an ack file and a first try that fails, and one that waits."""
    folder = tmp_path_factory.mktemp("a_run")
    project = Project(folder / "project")
    checks = Checks(project, FakeStarlake(folder / "bin"))
    project.put("pending", "2026-03-01.ack")
    project.put("stage", "strange.csv")

    class DeliveredWhenDeferred(StarlakePreLoadSensor):
        """The file comes when the worker has looked and gives its slot back."""

        def defer(self, **arguments):
            project.put("incoming")
            super().defer(**arguments)

    with DAG("domains", schedule=None, start_date=START) as dag:
        end = EmptyOperator(task_id="end", trigger_rule=TriggerRule.NONE_FAILED)
        nothing = StarlakePreLoadSensor(
            task_id="nothing", runner=checks.runner(), domain="starbake", strategy="pending"
        )
        nothing >> EmptyOperator(task_id="start_nothing") >> EmptyOperator(task_id="load_nothing") >> end
        acked = StarlakePreLoadSensor(
            task_id="acked",
            runner=checks.runner(),
            domain="starbake",
            strategy="ack",
            retries=1,
            retry_delay=timedelta(0),
            post_execute=fail_once,
        )
        acked >> EmptyOperator(task_id="load_acked") >> end
        wait = DeliveredWhenDeferred(
            task_id="wait",
            runner=checks.runner(**PATIENT),
            domain="starbake",
            strategy="imported",
        )
        wait >> EmptyOperator(task_id="load_wait") >> end
    return run_dag(dag, logical_date=RUN_DATE), project


class TestARun:
    """Airflow's own task runner, inline triggerer, database and trigger rules."""

    def test_a_domain_without_files_skips_its_own_tasks_only(self, a_run):
        run, _ = a_run
        assert run.state == "success"
        assert {name for name, state in run.tasks.items() if state == "skipped"} == {"start_nothing", "load_nothing"}
        assert run.tasks["end"] == "success"
        assert run.xcoms()["nothing", "return_value"] is False

    def test_a_retry_after_the_ack_file_is_consumed_loads(self, a_run):
        run, project = a_run
        assert project.files("pending") == []
        assert (run.tasks["acked"], run.tasks["load_acked"]) == ("success", "success")
        assert [row["try_number"] for row in run.rows("SELECT * FROM task_instance WHERE task_id = 'acked'")] == [2]

    def test_what_a_check_found_outlives_that_its_task_is_cleared(self, a_run):
        from airflow import settings
        from airflow.models.taskinstance import TaskInstance, clear_task_instances

        run, _ = a_run
        found = "SELECT value FROM task_state_store WHERE task_id = 'acked' AND key = 'starlake_found'"
        before = run.rows(found)
        session = settings.Session()
        clear_task_instances(session.query(TaskInstance).filter_by(task_id="acked").all(), session)
        session.commit()
        assert run.rows("SELECT state FROM task_instance WHERE task_id = 'acked'") == [{"state": None}]
        assert run.rows(found) == before
        assert len(before) == 1

    def test_a_check_waits_without_a_slot(self, a_run):
        run, _ = a_run
        assert (run.tasks["wait"], run.tasks["load_wait"]) == ("success", "success")
        assert run.xcoms()["wait", "return_value"] is True


LOADS = [("daily", None, {"starbake": ["Customers"], "other": ["Things"]})]


class TestGeneratedFiles:
    """The files that Starlake's templates make: the check, and the tasks that its group has for it."""

    @pytest.mark.parametrize(
        ("strategy", "check"),
        [("imported", "incoming_files"), ("pending", "pending_files"), ("ack", "ack_file")],
    )
    def test_their_tasks(self, tmp_path, strategy, check):
        options = {"pre_load_strategy": strategy, "pre_load_deferrable": "false", "default_pool": "loads"}
        dag = dag_of(load_file(tmp_path, LOADS, **options))
        group = "starbake.pre_load_starbake"
        sensor = dag.get_task(f"{group}.check_starbake_{check}")
        assert isinstance(sensor, StarlakePreLoadSensor)
        assert (sensor.domain, sensor.tables, sensor.deferrable) == ("starbake", ("Customers",), False)
        assert sensor.pool == "loads"
        skip = f"{group}.skip_or_start_loading_starbake"
        assert sensor.downstream_task_ids == {skip}
        following = [dag.get_task(skip), *dag.get_task(skip).get_flat_relatives(upstream=False)]
        rules = {task.task_id: task.trigger_rule for task in following}
        assert rules.pop("end") == "none_failed"
        assert set(rules.values()) == {"all_success"}

    def test_there_is_no_check_by_the_strategy_none(self, tmp_path):
        dag = dag_of(load_file(tmp_path, LOADS, pre_load_strategy="none"))
        assert not [task for task in dag.tasks if isinstance(task, StarlakePreLoadSensor)]

    def test_they_are_the_same_at_each_parse(self, tmp_path):
        from airflow.serialization.serialized_objects import DagSerialization

        file = load_file(tmp_path, LOADS, pre_load_strategy="ack", pre_load_sensor="true")
        first, second = (json.dumps(DagSerialization.to_dict(dag_of(file)), sort_keys=True) for _ in range(2))
        assert first == second

    def test_a_domain_without_files_does_not_skip_the_end(self, tmp_path, project, fake):
        config = project.root / "metadata/load/other/_config.sl.yml"
        config.parent.mkdir()
        config.write_text(
            f"version: 1\nload:\n  name: other\n  metadata:\n    directory: '{project.root}/incoming/other'\n"
        )
        table = (project.root / "metadata/load/starbake/Customers.sl.yml").read_text()
        (config.parent / "Things.sl.yml").write_text(table.replace("Customers", "Things"))
        project.put("incoming")
        project.put("incoming", "strange.csv", domain="other")
        environment = json.dumps({"SL_ROOT": str(project.root)})
        options = {"sl_env_var": environment, "SL_STARLAKE_PATH": str(fake.path), "pre_load_strategy": "imported"}
        run = run_dag(load_file(tmp_path, LOADS, **options), logical_date=RUN_DATE)
        assert run.state == "success"
        skipped = {name for name, state in run.tasks.items() if state == "skipped"}
        assert skipped == {
            "other.pre_load_other.skip_or_start_loading_other",
            "other.pre_load_other.import_other",
            "other.load_other.load_other_Things",
        }
        assert {state for name, state in run.tasks.items() if name not in skipped} == {"success"}
        assert [call.verb for call in fake.calls()] == ["stage", "load"]
        assert set(run.asset_events()) == {"starbake_customers", "shop_load"}


_HANGING = """\
#!/usr/bin/env bash
bash -c "trap '' TERM; echo \\$\\$ > {folder}/child; while :; do sleep 1; done" &
echo $$ > {folder}/launcher
wait
"""
_DAG = """\
from datetime import datetime, timezone
from airflow.sdk import DAG
from ai.starlake.airflow.bash import StarlakeAirflowBashJob

job = StarlakeAirflowBashJob(filename=__file__, module_name=__name__, options={options!r})
with DAG("kept", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    job.sl_pre_load("starbake", {{"Customers"}}, "pending")
"""


def test_a_check_that_airflow_ends_leaves_no_process_and_decides_nothing(tmp_path, project):
    """Under a real supervisor, which sends SIGTERM, and would send SIGKILL after five seconds."""
    starlake = tmp_path / "starlake"
    starlake.write_text(_HANGING.format(folder=shlex.quote(str(tmp_path))))
    starlake.chmod(0o755)
    options = {
        "SL_STARLAKE_PATH": str(starlake),
        "sl_env_var": json.dumps({"SL_ROOT": str(project.root)}),
        "pre_load_check": "command",
    }
    dag_file = tmp_path / "dags/kept.py"
    dag_file.parent.mkdir()
    dag_file.write_text(_DAG.format(options=options))
    files = [tmp_path / "launcher", tmp_path / "child"]
    with SupervisedTask(dag_file, tmp_path / "try1") as task:
        wait_for("the command", lambda: all(map(whole_lines, files)) or task.supervisor.poll() is not None)
        assert task.supervisor.poll() is None, task.log
        processes = [task.pid, *(int(file.read_text()) for file in files)]
        task.end_as_unwanted()
        task.wait()
        told = list(task.told())
        wait_until_gone(*processes)
    assert "escalating" not in task.log, "the task did not end in time"
    assert "Airflow ended the task" in task.log
    assert not [each for each in told if "/xcoms/" in each["path"] or each.get("state") in ("success", "skipped")]
