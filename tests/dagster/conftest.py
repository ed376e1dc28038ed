"""A project, a fake `starlake`, and jobs of one op."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster import DagsterInstance, ExecuteInProcessResult, GraphDefinition, JobDefinition, OpDefinition

from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from tests.fakes.fake_cli import FakeStarlake
from tests.fakes.small_project import Project


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_caller() -> Iterator[None]:
    """Remove variables of the caller's shell, and log nothing to the console, which costs much time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("SL_", "DAGSTER_", "GCP_", "GOOGLE_"))]:
            patch.delenv(name)
        logging.getLogger("dagster").setLevel(logging.CRITICAL)
        yield


@pytest.fixture(scope="session", autouse=True)
def _migrations_are_read_once() -> Iterator[None]:
    """Keep Alembic's migrations of Dagster: it reads more than a hundred files for every database that it opens."""
    read = ScriptDirectory.from_config
    kept: dict[str | None, ScriptDirectory] = {}

    def from_config(config: Config) -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place not in kept:
            kept[place] = read(config)
        return kept[place]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", from_config)
        yield


@pytest.fixture(scope="session")
def shared_instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral(settings={"python_logs": {"python_log_level": "INFO"}}) as instance:
        yield instance


@pytest.fixture(scope="session")
def _instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def instance(_instance: DagsterInstance) -> DagsterInstance:
    """Return an instance in memory, empty."""
    _instance.wipe()
    return _instance


@pytest.fixture(scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("dagster_home")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with DagsterInstance.from_config(str(home)):
        return home


@pytest.fixture
def home(_home: Path, tmp_path: Path) -> Path:
    """Return a home of Dagster, whose databases are made already."""
    return Path(shutil.copytree(_home, tmp_path / "dagster_home"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def fake(tmp_path: Path) -> FakeStarlake:
    return FakeStarlake(tmp_path / "bin")


@pytest.fixture
def factory(project: Project, fake: FakeStarlake) -> Callable[..., StarlakeDagsterShellJob]:
    """Return a function that makes factories of ops whose commands the fake receives."""

    def make(
        strategy: str | None = None, *, env: dict[str, Any] | None = None, **options: Any
    ) -> StarlakeDagsterShellJob:
        variables = {"SL_ROOT": str(project.root), **(env or {})}
        defaults = {"SL_STARLAKE_PATH": str(fake.path), "ack_poll_interval": 0.05, "ack_wait_timeout": 0.2}
        return StarlakeDagsterShellJob(strategy, {"sl_env_var": variables, **defaults, **options})

    return make


@pytest.fixture
def sl_job(factory: Callable[..., StarlakeDagsterShellJob]) -> StarlakeDagsterShellJob:
    return factory()


@pytest.fixture
def run(shared_instance: DagsterInstance) -> Callable[..., ExecuteInProcessResult]:
    """Return a function that runs ops side by side, or a job."""

    def execute(*nodes: OpDefinition | GraphDefinition | JobDefinition, **arguments: Any) -> ExecuteInProcessResult:
        job = nodes[0] if isinstance(nodes[0], JobDefinition) else job_of(*nodes)
        arguments.setdefault("instance", shared_instance)
        arguments.setdefault("raise_on_error", False)
        return job.execute_in_process(**arguments)

    def job_of(*nodes: Any) -> JobDefinition:
        return JobDefinition(name="a_job", graph_def=GraphDefinition(name="a_graph", node_defs=list(nodes)))

    return execute


@pytest.fixture
def logged(shared_instance: DagsterInstance) -> Callable[[ExecuteInProcessResult], list[str]]:
    """Return a function for the messages of a run's log, without Dagster's own events."""

    def messages(result: ExecuteInProcessResult) -> list[str]:
        return [e.user_message for e in shared_instance.all_logs(result.run_id) if e.dagster_event is None]

    return messages


@pytest.fixture
def failure_of(shared_instance: DagsterInstance) -> Callable[..., str]:
    """All that the log of a run says about why a step failed."""

    def text(result: ExecuteInProcessResult) -> str:
        failures = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
        assert failures, "no step failed"
        found = [failure.step_failure_data for failure in failures]
        return "\n".join(f"{one.error_display_string}\n{one.error.to_string()}" for one in found if one.error)

    return text
