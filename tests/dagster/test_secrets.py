"""A secret given by reference reaches the command, and is found nowhere else."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance, EnvVar, GraphDefinition, JobDefinition, execute_job, serialize_value
from dagster._core.definitions.reconstruct import ReconstructableJob

from tests.fakes.fake_cli import FakeStarlake

SECRET = "hunter2-Tr0ub4dor-correct-horse"
KINDS = ["env", "file", "EnvVar"]


@pytest.fixture
def fake(tmp_path):
    return FakeStarlake(tmp_path / "bin", record=["DB_PASSWORD", "SL_*"])


@pytest.fixture
def reference(tmp_path, monkeypatch):
    """Return a reference of each kind to the same secret."""

    def make(kind):
        monkeypatch.setenv("SOURCE_OF_THE_VALUE", SECRET)
        file = tmp_path / "secret"
        file.write_text(f"{SECRET}\n")
        return {
            "env": {"env": "SOURCE_OF_THE_VALUE"},
            "file": {"file": str(file)},
            "EnvVar": EnvVar("SOURCE_OF_THE_VALUE"),
        }[kind]

    return make


def texts_of(instance, run_id):
    """Return everything that an instance has stored about a run, as strings."""
    yield from (serialize_value(entry) for entry in instance.all_logs(run_id))
    yield serialize_value(instance.get_run_by_id(run_id))


def files_with(text, folder):
    """Return the files whose raw bytes contain a string."""
    return [str(path) for path in Path(folder).rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


class CommandLines(threading.Thread):
    """Watches the command lines of all processes that this one started, and releases the command that it has seen."""

    def __init__(self, command, seen):
        super().__init__(daemon=True)
        self.command, self.told = command, seen
        self.seen = set()
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.02):
            with suppress(psutil.Error):  # it ended meanwhile
                for process in psutil.Process().children(recursive=True):
                    with suppress(psutil.Error):
                        self.seen.add(" ".join(process.cmdline()))
            if any(self.command in line for line in self.seen):
                self.told.touch()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [0, 1])
def test_a_secret_reaches_the_command_only(factory, fake, reference, home, tmp_path, capfd, kind, code):
    fake.behave(
        "load",
        exit_codes=[code],
        stdout=[f"connecting with {SECRET}"],
        stderr=[f"ERROR bad password {SECRET}"],
        until=tmp_path / "seen",
        print_environment=True,
    )
    job = factory(env={"DB_PASSWORD": reference(kind)}, event_log_lines="all")
    graph = GraphDefinition(name="g", node_defs=[job.sl_load("a", "starbake", "Customers")])
    watch = CommandLines("load --domains starbake", tmp_path / "seen")
    watch.start()
    with DagsterInstance.from_config(str(home)) as instance:
        result = JobDefinition(name="j", graph_def=graph).execute_in_process(instance=instance, raise_on_error=False)
        watch.done.set()
        watch.join()
        assert result.success is (code == 0)
        assert [text for text in texts_of(instance, result.run_id) if SECRET in text] == []
        assert len(list(texts_of(instance, result.run_id))) > 5
    assert [call.environment["DB_PASSWORD"] for call in fake.calls()] == [SECRET]
    assert any("load --domains starbake" in line for line in watch.seen)
    assert [line for line in watch.seen if SECRET in line] == []
    assert files_with("starbake", home)
    assert files_with(SECRET, home) == []
    captured = capfd.readouterr()
    assert "connecting with ***" in captured.out
    assert SECRET not in captured.out + captured.err


@pytest.mark.slow
def test_a_secret_in_processes_of_their_own(fake, project, tmp_path, monkeypatch):
    """The multiprocess executor: compute logs, pickled errors, the command lines of steps."""
    monkeypatch.setenv("SOURCE_OF_THE_VALUE", SECRET)
    fake.behave("load", exit_codes=[1], stdout=[f"connecting with {SECRET}"], print_environment=True)
    file = tmp_path / "job.py"
    file.write_text(f"""
from dagster import GraphDefinition, JobDefinition
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
env = {{"SL_ROOT": {str(project.root)!r}, "DB_PASSWORD": {{"env": "SOURCE_OF_THE_VALUE"}}}}
job = StarlakeDagsterShellJob(options={{"sl_env_var": env, "SL_STARLAKE_PATH": {str(fake.path)!r}}})
graph = GraphDefinition(name="g", node_defs=[job.sl_load("a", "starbake", "Customers")])
secretive = JobDefinition(name="j", graph_def=graph)
""")
    home = tmp_path / "home"
    home.mkdir()
    watch = CommandLines("load --domains starbake", tmp_path / "seen")
    watch.start()
    with DagsterInstance.local_temp(str(home)) as instance:
        with execute_job(ReconstructableJob.for_file(str(file), "secretive"), instance=instance) as result:
            assert not result.success
        watch.done.set()
        watch.join()
        texts = list(texts_of(instance, result.run_id))
    assert [call.environment["DB_PASSWORD"] for call in fake.calls()] == [SECRET]
    assert any("failed with exit code 1" in text for text in texts)
    assert [text for text in texts if SECRET in text] == []
    assert files_with("connecting with ***", home), "the compute log has the output, masked"
    assert files_with(SECRET, home) == []
    assert [line for line in watch.seen if SECRET in line] == []


@pytest.mark.parametrize("kind", ["env", "file"])
def test_an_op_definition_holds_no_secret(factory, reference, kind):
    op = factory(env={"DB_PASSWORD": reference(kind)}).sl_load("a", "starbake", "Customers")
    assert SECRET not in f"{op.compute_fn!r}{vars(op)!r}{op.tags}{op.description}"


def test_a_secret_that_is_missing_fails_the_op_by_name(factory, run, fake, failure_of):
    result = run(factory(env={"DB_PASSWORD": {"env": "NOT_SET_ANYWHERE"}}).sl_load("a", "starbake", "Customers"))
    assert not result.success
    assert fake.calls() == []
    assert "DB_PASSWORD" in failure_of(result)
    assert "NOT_SET_ANYWHERE" in failure_of(result)


@pytest.mark.parametrize("value", ["hunter2", "hunter2 with blanks", "s3cr3t%20x"])
def test_an_option_whose_name_speaks_of_a_secret_is_masked(sl_job, run, fake, value, logged, shared_instance):
    fake.behave("transform", exit_codes=[1], stdout=[f"ERROR: {value} is wrong"])
    result = run(sl_job.sl_transform("t", "a.b", {"db_password": value, "limit": 5}))
    assert fake.calls()[0].options["db_password"] == value
    texts = "".join(serialize_value(entry) for entry in shared_instance.all_logs(result.run_id))
    assert value.split()[-1] not in texts.replace(str(fake.folder), "")
    assert "limit=5" in texts


def test_a_plain_value_behind_a_telling_name_is_masked_too(factory, run, fake, shared_instance):
    fake.behave("load", exit_codes=[1], print_environment=True)
    result = run(factory(env={"DB_PASSWORD": SECRET}).sl_load("a", "starbake", "Customers"))
    assert SECRET not in "".join(serialize_value(entry) for entry in shared_instance.all_logs(result.run_id))
    assert fake.calls()[0].environment["DB_PASSWORD"] == SECRET
