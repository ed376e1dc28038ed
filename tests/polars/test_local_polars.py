"""``engine: polars``: lazy frames run here."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ai.starlake.common import StarlakeError
from ai.starlake.common.extras import require_package
from ai.starlake.embedded.transform.task_run import TransformRequest
from ai.starlake.project.checks.project_checks import validate

ROOT = Path(__file__).parents[2]
OVERWRITE = {"writeStrategy": {"type": "OVERWRITE"}}
OF_EVERY_TYPE = """
    import datetime as dt
    from decimal import Decimal
    day, instant = dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 23, 59, 59, 123456)
    return pl.LazyFrame({
        "i": [1, None], "u": pl.Series([2**64 - 1, None], dtype=pl.UInt64), "f": [0.1, float("inf")],
        "s": ["é\\n", ""], "b": [True, None], "x": [b"\\x00\\xff", None], "d": [day, None], "t": [instant, None],
        "z": pl.Series([instant, None]).dt.replace_time_zone("Europe/Paris"),
        "c": pl.Series(["a", None], dtype=pl.Categorical), "n": [Decimal("1.25"), None], "l": [[1, None], []],
        "r": [{"a": 1, "b": "x"}, {"a": None, "b": None}], "e": [None, None], "h": [dt.time(1, 2, 3, 4), None],
    })
"""


def run(studio, name):
    return studio.engine.transform(TransformRequest(f"mart.{name}")).error


@pytest.mark.parametrize("engine", [{}, {"engine": "polars"}], ids=["without", "polars"])
def test_rows_of_every_type_come_through(studio, engine):
    studio.python("t", OF_EVERY_TYPE, **engine, **OVERWRITE)
    assert run(studio, "t") is None
    paris = dt.datetime(2024, 2, 29, 22, 59, 59, 123456, tzinfo=dt.timezone.utc)
    first, second = studio.query("SELECT * FROM mart.t ORDER BY i NULLS LAST")
    assert first[:8] == (1, 2**64 - 1, 0.1, "é\n", True, b"\x00\xff", *first[6:8])
    assert first[6:] == (
        dt.date(2024, 2, 29),
        (paris + dt.timedelta(hours=1)).replace(tzinfo=None),
        paris,
        "a",
        first[10],
        [1, None],
        {"a": 1, "b": "x"},
        None,
        dt.time(1, 2, 3, 4),
    )
    assert str(first[10]) == "1.25"
    assert second == (
        None,
        None,
        float("inf"),
        "",
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        [],
        second[12],
        None,
        None,
    )


def test_an_eager_frame_and_an_empty_one_are_fine_too(studio):
    studio.python("eager", "return pl.DataFrame({'id': [1, 2]})", engine="polars", **OVERWRITE)
    studio.python("empty", "return pl.LazyFrame(schema={'id': pl.Int32})", engine="polars", **OVERWRITE)
    assert run(studio, "eager") is None
    assert run(studio, "empty") is None
    assert studio.query("SELECT count(*), sum(id) FROM mart.eager") == [(2, 3)]
    assert studio.query("SELECT count(*), any_value(typeof(id)) FROM mart.empty") == [(0, None)]


@pytest.mark.parametrize(
    ("body", "cause", "fix"),
    [
        ("return pl.LazyFrame({'a': ['x']}).select(pl.col('a').cast(pl.Int64))", "conversion from `str`", ""),
        ("return connection.sql('SELECT 1')", "DuckDBPyRelation", "polars.LazyFrame"),
        ("return 1 / 0", "ZeroDivisionError", ""),
        ("import datetime; return pl.LazyFrame({'a': [datetime.timedelta(1)]})", "a (Duration)", "total_microseconds"),
        (
            "return pl.LazyFrame({'a': [[{'b': 2}]]}, schema={'a': pl.List(pl.Struct({'b': pl.Int128}))})",
            "Int128",
            "Decimal",
        ),
        ("return pl.LazyFrame({'a': [object()]})", "a (Object)", "pl.String"),
        ("return pl.scan_csv('/no/such/file.csv')", "/no/such/file.csv", ""),
    ],
)
def test_what_cannot_be_kept_fails_with_its_reason_and_changes_nothing(studio, body, cause, fix):
    studio.python("t", "return pl.LazyFrame({'a': [7]})", engine="polars", **OVERWRITE)
    assert run(studio, "t") is None
    studio.python("t", body, engine="polars", **OVERWRITE)
    error = run(studio, "t")
    assert "mart.t" in error
    assert cause in error
    assert fix in error
    assert studio.query("SELECT a FROM mart.t") == [(7,)]


def test_validate_knows_the_engines(studio):
    studio.python("t", "return pl.LazyFrame({'a': [7]})", engine="polers")
    studio.task("mart.sql", "SELECT 1 AS id", engine="polars")
    findings = [str(each) for each in validate(studio.root, environment=studio.environment)]
    assert [each for each in findings if "mart/t.sl.yml:1: error: engine: there is no engine 'polers'" in each]
    assert [each for each in findings if "did you mean polars?" in each]
    assert [each for each in findings if "engine: polars is for Python tasks, and mart.sql is not one" in each]
    with pytest.raises(StarlakeError, match="polers"):
        run(studio, "t")


def test_an_extra_that_is_missing_is_named(studio, monkeypatch):
    studio.python("t", "return pl.LazyFrame({'a': [7]})", engine="polars")
    require_package.cache_clear()
    monkeypatch.setattr(
        "ai.starlake.common.extras.find_spec", lambda name: None if name == "polars" else find_spec(name)
    )
    assert 'pip install "starlake-jobs[polars]"' in run(studio, "t")


LARGE = """
import sys
from pathlib import Path
import polars as pl
from ai.starlake.polars.frames import row_count, sink
from tests.peak_memory import peak_kilobytes

folder, rows = Path(sys.argv[1]), 250_000
numbers = [pl.int_range(rows).shuffle(seed).alias(str(seed)) for seed in range(4)]
pl.select(*numbers, text=pl.int_range(rows).cast(pl.String).shuffle(9)).write_parquet(folder / "one")
(folder / "out").mkdir()
sink(pl.scan_parquet([folder / "one"] * 80), folder / "out" / "rows.parquet", lambda: None)
print(row_count(folder / "out"), peak_kilobytes() // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    """Each thread of Polars has buffers: their number is set, as machines with many cores start many."""
    environment = {**os.environ, "POLARS_MAX_THREADS": "4"}
    done = subprocess.run(
        [sys.executable, "-c", LARGE, tmp_path],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=250,
    )
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 20_000_000  # about 1,000 MB in memory
    assert megabytes < 500
