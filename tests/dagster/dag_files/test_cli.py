"""The command `python -m ai.starlake.orchestration` on DAG files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from dagster import AssetKey, DagsterInstance

from ai.starlake.orchestration.cli import run
from tests.waiting import PATIENCE, wait_for

DAILY = [("daily", "0 0 * * *")]


@pytest.fixture
def stage_area(tmp_path):
    """Return the stage area of the domain, in which nothing waits; a check fails where it does not exist."""
    folder = tmp_path / "datasets" / "stage" / "starbake"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def call(capsys):
    """Call the command; return its exit code, standard output and standard error."""

    def command(*arguments):
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command


def scheduled(fake):
    return [found.value_of("--scheduledDate") for found in fake.calls()]


class TestRun:
    def test_a_run_runs_all_commands(self, call, dag_file, fake):
        code, out, err = call("run", "-f", dag_file(schedules=[("none", None)]))
        assert (code, err) == (0, "")
        assert "my_dag succeeded" in out
        assert re.search(r"starbake.load_starbake_Orders .* succeeded .* load starbake.Orders: ", out)
        assert {found.value_of("--tables") for found in fake.calls()} == {"Orders", "Customers"}

    def test_without_a_date_it_is_the_last_interval_that_is_over(self, call, dag_file, fake):
        code, out, _ = call("run", "-f", dag_file(schedules=DAILY))
        (date,) = set(scheduled(fake))
        assert code == 0
        assert date in out
        assert -2 < (time.time() - time.mktime(time.strptime(date[:10], "%Y-%m-%d"))) / 86_400 - 1 < 2

    @pytest.mark.parametrize(
        "given", [["--date", "2026-03-01"], ["--options", "logical_date=2026-03-01T00:00:00+0000"]]
    )
    def test_a_date(self, call, dag_file, fake, given):
        code, _, _ = call("run", "-f", dag_file(schedules=DAILY), *given)
        assert (code, set(scheduled(fake))) == (0, {"2026-03-01T00:00:00+0000"})

    def test_a_moment_without_zone_is_one_of_the_pipeline(self, call, dag_file, fake):
        file = dag_file("kpis", SL_TIMEZONE="America/New_York")
        assert call("run", "-f", file, "--date", "2026-03-01T06:00:00")[0] == 0
        assert scheduled(fake) == ["2026-03-01T11:00:00+0000"]

    def test_m03_options_reach_the_tasks_that_they_are_for(self, call, dag_file, fake):
        options = '{"x": "1", "kpi.margin": {"y": "2"}, "kpi.sales": {"z": "3"}}'
        file = dag_file("kpis", run_dependencies_first="true")
        assert call("run", "-f", file, "--date", "2026-03-01T00:00", "--options", options)[0] == 0
        assert {found.value_of("--name"): dict(found.options) for found in fake.calls("transform")} == {
            "kpi.margin": {"x": "1", "y": "2"},
            "kpi.sales": {"x": "1", "z": "3"},
        }

    @pytest.mark.parametrize(
        ("name", "hint"),
        [("kpi.margn", "did you mean kpi.margin?"), ("KPI.sales", "did you mean kpi.sales?"), ("x", "domain.table")],
    )
    def test_a_section_for_nothing_is_refused_before_anything_runs(self, call, dag_file, fake, name, hint):
        options = json.dumps({name: {"y": "2"}})
        code, _, err = call("run", "-f", dag_file("kpis", run_dependencies_first="true"), "--options", options)
        assert code != 0
        assert f"a section {name!r}" in err
        assert hint in err
        assert not fake.calls()

    def test_a_section_may_be_for_one_of_several_pipelines(self, call, dag_file, fake):
        file = dag_file(schedules=[("one", None)])
        file.write_text(file.read_text().replace("pipelines = [", 'schedules[-1].name = "one"\npipelines = ['))
        assert call("run", "-f", file, "--options", '{"load_starbake_Orders": {"a": "1"}}')[0] == 0
        assert sum("a" in found.options for found in fake.calls("load")) == 1

    def test_values_are_written_as_sql_and_yaml_write_them(self, call, dag_file, fake):
        options = '{"a": null, "b": true, "c": false, "d": 1.5, "kpi.sales": {"e": null}}'
        assert call("run", "-f", dag_file("kpis", run_dependencies_first="true"), "--options", options)[0] == 0
        by_name = {found.value_of("--name"): dict(found.options) for found in fake.calls("transform")}
        plain = {"a": "null", "b": "true", "c": "false", "d": "1.5"}
        assert by_name == {"kpi.margin": plain, "kpi.sales": {**plain, "e": "null"}}

    def test_a_failed_run_says_why_and_ends_with_one(self, call, dag_file, fake):
        fake.behave("transform", exit_codes=[1])
        code, out, err = call("run", "-f", dag_file("kpis"))
        assert code == 1
        assert "kpis failed" in out
        assert re.search(r"end +│ skipped +│ +│ not reached", out)
        assert "failed with exit code 1" in err

    def test_a_skipped_load_is_no_failure(self, call, dag_file, fake, stage_area):
        code, out, _ = call("run", "-f", dag_file(schedules=DAILY, pre_load_strategy="pending"))
        assert code == 0
        assert "my_dag_daily for " in out
        assert "skipped: there was nothing to load" in out
        assert "succeeded:" not in out
        assert re.search(r"load_starbake_Orders +│ skipped +│ +│ nothing to do", out)
        assert not fake.calls()

    def test_only_what_is_recorded_is_in_the_instance(self, call, dag_file, tmp_path, monkeypatch, fake):
        fake.behave("load", counts=(3, 3, 0))
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("DAGSTER_HOME", str(home))
        file = dag_file(schedules=[("none", None)])
        assert call("run", "-f", file)[0] == 0
        assert list(home.iterdir()) == []
        assert call("run", "-f", file, "--record")[0] == 0
        with DagsterInstance.get() as instance:
            assert instance.get_runs_count() == 1
            assert instance.get_latest_materialization_event(AssetKey("starbake_Orders"))

    def test_a_recorded_run_that_loaded_nothing_says_so(self, call, dag_file, home, monkeypatch, fake, stage_area):
        fake.behave("load", counts=(3, 3, 0))
        monkeypatch.setenv("DAGSTER_HOME", str(home))
        call("run", "-f", dag_file(schedules=DAILY, pre_load_strategy="pending"), "--record")
        call("run", "-f", dag_file(schedules=DAILY), "--record")
        with DagsterInstance.get() as instance:
            outcomes = [run.tags.get("starlake/outcome") for run in instance.get_runs()]
        assert outcomes == [None, "skipped: nothing was loaded or transformed"]

    def test_to_record_takes_an_instance(self, call, dag_file):
        code, _, err = call("run", "-f", dag_file("kpis"), "--record")
        assert code == 1
        assert "set DAGSTER_HOME" in err

    def test_what_commands_print_is_shown_on_demand(self, call, dag_file):
        file = dag_file("kpis")
        assert "$ starlake" not in "".join(call("run", "-f", file)[1:])
        code, out, err = call("run", "-f", file, "--verbose")
        assert code == 0
        assert "$ starlake transform --name kpi.margin" in err
        assert "$ starlake" not in out

    def test_who_watches_sees_how_far_it_is(self, call, dag_file, capsys, monkeypatch):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        code, out, err = call("run", "-f", dag_file("kpis"))
        assert (code, "kpis succeeded" in out) == (0, True)
        assert re.search(r"kpis", err)
        assert "kpis" not in out.replace("kpis succeeded", "")


def tree(folder: Path):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if "__pycache__" not in path.parts}


class TestDryRun:
    def test_it_prints_each_command_and_changes_nothing(self, call, dag_file, fake, tmp_path, monkeypatch):
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("DAGSTER_HOME", str(home))
        file = dag_file(schedules=DAILY, pre_load_strategy="imported")
        before = tree(tmp_path)
        code, out, _ = call("dry-run", "-f", file, "--date", "2026-03-01", "--options", "a=b")
        assert (code, tree(tmp_path)) == (0, before)
        assert not fake.calls()
        assert [line for line in out.splitlines() if not line.startswith("#")] == [
            f"starlake load --domains starbake --tables {table} --scheduledDate 2026-03-01T00:00:00+0000 --options a=b"
            for table in ("Customers", "Orders")
        ]

    def test_a_check_that_is_a_command_is_printed_too(self, call, dag_file):
        options = {
            "pre_load_strategy": "ack",
            "pre_load_check": "command",
            "global_ack_file_path": "/ack/{domain}/{ds}",
        }
        _, out, _ = call("dry-run", "-f", dag_file(schedules=DAILY, **options), "--date", "2026-03-01")
        expected = "starlake preload --domain starbake --tables Customers,Orders --strategy ack"
        assert f"{expected} --globalAckFilePath /ack/starbake/2026-03-01\n" in out

    def test_a_run_runs_what_it_printed(self, call, dag_file, fake):
        file = dag_file("kpis", run_dependencies_first="true")
        _, out, _ = call("dry-run", "-f", file, "--date", "2026-03-01")
        assert call("run", "-f", file, "--date", "2026-03-01")[0] == 0
        printed = [tuple(line.split()[1:]) for line in out.splitlines() if not line.startswith("#")]
        assert sorted(printed) == sorted(found.argv for found in fake.calls())
        assert len(printed) == 4

    def test_a_secret_is_masked(self, call, dag_file):
        _, out, _ = call("dry-run", "-f", dag_file("kpis"), "--options", "db_password=hunter2")
        assert "hunter2" not in out
        assert "db_password=***" in out


class TestBackfill:
    def test_o10_it_covers_the_dates_that_are_asked_for_and_no_others(self, call, dag_file, fake):
        file = dag_file(schedules=DAILY)
        code, out, _ = call("backfill", "-f", file, "--options", "start_date=2026-01-01,end_date=2026-01-03")
        days = [f"2026-01-0{day}T00:00:00+0000" for day in (1, 2, 3)]
        assert code == 0
        assert sorted(set(scheduled(fake))) == days
        assert scheduled(fake)[::2] == days
        assert out.count("succeeded") == 3

    def test_a_day_without_midnight_is_run_as_any_other(self, call, dag_file, fake):
        file = dag_file(schedules=DAILY, SL_TIMEZONE="Africa/Cairo")
        assert call("run", "-f", file, "--date", "2026-04-24")[0] == 0
        assert set(scheduled(fake)) == {"2026-04-23T22:00:00+0000"}
        code, out, _ = call("backfill", "-f", file, "--start", "2026-04-23", "--end", "2026-04-25")
        assert (code, out.count("succeeded")) == (0, 3)

    def test_it_says_what_loads_take_and_what_came_of_each_day(self, call, dag_file, fake, stage_area):
        file = dag_file(schedules=DAILY, pre_load_strategy="pending")
        code, out, err = call("backfill", "-f", file, "--start", "2026-03-01", "--end", "2026-03-02")
        assert code == 0
        assert "Loads take the files that wait now" in err
        assert len(re.findall(r"│ skipped +│", out)) == 2
        assert "succeeded" not in out
        fake.behave("load", counts=(5, 4, 1))
        _, out, _ = call("backfill", "-f", dag_file(schedules=DAILY), "--start", "2026-03-01", "--end", "2026-03-01")
        assert re.search(r"succeeded +│ 4 +│ [0-9.]+ +│ 10 +│ 8 +│ 2 +│", out)

    def test_a_pipeline_without_loads_says_nothing_of_files(self, call, dag_file):
        _, _, err = call("backfill", "-f", dag_file("kpis"), "--start", "2026-03-01", "--end", "2026-03-01")
        assert err == ""

    def test_a_pipeline_without_partitions_is_run_for_each_day(self, call, dag_file, fake):
        code, _, _ = call("backfill", "-f", dag_file("kpis"), "--start", "2026-01-30", "--end", "2026-02-01")
        assert code == 0
        assert scheduled(fake) == [f"2026-{day}T00:00:00+0000" for day in ("01-30", "01-31", "02-01")]
        assert fake.calls()[-1].options["sl_data_interval_end"] == "2026-02-02T00:00:00+0000"

    def test_or_for_each_data_cycle(self, call, dag_file, fake):
        file = dag_file("kpis", data_cycle_enabled="true", data_cycle="monthly")
        assert call("backfill", "-f", file, "--start", "2026-01-01", "--end", "2026-03-31")[0] == 0
        assert scheduled(fake) == [f"2026-0{month}-01T00:00:00+0000" for month in (1, 2, 3)]

    def test_it_stops_at_the_first_failure_unless_told_otherwise(self, call, dag_file, fake):
        file = dag_file("kpis")
        dates = ("--start", "2026-01-01", "--end", "2026-01-03")
        fake.behave("transform", exit_codes=[0, 1, 0])
        code, _, err = call("backfill", "-f", file, *dates)
        assert (code, len(fake.calls())) == (1, 2)
        assert "1 of 3 runs were not started" in err
        fake.forget()
        fake.behave("transform", exit_codes=[0, 1, 0])
        assert call("backfill", "-f", file, *dates, "--keep-going")[0] == 1
        assert len(fake.calls()) == 3

    def test_a_dry_one_prints_the_commands(self, call, dag_file, fake):
        file = dag_file(schedules=DAILY)
        code, out, _ = call("backfill", "-f", file, "--start", "2026-01-01", "--end", "2026-01-02", "--dry-run")
        assert (code, out.count("starlake load"), fake.calls()) == (0, 4, [])

    @pytest.mark.parametrize(
        ("start", "end", "message"),
        [
            (
                "2025-12-31",
                "2026-01-02",
                "no partitions before 2026-01-01 00:00 UTC, but 2025-12-31 00:00 UTC is asked for",
            ),
            ("2026-01-01", "2999-01-01", "is not over before"),
        ],
    )
    def test_dates_that_it_has_no_partitions_for_are_refused(self, call, dag_file, fake, start, end, message):
        code, _, err = call("backfill", "-f", dag_file(schedules=DAILY), "--start", start, "--end", end)
        assert code == 1
        assert message in err
        assert not fake.calls()

    def test_dates_without_a_tick_are_said_to_have_none(self, call, dag_file):
        file = dag_file(schedules=[("weekly", "0 0 * * 1")])
        code, _, err = call("backfill", "-f", file, "--start", "2026-01-06", "--end", "2026-01-07")
        assert code == 0
        assert "no interval that begins from 2026-01-06 to 2026-01-07" in err


class TestList:
    def test_it_says_what_starts_the_pipelines(self, call, dag_file):
        file = dag_file(schedules=[("daily", "0 5 * * *"), ("never", None)], SL_TIMEZONE="Europe/Paris")
        code, out, _ = call("list", "-f", file)
        assert code == 0
        assert re.search(r"my_dag_daily .* 0 5 \* \* \* \(Europe/Paris\) .* since 2026-01-01T05:00:00\+0100", out)
        assert re.search(r"my_dag_never", out)

    def test_it_says_what_data_they_wait_for(self, call, dag_file):
        assert re.search(r"kpis .* kpi\.sales", call("list", "-f", dag_file("kpis"))[1])


class TestCalls:
    def test_one_pipeline_of_several(self, call, dag_file, fake):
        file = dag_file(schedules=[("daily", "@daily"), ("hourly", "@hourly")])
        assert call("dry-run", "-f", file, "-p", "my_dag_hourly")[1].startswith("# my_dag_hourly for ")
        code, _, err = call("dry-run", "-f", file, "-p", "my_dag_weekly")
        assert code == 1
        assert "choose of my_dag_daily, my_dag_hourly" in err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["run", "--date", "yesterday"], "'yesterday' is not a date"),
            (["run", "--options", "a"], "'a' is not of the form name=value"),
            (["run", "--options", '{"a": '], "not valid JSON"),
            (["backfill", "--start", "2026-01-01"], "say from when to when"),
            (["graph", "--format", "png"], "No such option '--format'"),
            (["fly"], "No such command 'fly'"),
        ],
    )
    def test_wrong_calls_end_with_two(self, call, dag_file, arguments, message):
        verb, *rest = arguments
        code, _, err = call(verb, *(["-f", dag_file("kpis")] if verb != "fly" else []), *rest)
        assert code == 2
        assert message in err.replace("option: --format", "option '--format'")  # as click 8.1 says it

    def test_a_file_that_is_not_there(self, call, tmp_path):
        code, _, err = call("run", "-f", tmp_path / "nowhere.py")
        assert code == 2
        assert "does not exist" in err

    def test_a_file_without_pipelines(self, call, tmp_path):
        file = tmp_path / "empty.py"
        file.write_text("x = 1\n")
        code, _, err = call("run", "-f", file)
        assert code == 1
        assert "makes no pipeline" in err

    def test_what_a_file_raises_is_seen_as_it_is(self, call, tmp_path):
        file = tmp_path / "broken.py"
        file.write_text("1 / 0\n")
        with pytest.raises(ZeroDivisionError):
            call("run", "-f", file)

    def test_several_partitions_on_a_day_are_no_single_run(self, call, dag_file):
        code, _, err = call("run", "-f", dag_file(schedules=[("h", "0 */12 * * *")]), "--date", "2026-01-01")
        assert code == 1
        assert "has 2 partition(s) that begin at 2026-01-01" in err
        assert "2026-01-01T12:00:00+0000" in err

    def test_a_file_may_import_what_stands_beside_it(self, call, dag_file, tmp_path):
        file = dag_file("kpis")
        (tmp_path / "beside_the_dag_file.py").write_text("margin = 'kpi'\n")
        file.write_text(f"from beside_the_dag_file import margin\n{file.read_text()}")
        assert call("list", "-f", file)[0] == 0


@pytest.mark.slow
def test_an_interrupted_run_leaves_nothing_behind(dag_file, fake, tmp_path):
    fake.behave("transform", sleep=300)
    arguments = [sys.executable, "-m", "ai.starlake.orchestration", "run", "-f", str(dag_file("kpis"))]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ})
    try:
        wait_for("the command", fake.calls)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, err.decode().strip()) == (130, "interrupted")
    assert psutil.wait_procs(children, timeout=PATIENCE)[1] == []
