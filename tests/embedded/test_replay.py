"""Rejected rows: what is on record of them, and loading them again."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import Any

import duckdb
import pytest

from ai.starlake.common.outcomes.table_outcomes import StarlakeCounts, TableOutcome
from ai.starlake.embedded.areas.journal import Journal
from ai.starlake.embedded.cli.main import run
from ai.starlake.embedded.embedded_executor import EmbeddedExecutor
from ai.starlake.executor import Execution
from ai.starlake.job import StarlakeCommand


@pytest.fixture
def shop(shop: Any) -> Any:
    shop.application(sinkReplayToFile=True)
    return shop


def described(shop: Any, kind: str, **metadata: Any) -> None:
    """Describe the table; `kind` is the type of the column id: int at first, string once the metadata is corrected."""
    shop.table("rows", {"id": kind, "label": "string"}, metadata=metadata)


def loaded(shop: Any, text: str | bytes, name: str = "rows1.csv") -> None:
    shop.put(name, text)
    assert not shop.engine.load().failures


def replays(shop: Any) -> list[str]:
    folder = shop.root / "datasets/replay/shop"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def labels(shop: Any) -> list[str]:
    return sorted(label for (label,) in shop.query("SELECT label FROM shop.rows"))


def test_rejected_rows_are_loaded_once_when_the_metadata_is_corrected(shop):
    described(shop, "int")
    loaded(shop, "label,id\na,1\nb,x\nc,y\n")
    (name,) = replays(shop)
    described(shop, "string")
    (job,) = shop.engine.replay(("shop",), ("rows",)).jobs
    assert (job.error, job.input_count, job.accepted_count, job.files) == (None, 2, 2, (name,))
    assert labels(shop) == ["a", "b", "c"]
    assert replays(shop) == []
    assert f"archive/shop/{name}" in shop.files()
    assert "archive/shop/rows1.csv" in shop.files(), "the file as it came stays"
    assert shop.engine.replay().jobs == ()


def test_what_is_rejected_again_is_kept_again(shop):
    described(shop, "int")
    loaded(shop, "id,label\nx,b\n")
    (first,) = replays(shop)
    (job,) = shop.engine.replay().jobs
    assert (job.rejected_count, job.error) == (1, None)
    (second,) = replays(shop)
    assert first != second
    described(shop, "string")
    shop.engine.replay()
    assert (labels(shop), replays(shop)) == (["b"], [])


def test_only_the_files_of_the_tables_that_are_named(shop):
    for name in ("rows", "rows.more"):
        shop.table(name, {"id": "int", "label": "string"}, pattern=rf"{name}\d.*")
        shop.put(f"{name}1.csv", "id,label\nx,b\n")
    shop.engine.load()
    assert [job.table for job in shop.engine.replay(("shop",), ("rows",)).jobs] == ["rows"]


FORMATS: list[tuple[dict[str, Any], bytes]] = [
    ({}, b'id,label\n1,a\nx,"b,c"\n'),
    ({"encoding": "ISO-8859-1"}, "id,label\n1,a\nx,é\n".encode("latin-1")),
    ({"options": {"skipRows": "2", "encoding": "ISO-8859-1"}}, "one\ntwo\nid,label\n1,a\nx,é\n".encode("latin-1")),
    ({"withHeader": False, "separator": ";"}, b"1;a\nx;b\n"),
    ({"multiline": True}, b'id,label\n1,a\nx,"b\nc"\n'),
    ({"format": "JSON"}, b'{"id": 1, "label": "a"}\n{"id": "x", "label": "b"}\n'),
    ({"format": "JSON", "array": True}, b'[{"id": 1, "label": "a"}, {"id": "x", "label": "b"}]'),
    (
        {"format": "XML", "options": {"rowTag": "row"}},
        b"<x><row><id>1</id><label>a</label></row><row><id>x</id><label>b</label></row></x>",
    ),
]


@pytest.mark.parametrize(("metadata", "content"), FORMATS, ids=lambda value: str(value)[:40])
def test_rows_of_each_format_come_back_as_they_were(shop, metadata, content):
    described(shop, "int", **metadata)
    loaded(shop, content)
    (job,) = shop.engine.replay().jobs
    assert (job.error, job.input_count, job.rejected_count) == (None, 1, 1), "as long as the metadata is as it was"
    described(shop, "string", **metadata)
    (job,) = shop.engine.replay().jobs
    assert (job.error, job.accepted_count) == (None, 1)
    expected = {"\n": "b\nc", ",": "b,c"}
    text = content.decode("latin-1")
    label = "é" if "é" in text else expected["\n"] if '"b\nc"' in text else expected[","] if '"b,c"' in text else "b"
    assert labels(shop) == ["a", label]


def test_rows_of_packed_files_and_of_parquet(shop, tmp_path):
    described(shop, "int", format="PARQUET")
    file = tmp_path / "rows1.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 'x' AS id, 'b' AS label) TO '{file}' (FORMAT parquet)")
    loaded(shop, file.read_bytes(), "rows1.parquet")
    described(shop, "string", format="PARQUET")
    assert shop.engine.replay().jobs[0].error is None
    assert labels(shop) == ["b"]


@pytest.mark.parametrize("kind", ["OVERWRITE", "OVERWRITE_BY_PARTITION", "UPSERT_BY_KEY"])
def test_accepted_rows_stay_whatever_the_strategy(shop, kind):
    strategy = {"writeStrategy": {"type": kind, "key": ["label"]}, "sink": {"partition": ["label"]}}
    described(shop, "int", **strategy)
    loaded(shop, "id,label\n1,a\nx,b\n")
    described(shop, "string", **strategy)
    assert shop.engine.replay().jobs[0].error is None
    assert labels(shop) == ["a", "b"]


def test_rows_that_a_later_load_replaced_stay_away(shop, caplog):
    described(shop, "int", writeStrategy={"type": "OVERWRITE"})
    loaded(shop, "id,label\n1,a\nx,b\n")
    (old,) = replays(shop)
    past = datetime.now(timezone.utc) - timedelta(minutes=1)
    os.utime(shop.root / "datasets/replay/shop" / old, (past.timestamp(), past.timestamp()))
    loaded(shop, "id,label\n2,c\n", "rows2.csv")
    assert shop.engine.replay().jobs == ()
    assert "a later load has replaced the rows of its file" in caplog.text
    assert (labels(shop), replays(shop)) == (["c"], [old])


def test_without_an_audit_nobody_knows_of_later_loads(shop):
    shop.application(sinkReplayToFile=True, audit={"active": False})
    described(shop, "int", writeStrategy={"type": "OVERWRITE"})
    loaded(shop, "id,label\n1,a\nx,b\n")
    (job,) = shop.engine.replay().jobs
    assert "without an audit" in str(job.error)
    assert len(replays(shop)) == 1


def test_an_adaptive_strategy_is_refused(shop):
    described(shop, "int", writeStrategy={"types": {"APPEND": "true"}})
    loaded(shop, "id,label\nx,b\n")
    (job,) = shop.engine.replay().jobs
    assert "adaptive" in str(job.error)
    assert len(replays(shop)) == 1


def test_a_file_that_cannot_be_loaded_stays(shop):
    described(shop, "int")
    loaded(shop, "id,label\nx,b\n")
    (name,) = replays(shop)
    shop.table("rows", {"id": "string", "label": "string"}, postsql=["SELECT nothing"])
    (job,) = shop.engine.replay().jobs
    assert job.error
    assert replays(shop) == [name]
    assert f"stage/shop/{name}" not in shop.files()


class _KilledError(BaseException):
    pass


@pytest.mark.parametrize("when", ["finish", "mark"])
def test_a_replay_that_is_killed_loads_nothing_twice_and_loses_nothing(shop, monkeypatch, when):
    """Before its commit, and after it."""
    described(shop, "int")
    loaded(shop, "id,label\nx,b\n")
    described(shop, "string")

    def killed(*_: object) -> None:
        raise _KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Journal, when, killed)
        patch.setattr(Journal, "settle", killed)
        with pytest.raises(_KilledError):
            shop.engine.replay()
    assert replays(shop) == []
    described(shop, "string")
    shop.put("rows2.csv", "id,label\nz,c\n")
    shop.engine.load()
    shop.engine.replay()
    assert labels(shop) == ["b", "c"]
    assert replays(shop) == []


def test_nothing_is_kept_unless_it_is_asked_for(shop):
    shop.application()
    described(shop, "int")
    loaded(shop, "id,label\nx,b\n")
    assert replays(shop) == []
    assert shop.engine.replay().jobs == ()


def test_what_is_on_record_of_rejected_rows(shop):
    described(shop, "int")
    shop.environment["SL_JOB_ID"] = "first"
    loaded(shop, "id,label\n1,a\nx,b\ny,c\n")
    shop.environment["SL_JOB_ID"] = "second"
    loaded(shop, "id,label\nz,c\n", "rows2.csv")
    shop.table("clean", {"id": "int"})
    (all_,) = shop.engine.rejected_rows()
    assert (all_.name, all_.counts) == ("shop.rows", StarlakeCounts(4, 1, 3))
    assert [reason.rows for reason in all_.reasons] == [3]
    assert sorted(file.name for file in all_.files) == replays(shop)
    (first,) = shop.engine.rejected_rows(("shop",), ("rows",), job_id="first")
    assert (first.counts, [reason.rows for reason in first.reasons]) == (StarlakeCounts(3, 1, 2), [2])
    tomorrow = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(days=1)
    (later,) = shop.engine.rejected_rows(since=tomorrow)
    assert (later.counts, later.reasons) == (StarlakeCounts(0, 0, 0), ())
    assert shop.engine.rejected_rows(("shop",), ("clean",)) == ()


def test_a_load_that_failed_rejected_nothing_for_good(shop):
    """The file is in the stage area again."""
    described(shop, "int", maxRejected="0%")
    shop.application(sinkReplayToFile=True, rejectAllOnError=True)
    shop.put("rows1.csv", "id,label\nx,b\n")
    assert shop.engine.load().failures
    assert shop.engine.rejected_rows() == ()
    assert replays(shop) == []


def test_the_verbs(shop, monkeypatch, capsys):
    described(shop, "int")
    loaded(shop, "id,label\n1,a\nx,b\n")
    (name,) = replays(shop)
    monkeypatch.setenv("SL_ROOT", str(shop.root))
    monkeypatch.setenv("SL_API", "1")
    capsys.readouterr()
    assert run(["rejects"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "shop.rows: 1 of 2 rows are rejected",
        r"  1 on record: `id` (int) doesn't match pattern `[-|\+|0-9][0-9]*`",
        f"  waits in the replay area: {name}",
    ]
    described(shop, "string")
    assert run(["replay", "--domains", "shop"]) == 0
    assert '"acceptedCount":1' in capsys.readouterr().out


class _Quiet:
    def output(self, _stream: str, _line: str) -> None:
        pass

    def info(self, _message: str) -> None:
        pass

    warning = info


def test_executors_run_them_and_tell_the_outcomes(shop):
    described(shop, "int")
    loaded(shop, "id,label\n1,a\nx,b\n")
    described(shop, "string")
    told: list[TableOutcome] = []
    for verb in ("rejects", "replay"):
        command = StarlakeCommand.of([verb, "--domains", "shop"]).with_environment(shop.environment)
        result = EmbeddedExecutor().run(command, Execution("run", verb, _Quiet(), outcomes=True))
        told += result.tables
    assert [(one.name, one.counts) for one in told] == [
        ("shop.rows", StarlakeCounts(2, 1, 1)),
        ("shop.rows", StarlakeCounts(1, 1, 0)),
    ]
    assert command.writes
