"""The command: options, exit codes, what it prints where."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys

import duckdb
import pytest

from ai.starlake.embedded.cli.main import run


@pytest.fixture
def command(shop, monkeypatch, capsys):
    """Run the command in process; return exit code, standard output and standard error."""

    def call(*arguments, **environment):
        for name in [name for name in os.environ if name.startswith("SL_")]:
            monkeypatch.delenv(name)
        for name, value in {**shop.environment, **environment}.items():
            monkeypatch.setenv(name, value)
        code = run(list(arguments))
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lode"], "No such command 'lode'"),
        (["load", "--nosuch"], "No such option"),
        (["load", "--options", "a"], "not a name=value pair"),
        (["load", "--options", "a=1", "--options", "b=2"], "give it once"),
        (["load", "--scheduledDate", "soon"], "not a date"),
        (["preload"], "Missing option '--domain'"),
        (["transform"], "Missing option '--name'"),
        (["load", "--domains", "nosuch"], "nosuch does not exist"),
        (["load", "--domains", "shop", "--tables", "nosuch"], "nosuch"),
        (["preload", "--domain", "shop", "--strategy", "imprted"], "'imprted' does not exist"),
        (["transform", "--name", "a.b"], "a.b does not exist"),
    ],
)
def test_mistakes_are_told_with_exit_code_1(shop, command, arguments, message):
    shop.table("rows", {"id": "int"})
    code, out, err = command(*arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert "Traceback" not in err


def test_no_project(command, tmp_path):
    code, _, err = command("load", SL_ROOT=str(tmp_path / "nowhere"))
    assert code == 1
    assert "nowhere is not a Starlake project" in err


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["help"], [], ["load", "--help"]])
def test_help_needs_no_project(command, arguments):
    code, out, _ = command(*arguments, SL_ROOT="/nowhere")
    assert code == 0
    assert out


def test_both_spellings_of_options_and_verbs(shop, command):
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\n", area="incoming/shop")
    assert command("import", "--domains=shop", "--tables=rows")[0] == 0
    code, out, _ = command("load", "--include=shop", "--schemas", "rows", "--scheduledDate", "'2024-02-29T10:00:00'")
    assert code == 0
    assert "Input records: 1\nAccepted: 1\nRejected: 0\nData successfully loaded from " in out
    assert shop.query("SELECT CAST(scheduled_date AS VARCHAR) FROM audit.audit") == [("2024-02-29 10:00:00",)]


def test_what_load_prints_for_machines(shop, command):
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\nx\n")
    shop.put("rows2.csv", "id\n2\n")
    _, out, _ = command("load", SL_API="1", SL_JOB_ID="run-42")
    line = out.splitlines()[-1]
    assert line.startswith("IngestionCounters:{")
    folder = f"file:{shop.root}/datasets/ingesting/shop"
    assert json.loads(line.partition(":")[2]) == {
        "inputCount": 3,
        "acceptedCount": 2,
        "rejectedCount": 1,
        "paths": [f"{folder}/rows1.csv", f"{folder}/rows2.csv"],
        "jobid": ",run-42,run-42",
    }
    assert shop.query("SELECT DISTINCT jobid FROM audit.audit") == [("run-42",)]
    _, out, _ = command("load", SL_API="")
    assert out == 'IngestionCounters:{"inputCount":0,"acceptedCount":0,"rejectedCount":0}\n'


def test_a_failed_file_does_not_stop_the_others(shop, command):
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "other\n1\n")
    shop.put("rows2.csv", "id\n2\n")
    code, out, err = command("load", SL_API="1")
    assert code == 1
    assert "names no column" in err
    assert "rows1.csv" in err
    assert "IngestionCounters" not in out
    assert shop.rows() == [(2,)]
    assert shop.files() == ["archive/shop/rows2.csv", "stage/shop/rows1.csv"]
    assert shop.query("SELECT success, count FROM audit.audit ORDER BY 1") == [(False, 0), (True, 1)]


@pytest.mark.parametrize(
    "words",
    [
        "load --accessToken t --reportFormat json",
        "transform --name mart.t --reload --accessToken t",
        "validate --reload --reportFormat console",
    ],
)
def test_options_that_mean_nothing_here_are_taken(shop, command, words):
    shop.table("rows", {"id": "int"})
    shop.task("mart.t", "SELECT 1 AS id")
    assert command(*words.split())[0] == 0


def test_the_sentinel_tells_nothing_there_from_failure(shop, command):
    shop.table("rows", {"id": "int"})
    sentinel = shop.root / "no/such/folder/not.ready"
    asked = [
        "preload",
        "--domain",
        "shop",
        "--tables",
        "rows",
        "--strategy",
        "Pending",
        "--notReadySentinel",
        str(sentinel),
    ]
    assert command(*asked)[0] == 1, "a stage area that does not exist is not an empty one"
    assert not sentinel.exists()
    (shop.root / "datasets/stage/shop").mkdir(parents=True)
    assert command(*asked)[0] == 0
    assert sentinel.read_bytes() == b""
    sentinel.unlink()
    shop.put("rows1.csv", "id\n1\n")
    assert command(*asked)[0] == 0
    assert not sentinel.exists()
    assert command(*asked[:3], "--strategy", "imprted", "--notReadySentinel", str(sentinel))[0] == 1
    assert not sentinel.exists()


def test_validate_checks_sql_beside_other_errors(shop, command):
    shop.table("rows", {"id": "int"})
    shop.task("kpi.t", "SELECT id\nFROM shop.rows\nGROPU BY id")
    shop.task("kpi.u", "SELECT idd FROM shop.rows")
    code, out, _ = command("validate")
    assert code == 1
    assert "t.sql:3" in out
    assert "u.sql:1" in out
    shop.table("wrong", {"id": "nonsense"})
    code, out, _ = command("validate")
    assert code == 1
    assert "t.sql:3" in out
    assert "nonsense" in out


def test_validate_lists_every_finding(shop, command):
    shop.table("rows", {"id": "nosuch"}, pattern="rows(")
    code, out, _ = command("validate")
    assert code == 1
    assert "nosuch" in out
    assert "rows(" in out
    assert out.rstrip().endswith("error(s), 0 warning(s)")


def test_a_command_waits_for_another_that_has_the_database(shop):
    """Two processes on one file take turns; the one that waits says for whom."""
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\n")
    (shop.root / "datasets").mkdir(exist_ok=True)
    holder = duckdb.connect(str(shop.root / "datasets/duckdb.db"))
    command, environment = [sys.executable, "-m", "ai.starlake.embedded", "load"], {**os.environ, **shop.environment}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as waiting:
        said = waiting.stderr.readline().decode()
        holder.close()
        waiting.communicate(timeout=60)
    assert f"process {os.getpid()}" in said
    assert waiting.returncode == 0
    assert shop.rows() == [(1,)]


def test_waiting_ends(shop, command):
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\n")
    script = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    file = str(shop.root / "datasets/duckdb.db")
    with subprocess.Popen(
        [sys.executable, "-c", script, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        code, _, err = command("load", SL_DUCKDB_LOCK_TIMEOUT="0.3")
        holder.communicate()
    assert code == 1
    assert f"process {holder.pid}" in err
    assert "SL_DUCKDB_LOCK_TIMEOUT" in err
    assert shop.files() == ["stage/shop/rows1.csv"]


def test_importing_the_command_is_cheap():
    """``--version`` and ``--help`` must not pay for DuckDB, pydantic or Jinja."""
    heavy = {"duckdb", "pydantic", "jinja2", "sqlglot", "rich"}
    script = f"import sys, ai.starlake.embedded.cli.main; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_old_keys_are_told(shop, command):
    """A file without a version is read as what it means, and the user hears what changed."""
    file = shop.root / "metadata/load/shop/rows.sl.yml"
    metadata = "metadata: {write: OVERWRITE}\n  attributes: [{name: id, type: int}]"
    file.write_text(f"schema:\n  name: rows\n  pattern: rows.*\n  {metadata}\n")
    shop.put("rows1.csv", "id\n1\n")
    code, _, err = command("load")
    assert code == 0
    assert f"WARNING {file}" in err


def test_a_person_at_a_terminal_sees_more(shop):
    """A bar and a table on standard error; standard output is the same as in a pipe."""
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\nx\n")
    parent, child = pty.openpty()
    environment = {**os.environ, **shop.environment, "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-m", "ai.starlake.embedded", "load"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=child) as process:
        os.close(child)
        seen = b""
        with contextlib.suppress(OSError):  # the terminal is gone when the process is
            while piece := os.read(parent, 4096):
                seen += piece
        out = process.stdout.read().decode()
    assert "Input records: 2" in out
    assert "\x1b" not in out
    assert "shop.rows" in seen.decode()
    assert "rejected" in seen.decode()


def test_files_are_loaded_in_place(shop, command):
    shop.table("rows", {"id": "int"})
    files = [shop.put("a.txt", "id\n1\n", area="elsewhere"), shop.put("b.txt", "id\n2\nx\n", area="elsewhere")]
    selected = ("--domains", "shop", "--tables", "rows")
    code, output, _ = command("load", *selected, "--files", ",".join(map(str, files)), "--inPlace", SL_API="1")
    assert code == 0
    assert '"inputCount":3,"acceptedCount":2,"rejectedCount":1' in output
    assert shop.rows() == [(1,), (2,)]
    assert all(file.exists() for file in files)
    assert shop.files() == []
    assert shop.query("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'zztmp%'") == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--files", "a.txt"], "--inPlace needs files and the table"),
        (["--domains", "shop", "--tables", "rows"], "--inPlace needs files and the table"),
        (["--domains", "shop", "--tables", "rows", "--files", "nosuch.txt"], "nosuch.txt does not exist"),
    ],
)
def test_in_place_wants_one_table_and_files(shop, command, arguments, message):
    shop.table("rows", {"id": "int"})
    code, _, error = command("load", *arguments, "--inPlace", "true")
    assert code == 1
    assert message in error


def test_a_file_that_cannot_be_loaded_in_place_leaves_nothing(shop, command):
    shop.table("rows", {"id": "int"}, metadata={"format": "JSON"})
    file = shop.put("a.json", "{", area="elsewhere")
    code, _, _ = command("load", "--domains", "shop", "--tables", "rows", "--files", str(file), "--inPlace")
    assert code == 1
    assert file.exists()
    assert shop.query("SELECT success FROM audit.audit") == [(False,)]
    assert shop.query("SELECT table_name FROM duckdb_tables() WHERE schema_name <> 'audit'") == []


def test_findings_are_shown_and_the_load_goes_on(shop, command):
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\n1\n")
    shop.task("mart.t", "SELECT 1 AS n", writeStrategy={"type": "UPSERT_BY_KEY"})
    code, output, _ = command("load", SL_VALIDATE_ON_LOAD="true")
    assert code == 0
    assert "UPSERT_BY_KEY needs a key" in output
    assert shop.rows() == [(1,)]


def test_rejects_show_the_value_when_the_application_says_so(shop, command):
    shop.application(rejectWithValue=True)
    shop.table("rows", {"id": "int"})
    shop.put("rows1.csv", "id\nseven\n")
    assert command("load")[0] == 0
    assert [text.rpartition("`")[2] for text in shop.errors()] == [": seven"]
