"""Commands on the embedded engine within the process of the step."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import (
    DagsterEventType,
    DagsterInstance,
    Definitions,
    Failure,
    GraphDefinition,
    OpDefinition,
    RetryPolicy,
)

from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
from tests.waiting import PATIENCE, wait_for

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
SHELL = ("ai.starlake.dagster.shell", "StarlakeDagsterShellJob")
EMBEDDED = ("ai.starlake.dagster.embedded", "StarlakeDagsterEmbeddedJob")
VOLATILE = {"JOBID", "TIMESTAMP", "DURATION", "PATHS", "SCHEDULED_DATE", "ERROR", "PATH"}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SL_")]:
        monkeypatch.delenv(name)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)


def sample(folder: Path) -> Path:
    return Path(shutil.copytree(SAMPLES / "starbake", folder, ignore=shutil.ignore_patterns("datasets")))


def definitions(root: Path, factory: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Definitions:
    """Return the combined sample DAG file with another class of jobs: the one change that changes the executor."""
    monkeypatch.setenv("SL_ROOT", str(root))
    source = (SAMPLES / "dags" / "starbake.py").read_text()
    changed = source.replace(SHELL[0], factory[0]).replace(SHELL[1], factory[1])
    if factory is EMBEDDED:
        changed = "\n".join(line for line in changed.splitlines() if '"SL_STARLAKE_PATH"' not in line)
    module: dict[str, Any] = {"__name__": "starbake", "__file__": str(SAMPLES / "dags" / "starbake.py")}
    exec(compile(changed, "starbake.py", "exec"), module)
    found = module["defs"]
    assert isinstance(found, Definitions)
    return found


def tables(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(str(root / "datasets" / "duckdb.db"), read_only=True) as connection:
        names = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables ORDER BY ALL"
        ).fetchall()
        found = {}
        for schema, name in names:
            columns = connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?"
                " ORDER BY ordinal_position",
                [schema, name],
            ).fetchall()
            kept = ", ".join(f'"{column}"' for (column,) in columns if column.upper() not in VOLATILE)
            rows = connection.execute(f'SELECT {kept} FROM "{schema}"."{name}"').fetchall()
            found[f"{schema}.{name}"] = sorted(rows, key=repr)
        return found


@dataclass(frozen=True)
class SampleRun:
    """A run of the sample that is over, and the warnings in its log."""

    root: Path
    result: Any
    warnings: list[str]

    @classmethod
    def of(cls, root: Path, factory: tuple[str, str]) -> SampleRun:
        with pytest.MonkeyPatch.context() as patch, DagsterInstance.ephemeral() as instance:
            job = definitions(sample(root), factory, patch).get_repository_def().get_job("starbake")
            result = job.execute_in_process(instance=instance)
            entries = list(instance.all_logs(result.run_id))
        warnings = [entry.user_message for entry in entries if entry.level == logging.WARNING]
        return cls(root, result, warnings)


@pytest.fixture(scope="module")
def embedded_run(tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    return SampleRun.of(tmp_path_factory.mktemp("embedded") / "project", EMBEDDED)


@pytest.fixture(scope="module")
def shell_run(tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    return SampleRun.of(tmp_path_factory.mktemp("shell") / "project", SHELL)


@pytest.mark.slow
def test_the_sample_gives_the_same_tables_as_by_processes(shell_run: SampleRun, embedded_run: SampleRun) -> None:
    assert shell_run.result.success
    assert embedded_run.result.success
    left = tables(embedded_run.root)
    assert tables(shell_run.root) == left
    assert len(left["kpis.DailySales"]) > 0
    assert len(left["audit.audit"]) > 0


def test_counts_are_metadata_and_the_audit_knows_the_step(embedded_run: SampleRun) -> None:
    root, result = embedded_run.root, embedded_run.result
    found = {
        event.step_key: event.step_materialization_data.materialization.metadata
        for event in result.all_events
        if event.event_type_value == "ASSET_MATERIALIZATION"
    }
    rows = {step: metadata["starlake/rows_read"].value for step, metadata in found.items() if step.endswith("_load")}
    assert len(rows) == 4
    assert all(count > 0 for count in rows.values())
    with duckdb.connect(str(root / "datasets" / "duckdb.db"), read_only=True) as connection:
        jobs = {job for (job,) in connection.execute("SELECT DISTINCT JOBID FROM audit.audit").fetchall()}
    assert {f"{result.run_id}.{step}" for step in found} == jobs


def one_op(op: OpDefinition) -> Any:
    with DagsterInstance.ephemeral() as instance:
        job = GraphDefinition(name="job", node_defs=[op]).to_job()
        return job.execute_in_process(instance=instance, raise_on_error=True)


@pytest.mark.parametrize(("good", "limit", "success"), [(0, None, False), (0, "1", True), (1, None, False)])
def test_a_file_of_which_all_rows_are_rejected_fails_its_step(
    good: int, limit: str | None, success: bool, tmp_path: Path
) -> None:
    root = sample(tmp_path / "project")
    stage = root / "datasets" / "stage" / "starbake"
    stage.mkdir(parents=True)
    source = root / "incoming" / "starbake" / "customers_2026-11-02.csv"
    header = source.read_text().splitlines()[0]
    for number in range(good):
        shutil.copy(source, stage / f"customers_2026-10-0{number}.csv")
    (stage / "customers_2026-10-09.csv").write_text(header + "\n" + re.sub("[a-z_]+", "x", header) + "\n")
    options = {"sl_env_var": json.dumps({"SL_ROOT": str(root)}), **({"max_rejected": limit} if limit else {})}
    sl_job = StarlakeDagsterEmbeddedJob(options=options)
    with DagsterInstance.ephemeral() as instance:
        job = GraphDefinition(name="job", node_defs=[sl_job.sl_load("load", "starbake", "Customers")]).to_job()
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert result.success is success
    assert len(result.get_asset_materialization_events()) == int(success)


def test_a_load_without_files_materializes_nothing(tmp_path: Path) -> None:
    root = sample(tmp_path / "project")
    sl_job = StarlakeDagsterEmbeddedJob(options={"sl_env_var": json.dumps({"SL_ROOT": str(root)})})
    result = one_op(sl_job.sl_load("load", "starbake", "Orders"))
    assert result.success
    assert result.get_asset_materialization_events() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["load", "--domains", "nowhere"], "nowhere"),
        (["load", "--domans", "starbake"], "--domans"),
        (["transform", "--name", "kpis.Unknown"], "kpis.Unknown"),
        (["serve"], "serve"),
    ],
)
def test_a_failure_says_what_is_wrong(arguments: list[str], says: str, tmp_path: Path) -> None:
    root = sample(tmp_path / "project")
    sl_job = StarlakeDagsterEmbeddedJob(options={"sl_env_var": json.dumps({"SL_ROOT": str(root)})})
    with pytest.raises(Failure, match=says):
        one_op(sl_job.sl_job("broken", arguments))


def test_the_environment_of_the_process_is_left_alone(tmp_path: Path) -> None:
    root = sample(tmp_path / "project")
    before = dict(os.environ)
    sl_job = StarlakeDagsterEmbeddedJob(options={"sl_env_var": json.dumps({"SL_ROOT": str(root)})})
    assert one_op(sl_job.sl_import(None, "starbake")).success
    assert dict(os.environ) == before


def test_a_secret_is_not_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECT_TOKEN", "tok3n-of-no-one")
    root = sample(tmp_path / "project")
    (root / "metadata" / "transform" / "kpis" / "Leak.sql").write_text("SELECT '{{TOKEN}}' FROM nowhere_at_all")
    environment = {"SL_ROOT": str(root), "TOKEN": {"env": "PROJECT_TOKEN"}}
    sl_job = StarlakeDagsterEmbeddedJob(options={"sl_env_var": json.dumps(environment)})
    with pytest.raises(Failure) as failure:
        one_op(sl_job.sl_transform(None, "kpis.Leak"))
    assert "tok3n-of-no-one" not in f"{failure.value}{failure.value.__cause__}"
    assert "nowhere_at_all" in str(failure.value)


SLOW_RUN = """
import json, sys
from dagster import DagsterInstance, GraphDefinition
from ai.starlake.dagster.embedded import StarlakeDagsterEmbeddedJob
from ai.starlake.dagster.shell import StarlakeDagsterShellJob
sl_job = StarlakeDagsterEmbeddedJob(options={"sl_env_var": json.dumps({"SL_ROOT": sys.argv[1]})})
job = GraphDefinition(name="job", node_defs=[sl_job.sl_transform(None, "kpis.Endless")]).to_job()
with DagsterInstance.ephemeral() as instance:
    job.execute_in_process(instance=instance)
"""


@pytest.mark.parametrize("option", ["db_password", "apiKey"])
def test_an_option_with_a_telling_name_is_nowhere(
    option: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = sample(tmp_path / "project")
    leak = root / "metadata" / "transform" / "kpis" / "Leak.sql"
    leak.write_text(f"SELECT '{{{{{option}}}}}' FROM nowhere_at_all")
    sl_job = StarlakeDagsterEmbeddedJob(options={"sl_env_var": json.dumps({"SL_ROOT": str(root)})})
    op = sl_job.sl_transform(None, "kpis.Leak", {option: "hunter22"})
    with pytest.raises(Failure) as failure:
        one_op(op)
    assert "nowhere_at_all" in str(failure.value.description)
    printed = capfd.readouterr()
    assert "hunter22" not in f"{failure.value.description}{failure.value.metadata}{printed.out}{printed.err}"


ENDLESS = {
    "sleeps": "time.sleep(300)",
    "runs": "while True: pass",
    "catches everything": """
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            pass""",
}


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.slow
def test_an_interruption_ends_a_step_whose_python_code_goes_on(tmp_path: Path, body: str) -> None:
    root = sample(tmp_path / "project")
    task = root / "metadata" / "transform" / "kpis" / "Endless.py"
    begun = tmp_path / "begun"
    function = f"def task(connection, variables):\n    open({str(begun)!r}, 'w').close()\n    {body}\n"
    task.write_text(f"import time\n\n{function}")
    command = [sys.executable, "-c", SLOW_RUN, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        wait_for("the code of the task", lambda: begun.exists() or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        output = process.stdout.read()
        assert process.wait(PATIENCE) != 0
        assert begun.exists(), output
        assert time.monotonic() - started < PATIENCE
    task.write_text("def task(connection, variables):\n    return connection.sql('SELECT 1 AS n')\n")
    again = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert again.returncode == 0, again.stdout + again.stderr


def test_an_interruption_reaches_a_running_query(tmp_path: Path) -> None:
    root = sample(tmp_path / "project")
    (root / "metadata" / "transform" / "kpis" / "Endless.sql").write_text(
        "SELECT count(*) AS n FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = -1"
    )
    command = [sys.executable, "-c", SLOW_RUN, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        while "Transforming kpis.Endless" not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        process.stdout.read()
        assert process.wait(PATIENCE) != 0
        assert time.monotonic() - started < PATIENCE  # the query would take years


DIES_ONCE = """#!/bin/sh
{python} -m ai.starlake.embedded "$@" || exit
[ -e "$SL_ROOT/died" ] || {{ : > "$SL_ROOT/died"; kill -9 $$; }}
"""


def test_a_step_that_died_after_its_commit_repeats_nothing(tmp_path: Path) -> None:
    """The retry has the job id of the first attempt."""
    root = sample(tmp_path / "project")
    (root / "metadata" / "transform" / "kpis" / "One.sql").write_text("SELECT 1 AS one")
    script = tmp_path / "starlake"
    script.write_text(DIES_ONCE.format(python=sys.executable))
    script.chmod(0o755)
    environment = json.dumps({"SL_ROOT": str(root)})
    options = {"sl_env_var": environment, "SL_STARLAKE_PATH": str(script), "retries": "1", "retry_delay": "0"}
    assert one_op(StarlakeDagsterShellJob(options=options).sl_transform(None, "kpis.One")).success
    assert (root / "died").exists()
    assert tables(root)["kpis.One"] == [(1,)]


@pytest.mark.parametrize("kind", [pytest.param("shell", marks=pytest.mark.slow), "embedded"])
def test_the_event_log_names_the_first_rejected_rows(kind: str, request: pytest.FixtureRequest) -> None:
    done: SampleRun = request.getfixturevalue(f"{kind}_run")
    told = next(line for line in done.warnings if "starbake.Customers: " in line)
    assert "rows are rejected; customers_" in told
    assert re.search(r"\.csv line \d+: `\w+` \(\w+\) doesn't match pattern", told)


@pytest.mark.parametrize(("table", "attempts"), [("Nowhere", 1), ("Orders", 3)])
def test_a_retry_policy_repeats_what_may_pass_but_no_mistake_of_the_project(
    tmp_path: Path, table: str, attempts: int
) -> None:
    root = sample(tmp_path / "project")
    (root / "datasets/stage").mkdir(parents=True)
    (root / "datasets/stage/starbake").write_text("a file where the folder of the stage area belongs")
    sl_job = StarlakeDagsterEmbeddedJob(options={"sl_env_var": {"SL_ROOT": str(root)}})
    load = sl_job.sl_load(None, "starbake", table)
    job = GraphDefinition("loads", node_defs=[load]).to_job(op_retry_policy=RetryPolicy(max_retries=2))
    with DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        entries = instance.all_logs(result.run_id)
    begun = [entry.dagster_event_type for entry in entries if entry.is_dagster_event]
    assert not result.success
    assert sum(kind in {DagsterEventType.STEP_START, DagsterEventType.STEP_RESTARTED} for kind in begun) == attempts
