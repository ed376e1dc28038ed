"""From a connection to the file of DuckDB."""

from pathlib import Path

import pytest

from ai.starlake.project.areas import Areas
from ai.starlake.project.databases.connections import default_duckdb, duckdb_file
from ai.starlake.project.models import Application, Area, Connection

AREAS = Areas("/proj", "/proj/datasets", "/proj/metadata", Area())


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("jdbc:duckdb:/x/y.db", "/x/y.db"),
        ("JDBC:DuckDB:/x/y.db;threads=4", "/x/y.db"),
        ("jdbc:duckdb:datasets/y.db", "/proj/datasets/y.db"),
        ("jdbc:duckdb:", None),
        ("jdbc:duckdb::memory:", None),
        ("jdbc:duckdb::memory:name", None),
        ("jdbc:duckdb:md:shop", None),
        ("jdbc:duckdb:ducklake:catalog.db", "/proj/catalog.db"),
        ("jdbc:duckdb:ducklake:postgres:dbname=c", None),
        ("jdbc:postgresql://h/d", None),
        (None, None),
    ],
)
def test_the_file_of_an_address(url, file):
    connection = Connection(name="c", options={"url": url} if url else {})
    assert duckdb_file(connection, AREAS) == (Path(file) if file else None)


@pytest.mark.parametrize(
    ("url", "actions", "file"),
    [
        ("jdbc:duckdb:", "ATTACH 'x.db' AS x; USE x", "/proj/x.db"),
        ("jdbc:duckdb:", "ATTACH 'ducklake:x.ducklake' AS x (DATA_PATH 'd/'); USE x.main", "/proj/x.ducklake"),
        ("jdbc:duckdb:y.db", "ATTACH 'x.db' AS x; USE x; USE y", "/proj/y.db"),
        ("jdbc:duckdb:y.db", "ATTACH 'x.db' AS x", "/proj/y.db"),
        ("jdbc:duckdb:y.db", "ATTACH 'it''s; x.db' AS \"a b\"; USE \"A b\"", "/proj/it's; x.db"),
        ("jdbc:duckdb:", "ATTACH 'x.db' AS x", None),
    ],
)
def test_the_file_that_pre_actions_choose(url, actions, file):
    connection = Connection(name="c", options={"url": url, "preActions": actions})
    assert duckdb_file(connection, AREAS) == (Path(file) if file else None)


def test_without_any_connection_there_is_a_file_in_the_datasets():
    assert duckdb_file(default_duckdb(Application(), AREAS), AREAS) == Path("/proj/datasets/duckdb.db")
